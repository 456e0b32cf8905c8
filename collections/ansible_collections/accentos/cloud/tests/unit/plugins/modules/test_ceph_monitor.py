# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process with a monmaptool and a ceph-mon that write down what they are given."""

from __future__ import annotations

import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import ceph_monitor

KEY = "AQ" + "B" * 36 + "=="
FSID = "6d2e5a1c-53a4-4b1a-9d0e-0c6f8a4f7f11"
USER = pwd.getpwuid(os.geteuid()).pw_name
MONMAPTOOL = """\
#!/bin/sh
for last; do :; done
echo "$*" >"$last"
"""
# "broken" beside the program: it makes half a store and fails.
CEPH_MON = """\
#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in --mon-data) data=$2 ;; --keyring) keyring=$2 ;; --monmap) monmap=$2 ;; esac
  shift
done
mkdir -p "$data/store.db"
[ -e "$(dirname "$0")/broken" ] && { echo "no space left" >&2; exit 1; }
cp "$keyring" "$data/keyring"
cp "$monmap" "$data/store.db/monmap"
"""


class Host:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.stores = folder / "mon"
        self.store = self.stores / "ceph-one"
        self.programs = folder / "bin"
        for made in (self.stores, self.programs):
            made.mkdir()
        for name, text in (("monmaptool", MONMAPTOOL), ("ceph-mon", CEPH_MON)):
            (self.programs / name).write_text(text, encoding="utf-8")
            (self.programs / name).chmod(0o755)
        self._capsys = capsys

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args: dict[str, Any] = {
            "name": "one",
            "fsid": FSID,
            "monitors": {"one": "[v2:192.0.2.1:3300]", "two": "[v2:192.0.2.2:3300]"},
        }
        args |= {"keyring": f"[mon.]\nkey = {KEY}\n", "folder": str(self.stores), "user": USER, **options}
        args |= {"_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            ceph_monitor.main()
        printed = self._capsys.readouterr().out
        assert KEY not in printed
        result: dict[str, Any] = json.loads(printed)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setenv("PATH", f"{made.programs}:{os.environ['PATH']}")
    return made


def test_made_once(host: Host) -> None:
    planned = host.run(check_mode=True)
    assert (planned["changed"], list(host.stores.iterdir())) == (True, [])
    assert planned["diff"]["after"] == "one: [v2:192.0.2.1:3300]\ntwo: [v2:192.0.2.2:3300]\n"
    assert host.run()["changed"] is True
    assert [path.name for path in host.stores.iterdir()] == ["ceph-one"]
    assert stat.S_IMODE(host.store.stat().st_mode) == 0o700
    assert KEY in (host.store / "keyring").read_text(encoding="utf-8")
    told = (host.store / "store.db/monmap").read_text(encoding="utf-8")
    assert told.startswith(f"--create --fsid {FSID} --addv one [v2:192.0.2.1:3300] --addv two [v2:192.0.2.2:3300] /")
    assert KEY not in told
    again = host.run(monitors={"one": "[v2:192.0.2.9:3300]"})
    assert (again["changed"], again["diff"]["after"]) == (False, "")


def test_an_empty_folder_is_filled(host: Host) -> None:
    host.store.mkdir()
    assert host.run()["changed"] is True
    assert host.run(check_mode=True)["changed"] is False


def test_what_a_killed_run_left_is_no_store(host: Host) -> None:
    (host.programs / "broken").touch()
    failed = host.run()
    assert (failed["failed"], failed["msg"]) == (True, "ceph-mon ended with code 1: no space left")
    assert not host.store.exists()
    (left,) = host.stores.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    (host.programs / "broken").unlink()
    assert host.run()["changed"] is True
    assert [path.name for path in host.stores.iterdir()] == ["ceph-one"]


def test_something_else_is_left_alone(host: Host) -> None:
    host.store.mkdir()
    (host.store / "notes").touch()
    result = host.run()
    assert "no store of a monitor" in result["msg"]
    assert result["remedy"]
    assert (host.store / "notes").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "three"}, "three is not among the monitors one, two"),
        ({"fsid": "6d2e"}, "no UUID"),
        ({"user": "no-such"}, "no-such"),
    ],
)
def test_bad_options(host: Host, options: dict[str, Any], words: str) -> None:
    result = host.run(**options)
    assert (result["failed"], words in result["msg"], bool(result["remedy"])) == (True, True, True)
    assert not host.store.exists()
