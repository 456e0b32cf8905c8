# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reference site is correct, and of what it says at most twenty values are needed besides further hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_check
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import check_site
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import within

REFERENCE = Path(site_check.__file__).parents[6] / "inventories" / "reference"
SITE = "group_vars/all/site.yml"
Steps = tuple[str | int, ...]

# Values of the reference site that a correct site may leave out: they have defaults, or only installing needs them.
OPTIONAL: tuple[Steps, ...] = (
    ("site_networks", "tunnel", "vlan"),
    ("site_networks", "storage", "vlan"),
    ("site_dns_servers",),
    ("site_ntp_servers",),
    ("site_admins", 0, "sudo"),
)

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference site is only in a checkout")


def scalars(value: Any, path: Steps = ()) -> Iterator[Steps]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from scalars(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from scalars(item, (*path, index))
    else:
        yield path


def without(value: Any, path: Steps) -> Any:
    """Return the value without what is at the path, and without mappings and lists that are empty then."""
    step, *rest = path
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    below = without(copy[step], tuple(rest)) if rest else None
    if below:
        copy[step] = below
    else:
        del copy[step]
    return copy


def site() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((REFERENCE / SITE).read_text())
    return values


def machines() -> dict[str, dict[str, Any]]:
    """Return the groups of hosts as the reference site has them."""
    groups: dict[str, dict[str, Any]] = yaml.safe_load((REFERENCE / "hosts.yml").read_text())
    return groups


def needed_site() -> dict[str, Any]:
    """Return the reference site without what has a default or is of use to hosts that are installed, only."""
    values = site()
    for path in OPTIONAL:
        values = without(values, path)
    return values


def needed_machines() -> dict[str, dict[str, Any]]:
    """Return the hosts with nothing but their addresses: enough where Debian stands on them already."""
    return {
        group: {"hosts": {name: {"host_addresses": host["host_addresses"]} for name, host in hosts["hosts"].items()}}
        for group, hosts in machines().items()
    }


def needed_values() -> list[Steps]:
    return list(scalars(needed_site())) if REFERENCE.is_dir() else []


def controllers() -> list[str]:
    return list(machines()["controller"]["hosts"]) if REFERENCE.is_dir() else []


def written(folder: Path, values: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> Path:
    """Write a site like the reference with these values and hosts, and return its folder."""
    for path in REFERENCE.rglob("*.yml"):
        target = folder / path.relative_to(REFERENCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    (folder / SITE).write_text(yaml.safe_dump(values))
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    return folder


def test_the_reference_site_is_correct_and_checked_quickly() -> None:
    with within(1):
        outcome = check_site(REFERENCE)
    assert [str(finding) for finding in outcome.findings] == []
    assert outcome.hosts == 9


def test_the_needed_values_alone_are_a_correct_site(tmp_path: Path) -> None:
    outcome = check_site(written(tmp_path, needed_site(), needed_machines()))
    assert [str(finding) for finding in outcome.findings] == []
    assert outcome.hosts == 9


@pytest.mark.parametrize("path", needed_values(), ids=lambda path: ".".join(str(step) for step in path))
def test_every_needed_value_of_the_site_is_required(path: Steps, tmp_path: Path) -> None:
    (finding,) = check_site(written(tmp_path, without(needed_site(), path), needed_machines())).findings
    assert finding.file == SITE
    assert finding.problem in ("is missing", "has too few entries")
    assert finding.key in ".".join(str(step) for step in path)


@pytest.mark.parametrize("host", controllers())
def test_every_address_of_a_controller_is_required(host: str, tmp_path: Path) -> None:
    hosts = machines()
    del hosts["controller"]["hosts"][host]["host_addresses"]
    (finding,) = check_site(written(tmp_path, site(), hosts)).findings
    assert (finding.key, finding.problem) == (f"{host}.host_addresses", "is missing")


def test_a_site_with_three_controllers_needs_at_most_twenty_values() -> None:
    addresses = list(scalars(needed_machines()["controller"]))
    assert len(addresses) == 3
    assert len(needed_values()) == 11
    assert len(needed_values()) + len(addresses) <= 20
