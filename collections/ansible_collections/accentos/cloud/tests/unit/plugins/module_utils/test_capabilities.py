# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host can do: the judgements with literals, the trials with programs that behave like QEMU."""

from __future__ import annotations

import itertools
import os
import platform
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.capabilities import (
    CAPABILITY_BITS,
    KERNEL_FEATURES,
    KvmVerdict,
    cgroup_version,
    detect,
    effective_capabilities,
    judge_kvm_trial,
    known_of_kvm,
    module_is_listed,
    newest_kernel,
    try_kvm,
)

BOOTS = KvmVerdict(True, "a Linux kernel boots under KVM")
HANGS = KvmVerdict(False, "a Linux kernel started under KVM prints nothing: this machine's KVM is not complete")


@pytest.mark.parametrize(
    ("output", "timed_out", "exit_code", "expected"),
    [
        ("[    0.000000] Linux version 6.12.38+deb13-amd64 (debian-kernel@example.test)\n", False, 0, BOOTS),
        # It spoke, so what came later does not matter.
        ("SeaBIOS\r\n[    0.000000] Linux version 6.12\r\nKernel panic - not syncing: VFS\r\n", True, None, BOOTS),
        ("Linux version 6.1\n", False, 1, BOOTS),
        ("", True, None, HANGS),
        ("SeaBIOS (version 1.16.3)\n", True, None, HANGS),
        ("Loading Linux version unknown\n", True, None, HANGS),
        (
            "qemu: warning: old\nCould not access KVM kernel module: Permission denied\n\n",
            False,
            1,
            KvmVerdict(False, "QEMU with KVM ended with code 1: Could not access KVM kernel module: Permission denied"),
        ),
        ("", False, -6, KvmVerdict(False, "QEMU with KVM ended with code -6: no output")),
        (" \n", False, 0, KvmVerdict(False, "QEMU with KVM ended with code 0: no output")),
        ("x" * 1000, False, 1, KvmVerdict(False, f"QEMU with KVM ended with code 1: {'x' * 300}")),
    ],
)
def test_judge_kvm_trial(output: str, timed_out: bool, exit_code: int | None, expected: KvmVerdict) -> None:
    assert judge_kvm_trial(output=output, timed_out=timed_out, exit_code=exit_code) == expected


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A file in the place of /dev/kvm."""
    path = tmp_path / "kvm"
    path.touch()
    return path


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    path = tmp_path / "vmlinuz-6.12"
    path.touch()
    return path


def make_program(path: Path, script: str) -> str:
    """Write a shell script; it notes its arguments beside itself, one on each line."""
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"$0.arguments"\n{script}\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo '[    0.000000] Linux version 6.12.38'", BOOTS),
        ("echo 'Linux version 6.12.38' >&2; exit 1", BOOTS),
        (
            "echo 'failed to initialize kvm: Device or resource busy' >&2; exit 1",
            KvmVerdict(False, "QEMU with KVM ended with code 1: failed to initialize kvm: Device or resource busy"),
        ),
        (
            "printf 'Linux \\377version 6'; exit 3",
            KvmVerdict(False, "QEMU with KVM ended with code 3: Linux �version 6"),
        ),
        ("kill -ABRT $$", KvmVerdict(False, "QEMU with KVM ended with code -6: no output")),
    ],
)
def test_a_trial_that_ends(tmp_path: Path, device: Path, kernel: Path, script: str, expected: KvmVerdict) -> None:
    assert try_kvm(device, make_program(tmp_path / "qemu", script), kernel, 20) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exec sleep 60", HANGS),
        ("echo 'SeaBIOS (version 1.16.3)'; exec sleep 60", HANGS),
        # The guest works but does not end.
        ("echo 'Linux version 6.12.38'; exec sleep 60", BOOTS),
        # Nothing waits for what the program leaves behind.
        ('sleep 20 & echo $! >"$0.pid"; wait', HANGS),
    ],
)
def test_a_trial_that_hangs(tmp_path: Path, device: Path, kernel: Path, script: str, expected: KvmVerdict) -> None:
    before = time.monotonic()
    assert try_kvm(device, make_program(tmp_path / "qemu", script), kernel, 0.5) == expected
    assert time.monotonic() - before < 10
    for left in tmp_path.glob("*.pid"):
        os.kill(int(left.read_text(encoding="ascii")), 15)


def test_the_trial_boots_the_kernel_with_kvm_and_without_windows(tmp_path: Path, device: Path, kernel: Path) -> None:
    try_kvm(device, make_program(tmp_path / "qemu", "exit 0"), kernel, 20)
    arguments = (tmp_path / "qemu.arguments").read_text(encoding="utf-8").splitlines()
    pairs = set(itertools.pairwise(arguments))
    assert {
        ("-accel", "kvm"),
        ("-display", "none"),
        ("-serial", "stdio"),
        ("-kernel", str(kernel)),
        ("-append", "console=ttyS0 panic=-1"),
    } <= pairs
    assert "-no-reboot" in arguments


def test_the_trial_on_arm_names_a_machine(
    tmp_path: Path, device: Path, kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for architecture, machine, console in (("aarch64", ["virt,gic-version=host"], "ttyAMA0"), ("x86_64", [], "ttyS0")):
        monkeypatch.setattr(os, "uname", lambda found=architecture: SimpleNamespace(machine=found))
        try_kvm(device, make_program(tmp_path / "qemu", "exit 0"), kernel, 20)
        pairs = list(itertools.pairwise((tmp_path / "qemu.arguments").read_text(encoding="utf-8").splitlines()))
        assert [value for name, value in pairs if name == "-machine"] == machine
        assert ("-append", f"console={console} panic=-1") in pairs


BEFORE = KvmVerdict(True, "a Linux kernel has booted under KVM on this host before")
EXPECTED = KvmVerdict(True, "not tried yet: QEMU is not installed")


@pytest.mark.parametrize(
    ("device", "proved", "installed", "check_mode", "expected"),
    [
        (True, False, True, False, None),
        (True, False, True, True, None),
        # Without QEMU a run finds out that there is none; a plan knows that it will be there.
        (True, False, False, False, None),
        (True, False, False, True, EXPECTED),
        (True, True, True, False, BEFORE),
        (True, True, False, True, BEFORE),
        # The proof is no longer one, and the trial says why.
        (False, True, True, False, None),
        (False, True, True, True, None),
        (False, False, False, True, None),
    ],
)
def test_known_of_kvm(
    device: bool, proved: bool, installed: bool, check_mode: bool, expected: KvmVerdict | None
) -> None:
    assert known_of_kvm(device=device, proved=proved, installed=installed, check_mode=check_mode) == expected


def test_no_trial_without_device_qemu_or_kernel(tmp_path: Path, device: Path, kernel: Path) -> None:
    qemu = make_program(tmp_path / "qemu", "echo 'Linux version 6.12'")
    missing = tmp_path / "missing"
    assert try_kvm(missing, qemu, kernel, 20) == KvmVerdict(False, f"{missing} does not exist")
    no_qemu = "not tried: there is no QEMU here to try it with"
    assert try_kvm(device, None, kernel, 20) == KvmVerdict(False, no_qemu)
    assert try_kvm(device, None, None, 20) == KvmVerdict(False, no_qemu)
    no_kernel = "not tried: there is no kernel here to try it with"
    assert try_kvm(device, qemu, None, 20) == KvmVerdict(False, no_kernel)
    assert not (tmp_path / "qemu.arguments").exists()


def test_a_device_that_this_user_may_not_open(
    tmp_path: Path, device: Path, kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Permission bits do not stop root, whom the tests may run as.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != device)
    found = try_kvm(device, make_program(tmp_path / "qemu", "echo 'Linux version 6'"), kernel, 20)
    assert found == KvmVerdict(False, f"{device} may not be opened by this user")


def test_newest_kernel(tmp_path: Path) -> None:
    empty, first, second = (tmp_path / name for name in ("empty", "first", "second"))
    for folder in (empty, first, second):
        folder.mkdir()
    for name in ("vmlinuz-6.12.30-amd64", "vmlinuz-6.12.38-amd64", "vmlinuz-6.1.0-amd64", "initrd.img-6.13"):
        (first / name).touch()
    (first / "vmlinuz-9").mkdir()
    (second / "vmlinuz-7.0").touch()
    (second / "vmlinuz.dangling").symlink_to(tmp_path / "missing")
    assert newest_kernel((first, second)) == first / "vmlinuz-6.12.38-amd64"
    assert newest_kernel((tmp_path / "missing", empty, second, first)) == second / "vmlinuz-7.0"
    assert newest_kernel((empty,)) is None
    assert newest_kernel(()) is None


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", "v2"),
        ("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n", "v1"),
        (
            "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n",
            "hybrid",
        ),
        ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\n", "none"),
        # Only the third word is the type.
        ("cgroup2 /cgroup tmpfs cgroup2 0 0\n", "none"),
        ("\nshort line\n", "none"),
        ("", "none"),
    ],
)
def test_cgroup_version(mounts: str, expected: str) -> None:
    assert cgroup_version(mounts) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Name:\tx\nCapInh:\t000001ffffffffff\nCapEff:\t0000000000000000\n", set()),
        (
            "CapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n",
            {"sys_admin", "sys_module", "sys_resource", "sys_time"},
        ),
        # What a container engine leaves by default.
        ("CapEff:\t00000000a80425fb\n", set()),
        ("CapEff:\t0000000000010000\n", {"sys_module"}),
        ("CapEff:\t0000000000200000\n", {"sys_admin"}),
        ("CapEff:\t0000000001000000\n", {"sys_resource"}),
        ("CapEff:\t0000000002000000\n", {"sys_time"}),
        ("Name:\tCapEff: ffff\n", set()),
        ("", set()),
    ],
)
def test_effective_capabilities(status: str, expected: set[str]) -> None:
    found = effective_capabilities(status)
    assert set(found) == set(CAPABILITY_BITS)
    assert {name for name, held in found.items() if held} == expected


MODULES_DEP = """\
kernel/net/openvswitch/openvswitch.ko.xz: kernel/net/nsh/nsh.ko.xz kernel/lib/libcrc32c.ko.xz
kernel/drivers/scsi/iscsi_tcp.ko: kernel/drivers/scsi/libiscsi_tcp.ko
kernel/drivers/net/dm-mod.ko.zst:
kernel/fs/overlayfs/overlay.ko
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openvswitch", True),
        ("iscsi_tcp", True),
        ("dm_mod", True),
        ("dm-mod", True),
        ("overlay", True),
        # Something else needs it, or is called alike.
        ("nsh", False),
        ("iscsi", False),
        ("vswitch", False),
        ("kernel", False),
    ],
)
def test_module_is_listed(name: str, expected: bool) -> None:
    assert module_is_listed(name, MODULES_DEP) is expected


