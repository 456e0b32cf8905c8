# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process, with a file as /dev/kvm and a script as QEMU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import capabilities
from ansible_collections.accentos.cloud.plugins.modules import guest_acceleration

BOOTS = "echo 'Linux version 6.12.38'"
ABORTS = "echo 'KVM internal error' >&2; kill -ABRT $$"


class Host:
    """A host whose QEMU notes that it was started."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.device, self.marker = folder, folder / "kvm", folder / "state/marker"
        self.warnings: list[str] = []
        self._capsys = capsys
        self.device.touch()
        (folder / "vmlinuz-6.12").touch()

    def qemu(self, script: str) -> None:
        program = self.folder / "qemu"
        program.write_text(f'#!/bin/sh\necho started >>"$0.starts"\n{script}\n')
        program.chmod(0o755)

    def find_qemu(self) -> str | None:
        program = self.folder / "qemu"
        return str(program) if program.exists() else None

    def starts(self) -> int:
        noted = self.folder / "qemu.starts"
        return len(noted.read_text().splitlines()) if noted.exists() else 0

    def run(self, *, check_mode: bool = False) -> dict[str, Any]:
        self.warnings.clear()
        args = {"kernel_folders": [str(self.folder)], "_ansible_check_mode": check_mode}
        with patch_module_args(args), pytest.raises(SystemExit):
            guest_acceleration.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setattr(capabilities, "KVM_DEVICE", made.device)
    monkeypatch.setattr(capabilities, "find_qemu", made.find_qemu)
    monkeypatch.setattr(guest_acceleration, "MARKER", made.marker)
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: made.warnings.append(text))
    return made


def test_what_works_is_tried_once_and_remembered(host: Host) -> None:
    host.qemu(BOOTS)
    plan = host.run(check_mode=True)
    assert (plan["changed"], plan["virt_type"], host.marker.exists()) == (True, "kvm", False)
    first = host.run()
    assert (first["changed"], first["virt_type"], first["reason"]) == (True, "kvm", "a Linux kernel boots under KVM")
    # A busy host, on which a trial would fail.
    host.qemu(ABORTS)
    starts = host.starts()
    for check_mode in (False, True):
        again = host.run(check_mode=check_mode)
        assert (again["changed"], again["virt_type"]) == (False, "kvm")
    assert host.starts() == starts == 2
    assert host.warnings == []


def test_a_device_that_does_not_do_is_warned_of_and_tried_again(host: Host) -> None:
    host.qemu(ABORTS)
    for check_mode in (True, False, False):
        result = host.run(check_mode=check_mode)
        assert (result["changed"], result["virt_type"]) == (False, "qemu")
        assert result["reason"] == "QEMU with KVM ended with code -6: KVM internal error"
        assert host.warnings == [f"Guests of this host are emulated, which is slow: {result['reason']}."]
    assert not host.marker.exists()
    host.qemu(BOOTS)
    assert host.run()["virt_type"] == "kvm"


def test_a_host_that_lost_the_device(host: Host) -> None:
    host.qemu(BOOTS)
    host.run()
    host.device.unlink()
    result = host.run()
    assert (result["changed"], result["virt_type"]) == (False, "qemu")
    assert len(host.warnings) == 1


def test_a_plan_before_qemu_is_installed(host: Host) -> None:
    plan = host.run(check_mode=True)
    assert (plan["changed"], plan["virt_type"]) == (True, "kvm")
    assert host.run()["virt_type"] == "qemu"
    host.device.unlink()
    assert host.run(check_mode=True)["virt_type"] == "qemu"


def test_a_folder_that_cannot_be_written_to(host: Host) -> None:
    host.qemu(BOOTS)
    host.marker.parent.touch()
    result = host.run()
    assert result["msg"].startswith("That KVM works here cannot be remembered: ")
    assert result["remedy"].startswith(f"Make room or mend the rights at {host.marker.parent}")
