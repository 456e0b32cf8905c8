# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host can do, found out by trying rather than by looking for device files. The one place for such questions."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KVM_DEVICE = Path("/dev/kvm")
# Bit numbers from linux/capability.h.
CAPABILITY_BITS = {"sys_module": 16, "sys_admin": 21, "sys_resource": 24, "sys_time": 25}

# Features of the kernel: how each is proved. "link" makes an interface of that type in a network namespace that is
# thrown away, "filesystem" and "device" read what the running kernel registered, "module" looks for the module.
KERNEL_FEATURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "bridge": ("link", ("bridge",)),
    "device_mapper": ("device", ("device-mapper",)),
    "geneve": ("link", ("geneve", "id", "1", "remote", "192.0.2.1")),
    "iscsi": ("module", ("iscsi_tcp",)),
    "loop": ("device", ("loop",)),
    "macvlan": ("link", ("macvlan",)),
    "nbd": ("device", ("nbd",)),
    "nfs_server": ("filesystem", ("nfsd",)),
    "openvswitch": ("module", ("openvswitch",)),
    "overlay": ("filesystem", ("overlay",)),
    "tun": ("device", ("tun",)),
    "vlan": ("link", ("vlan", "id", "2")),
    "vxlan": ("link", ("vxlan", "id", "1", "dstport", "4789")),
}
# These two need an interface to stand on.
_STACKED_LINKS = ("macvlan", "vlan")

# What QEMU needs besides, to show a kernel's first words: the machine, and the name of its serial console. A machine of
# this sort has the interrupt controller of its host, since KVM offers no other.
_MACHINES: Mapping[str, tuple[tuple[str, ...], str]] = {"aarch64": (("-machine", "virt,gic-version=host"), "ttyAMA0")}
_KERNEL_SPEAKS = re.compile(r"Linux version \d")
_LAST_WORDS = 300


@dataclass(frozen=True)
class KvmVerdict:
    """Whether KVM can be used, and the reason in words."""

    usable: bool
    reason: str


def judge_kvm_trial(*, output: str, timed_out: bool, exit_code: int | None) -> KvmVerdict:
    """Judge what a guest kernel printed on its serial console when QEMU started it with KVM."""
    if _KERNEL_SPEAKS.search(output):
        return KvmVerdict(True, "a Linux kernel boots under KVM")
    if timed_out:
        return KvmVerdict(False, "a Linux kernel started under KVM prints nothing: this machine's KVM is not complete")
    last = output.strip().splitlines()[-1][:_LAST_WORDS] if output.strip() else "no output"
    return KvmVerdict(False, f"QEMU with KVM ended with code {exit_code}: {last}")


def known_of_kvm(*, device: bool, proved: bool, installed: bool, check_mode: bool) -> KvmVerdict | None:
    """Return what is known of KVM without a trial, None if it has to be tried.

    What was proved once holds as long as there is the device: on a busy host a trial may fail for other reasons.
    A plan cannot try before QEMU is installed, and expects that the trial will pass.
    """
    if device and proved:
        return KvmVerdict(True, "a Linux kernel has booted under KVM on this host before")
    if device and check_mode and not installed:
        return KvmVerdict(True, "not tried yet: QEMU is not installed")
    return None


def find_qemu() -> str | None:
    """Return the path of the QEMU for guests of this host's architecture."""
    return next(filter(None, map(shutil.which, (f"qemu-system-{os.uname().machine}", "qemu-kvm", "kvm"))), None)


