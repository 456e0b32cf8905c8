# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a plan may be saved: nowhere where it would take something away, nor as what can never be applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible_collections.accentos.cloud.plugins.action.site_plan_basis import CALLBACK, check_path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a site, in a run that shows itself by the callback that saves plans."""
    monkeypatch.setattr(constants, "DEFAULT_STDOUT_CALLBACK", CALLBACK)
    folder = tmp_path / "site"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "hosts.yml").write_text("all: {}")
    return folder


@pytest.mark.parametrize("name", ["site.plan", "hosts.yml", "group_vars/site.plan", "../site/site.plan"])
def test_a_plan_is_not_saved_among_the_files_of_the_site(site: Path, name: str) -> None:
    with pytest.raises(AnsibleActionFail, match=r"could read no host any more.* begins with a dot"):
        check_path(site / name, [site], diff=True)


@pytest.mark.parametrize("name", [".site.plan", ".plans/site.plan", "../site.plan"])
def test_a_plan_is_saved_where_ansible_does_not_look(site: Path, name: str) -> None:
    (site / ".plans").mkdir()
    check_path(site / name, [site, site / "hosts.yml"], diff=True)


def test_what_is_no_plan_is_never_replaced_and_a_plan_is(site: Path) -> None:
    path = site.parent / "file"
    for text in ("all: {}", json.dumps({"format": "another"}), "[]"):
        path.write_text(text)
        with pytest.raises(AnsibleActionFail, match="no plan, and would be lost"):
            check_path(path, [site], diff=True)
    path.write_bytes(b"\xff")
    for other in (path, Path("/dev/null")):
        with pytest.raises(AnsibleActionFail, match="no plan, and would be lost"):
            check_path(other, [site], diff=True)
    # One of an older version, and one that mktemp made.
    for text in (json.dumps({"format": "accentos.cloud.plan", "version": 0}), ""):
        path.write_text(text)
        check_path(path, [site], diff=True)


def test_a_plan_without_the_lines_of_files_is_not_saved(site: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=r"--check --diff; in AWX switch on Show changes"):
        check_path(site.parent / "site.plan", [site], diff=False)
