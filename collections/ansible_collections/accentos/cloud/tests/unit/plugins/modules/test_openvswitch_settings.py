# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process against an ovs-vsctl that plays what it is told to."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import openvswitch_settings

STATE = """\
{"data":[[["map",[["ovn-bridge","br-int"]]],["map",[]]]],"headings":["external_ids","other_config"]}
{"data":[],"headings":["target"]}
{"data":[],"headings":["name","datapath_type","fail_mode","external_ids","other_config","ports"]}
{"data":[],"headings":["_uuid","name"]}
{"data":[],"headings":["name","error"]}
"""
BROKEN = STATE.replace('[],"headings":["name","error"]', '[["br-ex","no such device"]],"headings":["name","error"]')
# Prints the file "state"; what is neither a question nor refused is noted in "calls".
OVS_VSCTL = """\
#!/bin/sh
cd {folder} || exit 9
[ "$1" = --timeout=60 ] || exit 8
if [ "$2" = --format=json ]; then cat state; exit 0; fi
if [ -f refuses ]; then echo 'ovs-vsctl: database connection failed' >&2; exit 1; fi
echo "$*" >>calls
[ ! -f next ] || cp next state
"""


class Switch:
    """A host with the program, or without it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        (folder / "bin").mkdir()
        program = folder / "bin/ovs-vsctl"
        program.write_text(OVS_VSCTL.format(folder=shlex.quote(str(folder))), encoding="utf-8")
        program.chmod(0o755)
        self.write("state", STATE)

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content, encoding="utf-8")

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run the module and return what it hands to Ansible."""
        args = {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            openvswitch_settings.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def switch(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Switch:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Switch(tmp_path, capsys)


def test_all_changes_are_one_transaction(switch: Switch) -> None:
    result = switch.run(external_ids={"ovn-bridge": "br-int", "ovn-encap-type": "geneve"}, bridges=[{"name": "br-ex"}])
    expected = ['set Open_vSwitch . external_ids:ovn-encap-type="geneve"', "add-br br-ex"]
    assert (result["changed"], result["commands"]) == (True, expected)
    assert result["diff"]["after"] == "".join(f"ovs-vsctl {command}\n" for command in expected)
    assert switch.calls() == [f"--timeout=60 -- {expected[0]} -- {expected[1]}"]


def test_nothing_to_do(switch: Switch) -> None:
    result = switch.run(external_ids={"ovn-bridge": "br-int"})
    assert (result["changed"], result["commands"], switch.calls()) == (False, [], [])


def test_check_mode_tells_the_same_and_does_nothing(switch: Switch) -> None:
    result = switch.run(check_mode=True, managers=["ptcp:6640:127.0.0.1"])
    assert (result["changed"], result["commands"]) == (True, ["set-manager ptcp:6640:127.0.0.1"])
    assert switch.calls() == []


def test_an_error_of_the_switch_is_told_at_every_run(switch: Switch) -> None:
    switch.write("next", BROKEN)
    for _run in range(2):
        result = switch.run(bridges=[{"name": "br-ex"}])
        assert result["failed"] is True
        assert "br-ex: no such device" in result["msg"]
        assert "kernel has the datapath" in result["remedy"]


def test_a_database_that_does_not_answer(switch: Switch) -> None:
    switch.write("refuses", "")
    result = switch.run(managers=["ptcp:6640:127.0.0.1"])
    assert result["failed"] is True
    assert result["msg"] == "ovs-vsctl ended with code 1: ovs-vsctl: database connection failed"


def test_a_host_without_the_package(switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    (switch.folder / "bin/ovs-vsctl").unlink()
    monkeypatch.setenv("PATH", str(switch.folder / "bin"))
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_arguments, **_options: None)
    result = switch.run(external_ids={"ovn-bridge": "br-int"})
    assert (result["failed"], result["msg"]) == (True, "There is no ovs-vsctl on this host.")
    # An earlier task of the run would install it.
    planned = switch.run(check_mode=True, external_ids={"ovn-bridge": "br-int"})
    assert planned["commands"] == ['set Open_vSwitch . external_ids:ovn-bridge="br-int"']
