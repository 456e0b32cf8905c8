# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of hosts of a lab in which something failed. This machine stands for a host: commands are run here."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import subprocess
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tools.steps import failures, labs
from tools.steps.engine import failures_folder
from tools.steps.failures import Lab, Question
from tools.steps.verbs import scenario_step

ROOT = Path(__file__).resolve().parents[2]
PRIVATE = "a password of the site"


def plain(text: str) -> str:
    return text


def unpacked(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def container(name: str, owner: str) -> dict[str, object]:
    """Return a row of what podman lists."""
    return {"Names": [name], "Labels": {labs.OWNER: owner}}


def test_hosts_are_those_of_the_lab_and_of_its_owner() -> None:
    listed = json.dumps(
        [
            container("accentos-one-compute-1", "/site"),
            container("accentos-one-cache", "/site"),
            container("accentos-one-compute-2", "/other"),
            container("accentos-two-compute-1", "/site"),
            {"Names": ["accentos-one-stranger"], "Labels": None},
        ]
    )
    assert failures.hosts_among(listed, "/site", "one") == {
        "cache": ("podman", "exec", "accentos-one-cache"),
        "compute-1": ("podman", "exec", "accentos-one-compute-1"),
    }


@pytest.mark.parametrize(
    ("name", "controllers"), [("openstack", True), ("control_plane", True), ("prepare", False), ("provision", False)]
)
def test_the_doctor_is_asked_where_there_are_controllers(name: str, controllers: bool) -> None:
    site = ROOT / f"molecule/{name}/inventory"
    lab_name = {"control_plane": "three", "prepare": "molecule"}.get(name, name)
    listed = json.dumps([container(f"accentos-{lab_name}-deploy-1", str(site))])
    found = failures.find_lab(site, ROOT, listed)
    assert found is not None
    assert ([*found.hosts], found.has_controllers, found.secrets) == (
        ["deploy-1"],
        controllers,
        ROOT / ".lab" / lab_name,
    )
    assert failures.find_lab(site, ROOT, "[]") is None


def test_an_answer_is_kept_with_how_it_ended_and_without_secrets(tmp_path: Path) -> None:
    command = ("sh", "-c", f"echo it is '{PRIVATE}'; echo wrong >&2; exit 3")
    failures.ask(
        ("env",), Question("a.txt", command), tmp_path / "host", lambda text: text.replace(PRIVATE, "(hidden)")
    )
    assert (tmp_path / "host/a.txt").read_text() == "it is (hidden)\nwrong\nended with exit code 3\n"
    assert stat.S_IMODE((tmp_path / "host/a.txt").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "host").stat().st_mode) == 0o700
    # A host of which the container has ended.
    failures.ask(("env", "false"), Question("b.txt.gz", ()), tmp_path, plain)
    assert unpacked(tmp_path / "b.txt.gz") == "ended with exit code 1\n"


def test_an_answer_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "COMMAND_SECONDS", 1)
    monkeypatch.setattr(failures, "FILE_BYTES", 6)
    start = time.monotonic()
    failures.ask((), Question("a.txt", ("sh", "-c", "echo first; echo last; sleep 60")), tmp_path, plain)
    assert time.monotonic() - start < 20
    assert (tmp_path / "a.txt").read_text() == "last\nended with exit code 124\n"


def test_of_a_long_file_the_last_whole_lines_are_kept() -> None:
    lines = b"".join(b"%07d\n" % number for number in range(400_000))
    assert failures.tail_of(io.BytesIO(lines), len(lines)) == lines
    kept = failures.tail_of(io.BytesIO(lines), 20)
    assert kept == b"0399998\n0399999\n"
    assert failures.tail_of(io.BytesIO(lines), 2 << 20).endswith(kept)


