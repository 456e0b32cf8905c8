# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup of several secrets, as Ansible's own loader calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

WANTED = [{"name": "nova_password", "kind": "password"}, {"name": "fernet_key", "kind": "fernet"}]


@pytest.fixture(autouse=True)
def no_key_file_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCENTOS_VAULT_KEY_FILE", raising=False)


def look_up(terms: list[list[dict[str, str]]], variables: dict[str, Any], **options: str) -> list[dict[str, str]]:
    loader = DataLoader()
    lookup = lookup_loader.get(
        "accentos.cloud.secrets", loader=loader, templar=Templar(loader=loader, variables=variables)
    )
    found: list[dict[str, str]] = lookup.run(terms, variables=variables, **options)
    return found


def test_secrets_are_made_once_and_returned_by_name(tmp_path: Path) -> None:
    variables = {"inventory_dir": str(tmp_path)}
    (found,) = look_up([WANTED], variables)
    assert SecretStore(tmp_path).read() == found
    assert (len(found["nova_password"]), len(found["fernet_key"])) == (32, 44)
    assert look_up([WANTED, []], variables) == [found, {}]


def test_nothing_is_stored_in_check_mode(tmp_path: Path) -> None:
    assert look_up([WANTED], {"inventory_dir": str(tmp_path), "ansible_check_mode": True})[0].keys() == {
        "nova_password",
        "fernet_key",
    }
    assert list(tmp_path.iterdir()) == []


def test_the_key_file_can_be_elsewhere(tmp_path: Path) -> None:
    look_up([WANTED], {"inventory_dir": str(tmp_path)}, key_file=str(tmp_path / "key"))
    assert (tmp_path / "key").exists()


@pytest.mark.parametrize(
    ("terms", "variables", "told"),
    [
        ([WANTED], {}, "no folder that could hold secrets"),
        ([WANTED], {"site_secrets_folder": "relative"}, "absolute path"),
        ([[{"name": "name", "kind": "b"}]], {"site_secrets_folder": "/no/such"}, "'b' is no kind of secret"),
    ],
)
def test_what_is_refused(terms: list[list[dict[str, str]]], variables: dict[str, Any], told: str) -> None:
    with pytest.raises(AnsibleError, match=told):
        look_up(terms, variables)
