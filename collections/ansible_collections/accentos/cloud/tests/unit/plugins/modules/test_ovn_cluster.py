# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process against an ovsdb-tool whose databases are text files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import ovn_cluster

# A file of a database says what it is: "standalone", "joining", or "member" and the identity of the cluster.
OVSDB_TOOL = """\
#!/bin/sh
[ "$1" != --election-timer=4000 ] || shift
case "$1" in
  db-is-clustered)
    grep -q damaged "$2" && { echo "$2: syntax error" >&2; exit 1; }
    grep -q standalone "$2" && exit 2
    exit 0 ;;
  db-cid) grep -q joining "$2" && exit 2; cut -d' ' -f2 "$2" ;;
  create-cluster) [ -e "$3" ] || exit 7; echo "member 6b1c" >"$2"; touch "$(dirname "$2")/.$(basename "$2").~lock~" ;;
  join-cluster) echo joining >"$2"; echo "$*" >"$(dirname "$2")/joined" ;;
  *) exit 9 ;;
esac
"""
OTHERS = ["ssl:192.0.2.21:6643", "ssl:192.0.2.22:6643"]


class Host:
    """A host with the program and a folder for databases."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = folder / "ovn/nb.db"
        self.schema = folder / "schema"
        self.schema.touch()
        self._capsys = capsys
        (folder / "bin").mkdir()
        program = folder / "bin/ovsdb-tool"
        program.write_text(OVSDB_TOOL, encoding="utf-8")
        program.chmod(0o755)

    def holds(self, content: str) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(f"{content}\n", encoding="utf-8")

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run the module for one database and return what it hands to Ansible."""
        database = {
            "name": "OVN_Northbound",
            "path": str(self.file),
            "schema": str(self.schema),
            "local": OTHERS[0],
            "members": OTHERS,
            **options,
        }
        args = {"databases": [database], "_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            ovn_cluster.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Host(tmp_path, capsys)


def test_a_cluster_is_created_once(host: Host) -> None:
    planned = host.run(check_mode=True, create=True)
    assert (planned["changed"], planned["clusters"]) == (True, {"OVN_Northbound": ""})
    assert not host.file.parent.exists()
    result = host.run(create=True)
    expected = f"--election-timer=4000 create-cluster {host.file} {host.schema} {OTHERS[0]}"
    assert (result["changed"], result["commands"]) == (True, [expected])
    assert result["commands"] == planned["commands"]
    assert [file.name for file in host.file.parent.iterdir()] == ["nb.db"]
    again = host.run(create=True)
    assert (again["changed"], again["clusters"]) == (False, {"OVN_Northbound": "6b1c"})


def test_what_a_killed_run_left_is_no_hindrance(host: Host) -> None:
    host.holds("joining")
    (host.file.parent / ".nb.db.accentos-new").write_text("half", encoding="utf-8")
    assert host.run(create=True)["changed"] is True
    assert [file.name for file in host.file.parent.iterdir()] == ["nb.db"]


def test_a_cluster_is_joined_once(host: Host) -> None:
    assert host.run()["commands"] == [f"join-cluster {host.file} OVN_Northbound {OTHERS[0]} {OTHERS[1]}"]
    assert host.run()["changed"] is False


def test_what_cannot_be_is_refused(host: Host) -> None:
    host.holds("standalone")
    result = host.run(create=True)
    assert (result["failed"], "in no cluster" in result["msg"]) == (True, True)
    host.holds("damaged")
    assert "nb.db ended with code 1" in host.run(create=True)["msg"]
    host.file.unlink()
    assert "no other member to join" in host.run(members=[OTHERS[0]])["msg"]
    host.schema.unlink()
    assert "ended with code 7" in host.run(create=True)["msg"]


def test_a_folder_that_cannot_be_made(host: Host) -> None:
    host.file.parent.touch()
    result = host.run(create=True)
    assert (result["failed"], "File exists" in result["msg"]) == (True, True)


def test_a_host_without_the_package(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_arguments, **_options: None)
    result = host.run(create=True)
    assert (result["failed"], result["msg"]) == (True, "There is no ovsdb-tool on this host.")
    # An earlier task of the run would install it.
    assert host.run(check_mode=True, create=True)["changed"] is True
