# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup, with roles that stand for real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.accentos.cloud.plugins.lookup import image_packages


class Hosts(dict[str, dict[str, Any]]):
    """Variables of hosts, as Ansible hands them on."""

    def raw_get(self, host: str) -> dict[str, Any]:
        """Return the variables of a host."""
        return self[host]


HOSTS = Hosts(compute_1={"one_size": "large"}, compute_2={"one_size": "small"})
SITE = {"groups": {"compute": ["compute_1", "compute_2"]}, "hostvars": HOSTS, "one_size": "site"}


@pytest.fixture
def roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = {
        "one/defaults/main.yml": "one_size: default\n",
        "one/vars/main.yml": "__one_image_packages: {compute: ['one-{{ one_size }}'], all: [always]}\n",
        "two/vars/main/a.yml": "__two_image_packages: {storage: '{{ __two_list }}'}\n",
        "two/vars/main/b.yml": "__two_list: [disk, always]\n",
        "mute/vars/main.yml": "other: 1\n",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(image_packages, "ROLES", tmp_path)
    return tmp_path


def look_up(*terms: Any, roles: tuple[str, ...] = ("one", "two"), **variables: Any) -> list[list[str]]:
    loader = DataLoader()
    known = {**SITE, **variables}
    templar = Templar(loader=loader, variables=known)
    lookup = lookup_loader.get("accentos.cloud.image_packages", loader=loader, templar=templar)
    found: list[list[str]] = lookup.run(list(terms), variables=known, roles=list(roles))
    return found


@pytest.mark.usefixtures("roles")
def test_roles_are_asked_as_the_first_host_of_each_group_would() -> None:
    assert look_up(["compute"], ["storage"], []) == [["always", "one-large"], ["always", "disk"], ["always"]]
    assert look_up(["compute", "storage"]) == [["always", "disk", "one-large"]]
    assert look_up() == []


@pytest.mark.usefixtures("roles")
def test_without_hosts_the_sites_variables_hold_and_then_the_defaults() -> None:
    assert look_up(["compute"], groups={}) == [["always", "one-site"]]
    assert look_up(["compute"], groups={"compute": ["bare"]}, hostvars=Hosts(bare={})) == [["always", "one-default"]]


@pytest.mark.usefixtures("roles")
def test_a_role_that_tells_nothing_is_named() -> None:
    with pytest.raises(AnsibleError, match="role mute does not tell its packages: it has no __mute_image_packages"):
        look_up(["compute"], roles=("one", "mute"))
    with pytest.raises(AnsibleError, match=r"'compute' is no list of groups. Give a list, such as \[compute\]"):
        look_up("compute")


def test_a_template_finds_it() -> None:
    loader = DataLoader()
    expression = trust_as_template("{{ query('accentos.cloud.image_packages', roles=['base']) }}")
    assert lookup_loader.find_plugin("accentos.cloud.image_packages")
    assert Templar(loader=loader, variables={}).template(expression) == []
