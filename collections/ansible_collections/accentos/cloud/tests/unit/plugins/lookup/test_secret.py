# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup, as Ansible's own loader and templates call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore


@pytest.fixture(autouse=True)
def no_key_file_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCENTOS_VAULT_KEY_FILE", raising=False)


def look_up(terms: list[str], variables: dict[str, Any], **options: Any) -> list[str]:
    """Run the lookup with the variables of a host."""
    loader = DataLoader()
    lookup = lookup_loader.get(
        "accentos.cloud.secret", loader=loader, templar=Templar(loader=loader, variables=variables)
    )
    found: list[str] = lookup.run(terms, variables=variables, **options)
    return found


def render(source: str, variables: dict[str, Any]) -> Any:
    """Template a text with the variables of a host."""
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(source))


def test_secrets_live_in_the_folder_of_the_inventory(tmp_path: Path) -> None:
    found = look_up(["nova_password", "glance_password"], {"inventory_dir": str(tmp_path)})
    assert SecretStore(tmp_path).read() == {"nova_password": found[0], "glance_password": found[1]}
    assert look_up(["glance_password"], {"inventory_dir": str(tmp_path)}) == [found[1]]


def test_who_only_looks_stores_nothing(tmp_path: Path) -> None:
    where = {"inventory_dir": str(tmp_path)}
    assert look_up(["nova_password"], where, generate=False) == [""]
    assert list(tmp_path.iterdir()) == []
    made = look_up(["nova_password"], where)
    assert look_up(["nova_password", "other_password"], where, generate=False) == [made[0], ""]
    assert set(SecretStore(tmp_path).read()) == {"nova_password"}


def test_a_template_gets_the_secret(tmp_path: Path) -> None:
    source = "key={{ lookup('accentos.cloud.secret', 'fernet_key', kind='hex') }}"
    text = render(source, {"inventory_dir": str(tmp_path)})
    assert text == f"key={SecretStore(tmp_path).read()['fernet_key']}"
    assert len(text) == len("key=") + 64


@pytest.mark.parametrize("folder", ["{{ site_root }}/deep/secrets", None])
def test_the_site_can_name_the_folder(tmp_path: Path, folder: str | None) -> None:
    variables = {
        "inventory_dir": str(tmp_path / "inventory"),
        "site_root": str(tmp_path),
        "site_secrets_folder": trust_as_template(folder) if folder else f"{tmp_path}/deep/secrets",
    }
    secret = look_up(["nova_password"], variables)[0]
    assert SecretStore(tmp_path / "deep" / "secrets").read() == {"nova_password": secret}
    assert not (tmp_path / "inventory").exists()
    # The same from a template.
    assert render("{{ lookup('accentos.cloud.secret', 'nova_password') }}", variables) == secret


def test_the_call_can_name_folder_and_key_file(tmp_path: Path) -> None:
    key_file = tmp_path / "the.key"
    variables = {"inventory_dir": str(tmp_path / "inventory")}
    secret = look_up(["nova_password"], variables, folder=str(tmp_path / "site"), key_file=str(key_file))[0]
    assert SecretStore(tmp_path / "site", key_file).read() == {"nova_password": secret}
    assert not (tmp_path / "site" / ".vault_key").exists()


def test_the_environment_can_name_the_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file = tmp_path / "the.key"
    monkeypatch.setenv("ACCENTOS_VAULT_KEY_FILE", str(key_file))
    secret = look_up(["nova_password"], {"inventory_dir": str(tmp_path / "site")})[0]
    assert SecretStore(tmp_path / "site", key_file).read() == {"nova_password": secret}
    assert [path.name for path in (tmp_path / "site").iterdir()] == [".secrets.yml"]


@pytest.mark.parametrize("variables", [{}, {"inventory_dir": None}, {"inventory_dir": "", "site_secrets_folder": ""}])
def test_an_inventory_without_a_folder(variables: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError, match="Name the site folder with -i, or set site_secrets_folder"):
        look_up(["nova_password"], variables)


def test_check_mode_stores_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    variables = {"inventory_dir": str(folder), "ansible_check_mode": True}
    assert len(look_up(["nova_password"], variables)[0]) == 32
    assert not folder.exists()
    stored = look_up(["nova_password"], {**variables, "ansible_check_mode": False})
    assert look_up(["nova_password"], variables) == stored


@pytest.mark.parametrize(
    ("term", "options", "words"),
    [
        ("Nova", {}, "'Nova' is no name for a secret"),
        ("nova_password", {"kind": "pin"}, "pin"),
    ],
)
def test_wrong_calls(tmp_path: Path, term: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(AnsibleError, match=words):
        look_up([term], {"inventory_dir": str(tmp_path)}, **options)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_store_reaches_the_reader_of_a_template(tmp_path: Path) -> None:
    look_up(["nova_password"], {"inventory_dir": str(tmp_path)})
    (tmp_path / ".vault_key").chmod(0o644)
    with pytest.raises(AnsibleError, match=f"Run: chmod 600 {tmp_path}/.vault_key"):
        render("{{ lookup('accentos.cloud.secret', 'nova_password') }}", {"inventory_dir": str(tmp_path)})
