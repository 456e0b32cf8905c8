# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks before anything is changed, with literals."""

from __future__ import annotations

import os
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tools.steps import lab, machine, verbs
from tools.steps.engine import Needs
from tools.steps.machine import Facts, Folder, preflight

DEBIAN = {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"}
GOOD = Facts(
    system="Linux",
    release=DEBIAN,
    architecture="x86_64",
    euid=0,
    sudo=False,
    memory_mib=3910,
    checkout=Folder("/srv/accentos", 9000, 1),
    storage=Folder("/var/lib/containers", 9000, 2),
    writable=True,
    has_apt=True,
)
LAB = Needs(root=True, disk_mib=8192, memory_mib=4096, containers=True)


def messages(facts: Facts, needs: Needs = LAB, packages: tuple[str, ...] = ()) -> list[str]:
    return [str(problem) for problem in preflight(needs, packages, facts)]


def test_a_good_machine_has_no_problem() -> None:
    assert messages(GOOD) == []
    assert messages(replace(GOOD, euid=1000, sudo=True), packages=("podman",)) == []


@pytest.mark.parametrize(
    ("system", "release", "named"),
    [
        ("Linux", {"ID": "ubuntu", "VERSION_ID": "24.04", "PRETTY_NAME": "Ubuntu 24.04 LTS"}, "Ubuntu 24.04 LTS"),
        ("Linux", {"ID": "debian", "VERSION_ID": "11", "PRETTY_NAME": "Debian 11"}, "Debian 11"),
        ("Linux", {"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux forky/sid"}, "Debian GNU/Linux forky/sid"),
        ("Linux", {}, "Linux"),
        ("Darwin", {}, "Darwin"),
    ],
)
def test_other_systems_are_refused_by_name(system: str, release: dict[str, str], named: str) -> None:
    (message,) = messages(replace(GOOD, system=system, release=release))
    assert message.startswith(f"This is {named}, not Debian 12 or 13.")
    assert "Use a Debian 12 or 13 machine" in message


def test_release_file_with_quotes_and_comments() -> None:
    text = '# comment\nID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n\n'
    release = machine.parse_release(text)
    assert release == {"ID": "debian", "VERSION_ID": "13", "PRETTY_NAME": "Debian GNU/Linux 13 (trixie)"}
    assert machine.check_system("Linux", release) is None


def test_architecture_is_named() -> None:
    (message,) = messages(replace(GOOD, architecture="mips64"))
    assert "mips64" in message


def test_rights_are_asked_for_only_where_needed() -> None:
    user = replace(GOOD, euid=1000, sudo=False)
    assert messages(user, Needs()) == []
    (message,) = messages(user)
    assert "to make containers and networks" in message
    (message,) = messages(user, Needs(), ("shellcheck",))
    assert "to install shellcheck" in message


def test_missing_disk_space_is_told_in_mib() -> None:
    (message,) = messages(replace(GOOD, checkout=Folder("/srv/accentos", 8000, 1)))
    assert message.startswith("192 MiB of disk space are missing in /srv/accentos: 8000 MiB are free, 8192 MiB")
    (message,) = messages(replace(GOOD, storage=Folder("/var/lib/containers", 1, 2)))
    assert message.startswith("8191 MiB of disk space are missing in /var/lib/containers")


def test_one_file_system_gives_one_message_and_exactly_enough_is_enough() -> None:
    small = replace(GOOD, checkout=Folder("/a", 8191, 1), storage=Folder("/b", 8191, 1))
    assert len(messages(small)) == 1
    assert messages(replace(GOOD, checkout=Folder("/a", 8192, 1))) == []


def test_what_an_earlier_run_made_is_not_asked_for_again() -> None:
    made = replace(GOOD.checkout, free_mib=7168, there_mib=1024)
    assert messages(replace(GOOD, checkout=made)) == []
    (message,) = messages(replace(GOOD, checkout=replace(made, free_mib=7167)))
    assert message.startswith(
        "1 MiB of disk space are missing in /srv/accentos: 7167 MiB are free, 7168 MiB are needed."
    )
    # On one file system all that is there counts.
    lab = replace(GOOD.storage, free_mib=2048, device=1, there_mib=5120)
    assert messages(replace(GOOD, checkout=replace(made, free_mib=2048), storage=lab)) == []
    # On two it does not.
    assert len(messages(replace(GOOD, checkout=replace(made, free_mib=2048), storage=replace(lab, device=2)))) == 2


def test_a_run_needs_some_room_even_when_all_is_there() -> None:
    full = Folder("/srv/accentos", 1023, 1, there_mib=100000)
    (message,) = messages(replace(GOOD, checkout=full, storage=replace(full, path="/b")))
    assert "1024 MiB are needed" in message
    assert messages(replace(GOOD, checkout=full), Needs()) == []


def test_what_is_there_is_known_by_what_is_written_last(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".lab/cobbler").mkdir(parents=True)
    facts = machine.gather(tmp_path, False)
    assert (facts.checkout.there_mib, facts.storage.there_mib) == (0, 0)
    (tmp_path / ".venv/.complete").touch()
    (tmp_path / ".lab/cobbler/ssh_config").touch()
    facts = machine.gather(tmp_path, False)
    assert (facts.checkout.there_mib, facts.storage.there_mib) == (machine.ENVIRONMENT_MIB, machine.LAB_MIB)
    summary = tmp_path / lab.summary_file("cloud")
    summary.parent.mkdir(parents=True)
    summary.touch()
    assert machine.gather(tmp_path, False).storage.there_mib == machine.LAB_MIB + machine.CLOUD_MIB
    # What is made already is more than a second run would miss.
    assert verbs.CLOUD_NEEDS.disk_mib - machine.LAB_MIB - machine.CLOUD_MIB < verbs.LAB_NEEDS.disk_mib


def test_labs_that_root_keeps_to_itself_are_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".lab/lab").mkdir(parents=True)
    assert machine.lab_folders(tmp_path) == [tmp_path / ".lab/lab"]

    def refuse(_path: Path) -> Iterator[Path]:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert machine.lab_folders(tmp_path) == []


