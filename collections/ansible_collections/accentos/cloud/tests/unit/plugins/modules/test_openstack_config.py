# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process on files of this user, with a validator that knows the options in a file."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.files import leftover_name
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_file
from ansible_collections.accentos.cloud.plugins.modules import openstack_config

USER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
CANARY = "Zq7-secret"
# They are the programs that the module runs in one process. The validator keeps what it was asked to read; the file
# "unknown" says what it finds, and "broken" names the one that does not work.
VALIDATOR = """\
#!{python}
import pathlib, shutil, sys
folder = pathlib.Path({folder!r})
shutil.copy(sys.argv[2], folder / "validated")
with (folder / "calls").open("a") as calls:
    print(*sys.argv[3:], file=calls)
if (folder / "broken").exists():
    import no_such_validator
unknown = (folder / "unknown").read_text().split() if (folder / "unknown").exists() else []
for option in unknown:
    print("ERROR:root:" + option + " is not part of the sample config", file=sys.stderr)
sys.exit(1 if unknown else 0)
"""
GENERATOR = """\
#!{python}
import pathlib, shutil, sys
folder = pathlib.Path({folder!r})
if (folder / "broken").exists() and (folder / "broken").read_text() == "generator":
    import no_such_service
if sys.argv[1] != "--format=json":
    sys.exit(9)
shutil.copy(folder / "options", sys.argv[2].removeprefix("--output-file="))
"""
DEBUG: dict[str, Any] = {
    "name": "debug",
    "dest": "debug",
    "type": "boolean value",
    "choices": [],
    "min": None,
    "max": None,
}


