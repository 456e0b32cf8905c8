# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of an installation, in order; each is reported when it starts and when it ends."""

from __future__ import annotations

import logging
import platform
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import boot_loader, configuration, image
from .block_devices import read_disks
from .disk_rules import Disk
from .disks import Layout, check_sizes, plan_layout, select_disks
from .errors import AgentError
from .inventory import refuse_other_cards
from .programs import Command, run
from .specification import Specification, parse_specification
from .target import Target, mounted

log = logging.getLogger(__name__)

STAGES = ("specification", "disks", "image", "configuration", "boot_loader", "finish")
MOUNT_POINT = Path("/run/accentos/target")
# Seconds: reports in between wait only shortly for a service that is away; the one before disks are touched, those of
# failures and the last one must arrive. A machine whose netboot stays on would come back here.
SHORT, FAILURE, LONG = 5.0, 60.0, 3600.0
_DETAIL = 4000


class Service(Protocol):
    """What the stages need of the provisioner service."""

    def post(self, path: str, body: Mapping[str, object], patience: float | None = None) -> dict[str, object]:
        """Send BODY; see client.Client."""

    def download(self, url: str, size: int) -> Iterator[bytes]:
        """Give the bytes at URL; see client.Client."""


@dataclass(frozen=True)
class Machine:
    """What the stages need of the machine they run on. ``restart`` gets reboot or kexec and does not return."""

    uefi: bool
    restart: Callable[[str], None]
    mount_point: Path = MOUNT_POINT
    processor: str = platform.machine()
    root: Path = Path("/")
    # Devices that count as disks though they are none, such as loop7.
    extra_disks: Collection[str] = ()


class Reports:
    """Tells the service of stages, in order; what it could not tell yet it tells with the next report."""

    def __init__(self, service: Service, session: str) -> None:
        self._service = service
        self._session = session
        self._waiting: list[dict[str, object]] = []

    def send(
        self,
        stage: str,
        status: str,
        seconds: float = 0.0,
        detail: str = "",
        host_keys: Sequence[str] = (),
        *,
        patience: float = SHORT,
    ) -> None:
        """Report; with PATIENCE over SHORT it must arrive. Raises AgentError then, and when the service refuses."""
        report: dict[str, object] = {"session": self._session, "stage": stage, "status": status}
        report |= {"seconds": round(seconds, 3), "detail": detail[:_DETAIL]}
        if host_keys:
            report["host_keys"] = list(host_keys)
        self._waiting.append(report)
        while self._waiting:
            try:
                self._service.post("/v1/reports", self._waiting[0], patience)
            except AgentError as error:
                if patience > SHORT or hasattr(error, "status"):
                    raise
                log.warning("the report waits: %s", error)
                return
            self._waiting.pop(0)


@dataclass
class Outcome:
    """What a stage adds to its last report; with ``patience`` over SHORT the report must arrive."""

    detail: str = ""
    host_keys: Sequence[str] = ()
    patience: float = SHORT


@contextmanager
def stage(reports: Reports, name: str, *, patience: float = SHORT) -> Iterator[Outcome]:
    """Report the start and the end of stage NAME. What the block raises goes on after its report.

    With PATIENCE over SHORT it does not start before the service knows. Raises AgentError if that does not come about.
    """
    log.info("stage %s", name)
    reports.send(name, "started", patience=patience)
    started = time.monotonic()
    outcome = Outcome()
    try:
        yield outcome
    except (AgentError, OSError) as error:
        remedy = f"\nRemedy: {error.remedy}" if isinstance(error, AgentError) else ""
        try:
            reports.send(name, "failed", time.monotonic() - started, f"{error}{remedy}", patience=FAILURE)
        except AgentError as untold:
            log.warning("the service does not hear of it: %s", untold)
        raise
    seconds = time.monotonic() - started
    log.info("stage %s done in %.1f s: %s", name, seconds, outcome.detail)
    reports.send(name, "done", seconds, outcome.detail, outcome.host_keys, patience=outcome.patience)


def fetch_specification(
    service: Service, token: str, macs: Sequence[str], inventory: Mapping[str, object]
) -> tuple[Reports, object]:
    """Exchange TOKEN for the specification, still unchecked, and a way to report. Raises AgentError.

    The service keeps the INVENTORY with the machine.
    """
    answer = service.post("/v1/specification", {"token": token, "macs": list(macs), "inventory": inventory})
    session = answer.get("session")
    if not isinstance(session, str) or "specification" not in answer:
        raise AgentError("the service answered without session or specification", "Compare the versions of both sides.")
    return Reports(service, session), answer["specification"]