def test_keys_of_a_lab_go_to_the_owner_of_the_checkout_only(tmp_path: Path) -> None:
    lab = tmp_path / ".lab"
    assert machine.labs_to_hand_back(tmp_path, {"SUDO_UID": str(os.getuid())}) == [lab]
    assert machine.labs_to_hand_back(tmp_path, {"SUDO_UID": str(os.getuid() + 1)}) == []
    assert machine.labs_to_hand_back(tmp_path, {}) == []


def test_storage_counts_only_for_containers() -> None:
    assert messages(replace(GOOD, storage=Folder("/b", 0, 2)), Needs(disk_mib=2048)) == []


def test_memory() -> None:
    assert messages(replace(GOOD, memory_mib=3892)) == []
    (message,) = messages(replace(GOOD, memory_mib=3800))
    assert message.startswith("The machine has 3800 MiB of memory, 4096 MiB are needed.")
    assert machine.memory_mib("MemTotal:        4016164 kB\nMemFree: 1 kB\n") == 3922
    assert machine.memory_mib("") == 0


def test_what_needs_less_is_named_where_room_is_missing() -> None:
    needs = Needs(root=True, disk_mib=2048, memory_mib=4096, smaller="Or take a walk.")
    small = replace(GOOD, memory_mib=100, checkout=Folder("/srv/site", 10, 1), architecture="riscv64")
    told = [str(problem) for problem in preflight(needs, (), small)]
    assert [("MiB" in text, text.endswith("Or take a walk.")) for text in told] == [
        (False, False),
        (True, True),
        (True, True),
    ], told


@pytest.mark.parametrize(
    "path", ["/srv/my site", "/srv/o'site", "/srv/a$b", "/srv/a,b", "/srv/a:b", "/srv/a%h", "/srv/a\n"]
)
def test_a_path_that_some_program_takes_for_something_else_is_refused(path: str) -> None:
    facts = replace(GOOD, checkout=Folder(path, 9000, 1))
    (message,) = messages(facts)
    (odd,) = {*path} & {*" '$,:%\n"}
    assert message.startswith(f"The path of the checkout, {path!r}, has {odd!r} in it.")
    assert "Move the checkout" in message
    # A lab that was made there before can be removed.
    assert messages(facts, verbs.REMOVAL_NEEDS) == []


