# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole agent against a service in this process, with programs that only note how they were called.

Real disks, file systems and boot loaders are the matter of tests that run as root, and of whole machines.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from accentos_ramdisk import __main__ as program
from accentos_ramdisk import stages, target
from accentos_ramdisk.block_devices import read_disks
from accentos_ramdisk.client import RefusedError
from accentos_ramdisk.disks import plan_layout
from accentos_ramdisk.errors import AgentError
from accentos_ramdisk.programs import Command, run
from accentos_ramdisk.specification import parse_specification
from accentos_ramdisk.stages import Machine, Reports, install

from .samples import specification
from .test_inventory import whole

MAC = "52:54:00:00:00:01"
# No such disk exists anywhere, so that a mistake in these tests cannot touch one.
DISK = "accentostest"
TOOLS = (
    "wipefs",
    "sfdisk",
    "udevadm",
    "mkfs.vfat",
    "mdadm",
    "lvm",
    "e2fsck",
    "tune2fs",
    "resize2fs",
    "mount",
    "umount",
    "chroot",
    "kexec",
    "sync",
)
TOOL = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
[ "${0##*/}" = "$(cat "$CALLS.fails" 2>/dev/null)" ] && { echo "it does not work" >&2; exit 1; }
[ "$2 $3" = "ssh-keygen -A" ] && echo "ssh-ed25519 AAAA x" >"$1/etc/ssh/ssh_host_ed25519_key.pub"
[ "$1 $2" = "--detail --scan" ] && echo "ARRAY /dev/md/root"
exit 0
"""


class Service:
    """The provisioner service as the stages see it; it can be away, or refuse reports of one stage."""

    def __init__(self, wanted: Mapping[str, Any], packed: bytes) -> None:
        self.wanted = wanted
        self.packed = packed
        self.reports: list[dict[str, Any]] = []
        self.away: set[tuple[str, str]] = set()
        self.refuses = ""
        self.patience: list[float | None] = []

    def post(self, path: str, body: Mapping[str, object], patience: float | None = None) -> dict[str, object]:
        if path == "/v1/specification":
            inventory: Any = body["inventory"]
            assert body == {"token": "t", "macs": [card["mac"] for card in inventory["cards"]], "inventory": inventory}
            return {"specification": self.wanted, "session": "s"} if self.wanted else {}
        assert path == "/v1/reports"
        if body["stage"] == self.refuses:
            raise RefusedError(409, "out of order", "Arm again.")
        if (str(body["stage"]), str(body["status"])) in self.away:
            self.away.clear()
            raise AgentError("the service is away", "Wait.")
        self.reports.append(dict(body))
        self.patience.append(patience)
        return {}

    def download(self, url: str, size: int) -> Iterator[bytes]:
        assert (url, size) == (self.wanted["image"]["url"], len(self.packed))
        yield self.packed

    def told(self) -> list[str]:
        return [f"{report['stage']} {report['status']}" for report in self.reports]


class World:
    """A machine as a folder, with its programs, a service, and what happened."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls_file = folder / "calls"
        self.device = folder / "device"
        self.device.write_bytes(bytes(200_000))
        self.mount_point = folder / "target"
        self.restarts: list[str] = []
        programs = folder / "programs"
        programs.mkdir()
        for tool in TOOLS:
            (programs / tool).write_text(TOOL)
            (programs / tool).chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setenv("CALLS", str(self.calls_file))
        monkeypatch.setattr(target, "BY_UUID", folder / "by-uuid")
        monkeypatch.setattr(target, "UDEV_DATA", folder)
        monkeypatch.setattr(target, "_ENVIRONMENT", dict(os.environ))
        self._plan = plan_layout
        monkeypatch.setattr(stages, "plan_layout", self.plan_layout)
        for place in ("etc/ssh", "boot", "usr/lib/grub/i386-pc", "usr/lib/grub/x86_64-efi"):
            (self.mount_point / place).mkdir(parents=True)
        for name in ("vmlinuz-6.12", "initrd.img-6.12"):
            (self.mount_point / "boot" / name).touch()
        self.root = folder / "root"
        block = self.root / "sys/block"
        (self.root / "proc/self").mkdir(parents=True)
        (self.root / "proc/self/mountinfo").touch()
        for number in (1, 2):
            device = block / f"{DISK}{number}"
            (device / "device").mkdir(parents=True)
            (device / "size").write_text(f"{2**22}\n")
            (device / "serial").write_text(f"S{number}\n")
        raw = os.urandom(100_000)
        packed = subprocess.run(["zstd", "-q", "-c"], input=raw, stdout=subprocess.PIPE, check=True).stdout
        self.service = Service(
            specification(
                image__sha256=hashlib.sha256(packed).hexdigest(), image__size=len(packed), image__raw_size=len(raw)
            ),
            packed,
        )
        self.raw = raw
        self.machine = Machine(False, self.restarts.append, self.mount_point, "x86_64", root=self.root)

    def plan_layout(self, *arguments: Any) -> Any:
        return dataclasses.replace(self._plan(*arguments), root=str(self.device))

    def fails(self, tool: str) -> None:
        Path(f"{self.calls_file}.fails").write_text(tool)

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def install(self, cards: Sequence[Mapping[str, str]] = ({"name": "eth7", "mac": MAC},)) -> None:
        inventory = {"cards": list(cards)}
        install(self.service, "t", [card["mac"] for card in cards], self.machine, inventory)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