def prepare_disks(disks: Sequence[Disk], specification: Specification) -> Layout:
    """Lay out the disks that the specification means. Raises AgentError; before it touched any disk where possible."""
    chosen = select_disks(disks, specification.rule, specification.layout)
    check_sizes(chosen, specification.image.raw_size)
    identifiers = [uuid.uuid4() for _number in range(1 + 5 * len(chosen))]
    groups = (
        run(Command(("lvm", "vgs", "--noheadings", "--options", "vg_name"))).split()
        if "lvm" in specification.layout
        else []
    )
    layout = plan_layout(chosen, specification.layout, specification.host, groups, identifiers)
    for command in layout.commands:
        run(command)
    return layout


def write_root(chunks: Iterable[bytes], specification: Specification, layout: Layout) -> image.Written:
    """Write the image to the root of LAYOUT and let its file system fill it. Raises AgentError."""
    written = image.write_image(chunks, specification.image, layout.root)
    for command, accepted in image.plan_file_system(layout.root, layout.root_uuid):
        run(command, accepted=accepted)
    return written


def configure(target: Target, specification: Specification, layout: Layout) -> list[str]:
    """Make the written system this very machine and return its public SSH host keys. Raises AgentError and OSError."""
    configuration.remove_identity(target.root)
    arrays = run(Command(("mdadm", "--detail", "--scan"))) if layout.array else ""
    configuration.write_files(target.root, configuration.render_files(specification, layout, arrays))
    target.run(Command(("ssh-keygen", "-A")))
    target.run(Command(("systemctl", "enable", "--quiet", "systemd-networkd.service")))
    return configuration.read_host_keys(target.root)


def install_boot_loader(
    target: Target, specification: Specification, layout: Layout, machine: Machine
) -> boot_loader.Kernel:
    """Make the written system bootable and return its kernel. Raises AgentError and OSError."""
    grub = configuration.inside(target.root, f"{boot_loader.GRUB_FOLDER}/x").parent
    platforms = [place.name for place in grub.iterdir() if place.is_dir()] if grub.is_dir() else []
    kernel = boot_loader.newest_kernel([place.name for place in (target.root / "boot").iterdir()])
    commands = boot_loader.plan_boot_loader(layout, machine.processor, platforms, uefi=machine.uefi)
    defaults = {boot_loader.DEFAULTS: configuration.File(boot_loader.render_defaults(specification.boot))}
    configuration.write_files(target.root, defaults)
    for command in commands:
        target.run(command)
    return kernel


def load_kernel(target: Target, kernel: boot_loader.Kernel, specification: Specification, layout: Layout) -> str:
    """Load KERNEL for kexec where that is wanted and possible; return how the machine is to go on."""
    if specification.boot.next != "kexec":
        return "reboot"
    options = f"root=UUID={layout.root_uuid} ro {boot_loader.kernel_options(specification.boot)}".strip()
    image_file, ramdisk = target.root / kernel.image, target.root / kernel.ramdisk
    try:
        # No digests of what stays in memory for a second: making and comparing them takes longer than all else of it.
        command = ("kexec", "--load", "--no-checks", str(image_file), f"--initrd={ramdisk}")
        run(Command((*command, f"--command-line={options}")))
    except AgentError as error:
        log.warning("kexec is not possible, the machine restarts: %s", error)
        return "reboot"
    return "kexec"


def install(
    service: Service, token: str, macs: Sequence[str], machine: Machine, inventory: Mapping[str, object]
) -> None:
    """Install the machine as TOKEN's specification says and restart it. Raises AgentError and OSError."""
    reports, received = fetch_specification(service, token, macs, inventory)
    with stage(reports, "specification") as outcome:
        specification = parse_specification(received)
        described = {interface.mac: interface.name for interface in specification.network.interfaces}
        refuse_other_cards(described, macs, inventory)
        outcome.detail = f"{specification.host}, image {specification.image.name}"
    # For the service a host is deployed until it hears this, so that it must have heard before a disk is touched.
    with stage(reports, "disks", patience=FAILURE) as outcome:
        layout = prepare_disks(read_disks(machine.root, machine.extra_disks), specification)
        outcome.detail = f"{specification.layout} on {', '.join(layout.boot_disks)}"
    with stage(reports, "image") as outcome:
        chunks = service.download(specification.image.url, specification.image.size)
        outcome.detail = str(write_root(chunks, specification, layout))
    with ExitStack() as mounts:
        with stage(reports, "configuration"):
            target = mounts.enter_context(mounted(machine.mount_point, layout, uefi=machine.uefi))
            host_keys = configure(target, specification, layout)
        with stage(reports, "boot_loader") as outcome:
            kernel = install_boot_loader(target, specification, layout, machine)
            outcome.detail = kernel.version
        with stage(reports, "finish") as outcome:
            how = load_kernel(target, kernel, specification, layout)
            mounts.close()
            run(Command(("sync",)))
            outcome.detail, outcome.host_keys, outcome.patience = how, host_keys, LONG
    machine.restart(how)
