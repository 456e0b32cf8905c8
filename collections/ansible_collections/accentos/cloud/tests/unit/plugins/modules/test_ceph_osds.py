# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process on files for disks, with a ceph-osd that writes a label."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import ceph_commands
from ansible_collections.accentos.cloud.plugins.module_utils.bluestore import parse_label
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_osds import read_rule
from ansible_collections.accentos.cloud.plugins.module_utils.disk_rules import Disk
from ansible_collections.accentos.cloud.plugins.module_utils.planned import fits_name
from ansible_collections.accentos.cloud.plugins.modules import ceph_osds

from .ceph_daemon import Monitors
from .lock_holder import held

FSID = "6d2e5a1c-53a4-4b1a-9d0e-0c6f8a4f7f11"
USER = pwd.getpwuid(os.geteuid()).pw_name
MIB = 2**20
# Files beside it: "half" lets it end before the label is complete, "broken" lets it fail.
CEPH_OSD = """\
#!{python}
import struct, sys
from pathlib import Path
given = dict(zip(sys.argv, sys.argv[1:]))
here, folder = Path(sys.argv[0]).parent, Path(given["--osd-data"])
assert "-f" in sys.argv and (folder / "activate.monmap").read_text() == "monmap"
(here / "secret").write_text(sys.stdin.read())
(here / "arguments").write_text(" ".join(sys.argv))
values = {{"whoami": given["--id"], "ceph_fsid": "{fsid}", "mkfs_done": "yes"}}
if not (here / "half").exists():
    values["ready"] = "ready"
if (here / "silent").exists():
    sys.exit(0)
known = b"".join(
    struct.pack("<I%dsI%ds" % (len(k), len(v)), len(k), k.encode(), len(v), v.encode()) for k, v in values.items()
)
head = struct.pack("<BBI16sQQI4s", 2, 1, 0, bytes(16), 2**32, 0, 4, b"main") + struct.pack("<I", len(values))
text = b"bluestore block device\\n" + given["--osd-uuid"].encode() + b"\\n"
with open(folder / "block", "r+b") as disk:
    disk.write(text + head + known)
if (here / "broken").exists():
    sys.exit("mkfs failed: input/output error")
"""
# It would need the rights of root.
SETPRIV = """\
#!/bin/sh
case "$*" in *"--pdeathsig KILL ceph-osd"*) ;; *) exit 9 ;; esac
while [ "$1" != ceph-osd ]; do shift; done
exec "$@"
"""