ALL = [f"{name} {status}" for name in stages.STAGES for status in ("started", "done")]


def test_an_installation_from_beginning_to_end(world: World) -> None:
    world.install()
    assert world.service.told() == ALL
    assert world.restarts == ["reboot"]
    assert world.device.read_bytes()[: len(world.raw)] == world.raw
    last = world.service.reports[-1]
    assert (last["detail"], last["host_keys"], last["session"]) == ("reboot", ["ssh-ed25519 AAAA"], "s")
    before_the_disks = [stages.SHORT, stages.SHORT, stages.FAILURE]
    assert world.service.patience == [*before_the_disks, *[stages.SHORT] * 8, stages.LONG]
    assert world.service.reports[3]["detail"] == f"plain on /dev/{DISK}1"
    assert all(report["seconds"] >= 0 for report in world.service.reports)
    assert (world.mount_point / "etc/hostname").read_text() == "compute-1\n"
    assert 'console=ttyS0,115200n8"' in (world.mount_point / "etc/default/grub.d/accentos.cfg").read_text()
    calls = world.calls()
    assert f"wipefs --all /dev/{DISK}1" in calls
    assert not any(f"{DISK}2" in call.replace(f"{DISK}1p2", "") for call in calls)
    mounts, unmounts = (
        [call.split()[-1] for call in calls if call.startswith(f"{name} ")] for name in ("mount", "umount")
    )
    assert mounts == unmounts[::-1]
    assert len(mounts) == 7
    assert f"chroot {world.mount_point} grub-install --target=i386-pc --recheck /dev/{DISK}1" in calls
    assert f"chroot {world.mount_point} update-grub" in calls
    assert calls[-1] == "sync "
    assert list((world.mount_point.parent / "by-uuid").iterdir()) == []


def test_a_machine_without_a_card_of_the_site_is_left_alone(world: World) -> None:
    world.service.wanted["network"]["interfaces"].append({"name": "eno2", "mac": "52:54:00:00:00:02"})
    cards = [{"name": "enp1s0", "mac": MAC}, {"name": "enp2s0", "mac": "52:54:00:00:00:0c"}]
    with pytest.raises(AgentError, match="the site describes eno2"):
        world.install(cards)
    assert world.service.told() == ["specification started", "specification failed"]
    both = (
        "the site describes eno2 (52:54:00:00:00:02), and this machine has enp2s0 (52:54:00:00:00:0c) instead\nRemedy: "
    )
    assert world.service.reports[-1]["detail"].startswith(both)
    # Nor is a card there whose driver is not.
    assert "add it to host_image_firmware / host_image_ramdisk_modules" in world.service.reports[-1]["detail"]
    assert world.calls() == []


def test_a_card_may_be_there_that_the_site_does_not_describe(world: World) -> None:
    world.install([{"name": "enp1s0", "mac": MAC}, {"name": "enp2s0", "mac": "52:54:00:00:00:0c"}])
    assert world.service.told() == ALL


def test_a_mirror_with_lvm(world: World) -> None:
    world.service.wanted["disks"].update(rule={"size_min_gib": 1}, layout="raid1+lvm")
    world.install()
    calls = world.calls()
    assert "lvm vgs --noheadings --options vg_name" in calls
    assert sum("--raid-devices=2" in call for call in calls) == 1
    assert (world.mount_point / "etc/mdadm/mdadm.conf").read_text().endswith("ARRAY /dev/md/root\n")
    assert world.service.told() == ALL