def test_detect_finds_out_about_this_machine(tmp_path: Path) -> None:
    found = detect(kernel_folders=(tmp_path,), disk_path=tmp_path, kvm_timeout=1)
    # There is no kernel in the folder, so nothing was started.
    assert found["acceleration"] == "tcg"
    assert found["architecture"] == platform.machine()
    assert found["kernel_release"] == platform.release()
    assert found["cgroup"] in ("v1", "v2", "hybrid", "none")
    assert isinstance(found["container"], bool)
    cpus, memory, disk = found["cpus"], found["memory_mib"], found["disk_free_mib"]
    assert isinstance(cpus, int)
    assert 1 <= cpus <= (os.cpu_count() or 0)
    total = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if "MemTotal" in line)
    # A container may see less in that file than the machine has.
    assert isinstance(memory, int)
    assert memory >= int(total.split()[1]) >> 10
    assert isinstance(disk, int)
    status = os.statvfs(tmp_path)
    assert abs(disk - (status.f_bavail * status.f_frsize >> 20)) < 1024
    features, capabilities = found["kernel"], found["capabilities"]
    assert isinstance(features, dict)
    assert list(features) == sorted(KERNEL_FEATURES)
    assert {type(value) for value in features.values()} == {bool}
    assert features["overlay"] is ("overlay" in Path("/proc/filesystems").read_text(encoding="ascii").split())
    assert features["loop"] is (" loop\n" in Path("/proc/devices").read_text(encoding="ascii"))
    assert isinstance(capabilities, dict)
    assert set(capabilities) == {"sys_admin", "sys_module", "sys_resource", "sys_time"}
    limits = found["limits"]
    assert isinstance(limits, dict)
    assert set(limits) == {"nofile", "nproc"}


