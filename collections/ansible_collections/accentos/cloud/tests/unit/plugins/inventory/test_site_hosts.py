# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts of a site read as Ansible reads them, and mistakes that end a run before Ansible stumbles over them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.utils.display import Display
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_schema
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import (
    CONTROLLER,
    GOOD_SITE,
    HOSTS,
    within,
    write_site,
)

PLUGINS = ["accentos.cloud.site_hosts", *constants.INVENTORY_ENABLED]


@pytest.fixture(autouse=True)
def enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what ansible.cfg of the checkout sets."""
    monkeypatch.setattr(constants, "INVENTORY_ENABLED", PLUGINS)
    monkeypatch.setattr(constants, "INVENTORY_ANY_UNPARSED_IS_FAILED", True)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the errors that are shown."""
    texts: list[str] = []
    monkeypatch.setattr(Display, "error", lambda _self, message, wrap_text=True: texts.append(message))
    return texts


def read(folder: Path) -> InventoryManager:
    """Read a folder as a run does."""
    return InventoryManager(DataLoader(), sources=[str(folder)])


def site(folder: Path, hosts: str | bytes) -> Path:
    """Write a site whose roles are those of the collection."""
    return write_site(folder, {CONTROLLER: None, HOSTS: hosts})


def test_a_good_site_is_read_as_by_ansible_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_site(tmp_path)
    ours = read(folder)
    monkeypatch.setattr(constants, "INVENTORY_ENABLED", PLUGINS[1:])
    theirs = read(folder)
    assert ours.get_groups_dict() == theirs.get_groups_dict()
    assert "compute-1" in ours.get_groups_dict()["compute_rack"]
    assert {name: host.get_vars() for name, host in ours.hosts.items()} == {
        name: host.get_vars() for name, host in theirs.hosts.items()
    }


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "no YAML": ("a: [b\n", "hosts.yml:2:1: a list in brackets is not closed; expected [one, two]"),
    "a tab": ("controller:\n\thosts:\n", "hosts.yml:2:1: a tab character in the indentation; expected spaces"),
    "not UTF-8": ("# Köln\n".encode("latin-1"), "hosts.yml:1:1: the file is not UTF-8 text; expected a text file"),
    "sealed": ("$ANSIBLE_VAULT;1.1;AES256\n61\n", "hosts.yml:1:1: the whole file is sealed"),
    "nothing": ("# nobody\n", "hosts.yml:1:1: the file is empty; expected a YAML inventory"),
    "a list": ("- controller\n", "hosts.yml:1:1: is a list; expected a mapping of groups"),
    "a text": ("controller\n", "hosts.yml:1:1: is a text; expected a mapping of groups"),
    "a group that is a list": ("controller: [a]\n", "hosts.yml:1:13: controller: is a list; expected hosts, vars or"),
    "hosts in a list": (
        "controller: {hosts: [a]}\n",
        "hosts.yml:1:21: controller.hosts: is a list; expected a mapping",
    ),
    "an unknown section": (
        "controller: {host: {a: }}\n",
        'hosts.yml:1:14: controller.host: unknown key; expected one of hosts, vars, children; did you mean "hosts"?',
    ),
    "half a range": ('controller: {hosts: {"a[1:": }}\n', "hosts.yml:1:22: a[1:: is a range without both brackets"),
    "a huge range": (
        'controller: {hosts: {"a[1:999999999]": }}\n',
        "hosts.yml:1:22: a[1:999999999]: stands for more than 10000 hosts",
    ),
    "a loop": ("a: {children: {b: {children: {a: }}}}\n", "hosts.yml:1:1: a: the group contains itself"),
    "a key twice": (
        "controller: {hosts: {a: }}\ncontroller: {hosts: {b: }}\n",
        "hosts.yml:2:1: controller: the key is there twice",
    ),
    "aliases that multiply": (
        "x: &a0 {k: v}\n" + "".join(f"x{n}: &a{n + 1} {{p: *a{n}, q: *a{n}}}\n" for n in range(40)),
        "hosts.yml:",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_hosts_that_cannot_be_read_end_the_run_with_what_is_wrong(name: str, tmp_path: Path, shown: list[str]) -> None:
    text, expected = BROKEN[name]
    folder = site(tmp_path, text)
    with within(2), pytest.raises(SystemExit) as ended:
        read(folder)
    assert ended.value.code == 2
    (message,) = shown
    first, *findings, last = message.splitlines()
    assert first.startswith(f"The site in {folder} has ")
    assert any(line.startswith(expected) for line in findings), message
    assert last == "Nothing was changed. Correct these lines, then run the same command again."


def test_what_hides_no_host_is_left_to_the_check(tmp_path: Path, shown: list[str]) -> None:
    folder = site(tmp_path, GOOD_SITE[HOSTS].replace("host_serial: SN-11", "host_serail: SN-11"))
    assert "controller-1" in read(folder).hosts
    assert not shown


def test_without_the_check_ansible_says_what_it_can(
    tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_schema, "HAS_JSONSCHEMA", False)
    with pytest.raises(Exception, match="Completely failed to parse inventory source"):
        read(site(tmp_path, "a: [b\n"))
    assert not shown


def test_other_inventories_are_left_to_other_plugins(tmp_path: Path) -> None:
    plugin = inventory_loader.get("accentos.cloud.site_hosts")
    folder = write_site(tmp_path)
    (folder / "more.yml").write_text("all:\n")
    (folder / "alone").mkdir()
    (folder / "alone/hosts.yml").write_text("all:\n")
    names = ("hosts.yml", "more.yml", "alone/hosts.yml", "nothing/hosts.yml")
    assert [plugin.verify_file(str(folder / name)) for name in names] == [True, False, False, False]