def test_kexec_goes_on_with_the_new_kernel(world: World) -> None:
    world.service.wanted["boot"]["next"] = "kexec"
    world.install()
    (call,) = [call for call in world.calls() if call.startswith("kexec")]
    boot = f"{world.mount_point}/boot"
    assert call.startswith(f"kexec --load --no-checks {boot}/vmlinuz-6.12 --initrd={boot}/initrd.img-6.12")
    assert "ro console=tty0 console=ttyS0,115200n8" in call
    assert world.restarts == ["kexec"]


def test_without_kexec_it_restarts(world: World) -> None:
    world.service.wanted["boot"]["next"] = "kexec"
    world.fails("kexec")
    world.install()
    assert world.restarts == ["reboot"]
    assert world.service.told() == ALL


@pytest.mark.parametrize(
    ("tool", "stage"),
    [
        ("sfdisk", "disks"),
        ("resize2fs", "image"),
        ("mount", "configuration"),
        ("chroot", "configuration"),
        ("umount", "finish"),
    ],
)
def test_a_failed_stage_says_why_and_nothing_restarts(world: World, tool: str, stage: str) -> None:
    world.fails(tool)
    with pytest.raises(AgentError, match="it does not work"):
        world.install()
    last = world.service.reports[-1]
    assert (last["stage"], last["status"]) == (stage, "failed")
    assert "it does not work" in last["detail"]
    assert "Remedy: Run the command by hand" in last["detail"]
    assert world.restarts == []


def test_a_wrong_rule_touches_nothing_and_lists_the_disks(world: World) -> None:
    world.service.wanted["disks"]["rule"] = {"size_min_gib": 1}
    with pytest.raises(AgentError, match="matches 2 disks"):
        world.install()
    assert world.calls() == []
    assert f"/dev/{DISK}2: 2.0 GiB, not rotational, serial S2" in world.service.reports[-1]["detail"]


def test_a_corrupt_image_is_never_booted(world: World) -> None:
    world.service.wanted["image"]["sha256"] = "1" * 64
    with pytest.raises(AgentError, match="must be 1111"):
        world.install()
    assert world.service.told()[-1] == "image failed"
    assert world.restarts == []
    assert not any(call.startswith(("mount", "chroot")) for call in world.calls())


def test_a_specification_with_a_mistake_is_reported(world: World) -> None:
    world.service.wanted = {**world.service.wanted, "host": "A B"}
    with pytest.raises(AgentError, match="host: 'A B'"):
        world.install()
    assert world.service.told() == ["specification started", "specification failed"]


def test_an_answer_without_specification(world: World) -> None:
    world.service.wanted = {}
    with pytest.raises(AgentError, match="without session or specification"):
        world.install()


def test_an_image_without_boot_loader_fails_in_its_stage(world: World) -> None:
    for name in ("i386-pc", "x86_64-efi"):
        (world.mount_point / "usr/lib/grub" / name).rmdir()
    (world.mount_point / "usr/lib/grub").rmdir()
    with pytest.raises(AgentError, match="it has: none"):
        world.install()
    assert world.service.told()[-1] == "boot_loader failed"


@pytest.mark.parametrize("away", [("disks", "done"), ("image", "started")])
def test_a_report_that_did_not_arrive_comes_with_the_next(world: World, away: tuple[str, str]) -> None:
    world.service.away.add(away)
    world.install()
    assert world.service.told() == ALL


def test_no_disk_is_touched_before_the_service_knows(world: World) -> None:
    world.service.away.add(("disks", "started"))
    with pytest.raises(AgentError, match="is away"):
        world.install()
    assert world.calls() == []


def test_the_last_report_must_arrive(world: World) -> None:
    world.service.away.add(("finish", "done"))
    with pytest.raises(AgentError, match="is away"):
        world.install()
    assert world.restarts == []


def test_a_refused_report_ends_it(world: World) -> None:
    world.service.refuses = "image"
    with pytest.raises(RefusedError):
        world.install()
    assert world.restarts == []


