# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory of Cobbler: decisions with literals, and the plug-in against a stand-in for cobblerd."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar
from ansible_collections.accentos.cloud.plugins.plugin_utils.cobbler_inventory import (
    find_address,
    group_name,
    read_hosts,
    resolve,
)
from ansible_collections.accentos.cloud.tests.unit.plugins.module_utils.cobbler.daemon import (
    INTERFACE,
    NEW,
    PASSWORD,
    USER,
    Daemon,
    Server,
    serving,
)

EVIL = "{{ lookup('pipe', 'touch /tmp/accentos-canary') }}"


def item(what: str, name: str, **fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(NEW[what]), "name": name, **fields}


def interface(**fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(INTERFACE), **fields}


@pytest.mark.parametrize(("text", "name"), [("rack-1", "rack_1"), ("1a", "_1a"), ("a b{{x}}", "a_b__x__"), ("", "")])
def test_names_of_groups(text: str, name: str) -> None:
    assert group_name(text) == name


@pytest.mark.parametrize(
    ("interfaces", "address"),
    [
        ({}, None),
        ({"eth0": interface()}, None),
        ({"eth0": interface(ip_address=EVIL)}, None),
        ({"eth0": interface(ip_address="10.0.0.1", interface_type="bmc")}, None),
        (
            {"a": interface(ip_address="10.0.0.1", interface_type="bond_slave"), "b": interface(ip_address="10.0.0.2")},
            "10.0.0.2",
        ),
        ({"a": interface(ipv6_address="2001:DB8::1"), "b": interface(ip_address="10.0.0.2")}, "10.0.0.2"),
        ({"a": interface(ipv6_address="2001:DB8::1")}, "2001:db8::1"),
    ],
)
def test_the_address_of_a_host(interfaces: dict[str, Any], address: str | None) -> None:
    assert find_address(interfaces) == address


def test_values_are_inherited_as_cobbler_does_it() -> None:
    inherited = "<<inherit>>"
    chain = [
        {"owners": inherited, "kernel_options": {"a": "1", "!c": ""}, "autoinstall_meta": inherited},
        {"owners": ["x"], "kernel_options": {"a": "0", "b": "2"}, "autoinstall_meta": {"k": "v"}},
        {"owners": ["y"], "kernel_options": {"c": "3"}},
    ]
    assert resolve("owners", chain, {}) == ["x"]
    assert resolve("kernel_options", chain, {}) == {"a": "1", "b": "2"}
    assert resolve("autoinstall_meta", chain, {}) == {"k": "v"}
    assert resolve("owners", [{"owners": inherited}], {"default_ownership": ["admin"]}) == ["admin"]
    assert resolve("comment", [{}], {}) is None


def test_profiles_that_are_made_from_each_other() -> None:
    profiles = {
        "a": item("profile", "a", parent="b", autoinstall_meta={"accentos_groups": "compute, rack-1 all"}),
        "b": item("profile", "b", parent="a"),
        "c": item("profile", "c", distro="d", owners=["o", "o"]),
    }
    distros = {"d": item("distro", "d", autoinstall_meta={"accentos_groups": "storage"})}
    systems = {
        "z": item("system", "z", profile="a"),
        "y": item("system", "y", profile="c"),
        "x": item("system", "x", image="i"),
    }
    hosts = read_hosts(systems, profiles, distros, {"default_ownership": ["admin", "admin"]})
    assert [(host.name, host.groups) for host in hosts] == [
        ("x", ("cobbler_owner_admin",)),
        ("y", ("cobbler_profile_c", "cobbler_owner_o", "storage")),
        ("z", ("cobbler_profile_a", "cobbler_owner_admin", "compute", "rack_1")),
    ]


@pytest.mark.parametrize("variables", ["{}", "{", '{"host_serial": "S", "host_hardware": {"cpu": "forged"}}'])
def test_a_host_has_the_hardware_that_its_machine_reported(variables: str) -> None:
    meta = {"accentos_variables": variables, "accentos_hardware": '{"firmware": "uefi"}'}
    (host,) = read_hosts({"a": item("system", "a", autoinstall_meta=meta)}, {}, {}, {})
    assert host.variables["host_hardware"] == {"firmware": "uefi"}
    (silent,) = read_hosts({"a": item("system", "a", autoinstall_meta={"accentos_variables": variables})}, {}, {}, {})
    assert "host_hardware" not in silent.variables


