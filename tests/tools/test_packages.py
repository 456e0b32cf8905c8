# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about Debian packages, with output as dpkg, apt and the kernel print it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.steps import packages
from tools.steps.engine import Job, Run, Step, StepError

LISTING = "podman installed\nrunc config-files\nzstd:amd64 installed\niptables not-installed\n"
LOCKS = """\
1: POSIX  ADVISORY  WRITE 4321 08:01:131 0 EOF
1: -> POSIX  ADVISORY  WRITE 99 08:01:777 0 EOF
2: FLOCK  ADVISORY  WRITE 17 00:19:131 0 EOF
"""


def test_absent_are_those_without_the_state_installed() -> None:
    wanted = ("podman", "runc", "zstd", "iptables", "shellcheck")
    assert packages.absent(wanted, LISTING) == ["runc", "iptables", "shellcheck"]
    assert packages.absent((), LISTING) == []


def test_missing_asks_this_machine() -> None:
    assert packages.missing(("no-such-package-here",)) == ["no-such-package-here"]
    assert packages.missing(("dpkg",)) == []
    assert packages.missing(()) == []


def test_lock_owner_is_the_holder_not_a_waiting_one() -> None:
    assert packages.lock_owner(LOCKS, os.makedev(8, 1), 131) == 4321
    assert packages.lock_owner(LOCKS, os.makedev(8, 1), 777) is None
    assert packages.lock_owner(LOCKS, os.makedev(0, 25), 131) == 17
    assert packages.lock_owner("", os.makedev(8, 1), 131) is None


def test_interrupted_installation_is_seen() -> None:
    assert packages.interrupted("The following packages are only half configured", [])
    assert packages.interrupted("", ["0001", "tmp.i"])
    assert not packages.interrupted("\n", ["tmp.i"])


def test_error_lines_of_apt() -> None:
    output = ["Reading package lists...", "E: Unable to locate package podman", "E: second"]
    assert packages.error_lines(output) == "E: Unable to locate package podman / E: second"
    assert packages.error_lines(["a", "b", "c", "d"]) == "b / c / d"


def test_a_service_is_masked_unless_somebody_decided_already(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    assert packages.mask("snmpd.service", folder)
    assert (folder / "snmpd.service").readlink() == Path("/dev/null")
    assert not packages.mask("snmpd.service", folder)
    (folder / "own.service").write_text("[Service]\n")
    assert not packages.mask("own.service", folder)
    assert (folder / "own.service").read_text() == "[Service]\n"


def job_in(run: Run) -> Job:
    return Job(Step("packages", "why", ("true",)), run)


def test_waits_for_the_package_manager_and_says_for_whom(run: Run) -> None:
    owners = iter(["apt-get (pid 7)", ""])
    job = job_in(run)
    packages.wait_for_lock(job, lambda: next(owners), 5)
    assert list(job.tail) == ["apt-get (pid 7) holds the lock of the package manager; waiting at most 5 s"]


def test_does_not_wait_for_ever(run: Run) -> None:
    with pytest.raises(StepError, match=r"apt-get \(pid 7\) has held the lock .* for 1 s"):
        packages.wait_for_lock(job_in(run), lambda: "apt-get (pid 7)", 1)


def test_nothing_missing_starts_no_program(run: Run) -> None:
    job = job_in(run)
    packages.install(("dpkg",), {"dpkg": "dpkg.service"})(job)
    assert list(job.tail) == ["nothing to install"]
