# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup, as Ansible's own loader and templates call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

BMC = {"driver": "redfish", "address": "10.5.0.21", "mac": "52:54:00:00:00:21", "verify": True}


@pytest.fixture(autouse=True)
def no_key_file_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCENTOS_VAULT_KEY_FILE", raising=False)


@pytest.fixture
def site(tmp_path: Path) -> dict[str, Any]:
    """A host whose controller has secrets of its own, and one that shares those of the site."""
    store = SecretStore(tmp_path)
    store.set("bmc_user", "shared")
    store.set("bmc_password", "shared-password")
    store.set("bmc_compute_1_user", "own")
    store.set("bmc_compute_1_password", "own-password")
    return {
        "inventory_dir": str(tmp_path),
        "inventory_hostname": "compute-2",
        "host_bmc": BMC,
        "hostvars": {"compute-1": {"host_bmc": BMC}, "compute-2": {"host_bmc": BMC}, "plain": {}},
    }


def look_up(terms: list[str], variables: dict[str, Any], name: str = "bmc", **options: Any) -> list[dict[str, Any]]:
    loader = DataLoader()
    templar = Templar(loader=loader, variables=variables)
    lookup = lookup_loader.get(f"accentos.cloud.{name}", loader=loader, templar=templar)
    found: list[dict[str, Any]] = lookup.run(terms, variables=variables, **options)
    return found


def test_the_host_of_the_task(site: dict[str, Any]) -> None:
    expected = {"driver": "redfish", "address": "10.5.0.21", "verify": True}
    assert look_up([], site) == [{**expected, "user": "shared", "password": "shared-password"}]


def test_hosts_by_name(site: dict[str, Any]) -> None:
    found = look_up(["compute-1", "compute-2"], site)
    assert [(row["name"], row["bmc"]["user"], row["bmc"]["password"]) for row in found] == [
        ("compute-1", "own", "own-password"),
        ("compute-2", "shared", "shared-password"),
    ]


def test_the_password_of_privacy_is_there_if_the_site_has_one(site: dict[str, Any], tmp_path: Path) -> None:
    value = "private"
    SecretStore(tmp_path).set("bmc_privacy_password", value)
    assert look_up([], site)[0]["privacy_password"] == value


def test_each_controller_gets_a_password_of_its_own(site: dict[str, Any], tmp_path: Path) -> None:
    hosts = ["compute-1", "compute-2"]
    planned = look_up(hosts, {**site, "ansible_check_mode": True}, own_password=True)
    assert "bmc_compute_2_password" not in SecretStore(tmp_path).read()
    first, second = look_up(hosts, site, own_password=True)
    assert first["bmc"]["password"] == planned[0]["bmc"]["password"] == "own-password"  # noqa: S105 - of this test
    made = second["bmc"]["password"]
    assert (len(made), SecretStore(tmp_path).read()["bmc_compute_2_password"]) == (20, made)
    assert second["bmc"]["user"] == "shared"
    assert look_up(["compute-2"], site)[0]["bmc"]["password"] == made


def test_no_password_is_made_for_what_cannot_be_given_one(site: dict[str, Any], tmp_path: Path) -> None:
    site["hostvars"]["compute-2"] = {"host_bmc": {"driver": "amt", "address": "10.5.0.22"}}
    (found,) = look_up(["compute-2"], site, own_password=True)
    assert found["bmc"]["password"] == "shared-password"  # noqa: S105 - of this test
    assert "bmc_compute_2_password" not in SecretStore(tmp_path).read()


def test_the_login_that_controllers_share(site: dict[str, Any], tmp_path: Path) -> None:
    assert look_up([], site, "bmc_logins") == [{"user": "shared", "password": "shared-password"}]
    assert look_up([], {"inventory_dir": str(tmp_path / "other")}, "bmc_logins") == []


NETWORKS = {
    "management": {"cidr": "10.1.0.0/24"},
    "storage": {"cidr": "10.3.0.0/24"},
    "external": {"cidr": "10.4.0.0/24"},
}
OUTLETS = [{"address": "10.5.0.90", "outlet": 3, "table": "apc"}, {"address": "10.5.0.91", "outlet": 3, "table": "apc"}]


def test_how_hosts_are_fenced(site: dict[str, Any], tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    store.set("pdu_user", "fencer")
    store.set("pdu_password", "of-the-units")
    store.set("pdu_compute_1_password", "own-unit")
    whole = {
        "host_bmc": BMC,
        "host_power_outlets": {"outlets": OUTLETS, "snmp_auth": "sha"},
        "host_watchdog": {"armed": True, "timeout": 60},
        "host_addresses": {"management": "10.1.0.21"},
        "site_networks": NETWORKS,
    }
    site["hostvars"] = {"compute-1": whole, "plain": {}}
    assert look_up(["compute-1", "plain"], site, fencing=True) == [
        {
            "name": "compute-1",
            "address": "10.1.0.21",
            "bmc": look_up(["compute-1"], site)[0]["bmc"],
            "pdu": {
                "driver": "snmp",
                "address": "10.5.0.90",
                "outlets": OUTLETS,
                "snmp_auth": "sha",
                "user": "fencer",
                "password": "own-unit",
            },
            "watchdog": {"armed": True, "timeout": 60},
            "ceph_addresses": ["10.1.0.21", "10.3.0.21"],
        },
        {"name": "plain"},
    ]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"host_power_outlets": {"outlets": OUTLETS}}, "neither pdu_plain_user nor pdu_user"),
        (
            {"host_power_outlets": {"outlets": OUTLETS, "snmp_version": "v2c"}},
            "password of the power distribution units",
        ),
        ({"host_addresses": {"management": "10.9.0.1"}, "site_networks": NETWORKS}, "The addresses of plain cannot be"),
    ],
)
def test_what_is_missing_for_fencing(site: dict[str, Any], host: dict[str, Any], words: str) -> None:
    site["hostvars"] = {"plain": host}
    with pytest.raises(AnsibleError, match=words):
        look_up(["plain"], site, fencing=True)


def test_the_site_can_name_the_folder_and_the_key_file(site: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / ".vault_key").rename(tmp_path / "key")
    site |= {"site_secrets_folder": str(tmp_path), "inventory_dir": "/nowhere"}
    assert look_up([], site, key_file=str(tmp_path / "key"))[0]["user"] == "shared"


@pytest.mark.parametrize(
    ("terms", "changes", "words"),
    [
        ([], {"host_bmc": None}, "Host compute-2 has no host_bmc. Give it one"),
        (["plain"], {}, "Host plain has no host_bmc"),
        (["computer"], {}, "no host computer"),
        ([], {"inventory_dir": None}, "no folder that could hold secrets"),
        ([], {"site_secrets_folder": "relative"}, "absolute path"),
    ],
)
def test_what_is_missing_is_told(site: dict[str, Any], terms: list[str], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleError, match=words):
        look_up(terms, {**site, **changes})


def test_a_missing_secret_is_not_generated(tmp_path: Path) -> None:
    SecretStore(tmp_path).set("bmc_user", "shared")
    variables = {"inventory_dir": str(tmp_path), "inventory_hostname": "compute-2", "host_bmc": BMC}
    with pytest.raises(
        AnsibleError, match=r"neither bmc_compute_2_password nor bmc_password\. Store it with: tools/set-s"
    ):
        look_up([], variables)
    assert list(SecretStore(tmp_path).read()) == ["bmc_user"]


def test_a_store_that_does_not_open(site: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / ".vault_key").chmod(0o644)
    with pytest.raises(AnsibleError, match="may be read by others"):
        look_up([], site)