class Host:
    """A host with two disks of 16 MiB."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.monitors = Monitors()
        self.notes = folder / "notes"
        self.folders = folder / "osd"
        self.programs = folder / "bin"
        for made in (self.folders, self.programs):
            made.mkdir()
        for name, text in (
            ("ceph-osd", CEPH_OSD.format(python=sys.executable, fsid=FSID)),
            ("setpriv", SETPRIV),
        ):
            (self.programs / name).write_text(text, encoding="utf-8")
            (self.programs / name).chmod(0o755)
        self.disks = []
        for name in ("one", "two"):
            path = folder / name
            path.write_bytes(bytes(16 * MIB))
            self.disks.append(Disk(str(path), 16 * MIB, serial=name.upper()))
        self._capsys = capsys

    def run(self, *rules: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
        args: dict[str, Any] = {"fsid": FSID, "rules": list(rules), "keyring": "/nowhere", "user": USER}
        args |= {"_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            ceph_osds.main()
        printed = self._capsys.readouterr().out
        for _number, secret in self.monitors.osds.values():
            assert secret not in printed
        result: dict[str, Any] = json.loads(printed)
        return result

    def label(self, disk: int) -> Any:
        return parse_label(Path(self.disks[disk].path).read_bytes()[:4096])

    def noted(self) -> list[str]:
        return sorted(path.name for path in self.notes.glob("*.json"))

    def set(self, name: str) -> Path:
        (self.programs / name).touch()
        return self.programs / name


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setattr(ceph_commands, "rados", made.monitors)
    monkeypatch.setattr(ceph_osds, "NOTES", made.notes)
    monkeypatch.setattr(ceph_osds, "FOLDERS", made.folders)
    monkeypatch.setattr(ceph_osds, "read_disks", lambda extra: made.disks)
    monkeypatch.setenv("PATH", f"{made.programs}:{os.environ['PATH']}:/usr/sbin:/sbin")
    return made


ALL = {"size_max_gib": 1}


def test_made_once(host: Host) -> None:
    planned = host.run(ALL, check_mode=True)
    assert (planned["changed"], len(planned["diff"]["after"].splitlines())) == (True, 2)
    # The cluster gives the numbers only when they are made.
    paths = [disk.path for disk in host.disks]
    units = [f"ceph-osd@(number-of-{path}).service" for path in paths]
    assert [(osd["id"], osd["uuid"], osd["path"], osd["unit"]) for osd in planned["osds"]] == [
        (None, None, path, unit) for path, unit in zip(paths, units, strict=True)
    ]
    assert (host.monitors.logins, host.notes.exists(), host.label(0)) == ([], False, None)
    made = host.run(ALL)
    assert [osd["id"] for osd in made["osds"]] == [0, 1]
    assert made["diff"] == planned["diff"]
    expected = {"id": 0, "uuid": host.label(0).uuid, "path": host.disks[0].path, "unit": "ceph-osd@0.service"}
    assert made["osds"][0] == expected
    assert all(fits_name(unit, osd["unit"]) for unit, osd in zip(units, made["osds"], strict=True))
    assert host.monitors.logins == [("client.bootstrap-osd", host.monitors.logins[0][1])]
    number, secret = host.monitors.osds[host.label(1).uuid]
    assert (number, (host.programs / "secret").read_text()) == (1, secret)
    assert secret not in (host.programs / "arguments").read_text()
    assert host.noted() == []
    again = host.run(ALL)
    assert (again["changed"], again["osds"]) == (False, made["osds"])
    assert host.run(ALL, check_mode=True)["osds"] == made["osds"]
    # Without a rule they stay.
    assert host.run()["osds"] == made["osds"]


def test_a_device_class_goes_to_the_monitors(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    follow = host.monitors.follow

    def spy(command: dict[str, Any], data: str) -> Any:
        told.append(json.loads(data).get("crush_device_class", ""))
        return follow(command, data)

    monkeypatch.setattr(host.monitors, "follow", spy)
    host.run({"serial": "ONE", "device_class": "ssd"}, {"serial": "TWO"})
    assert told == ["ssd", ""]


@pytest.mark.parametrize("state", ["half", "broken"])
def test_a_run_after_one_that_was_cut_off_goes_on_with_the_same_number(host: Host, state: str) -> None:
    mark = host.set(state)
    failed = host.run({"serial": "ONE"})
    assert failed["failed"] is True
    assert failed["remedy"]
    (note,) = host.noted()
    assert stat.S_IMODE((host.notes / note).stat().st_mode) == 0o600
    assert stat.S_IMODE(host.notes.stat().st_mode) == 0o700
    (foretold,) = host.run({"serial": "ONE"}, check_mode=True)["osds"]
    # One that was made to its end has its number on its label.
    assert (foretold["id"], f"{foretold['uuid']}.json") == ({"half": None, "broken": 0}[state], note)
    mark.unlink()
    made = host.run({"serial": "ONE"})
    assert [osd["id"] for osd in made["osds"]] == [0]
    assert fits_name(foretold["unit"], made["osds"][0]["unit"])
    assert f"{made['osds'][0]['uuid']}.json" == note
    assert (len(host.monitors.osds), host.noted()) == (1, [])
    assert host.run({"serial": "ONE"})["changed"] is False


def test_a_run_that_is_cut_off_before_there_is_a_number(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ceph_osds.Maker, "_register", killed)
        args = {"fsid": FSID, "rules": [{"serial": "ONE"}], "keyring": "/nowhere", "user": USER}
        with pytest.raises(KeyboardInterrupt), patch_module_args(args):
            ceph_osds.main()
    (note,) = host.noted()
    made = host.run({"serial": "ONE"})
    assert f"{made['osds'][0]['uuid']}.json" == note


def test_a_run_that_is_cut_off_after_all_was_done_leaves_only_its_note(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ceph_osds, "drop_note", lambda *_arguments: None)
        host.run({"serial": "ONE"})
    assert len(host.noted()) == 1
    assert host.run({"serial": "ONE"})["changed"] is False
    assert host.noted() == []


def test_what_is_on_a_disk_is_kept_or_given_up_by_its_rule(host: Host) -> None:
    path = Path(host.disks[0].path)
    subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    before = path.read_bytes()
    assert any("ext4" in line for line in host.run(ALL)["disks"])
    assert "is not empty: ext4" in host.run({"serial": "ONE"})["msg"]
    assert path.read_bytes() == before
    made = host.run({"serial": "ONE", "overwrite": True})
    assert made["changed"] is True
    assert host.label(0).complete is True
    assert host.run({"serial": "ONE", "overwrite": True})["changed"] is False


def test_partitions_are_wiped_before_their_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Path(host.disks[1].path)
    host.disks = [dataclasses.replace(host.disks[0], partitions=(str(part),))]
    part.write_bytes(b"\0" * 1080 + b"\x53\xef" + b"\0" * (MIB - 1082))
    reread = host.programs / "blockdev"
    reread.write_text(f"#!/bin/sh\necho $* >{shlex.quote(str(host.programs / 'reread'))}\n", encoding="utf-8")
    reread.chmod(0o755)
    assert host.run({"serial": "ONE", "overwrite": True})["changed"] is True
    assert (host.programs / "reread").read_text() == f"--rereadpt {host.disks[0].path}\n"


def test_an_osd_whose_label_says_nothing_is_no_osd(host: Host) -> None:
    host.set("silent")
    assert "its label does not say so" in host.run({"serial": "ONE"})["msg"]


def test_a_disk_that_cannot_be_read_is_not_empty(host: Host) -> None:
    host.disks[0] = dataclasses.replace(host.disks[0], path="/nowhere/disk")
    assert "something that cannot be read" in host.run(ALL)["disks"][0]


def test_a_disk_that_fails_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error", host.disks[0].path)

    monkeypatch.setattr(os, "fsync", fail)
    result = host.run({"serial": "ONE"})
    assert "Input/output error" in result["msg"]
    assert "dmesg" in result["remedy"]


def test_an_osd_that_was_begun_on_a_disk_that_is_gone_is_told(host: Host) -> None:
    host.set("broken")
    host.run({"serial": "ONE"})
    (host.programs / "broken").unlink()
    del host.disks[0]
    result = host.run(ALL)
    assert "was never finished" in result["unfinished"][0]
    assert len(host.noted()) == 1


def test_two_runs_do_not_make_osds_at_the_same_time(host: Host) -> None:
    host.notes.mkdir()
    with held(host.notes / "lock") as other:
        assert host.run(ALL)["msg"] == f"Another run makes OSDs on this host, process {other.pid}."
        assert host.run(ALL, check_mode=True)["changed"] is True


def test_devices_that_are_no_disks_count_when_a_rule_names_them_or_an_osd_is_on_them(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("loop7")
    (tmp_path / "osd/ceph-1").mkdir(parents=True)
    # Not below /dev: how many loop devices there are differs from machine to machine.
    (tmp_path / "loop8").touch()
    (tmp_path / "osd/ceph-1/block").symlink_to(tmp_path / "loop8")
    rules = [read_rule({"path": str(tmp_path / "link")}), read_rule({"serial": "X"})]
    assert ceph_osds.named_devices(rules, tmp_path / "osd") == {"loop7", "loop8"}


def test_a_plan_has_osds_that_are_there_before_those_to_be_made(host: Host) -> None:
    host.run({"serial": "TWO"})
    planned = host.run(ALL, check_mode=True)["osds"]
    assert [osd["unit"] for osd in planned] == [
        "ceph-osd@0.service",
        f"ceph-osd@(number-of-{host.disks[0].path}).service",
    ]


def test_a_disk_that_gets_the_name_of_another_one_keeps_what_is_on_it(host: Host) -> None:
    path = Path(host.disks[0].path)
    path.write_bytes(b"\0" * 1080 + b"\x53\xef" + b"\0" * (16 * MIB - 1082))
    before = path.read_bytes()
    for check_mode in (True, False):
        refused = host.run({"path": str(path), "overwrite": True}, check_mode=check_mode)
        assert "would overwrite whatever disk has this name; no disk was touched" in refused["msg"]
        assert "below /dev/disk/by-id/" in refused["remedy"]
    assert (path.read_bytes(), host.monitors.logins) == (before, [])


def test_rules_that_mean_everything_are_refused(host: Host) -> None:
    assert "names no property" in host.run({"device_class": "ssd"})["msg"]
