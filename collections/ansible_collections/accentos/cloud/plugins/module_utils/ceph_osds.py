# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides which disks of a host become OSDs of Ceph. Pure: disks, rules and notes in, a list of actions out.

A disk is only ever written to if a rule means it and it is empty, or if the rule names this very disk and says that
what is on it may go, or if an earlier run was cut off while it made an OSD there. A name that another disk may have
tomorrow names none: the rule stays in the site when its disk is an OSD.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .bluestore import Label
from .disk_rules import Disk, DiskRule, matches

KEEP, MAKE, RESUME, LEAVE = "keep", "make", "resume", "leave"
# Why a disk that looks used is taken even so; a plan that goes on knows it by this.
CUT_OFF = "an earlier run was cut off here"
# What udev calls a disk by what it is. Names below by-path are those of a slot, the kernel's those of an order.
LASTING = "/dev/disk/by-id/"


class OsdError(Exception):
    """The disks cannot be as wanted, and none was touched; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class FoundDisk:
    """A disk and what is on it: kinds of signatures, the label of an OSD, and whether it could be read at all."""

    disk: Disk
    signatures: tuple[str, ...] = ()
    label: Label | None = None
    readable: bool = True


@dataclass(frozen=True)
class OsdRule:
    """Which disks become OSDs, of which device class, and whether what is on a disk named by the rule may go."""

    disk: DiskRule
    device_class: str | None = None
    overwrite: bool = False

    @property
    def names_one(self) -> bool:
        """Tell whether the rule names one very disk."""
        return self.disk.path is not None or self.disk.serial is not None

    @property
    def names_one_for_good(self) -> bool:
        """Tell whether the rule names one very disk, and no other one later."""
        return self.disk.serial is not None or is_lasting(self.disk.path or "")

    def describe(self) -> str:
        """Return the rule as it is written."""
        given = {key: value for key, value in vars(self.disk).items() if value is not None}
        return "{" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}"


@dataclass(frozen=True)
class Note:
    """What a run writes down before it makes an OSD, and removes when it is done: whose disk, which OSD, its secret."""

    uuid: str
    secret: str = field(repr=False)
    path: str
    serial: str = ""
    device_class: str | None = None

    def means(self, found: FoundDisk) -> bool:
        """Tell whether the note is about this disk."""
        if found.label is not None and found.label.uuid == self.uuid:
            return True
        disk = found.disk
        return self.serial == disk.serial and (bool(self.serial) or self.path in (disk.path, *disk.links))


@dataclass(frozen=True)
class Step:
    """What happens to one disk, and why. ``note`` is that of an OSD to go on with."""

    found: FoundDisk
    action: str
    reason: str
    device_class: str | None = None
    note: Note | None = None

    def describe(self) -> str:
        """Return one line for a person."""
        return f"{self.action:6} {self.found.disk.describe()}: {self.reason}"


def is_lasting(path: str) -> bool:
    """Tell whether a path of a disk is never that of another one."""
    return path.startswith(LASTING)


def contents(found: FoundDisk) -> list[str]:
    """Return in words what is on a disk; nothing for an empty one."""
    disk = found.disk
    words = [f"mounted at {place}" for place in disk.mounted]
    words += [f"part of {holder.name}" for holder in disk.holders]
    if found.label is not None:
        words.append(f"an OSD{'' if found.label.complete else ' made by half'} of cluster {found.label.cluster or '?'}")
    words += [kind for kind in found.signatures if kind != "ceph_bluestore" or found.label is None]
    if disk.partitions:
        words.append(f"{len(disk.partitions)} partition{'s' if len(disk.partitions) > 1 else ''}")
    if not found.readable:
        words.append("something that cannot be read")
    return words


def plan_osds(disks: Sequence[FoundDisk], rules: Sequence[OsdRule], notes: Iterable[Note], cluster: str) -> list[Step]:
    """Return what happens to each disk, in their order. Raises OsdError, and then nothing may happen."""
    listing = "\n".join(f"  {found.disk.describe()}: {', '.join(contents(found)) or 'empty'}" for found in disks)
    listing = listing or "  (the host has no disk)"
    for rule in rules:
        meant = [found.disk for found in disks if matches(found.disk, rule.disk)]
        if rule.overwrite and not rule.names_one_for_good:
            lasting = [link for disk in meant for link in disk.links if is_lasting(link)]
            raise OsdError(
                f"the rule {rule.describe()} would overwrite "
                f"{'whatever disk has this name' if rule.names_one else 'disks that it does not name'}; no disk was "
                f"touched. All disks of the host:\n{listing}",
                f"Give overwrite only together with serial or a path below {LASTING}"
                f"{', such as ' + lasting[0] if rule.names_one and lasting else ''}.",
            )
        if rule.overwrite and len(meant) > 1:
            raise OsdError(
                f"the rule {rule.describe()} would overwrite several disks; no disk was touched. All disks of the host:"
                f"\n{listing}",
                f"Mend the rule so that it means one disk, for instance by a path below {LASTING}.",
            )
        if not meant:
            raise OsdError(
                f"the rule {rule.describe()} matches no disk; no disk was touched. All disks of the host:\n{listing}",
                "Mend the rule in the site folder, or put the disk in.",
            )
    known = list(notes)
    steps = [_plan_disk(found, rules, known, cluster) for found in disks]
    for step in steps:
        named_by = _rule_of(step.found, rules)
        if step.action == LEAVE and named_by is not None and named_by.names_one:
            raise OsdError(
                f"{step.found.disk.path}, which the rule {named_by.describe()} names, is not empty: {step.reason}; "
                f"no disk was touched. All disks of the host:\n{listing}",
                "Mend the rule if it is the wrong disk. If what is on it may go: unmount it and stop what uses it, and "
                f"add overwrite: true to the rule, which must name the disk by serial or by a path below {LASTING}.",
            )
    return steps


def _rule_of(found: FoundDisk, rules: Sequence[OsdRule]) -> OsdRule | None:
    return next((rule for rule in rules if matches(found.disk, rule.disk)), None)


def _plan_disk(found: FoundDisk, rules: Sequence[OsdRule], notes: Sequence[Note], cluster: str) -> Step:
    label, disk = found.label, found.disk
    if label is not None and label.complete and label.cluster == cluster and label.number is not None:
        note = next((note for note in notes if note.uuid == label.uuid), None)
        return Step(found, KEEP, f"osd.{label.number} is on it", note=note)
    words = contents(found)
    rule = _rule_of(found, rules)
    note = next((note for note in notes if note.means(found)), None)
    # Only what the cut off run itself wrote may be on it.
    own = label is not None and note is not None and label.uuid == note.uuid and not (disk.mounted or disk.holders)
    if note is not None and (own or (rule is not None and not words)):
        return Step(found, RESUME, CUT_OFF, note.device_class, note)
    if rule is None:
        return Step(found, LEAVE, "; ".join(["no rule means it", *words]))
    if not words:
        return Step(found, MAKE, f"empty, meant by {rule.describe()}", rule.device_class)
    if rule.overwrite and not disk.mounted and not disk.holders and found.readable:
        return Step(found, MAKE, f"what is on it goes: {', '.join(words)}", rule.device_class, note)
    return Step(found, LEAVE, ", ".join(words))


def lost_notes(steps: Iterable[Step], notes: Iterable[Note]) -> list[Note]:
    """Return the notes whose disk is gone, or holds something else now."""
    met = {step.note.uuid for step in steps if step.note is not None}
    return [note for note in notes if note.uuid not in met]


def read_rule(values: Mapping[str, Any]) -> OsdRule:
    """Return the rule that a mapping is. Raises OsdError for one that would mean every disk."""
    rule = DiskRule(**{name: values.get(name) for name in DiskRule.__dataclass_fields__})
    if all(value is None for value in vars(rule).values()):
        raise OsdError("a rule for OSDs names no property, so that it would mean every disk", "Mend ceph_osd_disks.")
    return OsdRule(rule, values.get("device_class"), bool(values.get("overwrite")))
