# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module in this process, on this machine's file systems and a kernel of files."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import host_check


@pytest.fixture(name="kernel")
def _kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a kernel that has tun and could load openvswitch."""
    listing = tmp_path / "lib" / os.uname().release / "modules.dep"
    for folder in (tmp_path / "proc", listing.parent):
        folder.mkdir(parents=True)
    listing.write_text("kernel/net/openvswitch/openvswitch.ko.xz: kernel/net/nsh/nsh.ko.xz\n")
    for name, text in (("misc", "200 tun\n"), ("devices", "Character devices:\n"), ("filesystems", "nodev\tproc\n")):
        (tmp_path / "proc" / name).write_text(text)
    for name in ("PROC", "SYS_MODULE", "MODULES"):
        monkeypatch.setattr(host_check, name, tmp_path / {"PROC": "proc", "MODULES": "lib"}.get(name, "none"))
    # What is free changes from moment to moment, and two runs are compared.
    monkeypatch.setattr("os.statvfs", cache(os.statvfs))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    """Return the result of the module, which is the same in check mode."""
    results = []
    for check in (False, True):
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            host_check.main()
        results.append(json.loads(capsys.readouterr().out))
    for name in ("msg", "changed", "missing"):
        assert results[0].get(name) == results[1].get(name)
    found: dict[str, Any] = results[0]
    return found


def test_a_host_that_has_all(kernel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = str(kernel / "not" / "yet")
    folders = [{"path": "/", "free_mib": 1}, {"path": later, "free_mib": 1, "free_inodes": 1}]
    found = run(capsys, folders=folders, kernel=["tun", "openvswitch"])
    assert (found["changed"], found["missing"]) == (False, [])
    assert found["rooms"]["/"]["mount"] == "/"
    assert Path(found["rooms"][later]["mount"]).is_mount()
    assert not (kernel / "not").exists()


def test_a_host_that_lacks_everything(kernel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [{"path": str(kernel), "free_mib": 10**9, "free_inodes": 10**15}]
    found = run(capsys, folders=folders, kernel=["device_mapper", "tun"])
    assert found["failed"]
    assert "needs 1000000000: " in found["msg"]
    assert f"{os.uname().release} neither has nor can load device_mapper." in found["msg"]
    assert "host_check_kernel" in found["remedy"]


def test_a_host_that_cannot_be_read(kernel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kernel / "proc" / "misc").unlink()
    assert "misc: No such file" in run(capsys, kernel=["tun"])["msg"]
    assert "value of kernel must be one or more of" in run(capsys, kernel=["magic"])["msg"]