def test_what_every_host_is_asked_is_neither_its_settings_nor_without_bounds() -> None:
    asked = {question.file: " ".join(question.command) for question in failures.QUESTIONS}
    assert "--lines=20000" in asked["journal.txt.gz"]
    assert "/etc" not in " ".join([*asked.values(), failures.LOGS])


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return a folder with var/log, older files first: text, what is packed, a journal, a link, nothing."""
    top = tmp_path / "host"
    texts = {
        "old.log": "old\n",
        "service/a b.log": f"it is {PRIVATE}\n",
        "rotated.log.1.gz": PRIVATE,
        "journal/1/system.journal": PRIVATE,
        "journal/1/system@1.journal~": PRIVATE,
        "wtmp": PRIVATE,
        "empty.log": "",
        "new.log": "new\n",
    }
    for number, (name, text) in enumerate(texts.items()):
        path = top / "var/log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (number, number))
    (top / "etc").mkdir()
    (top / "etc/shadow").write_text(PRIVATE)
    (top / "var/log/link.log").symlink_to("../../etc/shadow")
    return top


def test_logs_are_kept_as_they_lie_without_what_is_no_text(logs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    failures.keep_logs((), kept, lambda text: text.replace(PRIVATE, "(hidden)"), str(logs))
    found = {str(path.relative_to(kept)): unpacked(path) for path in kept.rglob("*") if path.is_file()}
    assert found == {
        "var/log/new.log.gz": "new\n",
        "var/log/old.log.gz": "old\n",
        "var/log/service/a b.log.gz": "it is (hidden)\n",
    }


def test_where_there_is_no_room_the_oldest_logs_are_left_out(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "HOST_BYTES", 4)
    kept = tmp_path / "kept"
    failures.keep_logs((), kept, plain, str(logs))
    names = {path.name for path in kept.rglob("*") if path.is_file()}
    assert names == {"new.log.gz", "logs_left_out.txt"}


def test_an_archive_that_leads_elsewhere_or_was_cut_off_does_no_harm(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("/absolute.log", "../above.log", "var/log/good.log"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))
    given = made.getvalue()
    assert [str(path) for path, _content in failures.regular_files(io.BytesIO(given))] == ["var/log/good.log"]
    assert [*failures.regular_files(io.BytesIO(given[:700]))] == []
    assert [*failures.regular_files(io.BytesIO(b""))] == []


def test_only_the_newest_folders_are_kept(tmp_path: Path) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    folders = [failures_folder(tmp_path, "molecule x", began + timedelta(hours=number)) for number in range(8)]
    for age, folder in enumerate(reversed(folders)):
        folder.mkdir(parents=True)
        os.utime(folder, (age, age))
    stranger = folders[0].parent / "of-somebody-else"
    stranger.mkdir()
    os.utime(stranger, (0, 0))
    failures.prune(folders[7])
    # The oldest of all is the one that is being made.
    assert sorted(stranger.parent.iterdir()) == sorted([*folders[:4], folders[7], stranger])


def test_all_of_a_lab_is_kept_in_one_folder_and_what_fails_takes_nothing_from_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "LOGS", "exit 0")
    questions = (Question("a.txt", ("sh", "-c", f"echo '{PRIVATE}'")), Question("x" * 300, ("true",)))
    monkeypatch.setattr(failures, "QUESTIONS", questions)
    SecretStore(tmp_path).set("example_password", PRIVATE)
    folder = tmp_path / "kept"
    site = tmp_path / "site"
    lab = Lab(site, {"one": (), "two": ("env",)}, tmp_path, False)
    wrong = failures.keep(lab, folder)
    assert [line.partition(":")[0] for line in wrong] == ["one", "two"]
    assert (folder / "one/a.txt").read_text() == (folder / "two/a.txt").read_text() == "(hidden)\n"


def test_nothing_is_kept_where_secrets_cannot_be_told_from_the_rest(tmp_path: Path) -> None:
    SecretStore(tmp_path).set("example_password", PRIVATE)
    (tmp_path / ".vault_key").write_text("another key\n")
    (problem,) = failures.keep(Lab(tmp_path / "site", {"one": ()}, tmp_path, False), tmp_path / "kept")
    assert "secrets could not be told from other texts" in problem
    assert not (tmp_path / "kept").exists()


def stand_in_podman(folder: Path, site: Path) -> Path:
    """Make the folder of a podman that has a host of the lab of SITE, on which nothing is found."""
    listed = json.dumps([container("accentos-molecule-deploy-1", str(site))])
    program = folder / "bin/podman"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntest \"$1\" = ps && exec echo '{listed}'\necho gone >&2; exit 125\n")
    program.chmod(0o755)
    return program.parent


def test_a_step_finds_the_program_and_tells_it_the_folder(tmp_path: Path) -> None:
    """The words of a step's witness are what the program takes."""
    programs = stand_in_podman(tmp_path, ROOT / "molecule/prepare/inventory")
    python, *words = scenario_step("prepare", "why", 1).witness
    kept = tmp_path / "kept"
    environ = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "ACCENTOS_FAILURES": str(kept)}
    command = [str(ROOT / python), *words]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (kept / "deploy-1/disks.txt").is_file()


def test_the_program_says_where_it_keeps_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = ROOT / "molecule/prepare/inventory"
    programs = stand_in_podman(tmp_path, site)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    folder = tmp_path / "failures/step-1"
    copies = [folder.with_name(f"copy-2025010{day}T000000Z") for day in range(1, 9)]
    for copy in copies:
        copy.mkdir(parents=True)
    assert failures.main(folder, [site, tmp_path / "nowhere"], tmp_path) == 0
    assert capsys.readouterr().out == f"keeping what tells of {site} in {folder}\n"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "deploy-1/disks.txt").read_text() == "gone\nended with exit code 125\n"
    assert [copy for copy in copies if not copy.is_dir()] == []
    # Its own place has an end.
    ours = tmp_path / ".cache/failures"
    ours.parent.mkdir()
    folder.parent.rename(ours)
    assert failures.main(ours / "step-2", [site], tmp_path) == 0
    assert (
        sum(copy.is_dir() for copy in map(ours.joinpath, (copy.name for copy in copies))) == failures.KEPT_FOLDERS - 1
    )