def test_a_failure_that_nobody_hears_is_still_told_here(world: World, caplog: pytest.LogCaptureFixture) -> None:
    reports = Reports(world.service, "s")
    world.service.away.add(("disks", "failed"))
    with pytest.raises(OSError, match="broken"), stages.stage(reports, "disks"):
        raise OSError("broken")
    assert "the service does not hear of it: the service is away" in caplog.text


def test_a_missing_program_is_told() -> None:
    with pytest.raises(AgentError, match="no-such-program does not start"):
        run(Command(("no-such-program",)))


def test_a_silent_failure_is_told() -> None:
    with pytest.raises(AgentError, match="ended with code 1: it said nothing"):
        run(Command(("false",)))


def test_root_by_uuid_is_left_alone_where_udev_made_it(world: World) -> None:
    layout = stages.prepare_disks(read_disks(world.root), parse_specification(world.service.wanted))
    link = target.BY_UUID / layout.root_uuid
    link.parent.mkdir()
    link.symlink_to(world.device)
    with target.mounted(world.mount_point, layout, uefi=True):
        pass
    assert link.is_symlink()


class Kernel:
    """Answers reboot(2)."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    def __call__(self, command: int) -> int:
        self.asked.append(command)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("how", "answers", "asked"),
    [("reboot", [0], [0x01234567]), ("kexec", [-1, 0], [0x45584543, 0x01234567])],
)
def test_the_kernel_is_asked_to_restart(how: str, answers: list[int], asked: list[int]) -> None:
    kernel = Kernel(*answers)
    program.restart(how, kernel)
    assert kernel.asked == asked


def test_a_kernel_that_does_not_restart_is_told() -> None:
    with pytest.raises(AgentError, match="the kernel does not restart"):
        program.restart("reboot", Kernel(-1))


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose kernel command line can be written, and whose programs are not there."""
    monkeypatch.setenv("PATH", "/nonexistent")
    return whole(tmp_path / "root")


def boot(root: Path, line: str, authority: Path, machine: Machine | None = None) -> int:
    (root / "proc/cmdline").write_text(line)
    return program.main(root, authority, machine)


LINE = "accentos.server=https://127.0.0.1:1 accentos.verbose=1"


def test_a_bad_command_line_ends_with_a_shell(booted: Path, pki: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert boot(booted, "quiet", pki.authority) == program.FAILED
    assert "no usable accentos.server" in caplog.text
    assert "Remedy: Mend the kernel options" in caplog.text


def test_a_missing_authority_ends_with_a_shell(booted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert boot(booted, LINE, tmp_path / "none") == program.FAILED
    assert "look at the kernel's messages" in caplog.text


@pytest.mark.parametrize("token", ["", " accentos.token=abcdefghijklmnop"])
def test_orders_are_carried_out(
    booted: Path, pki: Any, monkeypatch: pytest.MonkeyPatch, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[Any] = []
    heard: list[dict[str, bool]] = []
    switches = {"eth0": {"switch": "leaf-1", "port": "Ethernet7"}}

    def listen(cards: dict[str, bool]) -> dict[str, dict[str, str]]:
        heard.append(cards)
        return switches

    monkeypatch.setattr(program, "listen", listen)
    monkeypatch.setattr(program, "enrol", lambda _client, inventory: f"enrolled with {len(inventory['cards'])} cards")
    monkeypatch.setattr(program, "install", lambda _client, *arguments: done.append(arguments))
    monkeypatch.setattr(program, "settle_clock", lambda _authority: True)
    assert boot(booted, LINE + token, pki.authority) == 0
    ((used, macs, machine, inventory),) = done
    assert len(inventory["cards"]) == 2
    assert used == ("abcdefghijklmnop" if token else "enrolled with 2 cards")
    assert macs == ["52:54:00:00:00:0a", "52:54:00:00:00:0b"]
    # Only a machine that nobody knows listens for its switches: an installation does not wait for them.
    assert heard == ([] if token else [{"eth0": True, "eth1": False}])
    assert [card["lldp"] for card in inventory["cards"]] == [None if token else switches["eth0"], None]
    assert (machine.uefi, machine.restart) == (False, program.restart)
    assert "the clock stood before" in caplog.text


def test_the_package_runs_as_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    # This machine is not the deploy ramdisk: its command line orders nothing, and the program touches nothing.
    monkeypatch.delitem(sys.modules, "accentos_ramdisk.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("accentos_ramdisk", run_name="__main__")
    assert ended.value.code == program.FAILED
