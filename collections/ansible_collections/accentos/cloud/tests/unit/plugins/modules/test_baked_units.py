# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process on drop-ins in a folder, with programs that note what they were told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.baked_units import HELD, RELEASED, hold_text
from ansible_collections.accentos.cloud.plugins.modules import baked_units

STATUS = """\
Package: switch
Status: install ok installed
Depends: common

Package: common
Status: install ok installed

Package: compute
Status: install ok installed
Depends: common
"""
UNITS = {
    "common@.service": "common",
    "compute.service": "compute",
    "switch.service": "switch",
    "switch.socket": "switch",
}


class Host:
    """A host of an image that holds UNITS back."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "system"
        self._calls = folder / "calls"
        self._capsys = capsys
        for unit, package in UNITS.items():
            below = self.folder / f"{unit}.d"
            below.mkdir(parents=True)
            (below / HELD).write_text(hold_text(unit, package), encoding="utf-8")
        programs = folder / "bin"
        programs.mkdir()
        for name, code in (("systemctl", 0), ("deb-systemd-invoke", 1)):
            (programs / name).write_text(
                f'#!/bin/sh\necho "{name} $*" >>{self._calls}\nexit {code}\n', encoding="utf-8"
            )
            (programs / name).chmod(0o755)

    def held(self) -> list[str]:
        """Return the drop-ins that are left."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob("*/*"))

    def calls(self) -> list[str]:
        """Return what programs were told since the last question."""
        told = self._calls.read_text(encoding="utf-8").splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return told

    def run(self, *names: str, check_mode: bool = False) -> dict[str, Any]:
        """Run the module for packages and return what it hands to Ansible."""
        args = {"name": list(names), "_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            baked_units.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    status = tmp_path / "status"
    status.write_text(STATUS, encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(baked_units, "STATUS", status)
    made = Host(tmp_path, capsys)
    monkeypatch.setattr(baked_units, "UNITS", made.folder)
    return made


COMMANDS = ["release common@.service", "release switch.service", "release switch.socket"]


def test_units_go_with_their_packages_and_the_others_stay(host: Host) -> None:
    assert host.run("switch", check_mode=True)["commands"] == COMMANDS
    assert (len(host.held()), host.calls()) == (4, [])
    result = host.run("switch")
    assert (result["changed"], result["commands"]) == (True, COMMANDS)
    assert result["diff"] == {"before": "", "after": "".join(f"{line}\n" for line in COMMANDS)}
    # What does not start is left to the role that configures it.
    assert host.calls() == [
        "systemctl daemon-reload",
        "deb-systemd-invoke start switch.socket",
        "deb-systemd-invoke start switch.service",
    ]
    assert host.held() == [f"compute.service.d/{HELD}"]
    again = host.run("switch")
    assert (again["changed"], again["commands"], host.calls()) == (False, [], [])
    assert host.run("compute")["commands"] == ["release compute.service"]
    assert list(host.folder.iterdir()) == []


def test_a_run_that_was_killed_goes_on(host: Host) -> None:
    folder = host.folder / "switch.service.d"
    (folder / HELD).rename(folder / RELEASED)
    (folder / "accentos.conf").write_text("[Service]\n", encoding="utf-8")
    assert host.run("switch")["commands"] == COMMANDS
    assert "deb-systemd-invoke start switch.service" in host.calls()
    # What a role wrote beside it stays.
    assert host.held() == [f"compute.service.d/{HELD}", "switch.service.d/accentos.conf"]


def test_a_host_of_another_image_has_nothing_to_let_go(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baked_units, "UNITS", host.folder / "none")
    monkeypatch.setattr(baked_units, "STATUS", host.folder / "no-status")
    assert host.run("switch")["changed"] is False


def test_a_file_that_cannot_be_read_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baked_units, "STATUS", host.folder / "no-status")
    result = host.run("switch")
    assert result["failed"]
    assert result["msg"].startswith("What the image holds back cannot be let go: ")
    assert len(host.held()) == 4
