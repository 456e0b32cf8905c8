# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process with small recipes whose programs really run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import host_image_build

from .lock_holder import held

PROGRAM = """\
mkdir out
cat recipe/text recipe/debian.sources >out/root.img
echo "$ARCHITECTURE $PROXY $LEVEL" >out/notes
echo '{"raw_size": 7}' >out/info.json
"""


class Host:
    """A host with a folder of images and Ansible on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "images"
        self._capsys = capsys

    def image(self, **changes: Any) -> dict[str, Any]:
        """Return an image as the module takes it, with CHANGES; ``text`` and ``program`` are texts."""
        files = {"build": changes.pop("program", PROGRAM), "text": changes.pop("text", "one\n")}
        return {
            "folder": str(self.folder),
            "name": "base-amd64",
            "architecture": "amd64",
            "program": "build",
            "files": files,
            "environment": {"LEVEL": 9},
            "outputs": ["root.img"],
            "space_mib": 1,
            **changes,
        }

    def run(self, *, check: bool = False, timeout: int = 60, **changes: Any) -> dict[str, Any]:
        """Run the module and return what it says."""
        arguments = {"images": [self.image(**changes)], "sources": "deb\n", "proxy": "http://proxy", "timeout": timeout}
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            host_image_build.main()
        said: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return said

    def names(self) -> list[str]:
        """Return what lies in the folder, without the lock."""
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(".lock-"))

    def text(self) -> str:
        """Return the published file."""
        return (self.folder / "base-amd64/root.img").read_text(encoding="utf-8")


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    # Namespaces need administrator rights; the lab has them.
    monkeypatch.setattr(host_image_build, "_JAIL", ())
    return Host(tmp_path, capsys)


def test_built_then_unchanged(host: Host) -> None:
    first = host.run()
    assert first["changed"]
    (image,) = first["images"]
    assert image["action"] == "build"
    version = image["version"]
    assert host.names() == ["base-amd64", f"base-amd64@{version}"]
    assert host.text() == "one\ndeb\n"
    assert (host.folder / "base-amd64/notes").read_text(encoding="utf-8") == "amd64 http://proxy 9\n"
    described = json.loads((host.folder / "base-amd64/image.json").read_text(encoding="utf-8"))
    assert described == image["image"]
    digest = hashlib.sha256(b"one\ndeb\n").hexdigest()
    assert {key: described[key] for key in ("name", "version", "architecture", "raw_size", "sha256", "size")} == {
        "name": "base-amd64",
        "version": version,
        "architecture": "amd64",
        "raw_size": 7,
        "sha256": digest,
        "size": 8,
    }
    assert described["files"]["root.img"] == {"sha256": digest, "size": 8}
    assert sorted(described["files"]) == ["notes", "root.img"]
    again = host.run()
    assert not again["changed"]
    assert again["images"][0]["action"] == "none"
    assert again["images"][0]["image"] == described


def test_check_mode_writes_nothing(host: Host) -> None:
    said = host.run(check=True)
    assert said["changed"]
    assert said["images"][0]["action"] == "build"
    version = said["images"][0]["version"]
    known = {"name": "base-amd64", "version": version, "architecture": "amd64", "files": {"root.img": {}}}
    assert said["images"][0]["image"] == known
    assert said["diff"]["before"].endswith("@(none)\n")
    assert not host.folder.exists()
    built = host.run()
    assert said["diff"]["after"] == built["diff"]["after"].replace("\n", " (made by the run)\n")
    assert not host.run(check=True)["changed"]
    (changed,) = host.run(check=True, text="two\n")["images"]
    assert (changed["action"], changed["image"]["version"]) == ("build", changed["version"])
    assert changed["version"] != version
    assert host.text() == "one\ndeb\n"


def test_a_new_recipe_keeps_one_version_and_going_back_builds_nothing(host: Host) -> None:
    one, two, three = (host.run(text=text)["images"][0]["version"] for text in ("one\n", "two\n", "three\n"))
    assert host.names() == ["base-amd64", *sorted((f"base-amd64@{two}", f"base-amd64@{three}"))]
    back = host.run(text="two\n")
    assert (back["changed"], back["images"][0]["action"]) == (True, "link")
    assert host.text() == "two\ndeb\n"
    assert one not in "".join(host.names())


def test_leftovers_are_removed(host: Host) -> None:
    version = host.run()["images"][0]["version"]
    (host.folder / ".building-base-amd64").mkdir()
    (host.folder / ".building-base-amd64/half").write_text("half", encoding="utf-8")
    (host.folder / ".link-base-amd64").symlink_to("nowhere")
    assert host.run(check=True)["images"][0]["action"] == "tidy"
    assert host.run()["images"][0]["action"] == "tidy"
    assert host.names() == ["base-amd64", f"base-amd64@{version}"]


@pytest.mark.parametrize("harm", ["shorten", "forget"])
def test_a_torn_version_is_built_again(host: Host, harm: str) -> None:
    host.run()
    if harm == "shorten":
        (host.folder / "base-amd64/root.img").write_text("o", encoding="utf-8")
    else:
        (host.folder / "base-amd64/image.json").write_text("[]", encoding="utf-8")
    assert host.run()["images"][0]["action"] == "build"
    assert host.text() == "one\ndeb\n"


@pytest.mark.parametrize(
    ("program", "message", "remedy"),
    [
        ("echo archive is gone >&2; exit 3", r"ended with code 3\. .*archive is gone", "Mend what the output"),
        ("mkdir out", r"made no root\.img, info\.json", "Mend the program"),
        ("true", r"made no root\.img, info\.json", "Mend the program"),
        ("mkdir out; touch out/root.img; echo { >out/info.json", r"info\.json of base-amd64 is no JSON", "Mend the"),
    ],
)
def test_a_failed_build_leaves_the_published_image(host: Host, program: str, message: str, remedy: str) -> None:
    host.run()
    names = host.names()
    said = host.run(program=program)
    assert said["failed"]
    assert re.search(message, said["msg"].replace("\n", " "))
    assert said["remedy"].startswith(remedy)
    assert host.names() == names
    assert host.text() == "one\ndeb\n"


def test_a_build_that_takes_too_long(host: Host) -> None:
    said = host.run(program="sleep 30", timeout=1)
    assert "took more than 1 s" in said["msg"]
    assert host.names() == []


def test_missing_space_is_told(host: Host) -> None:
    for check in (True, False):
        said = host.run(space_mib=10**9, check=check)
        assert said["failed"]
        assert "needs 1000000000 MiB" in said["msg"]
        assert "MiB are missing" in said["msg"]


def test_a_disk_that_runs_full_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    free = iter([usage, usage._replace(free=0)])
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: next(free))
    said = host.run(program="exit 1")
    assert said["remedy"].startswith("The disk ran full: make room in")


def test_a_program_that_says_that_the_disk_ran_full_is_believed(host: Host) -> None:
    said = host.run(program="echo image | cat >/dev/full")
    assert "No space left on device" in said["msg"]
    assert said["remedy"].startswith(f"The disk ran full: make room in {host.folder}")
    assert host.names() == []


def test_a_program_that_does_not_start(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_image_build, "_JAIL", ("/nonexistent/unshare",))
    said = host.run()
    assert "does not start: " in said["msg"]


def test_another_run_is_waited_for_but_not_for_ever(host: Host) -> None:
    host.folder.mkdir()
    with held(host.folder / ".lock-base-amd64") as other:
        said = host.run(timeout=0)
    assert said["msg"] == f"Another run builds base-amd64 on this host, process {other.pid}."
    assert host.run()["changed"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../x"}, "its name may have letters, digits, - and _ only"),
        ({"name": ""}, "its name may have"),
        ({"outputs": []}, "it names no outputs"),
        ({"files": {"other": ""}}, "its program build is not among its files"),
    ],
)
def test_bad_orders_are_refused(host: Host, changes: dict[str, Any], message: str) -> None:
    said = host.run(**changes)
    assert said["failed"]
    assert message in said["msg"]
    assert said["remedy"] == "Mend the recipe."
    assert not host.folder.exists()


def test_what_is_no_link_is_left_alone(host: Host) -> None:
    (host.folder / "base-amd64").mkdir(parents=True)
    said = host.run()
    assert "is no link to a version" in said["msg"]
    assert host.names() == ["base-amd64"]


def test_a_folder_that_cannot_be_made(host: Host) -> None:
    host.folder.write_text("a file", encoding="utf-8")
    said = host.run()
    assert said["msg"].startswith("An image is not built: ")


def test_scripts_are_executable(host: Host) -> None:
    program = PROGRAM + "test -x recipe/hook && ! test -x recipe/build\n"
    assert host.run(files={"build": program, "text": "", "hook": "#!/bin/sh\nexit 0\n"})["changed"]


@pytest.fixture
def amd64(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the host be an amd64 one; return the folder of its programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(host_image_build, "_PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(host_image_build, "BINFMT", host.folder.parent / "register")
    return programs


def let_try(programs: Path, code: int) -> None:
    """Put an arch-test into PROGRAMS that ends with CODE for arm64."""
    (programs / "arch-test").write_text(f'#!/bin/sh\n[ "$1" = arm64 ] || exit 9\nexit {code}\n', encoding="utf-8")
    (programs / "arch-test").chmod(0o755)


def test_another_architecture_is_refused_where_its_programs_do_not_run(host: Host, amd64: Path) -> None:
    let_try(amd64, 1)
    foreign: dict[str, Any] = {"name": "base-arm64", "architecture": "arm64", "executes": True}
    for check in (True, False):
        said = host.run(check=check, **foreign)
        assert said["failed"]
        assert said["msg"] == (
            "The build of base-arm64 runs programs of arm64, and this host does not: the kernel takes no interpreters: "
            "/proc/sys/fs/binfmt_misc/register is not there."
        )
        assert said["remedy"].startswith("Load the module binfmt_misc and mount it")
    host_image_build.BINFMT.touch()
    said = host.run(**foreign)
    assert "no interpreter for arm64 is registered" in said["msg"]
    assert said["remedy"].startswith("Install the package qemu-user-binfmt")
    assert not host.folder.exists()


def test_another_architecture_is_built_where_its_programs_run_and_kept_where_not(host: Host, amd64: Path) -> None:
    foreign: dict[str, Any] = {"name": "base-arm64", "architecture": "arm64", "executes": True}
    let_try(amd64, 0)
    assert host.run(**foreign)["images"][0]["action"] == "build"
    # What is built needs nothing to run.
    let_try(amd64, 1)
    assert not host.run(**foreign)["changed"]


@pytest.mark.usefixtures("amd64")
def test_what_runs_nothing_of_another_architecture_or_is_the_hosts_own_needs_no_trial(host: Host) -> None:
    assert host.run(name="ramdisk", architecture="arm64")["changed"]
    assert host.run(executes=True)["changed"]


def test_without_the_program_that_tries_a_check_goes_on_and_a_build_does_not(
    host: Host, amd64: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign: dict[str, Any] = {"name": "base-arm64", "architecture": "arm64", "executes": True}
    monkeypatch.setattr(host_image_build, "_PATH", str(amd64))
    assert host.run(check=True, **foreign)["changed"]
    assert host.run(**foreign)["remedy"] == "Install the package arch-test."
