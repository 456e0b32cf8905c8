# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reference site is correct, and says no more than it must: at most twenty values besides further hosts."""

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


def site_values() -> list[Steps]:
    return list(scalars(yaml.safe_load((REFERENCE / SITE).read_text()))) if REFERENCE.is_dir() else []


def controllers() -> dict[str, Any]:
    hosts: dict[str, Any] = yaml.safe_load((REFERENCE / "hosts.yml").read_text())["controller"]["hosts"]
    return hosts


def test_the_reference_site_is_correct_and_checked_quickly() -> None:
    with within(1):
        outcome = check_site(REFERENCE)
    assert [str(finding) for finding in outcome.findings] == []
    assert outcome.hosts == 9


def copy_of_reference(folder: Path) -> Path:
    for path in REFERENCE.rglob("*.yml"):
        target = folder / path.relative_to(REFERENCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    return folder


@pytest.mark.parametrize("path", site_values(), ids=lambda path: ".".join(str(step) for step in path))
def test_every_value_of_the_site_is_required(path: Steps, tmp_path: Path) -> None:
    site = yaml.safe_load((REFERENCE / SITE).read_text())
    folder = copy_of_reference(tmp_path)
    (folder / SITE).write_text(yaml.safe_dump(without(site, path)))
    (finding,) = check_site(folder).findings
    assert finding.file == SITE
    assert finding.problem in ("is missing", "has too few entries")
    assert finding.key in ".".join(str(step) for step in path)


@pytest.mark.parametrize("host", controllers() if REFERENCE.is_dir() else [])
def test_every_address_of_a_controller_is_required(host: str, tmp_path: Path) -> None:
    folder = copy_of_reference(tmp_path)
    hosts = yaml.safe_load((folder / "hosts.yml").read_text())
    del hosts["controller"]["hosts"][host]["host_addresses"]
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (finding,) = check_site(folder).findings
    assert (finding.key, finding.problem) == (f"{host}.host_addresses", "is missing")


def test_a_site_with_three_controllers_needs_at_most_twenty_values() -> None:
    addresses = list(scalars(controllers()))
    assert len(addresses) == 3
    assert len(site_values()) == 11
    assert len(site_values()) + len(addresses) <= 20