@pytest.fixture
def server() -> Iterator[Server]:
    daemon = Daemon()
    daemon.items["profile"]["p"] = item("profile", "p", distro="d")
    daemon.items["system"]["compute-1"] = item(
        "system",
        "compute-1",
        profile="p",
        comment=EVIL,
        power_pass=PASSWORD,
        autoinstall_meta={
            "accentos_groups": f"compute {EVIL}",
            "accentos_hardware": json.dumps({"cpu": {"threads": 4, "model": EVIL}}),
        },
        interfaces={"eth0": interface(ip_address="10.0.0.11")},
    )
    with serving(daemon) as serving_one:
        serving_one.daemon = daemon  # type: ignore[attr-defined]
        yield serving_one


def parse(path: Path, config: str, *, cache: bool = True) -> tuple[InventoryData, Any]:
    path.write_text(f"plugin: accentos.cloud.cobbler\n{config}", encoding="utf-8")
    plugin = inventory_loader.get("accentos.cloud.cobbler")
    inventory = InventoryData()
    loader = DataLoader()
    assert plugin.verify_file(str(path))
    plugin.parse(inventory, loader, str(path), cache=cache)
    # As Ansible's own plug-in "auto" does it.
    if getattr(plugin, "_cache", None):
        plugin.update_cache_if_changed()
    return inventory, loader


def test_hosts_and_groups(server: Server, tmp_path: Path) -> None:
    config = f"""\
url: {server.url}
user: "{{{{ '{USER}' }}}}"
password: "{{{{ '{PASSWORD[:5]}' ~ '{PASSWORD[5:]}' }}}}"
compose: {{where: cobbler_comment, up: cobbler_profile | upper}}
keyed_groups: [{{key: cobbler_profile, prefix: by}}]
groups: {{booting: not cobbler_netboot_enabled}}
"""
    inventory, loader = parse(tmp_path / "my.cobbler.yml", config)
    host = inventory.get_host("compute-1")
    groups = {group.name for group in host.get_groups()}
    assert {"cobbler_profile_p", "cobbler_owner_admin", "compute", "by_p", "booting"} <= groups
    assert (host.vars["ansible_host"], host.vars["up"]) == ("10.0.0.11", "P")
    assert "canary-Pass" not in str(host.vars)
    # What Cobbler holds is shown, not run.
    assert host.vars["where"] == EVIL
    shown = Templar(loader=loader, variables=host.vars).template(host.vars["cobbler_comment"])
    assert shown == EVIL
    assert host.vars["host_hardware"] == {"cpu": {"threads": 4, "model": EVIL}}
    assert not Path("/tmp/accentos-canary").exists()
    assert server.daemon.tokens == set()  # type: ignore[attr-defined]


def test_the_authority_is_beside_the_inventory_file(tmp_path: Path) -> None:
    path = tmp_path / "site" / "machines.cobbler.yml"
    path.parent.mkdir()
    with pytest.raises(AnsibleParserError, match=re.escape(f"ca: {tmp_path}/site/../ca.crt cannot be read")):
        parse(path, "url: https://127.0.0.1:1\nca: ../ca.crt\n")


def test_the_cache(server: Server, tmp_path: Path) -> None:
    config = f"url: {server.url}\ncache: true\ncache_plugin: jsonfile\ncache_connection: {tmp_path}/cache\n"
    path = tmp_path / "cobbler.yml"
    daemon: Daemon = server.daemon  # type: ignore[attr-defined]
    assert "compute-1" in parse(path, config)[0].hosts
    daemon.calls.clear()
    inventory, loader = parse(path, config)
    assert daemon.calls == []
    variables = inventory.get_host("compute-1").vars
    assert Templar(loader=loader, variables=variables).template(variables["cobbler_comment"]) == EVIL
    parse(path, config, cache=False)
    assert "get_items" in daemon.calls


def test_cobbler_that_refuses(server: Server, tmp_path: Path) -> None:
    with pytest.raises(AnsibleParserError, match="does not let accentos in"):
        parse(tmp_path / "cobbler.yml", f"url: {server.url}\nuser: {USER}\npassword: wrong\n")


def test_other_files_are_left_to_other_plugins(tmp_path: Path) -> None:
    plugin = inventory_loader.get("accentos.cloud.cobbler")
    (tmp_path / "hosts.yml").touch()
    assert plugin.verify_file(str(tmp_path / "hosts.yml")) is False
    assert plugin.verify_file(str(tmp_path / "cobbler.yml")) is False
