# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process on a host that is a folder: account files, homes, and programs that change them."""

from __future__ import annotations

import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import administrators

KEY = "ssh-ed25519 AAAA ann"
ANN = {"name": "ann", "ssh_keys": [KEY], "sudo": True}
BOB = {"name": "bob", "ssh_keys": ["ssh-ed25519 BBBB bob"]}

# An account is a file that holds shell, password and day of expiry; "refuses" names a program that fails. It has read
# its input by then, or who writes it would meet a closed pipe now and then.
PROGRAM = """\
#!/bin/sh
cd {folder} || exit 9
echo "${{0##*/}} $*" >>calls
refuse() {{ [ "${{0##*/}}" != visudo ] || cat >/dev/null; echo "no space" >&2; exit 4; }}
[ "${{0##*/}}" = "$(cat refuses)" ] && refuse
case "${{0##*/}}" in
  visudo) grep -q ALL - && exit 0; [ "$#" = 3 ] ;;
  useradd) mkdir home/$5; echo "$3 ! -" >accounts/$5 ;;
  mkhomedir_helper) mkdir home/$1 ;;
  usermod)
    eval name=\\${{$#}}
    read -r shell password day <accounts/$name
    while [ $# -gt 1 ]; do
      case "$1" in
        --lock) password="!$password" ;;
        --shell) shift; shell=$1 ;;
        --expiredate) shift; day=${{1:--}} ;;
        *) exit 7 ;;
      esac
      shift
    done
    echo "$shell $password $day" >accounts/$name ;;
esac
"""


