# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process on this machine."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import capabilities
from ansible_collections.accentos.cloud.plugins.modules import host_capabilities


def run_module(capsys: pytest.CaptureFixture[str], **args: Any) -> dict[str, Any]:
    """Run the module as a program and return what it hands to Ansible."""
    with patch_module_args(args), pytest.MonkeyPatch.context() as patch:
        # A module that is imported already cannot be run without a warning.
        patch.delitem(sys.modules, host_capabilities.__name__)
        with pytest.raises(SystemExit):
            runpy.run_module(host_capabilities.__name__, run_name="__main__")
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_result_has_the_shape_that_is_documented(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], check_mode: bool
) -> None:
    documented = yaml.safe_load(host_capabilities.RETURN)["host_capabilities"]["contains"]
    result = run_module(
        capsys, kernel_folders=[str(tmp_path)], disk_path=str(tmp_path), kvm_timeout=1, _ansible_check_mode=check_mode
    )
    assert result["changed"] is False
    found = result["host_capabilities"]
    assert set(found) == set(documented)
    types = {"str": str, "int": int, "bool": bool, "dict": dict}
    assert {name: type(value) for name, value in found.items()} == {
        name: types[entry["type"]] for name, entry in documented.items()
    }
    assert (found["acceleration"], bool(found["acceleration_reason"])) == ("tcg", True)


def test_the_defaults_are_those_that_are_documented(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(**arguments: object) -> dict[str, str]:
        return {name: repr(value) for name, value in arguments.items()}

    monkeypatch.setattr(capabilities, "detect", echo)
    options = yaml.safe_load(host_capabilities.DOCUMENTATION)["options"]
    assert run_module(capsys)["host_capabilities"] == {
        "kernel_folders": repr(tuple(Path(folder) for folder in options["kernel_folders"]["default"])),
        "disk_path": repr(Path(options["disk_path"]["default"])),
        "kvm_timeout": repr(float(options["kvm_timeout"]["default"])),
    }


def test_a_path_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_module(capsys, disk_path=str(tmp_path / "missing"), kernel_folders=[str(tmp_path)])
    assert result["failed"] is True
    assert result["msg"] == f"disk_path {tmp_path}/missing does not exist, so its free space cannot be told."
    assert result["remedy"].startswith("Name a path that exists on the host")


def test_an_option_that_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_module(capsys, kvm_timeout="soon")
    assert result["failed"] is True
    assert "kvm_timeout" in result["msg"]