class Host:
    """A host with a validator and Ansible on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.conf = folder / "etc" / "a.conf"
        self.key = folder / "etc" / "key"
        (folder / "bin").mkdir()
        self.validator = folder / "bin" / "oslo-config-validator"
        for name, script in (("validator", VALIDATOR), ("generator", GENERATOR)):
            program = folder / "bin" / f"oslo-config-{name}"
            program.write_text(script.format(folder=str(folder), python=sys.executable), encoding="utf-8")
            program.chmod(0o755)
        options = {"options": {"DEFAULT": {"opts": [DEBUG]}}}
        (folder / "options").write_text(json.dumps(options), encoding="utf-8")
        (folder / "tmp").mkdir()
        self._capsys = capsys

    def file(self, **more: Any) -> dict[str, Any]:
        sections = {"DEFAULT": {"debug": False}, "database": {"connection": "mysql://{secret:database_password}@db"}}
        given = {"path": str(self.conf), "sections": sections, "owner": USER, "group": GROUP, "namespaces": ["a", "b"]}
        return {**given, **more}

    def text(self, **more: Any) -> dict[str, Any]:
        given = {"path": str(self.key), "content": "{secret:key}\n", "owner": USER, "group": GROUP, "mode": "0600"}
        return {**given, **more}

    def run(self, *files: dict[str, Any], check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args = {
            "files": list(files) or [self.file(), self.text()],
            "secrets": {"database_password": CANARY, "key": "another-secret"},
            **options,
            "_ansible_check_mode": check_mode,
            "_ansible_diff": True,
            "_ansible_tmpdir": str(self.folder / "tmp"),
        }
        with patch_module_args(args), pytest.raises(SystemExit):
            openstack_config.main()
        out = self._capsys.readouterr().out
        assert CANARY not in out
        assert "another-secret" not in out
        result: dict[str, Any] = json.loads(out)
        return result

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        found = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Host(tmp_path, capsys)


def test_written_once_with_secrets_that_nothing_shows(host: Host) -> None:
    planned = host.run(check_mode=True)
    assert (planned["changed"], host.conf.exists()) == (True, False)
    assert host.calls() == ["--namespace=a --namespace=b"]
    made = host.run()
    assert made["paths"] == planned["paths"] == [str(host.conf), str(host.key)]
    assert made["digests"] == planned["digests"] == {str(host.conf): digest_file(host.conf), str(host.key): ""}
    assert made["sections"] == planned["sections"]
    assert set(made["sections"]) == {f"{host.conf} [DEFAULT]", f"{host.conf} [database]"}
    assert made["diff"] == planned["diff"]
    assert made["diff"][0]["after"].splitlines() == [
        f"# {USER}:{GROUP} 0640",
        "[DEFAULT]",
        "debug = false",
        "[database]",
        "connection = mysql://{secret:database_password}@db",
    ]
    assert made["diff"][1]["after"] == f"# {USER}:{GROUP} 0600\nthe wanted content\n"
    assert f"connection = mysql://{CANARY}@db\n" in host.conf.read_text(encoding="utf-8")
    assert CANARY not in (host.folder / "validated").read_text(encoding="utf-8")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (host.conf, host.key)] == [0o640, 0o600]
    host.calls()
    for check_mode in (True, False):
        again = host.run(check_mode=check_mode)
        told = (again["paths"], again["digests"], again["sections"], again["diff"])
        assert (again["changed"], *told) == (False, [], {}, {}, [])
    # What is right is not checked again.
    assert host.calls() == []
    assert list((host.folder / "tmp").iterdir()) == []


def test_only_what_differs_is_written_and_the_old_secret_is_not_shown(host: Host) -> None:
    host.run()
    old = host.conf.read_text(encoding="utf-8").replace(CANARY, "older-secret")
    host.conf.write_text(old + "# a comment\n[other]\nplain = 1\n", encoding="utf-8")
    host.key.write_text("old key\n", encoding="utf-8")
    made = host.run()
    assert made["paths"] == [str(host.conf), str(host.key)]
    assert list(made["sections"]) == [f"{host.conf} [database]", f"{host.conf} [other]"]
    before = made["diff"][0]["before"]
    assert "connection = (another value)\n[other]\nplain = 1\n" in before
    assert "older-secret" not in json.dumps(made)
    assert made["diff"][1]["before"] == f"# {USER}:{GROUP} 0600\nanother content\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [("{secret:key}\n", False), ("{secret:key:fernet}\n", True), ("key = {secret:key}\n", True), ("a", True)],
)
def test_a_digest_with_which_a_password_could_be_tried_out_is_not_told(host: Host, content: str, *, told: bool) -> None:
    planned = host.run(host.text(content=content), check_mode=True)
    host.run(host.text(content=content))
    assert planned["digests"] == {str(host.key): digest_file(host.key) if told else ""}


def test_a_plain_text_is_shown(host: Host) -> None:
    file = host.text(content="[Service]\n", mode="0644")
    made = host.run(file)
    assert made["diff"][0]["after"] == f"# {USER}:{GROUP} 0644\n[Service]\n"
    host.key.chmod(0o600)
    assert host.run(file)["diff"][0]["before"] == f"# {USER}:{GROUP} 0600\n[Service]\n"
    assert stat.S_IMODE(host.key.stat().st_mode) == 0o644
    host.key.with_name(leftover_name(host.key.name)).touch()
    assert host.run(file)["changed"]
    assert not host.run(file)["changed"]


def test_an_unknown_option_leaves_every_file_as_it_is(host: Host) -> None:
    (host.folder / "unknown").write_text("DEFAULT/debg\n", encoding="utf-8")
    for check_mode in (True, False):
        refused = host.run(host.text(content="x\n", mode="0644"), host.file(), check_mode=check_mode)
        assert refused["failed"]
        assert (
            refused["msg"]
            == f"The service does not know these options of {host.conf}: [DEFAULT] debg. Nothing was written."
        )
        assert "openstack_service_overrides" in refused["remedy"]
    assert not host.key.exists()


def test_a_value_that_the_service_cannot_read_leaves_every_file_as_it_is(host: Host) -> None:
    for check_mode in (True, False):
        refused = host.run(host.text(), host.file(sections={"DEFAULT": {"debug": "maybe"}}), check_mode=check_mode)
        assert refused["msg"] == (
            f"The service cannot read these values in {host.conf}: [DEFAULT] debug = maybe: expected true or false. "
            "Nothing was written."
        )
    assert not host.key.exists()


def test_an_option_of_a_back_end_is_one_of_those_that_the_service_tells_for_all(host: Host) -> None:
    pool = {**DEBUG, "name": "rbd_pool", "dest": "rbd_pool", "type": "string value"}
    told = {"options": {"DEFAULT": {"opts": [DEBUG]}, "backend_defaults": {"opts": [pool]}}}
    (host.folder / "options").write_text(json.dumps(told), encoding="utf-8")
    (host.folder / "unknown").write_text("ceph/rbd_pool\nceph/rbd_poool\n", encoding="utf-8")
    file = host.file(sections={"DEFAULT": {"enabled_backends": ["ceph"]}, "ceph": {"rbd_pool": "a", "rbd_poool": "b"}})
    assert "options of " + str(host.conf) + ": [ceph] rbd_poool. Nothing" in host.run(file)["msg"]
    (host.folder / "unknown").write_text("ceph/rbd_pool\n", encoding="utf-8")
    assert host.run(file)["changed"]


def test_options_of_an_identity_plugin_pass(host: Host) -> None:
    (host.folder / "unknown").write_text("nova/username\n", encoding="utf-8")
    assert host.run(host.file(sections={"nova": {"auth_type": "password", "username": "nova"}}))["changed"]


@pytest.mark.parametrize(("broken", "missing"), [("generator", "no_such_service"), ("validator", "no_such_validator")])
def test_a_program_that_does_not_work_is_told_but_no_matter_for_a_plan(host: Host, broken: str, missing: str) -> None:
    (host.folder / "broken").write_text(broken, encoding="utf-8")
    assert host.run(check_mode=True)["changed"]
    refused = host.run()
    assert refused["msg"].startswith(f"oslo.config cannot check {host.conf}: ModuleNotFoundError: No module named")
    assert missing in refused["msg"]
    assert not host.conf.exists()


def test_programs_that_are_missing_are_told_but_no_matter_for_a_plan(host: Host) -> None:
    generator = host.validator.with_name("oslo-config-generator")
    generator.write_text("not a program\n", encoding="utf-8")
    assert host.run()["msg"] == f"oslo.config cannot be asked: {generator} does not name its interpreter"
    host.validator.unlink()
    assert host.run(check_mode=True)["changed"]
    assert host.run()["msg"] == "oslo-config-validator is not there."
    assert host.run(host.file(namespaces=[]))["changed"]


@pytest.mark.parametrize(("mode", "folder_mode"), [("0600", 0o700), ("0640", 0o755)])
def test_a_folder_is_as_closed_as_the_file_that_it_is_made_for(host: Host, mode: str, folder_mode: int) -> None:
    path = host.folder / "parent" / "keys" / "0"
    file = host.text(path=str(path), mode=mode)
    assert host.run(file, check_mode=True)["changed"]
    assert not path.parent.exists()
    # One that was killed in the midst of it.
    path.parent.with_name(leftover_name("keys")).mkdir(parents=True)
    assert host.run(file)["changed"]
    assert stat.S_IMODE(path.parent.stat().st_mode) == folder_mode
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o755
    assert not host.run(file)["changed"]


def test_an_owner_that_an_earlier_task_would_make(host: Host) -> None:
    file = host.file(group="no-such-group")
    assert host.run(file, check_mode=True)["changed"]
    refused = host.run(file)
    assert refused["msg"].startswith(f"{host.conf} cannot be given to {USER}:no-such-group: ")
    assert not host.conf.exists()


def test_bad_input_is_refused(host: Host) -> None:
    cases = [
        (host.file(mode="640"), f"mode 640 of {host.conf} is not understood."),
        (host.file(mode="0644"), f"mode 0644 of {host.conf} would show its secrets to every user of the host."),
        (host.file(sections={"a": {"b": "{secret:unknown}"}}), "The secret unknown is not given."),
        (host.file(sections={"a": {"b": "x\ny"}}), f"[a] b of {host.conf} cannot be written on one line."),
        (host.file(content="x"), "parameters are mutually exclusive: sections|content found in files"),
    ]
    for file, told in cases:
        refused = host.run(file)
        assert (refused["failed"], refused["msg"]) == (True, told)


def test_what_stands_at_the_path_and_is_no_file_is_left_alone(host: Host) -> None:
    host.conf.mkdir(parents=True)
    assert host.run()["msg"] == f"{host.conf} is no file."
    host.conf.rmdir()
    host.conf.parent.rmdir()
    host.conf.parent.touch()
    assert host.run()["msg"] == f"{host.conf}: Not a directory"


def test_numbers_stand_for_users_that_have_no_name() -> None:
    assert openstack_config.name_of(pwd.getpwuid, os.geteuid()) == USER
    assert openstack_config.name_of(pwd.getpwuid, 4_000_000) == "4000000"