class Host:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        for name in ("accounts", "home", "bin", "etc"):
            (folder / name).mkdir()
        (folder / "refuses").touch()
        for name in ("useradd", "usermod", "mkhomedir_helper", "visudo"):
            (folder / "bin" / name).write_text(PROGRAM.format(folder=folder), encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)

    def entry(self, name: str) -> pwd.struct_passwd:
        """Answer like pwd.getpwnam, and write the account's line of the shadow file."""
        if name == "root":
            return pwd.struct_passwd((name, "x", 0, 0, "", "/", "/bin/bash"))
        file = self.folder / "accounts" / name
        if not file.exists():
            raise KeyError(name)
        home = str(self.folder / "home" / name)
        shell = file.read_text(encoding="utf-8").split()[0]
        # The files must belong to the user who runs the tests; persons start at 1000 all the same.
        uid = max(os.geteuid(), 1000) if self.reading else os.geteuid()
        return pwd.struct_passwd((name, "x", uid, os.getegid(), "", home, shell))

    reading = True

    def shadow(self) -> str:
        lines = []
        for file in (self.folder / "accounts").iterdir():
            _shell, password, day = file.read_text(encoding="utf-8").split()
            lines.append(f"{file.name}:{password}:1:::::{day.replace('-', '')}:\n")
        return "".join(lines)

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        found = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def keys(self, name: str) -> Path:
        return self.folder / "home" / name / ".ssh" / "authorized_keys"

    def run(self, *people: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
        (self.folder / "etc/shadow").write_text(self.shadow(), encoding="utf-8")
        args = {"administrators": list(people), "_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            administrators.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(administrators, "MARKER", tmp_path / "var" / "administrators")
    monkeypatch.setattr(administrators, "SUDOERS", tmp_path / "etc" / "sudoers")
    monkeypatch.setattr(administrators, "SHADOW", tmp_path / "etc" / "shadow")
    real_write = administrators.write_keys

    def write_keys(name: str, keys: tuple[str, ...]) -> None:
        made.reading = False
        try:
            real_write(name, keys)
        finally:
            made.reading = True

    monkeypatch.setattr(administrators, "write_keys", write_keys)
    monkeypatch.setattr(pwd, "getpwnam", made.entry)
    return made


def test_let_in_then_left_alone_then_locked_out(host: Host) -> None:
    planned = host.run(ANN, BOB, check_mode=True)
    assert (planned["changed"], host.calls(), (host.folder / "var").exists()) == (True, [], False)
    first = host.run(ANN, BOB)
    assert (first["changed"], first["remembered"], first["diff"]) == (True, ["ann", "bob"], planned["diff"])
    assert "ann ALL=(ALL:ALL) NOPASSWD: ALL\n" in first["diff"]["after"]
    assert f"ann: key {KEY}\n" in first["diff"]["after"]
    assert [call.split()[0] for call in host.calls()] == ["visudo", "useradd", "useradd"]
    keys = host.keys("ann")
    assert keys.read_text(encoding="utf-8") == f"{KEY}\n"
    assert (stat.S_IMODE(keys.stat().st_mode), stat.S_IMODE(keys.parent.stat().st_mode)) == (0o600, 0o700)
    again = host.run(ANN, BOB)
    assert (again["changed"], again["diff"]["before"], host.calls()) == (False, again["diff"]["after"], [])

    (keys.parent / "authorized_keys2").write_text("ssh-ed25519 X intruder\n", encoding="utf-8")
    planned = host.run(BOB, check_mode=True)
    assert "ann: lets nobody in" in planned["diff"]["after"]
    assert keys.exists()
    out = host.run(BOB)
    assert (out["changed"], out["remembered"], out["diff"]) == (True, ["ann", "bob"], planned["diff"])
    assert host.calls()[1:] == ["usermod --lock --expiredate 1 ann"]
    assert list(keys.parent.iterdir()) == []
    assert "ann" not in (host.folder / "etc/sudoers").read_text(encoding="utf-8")
    assert host.keys("bob").exists()
    assert host.run(BOB)["changed"] is False

    assert host.run(ANN, BOB)["changed"] is True
    assert keys.read_text(encoding="utf-8") == f"{KEY}\n"
    assert host.run(ANN, BOB)["changed"] is False


def test_a_run_that_was_killed_is_made_up_for(host: Host) -> None:
    (host.folder / "refuses").write_text("useradd", encoding="utf-8")
    failed = host.run(ANN)
    assert failed["msg"].endswith("--user-group ann ended with code 4: no space")
    (host.folder / "refuses").write_text("", encoding="utf-8")
    # The name is remembered although the account was not made; taken off the list it is forgotten.
    assert host.run(BOB)["remembered"] == ["bob"]
    assert host.run(ANN, BOB)["changed"] is True
    host.keys("ann").unlink()
    assert host.run(ANN, BOB)["changed"] is True
    assert host.run(ANN, BOB)["changed"] is False


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_keys_that_others_may_read_or_write_are_mended(host: Host, mode: int) -> None:
    host.run(ANN)
    host.keys("ann").chmod(mode)
    assert host.run(ANN)["changed"] is True
    assert stat.S_IMODE(host.keys("ann").stat().st_mode) == 0o600


def test_links_in_a_home_lead_nowhere(host: Host) -> None:
    host.run(ANN, BOB)
    elsewhere = host.folder / "elsewhere"
    host.keys("ann").parent.rename(elsewhere)
    host.keys("ann").parent.symlink_to(elsewhere)
    refused = host.run(ANN, BOB)
    assert refused["msg"].endswith("/.ssh is no folder, so no key is written there.")
    assert host.run(BOB)["changed"] is True
    assert not host.keys("ann").parent.is_symlink()
    assert (elsewhere / "authorized_keys").exists()
    assert host.run(BOB)["changed"] is False
    target = host.folder / "target"
    target.write_text("kept", encoding="utf-8")
    host.keys("bob").unlink()
    host.keys("bob").symlink_to(target)
    assert host.run(BOB)["changed"] is True
    assert (target.read_text(encoding="utf-8"), host.keys("bob").is_symlink()) == ("kept", False)


def test_rules_that_sudo_refuses_are_not_written(host: Host) -> None:
    (host.folder / "refuses").write_text("visudo", encoding="utf-8")
    assert host.run(ANN)["msg"] == "sudo refuses its rules: no space"
    assert not (host.folder / "etc/sudoers").exists()


def test_a_wider_mode_of_the_rules_is_mended(host: Host) -> None:
    host.run(ANN)
    (host.folder / "etc/sudoers").chmod(0o644)
    assert host.run(ANN)["changed"] is True
    assert stat.S_IMODE((host.folder / "etc/sudoers").stat().st_mode) == 0o440


def test_root_is_refused_before_anything_is_touched(host: Host) -> None:
    result = host.run(ANN, {"name": "root", "ssh_keys": [KEY]})
    assert "root would take over an account of the system" in result["msg"]
    assert (host.calls(), (host.folder / "var").exists()) == ([], False)


def test_an_error_of_the_system_is_told(host: Host) -> None:
    host.run(ANN)
    (host.folder / "var/administrators").unlink()
    (host.folder / "var/.administrators.accentos-new").mkdir()
    result = host.run(ANN)
    assert result["failed"] is True
    assert ".administrators.accentos-new" in result["msg"]