def test_detect_without_any_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    features = detect(kernel_folders=(tmp_path,), disk_path=tmp_path, kvm_timeout=1)["kernel"]
    assert isinstance(features, dict)
    assert [name for name, (kind, _arguments) in KERNEL_FEATURES.items() if kind == "link" and features[name]] == []


def test_links_are_made_in_a_network_namespace_that_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(tmp_path / "unshare", 'echo "$@" >>"$0.calls"; case "$*" in *geneve*) exit 1; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    features = detect(kernel_folders=(tmp_path,), disk_path=tmp_path, kvm_timeout=1)["kernel"]
    assert isinstance(features, dict)
    assert {name: features[name] for name in ("bridge", "geneve", "macvlan", "vlan", "vxlan")} == {
        "bridge": True,
        "geneve": False,
        "macvlan": True,
        "vlan": True,
        "vxlan": True,
    }
    # An interface that stands on another one gets another one.
    assert (tmp_path / "unshare.calls").read_text(encoding="utf-8").splitlines() == [
        "--net sh -c ip link add try0 type bridge",
        "--net sh -c ip link add try0 type geneve id 1 remote 192.0.2.1",
        "--net sh -c ip link add base0 type veth; ip link add try0 link base0 type macvlan",
        "--net sh -c ip link add base0 type veth; ip link add try0 link base0 type vlan id 2",
        "--net sh -c ip link add try0 type vxlan id 1 dstport 4789",
    ]
