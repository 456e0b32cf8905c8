# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed is not asked of apt, and all else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.action.packages import holds_units, joined, missing
from ansible_collections.accentos.cloud.tests.unit.plugins.action.adhoc import adhoc

TOLD = "installed one\nhalf-configured two\nconfig-files three\nnot-installed four\n"


def test_only_what_is_wholly_installed_is_there() -> None:
    assert missing(["one", "two", "three", "four", "five"], TOLD) == ["two", "three", "four", "five"]
    assert missing(["one"], TOLD) == []
    assert missing(["one"], "") == ["one"]


def test_a_package_of_two_architectures_is_there_with_one_of_them() -> None:
    assert missing(["library"], "installed library\nconfig-files library\n") == []


def test_units_that_an_image_holds_back_are_seen() -> None:
    assert holds_units(f"{TOLD}/etc/systemd/system/a.service.d/accentos-baked.conf\n")
    assert holds_units(f"{TOLD}/etc/systemd/system/a.service.d/accentos-baked.released\n")
    assert not holds_units(TOLD)
    assert missing(["one"], f"{TOLD}/etc/systemd/system/a.service.d/accentos-baked.conf\n") == []


def test_what_was_installed_and_what_was_let_go_is_one_result() -> None:
    freed = {"changed": True, "commands": ["release a.service"], "diff": {"before": "", "after": "release a.service\n"}}
    installed = {"changed": True, "stdout": "text", "diff": {"prepared": "text"}}
    assert joined({"changed": False}, freed) == {**freed, "diff": [freed["diff"]]}
    assert joined(installed, {"changed": False, "commands": []}) == {
        "changed": True,
        "stdout": "text",
        "commands": [],
        "diff": [installed["diff"]],
    }
    assert joined({"changed": False}, {"changed": False}) == {"changed": False}
    failure = {"failed": True, "msg": "text"}
    assert joined(installed, failure)["failed"]


def run(folder: Path, *names: str) -> dict[str, Any]:
    """Run the task in check mode and return its result."""
    return adhoc(folder, "packages", "--check", "-a", json.dumps({"name": names}))


def test_dpkg_is_asked_and_apt_does_the_rest(tmp_path: Path) -> None:
    assert run(tmp_path, "dpkg", "bash") == {"changed": False, "missing": []}
    assert run(tmp_path) == {"changed": False, "missing": []}
    # Apt knows no such package, or says what it lacks itself.
    refused = run(tmp_path, "dpkg", "accentos-no-such-package")
    assert refused["missing"] == ["accentos-no-such-package"]
    assert "msg" in refused