def try_kvm(device: Path, qemu: str | None, kernel: Path | None, timeout: float) -> KvmVerdict:
    """Boot ``kernel`` under KVM and see whether it speaks within ``timeout`` seconds.

    The device file alone proves nothing: some machines offer it and hang every guest.
    """
    if not device.exists():
        return KvmVerdict(False, f"{device} does not exist")
    if not os.access(device, os.R_OK | os.W_OK):
        return KvmVerdict(False, f"{device} may not be opened by this user")
    if qemu is None or kernel is None:
        return KvmVerdict(False, f"not tried: there is no {'QEMU' if qemu is None else 'kernel'} here to try it with")
    machine, console = _MACHINES.get(os.uname().machine, ((), "ttyS0"))
    argv = [qemu, *machine, "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-display", "none"]
    argv += ["-serial", "stdio", "-no-reboot", "-kernel", str(kernel), "-append", f"console={console} panic=-1"]
    # The guest has no root file system: it speaks, panics and ends, all within seconds where KVM works.
    try:
        done = subprocess.run(  # noqa: S603 - no argument comes from outside the host
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return judge_kvm_trial(output=(late.output or b"").decode(errors="replace"), timed_out=True, exit_code=None)
    return judge_kvm_trial(output=done.stdout.decode(errors="replace"), timed_out=False, exit_code=done.returncode)


def newest_kernel(folders: tuple[Path, ...]) -> Path | None:
    """Return the readable kernel image with the highest name in the first of the folders that has one."""
    for folder in folders:
        kernels = [path for path in folder.glob("vmlinuz*") if path.is_file() and os.access(path, os.R_OK)]
        if kernels:
            return max(kernels, key=lambda path: path.name)
    return None


def cgroup_version(mounts: str) -> str:
    """Tell ``v1``, ``v2``, ``hybrid`` or ``none`` from the text of /proc/mounts."""
    kinds = {kind for line in mounts.splitlines() for kind in line.split()[2:3]}
    if "cgroup" in kinds:
        return "hybrid" if "cgroup2" in kinds else "v1"
    return "v2" if "cgroup2" in kinds else "none"


def effective_capabilities(status: str) -> dict[str, bool]:
    """Read the capabilities of CAPABILITY_BITS from the text of /proc/self/status."""
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    bits = int(match[1], 16) if match else 0
    return {name: bool(bits >> bit & 1) for name, bit in CAPABILITY_BITS.items()}


def module_is_listed(name: str, listing: str) -> bool:
    """Tell whether a kernel module stands in the text of modules.dep or modules.builtin."""
    wanted = name.replace("-", "_")
    stems = (Path(line.partition(":")[0]).name.partition(".")[0] for line in listing.splitlines())
    return any(stem.replace("-", "_") == wanted for stem in stems)


def _link_works(arguments: tuple[str, ...]) -> bool:
    """Make an interface of a type in a network namespace of its own, which ends with the command."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    add = f"ip link add base0 type veth; ip link add try0 link base0 type {' '.join(arguments)}"
    if arguments[0] not in _STACKED_LINKS:
        add = f"ip link add try0 type {' '.join(arguments)}"
    argv = [unshare, "--net", "sh", "-c", add]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0  # noqa: S603 - the table above


def _kernel_feature(kind: str, arguments: tuple[str, ...]) -> bool:
    name = arguments[0]
    if kind == "link":
        return _link_works(arguments)
    if kind == "filesystem":
        return name in Path("/proc/filesystems").read_text(encoding="ascii").split()
    if kind == "device":
        return any(name in Path(file).read_text(encoding="ascii").split() for file in ("/proc/devices", "/proc/misc"))
    listings = (Path("/lib/modules", os.uname().release, file) for file in ("modules.dep", "modules.builtin"))
    return Path("/sys/module", name).is_dir() or any(
        module_is_listed(name, listing.read_text(encoding="utf-8")) for listing in listings if listing.is_file()
    )


def detect(*, kernel_folders: tuple[Path, ...], disk_path: Path, kvm_timeout: float) -> dict[str, object]:
    """Find out what this host can do. Shape: see the RETURN block of the module ``host_capabilities``."""
    verdict = try_kvm(KVM_DEVICE, find_qemu(), newest_kernel(kernel_folders), kvm_timeout)
    page = os.sysconf("SC_PAGE_SIZE")
    return {
        "acceleration": "kvm" if verdict.usable else "tcg",
        "acceleration_reason": verdict.reason,
        "architecture": os.uname().machine,
        "capabilities": effective_capabilities(Path("/proc/self/status").read_text(encoding="ascii")),
        "cgroup": cgroup_version(Path("/proc/mounts").read_text(encoding="utf-8")),
        "container": Path("/run/systemd/container").exists(),
        "cpus": len(os.sched_getaffinity(0)),
        "disk_free_mib": shutil.disk_usage(disk_path).free >> 20,
        "kernel": {name: _kernel_feature(kind, args) for name, (kind, args) in sorted(KERNEL_FEATURES.items())},
        "kernel_release": os.uname().release,
        "limits": {
            "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1],
        },
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * page >> 20,
    }
