# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time, and whom the kernel names as the other one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils import process_locks
from ansible_collections.accentos.cloud.plugins.module_utils.process_locks import HeldError, only_one

from ..modules.lock_holder import held


class Heard:
    """Keeps what a module says."""

    def __init__(self) -> None:
        self.logged: list[str] = []
        self.warned: list[str] = []

    def log(self, msg: str) -> None:
        self.logged.append(msg)

    def warn(self, warning: str) -> None:
        self.warned.append(warning)


@pytest.fixture(autouse=True)
def pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_locks, "_PAUSE", 0.01)


def test_a_free_lock_is_taken_without_a_word_and_given_back(tmp_path: Path) -> None:
    heard = Heard()
    path = tmp_path / "lock"
    for _attempt in range(2):
        with only_one(heard, path, "does it", timeout=0):
            # What another process sees of it.
            program = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
            other = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=False)
            assert b"BlockingIOError" in other.stderr
    assert (heard.logged, heard.warned) == ([], [])
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_run_is_named_at_once_where_nobody_waits(tmp_path: Path) -> None:
    heard = Heard()
    path = tmp_path / "lock"
    with held(path) as other, pytest.raises(HeldError) as told, only_one(heard, path, "does it", timeout=0):
        pytest.fail("two hold it")
    assert str(told.value) == f"Another run does it on this host, process {other.pid}."
    assert f"kill {other.pid}" in told.value.remedy
    assert heard.warned == []


def test_who_waits_says_so_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    heard = Heard()
    with held(tmp_path / "lock") as other:
        with pytest.raises(HeldError, match="and has not ended within"):
            only_one(heard, tmp_path / "lock", "does it", timeout=0.5).__enter__()
        assert other.poll() is None
    assert heard.logged == heard.warned
    (said,) = heard.warned
    assert said.startswith(f"Another run does it on this host, process {other.pid}; this one waits for its end")


def test_who_waits_goes_on_when_the_other_one_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    with held(tmp_path / "lock") as other:
        monkeypatch.setattr(heard, "log", lambda _msg: other.terminate())
        with only_one(heard, tmp_path / "lock", "does it", timeout=60):
            assert other.wait() == -signal.SIGTERM
    assert len(heard.warned) == 1


def test_the_one_that_holds_the_lock_is_ended_and_not_whom_a_file_names(tmp_path: Path) -> None:
    heard = Heard()
    path = tmp_path / "lock"
    with subprocess.Popen(["sleep", "60"]) as bystander:
        path.write_text(str(bystander.pid))
        with held(path) as other, only_one(heard, path, "does it", timeout=60, end_other=True):
            assert other.wait() == -signal.SIGKILL
        bystander.terminate()
        assert bystander.wait() == -signal.SIGTERM
    assert heard.warned == [f"Another run does it on this host, process {other.pid}; this one ends it."]


def test_a_number_that_another_process_has_by_now_is_not_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    opened = os.pidfd_open

    def reused(_pid: int) -> int:
        """The process that was asked for has ended, and this one has its number."""
        return opened(bystander.pid)

    with subprocess.Popen(["sleep", "60"]) as bystander, held(path) as other:
        answers = iter([other.pid, None, None])
        monkeypatch.setattr(process_locks, "holder", lambda _file: next(answers, None))
        monkeypatch.setattr(os, "pidfd_open", reused)
        monkeypatch.setattr(time, "sleep", lambda _seconds: other.kill())
        with only_one(Heard(), path, "does it", timeout=60, end_other=True):
            bystander.terminate()
            assert bystander.wait() == -signal.SIGTERM


def test_a_holder_out_of_sight_is_neither_named_nor_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_locks, "holder", lambda _file: 0)
    with held(tmp_path / "lock") as other:
        with pytest.raises(HeldError, match="not to be seen from here") as told:
            only_one(Heard(), tmp_path / "lock", "does it", timeout=0.1, end_other=True).__enter__()
        assert other.poll() is None
    assert "fuser" in told.value.remedy


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="lock"), only_one(Heard(), tmp_path / "lock", "does it", timeout=0):
        pytest.fail("it is a link")