@pytest.mark.parametrize("path", ["/srv/accentos-2.0_b+c", "/home/müller/a@b=c~", "/"])
def test_other_paths_are_good(path: str) -> None:
    assert messages(replace(GOOD, checkout=Folder(path, 9000, 1))) == []


def test_checkout_on_a_read_only_file_system() -> None:
    (message,) = messages(replace(GOOD, writable=False, read_only="/mnt/a b"), verbs.REMOVAL_NEEDS)
    assert message.startswith("'/mnt/a b' is on a file system that is mounted read-only.")
    assert "findmnt --target '/mnt/a b'" in message
    assert "chown" not in message
    # With sudo it cannot be written either.
    assert len(messages(replace(GOOD, writable=True, read_only="/srv/accentos"))) == 1


def test_read_only_file_system_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.gather(tmp_path, False).read_only == ""
    (tmp_path / ".venv").mkdir()
    real = os.statvfs(tmp_path)
    found = types.SimpleNamespace(f_flag=real.f_flag | os.ST_RDONLY)
    monkeypatch.setattr(os, "statvfs", lambda place: found if place == tmp_path / ".venv" else real)
    assert machine.gather(tmp_path, False).read_only == str(tmp_path / ".venv")


def test_checkout_that_cannot_be_written_and_apt_that_is_not_there() -> None:
    (message,) = messages(replace(GOOD, writable=False, checkout=Folder("/srv/a b", 9000, 1)), verbs.REMOVAL_NEEDS)
    assert message.startswith("'/srv/a b' is not writable for you.")
    assert message.endswith("chown -R \"$(id -u)\" '/srv/a b'")
    assert messages(replace(GOOD, has_apt=False)) == []
    (message,) = messages(replace(GOOD, has_apt=False), packages=("podman", "runc"))
    assert "podman runc" in message


def test_programs_are_looked_for_where_root_finds_them(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "bin", tmp_path / "sbin"
    for place in (path / "podman", elsewhere / "ip"):
        place.parent.mkdir()
        place.touch(0o755)
    programs = {"podman": "podman", "ip": "iproute2", "ssh": "openssh-client"}
    first, second = map(str, machine.check_programs(programs, str(path), str(elsewhere)))
    assert first.startswith(f"The program ip is not found in PATH ({path}).")
    assert first.endswith(f"It is in {elsewhere}: put that into the PATH of root.")
    assert second.endswith("Bring it back: apt-get install --reinstall openssh-client")


def test_all_problems_are_told_at_once() -> None:
    bad = replace(GOOD, architecture="mips", memory_mib=1, checkout=Folder("/a", 0, 1))
    assert len(messages(bad)) == 3


def test_storage_path_of_podman() -> None:
    assert machine.storage_path([]) == Path("/var/lib/containers")
    assert machine.storage_path(["", '[storage]\ngraphroot = "/data"\n']) == Path("/data")
    assert machine.storage_path(["broken [", "[storage]\n"]) == Path("/var/lib/containers")


def test_sudo_keeps_only_what_is_listed_and_set() -> None:
    environ = {"CI": "true", "TERM": "xterm", "SECRET": "x", "LD_PRELOAD": "y"}
    assert machine.sudo_command(["python3", "lab"], environ) == [
        "sudo",
        "--preserve-env=CI,TERM",
        "--",
        "python3",
        "lab",
    ]
    assert machine.sudo_command(["a"], {}) == ["sudo", "--", "a"]


def test_folder_that_is_yet_to_be_made_is_measured_at_its_parent(tmp_path: Path) -> None:
    measured = machine.folder(tmp_path / "not/yet/there")
    assert measured.device == tmp_path.stat().st_dev
    assert measured.free_mib > 0


def test_facts_of_this_machine(tmp_path: Path) -> None:
    facts = machine.gather(tmp_path, False)
    assert facts.system == os.uname().sysname
    assert facts.memory_mib > 100
    assert facts.writable
    assert not facts.sudo
