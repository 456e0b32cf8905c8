#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: disks of a host are OSDs of Ceph."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_osds
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Make OSDs of Ceph on the disks that rules mean
description:
  - Looks at all disks of the host, decides by rules which of them become OSDs, and makes these, each on its whole disk.
  - A disk that holds anything, be it a file system, a partition table, a part of an array or volume group, or an OSD of
    another cluster, is left alone. Only a rule that names this very disk with O(rules[].serial), or with
    O(rules[].path) below C(/dev/disk/by-id), and says O(rules[].overwrite) lets go what is on it; not even then a disk
    that is in use.
  - If a rule is wrong, no disk at all is touched, and the message lists all disks.
  - An OSD is noted below C(/var/lib/accentos/ceph_osds) before anything is written, so that a run after a killed one
    goes on with it and leaves no number behind.
  - OSDs are not started here, see P(accentos.cloud.ceph#role); OSDs of disks that no rule means any more stay.
requirements: [python3-rados]
options:
  fsid:
    description: Identity of the cluster, a UUID.
    type: str
    required: true
  rules:
    description:
      - Which disks become OSDs. The first rule that a disk matches is the one that counts; in a rule every given
        property must hold. A rule that matches no disk is an error.
      - The rules are the same as those for root disks of bare machines.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The disk with this path or link, which may also be a loop device.
        type: str
      serial:
        description: The disk with this serial number.
        type: str
      model:
        description: Disks of this model.
        type: str
      size_min_gib:
        description: Disks of at least so many GiB.
        type: int
      size_max_gib:
        description: Disks of at most so many GiB.
        type: int
      rotational:
        description: Disks that turn, or that do not.
        type: bool
      device_class:
        description: Device class of the OSDs. By default Ceph finds out whether it is V(hdd), V(ssd) or V(nvme).
        type: str
      overwrite:
        description:
          - Whether what is on the disk may be lost. Only with O(rules[].serial), or with O(rules[].path) below
            C(/dev/disk/by-id), and for one disk. A name such as C(/dev/sdb) is another disk's once one is added.
          - An OSD of this cluster is kept even so.
        type: bool
        default: false
  keyring:
    description: Keyring of C(client.bootstrap-osd), who may make OSDs.
    type: path
    default: /var/lib/ceph/bootstrap-osd/ceph.keyring
  user:
    description: User and group that OSDs run as.
    type: str
    default: ceph
  timeout:
    description: Seconds that the monitors may take for an answer.
    type: int
    default: 60
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows what happens to each disk.
    support: full
"""

EXAMPLES = r"""
- name: Use all large disks that turn, and one that was used before
  accentos.cloud.ceph_osds:
    fsid: 6d2e5a1c-53a4-4b1a-9d0e-0c6f8a4f7f11
    rules:
      - {rotational: true, size_min_gib: 3000}
      - {serial: S4XNNE0M, device_class: ssd, overwrite: true}
"""

RETURN = r"""
osds:
  description:
    - The OSDs of the cluster that are on this host's disks.
    - In check mode also those that would be made, after the others.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Number of the OSD; none for one that would be made, type: int}
    uuid: {description: Identity of the OSD; none where only the run gives it, type: str}
    path: {description: Path of the disk, type: str}
    unit:
      description:
        - Name of the unit that runs the OSD.
        - For one that would be made something stands in it for the number; M(accentos.cloud.unit) takes that.
      type: str
  sample: [{id: 3, uuid: 0f8a1c52-7ce2-4f0c-8e3f-6d6a7d0c2b11, path: /dev/sdb, unit: ceph-osd@3.service}]
disks:
  description: What happens to each disk, one line each.
  returned: success
  type: list
  elements: str
  sample: ["make   /dev/sdb: 3726.0 GiB, rotational: empty, meant by {rotational: True}"]
unfinished:
  description: OSDs that an earlier run began on disks that are gone, and what to do, one text each. Also warnings.
  returned: success
  type: list
  elements: str
  sample: []
"""

import base64
import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import struct
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.block_devices import read_disks
from ansible_collections.accentos.cloud.plugins.module_utils.bluestore import LABEL_BYTES, Label, parse_label
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_commands import CephError, Cluster, connected
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_osds import (
    KEEP,
    LEAVE,
    FoundDisk,
    Note,
    OsdError,
    OsdRule,
    Step,
    lost_notes,
    plan_osds,
    read_rule,
)
from ansible_collections.accentos.cloud.plugins.module_utils.disk_rules import Disk
from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file
from ansible_collections.accentos.cloud.plugins.module_utils.planned import number_of
from ansible_collections.accentos.cloud.plugins.module_utils.process_locks import HeldError, only_one

NOTES = Path("/var/lib/accentos/ceph_osds")
FOLDERS = Path("/var/lib/ceph/osd")
# The start of a disk, where labels, tables and most signatures are.
_WIPED = 10 * 2**20


def new_key() -> str:
    """Return a key of Ceph: type AES, time of making, length, 16 random bytes."""
    header = struct.pack("<HIIH", 1, int(time.time()), 0, 16)
    return base64.b64encode(header + secrets.token_bytes(16)).decode("ascii")


def read_notes(folder: Path) -> list[Note]:
    """Return the notes of runs that were cut off."""
    return [Note(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))]


def write_note(folder: Path, note: Note) -> None:
    """Write down what is about to be made, readable for root alone."""
    replace_file(folder / f"{note.uuid}.json", json.dumps(dataclasses.asdict(note)).encode(), mode=0o600)


def drop_note(folder: Path, name: str) -> None:
    """Forget what is done."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def named_devices(rules: Iterable[OsdRule], folders: Path) -> set[str]:
    """Return the kernel names of the devices that rules name by path, or that OSDs are on."""
    paths = [Path(rule.disk.path) for rule in rules if rule.disk.path]
    return {path.resolve().name for path in [*paths, *folders.glob("*/block")]}


def read_label(path: str) -> Label | None:
    """Return the label on a device. Raises OSError."""
    with Path(path).open("rb") as device:
        return parse_label(device.read(LABEL_BYTES))


def read_signatures(module: AnsibleModule, path: str) -> tuple[str, ...] | None:
    """Return the kinds of signatures on a device, or None if it cannot be read."""
    code, out, _err = module.run_command(["wipefs", "--no-act", "--json", path])
    if code:
        return None
    rows = json.loads(out)["signatures"] if out.strip() else []
    return tuple(sorted({row["type"] for row in rows}))


def look(module: AnsibleModule, disk: Disk) -> FoundDisk:
    """Return what is on a disk."""
    signatures = read_signatures(module, disk.path)
    try:
        label = read_label(disk.path)
    except OSError:
        signatures = label = None
    return FoundDisk(disk, signatures or (), label, readable=signatures is not None)


class Maker:
    """Makes OSDs, each so that a run after a killed one can go on with it."""

    def __init__(self, module: AnsibleModule, cluster: Cluster) -> None:
        self._module = module
        self._cluster = cluster
        self._user: str = module.params["user"]

    def make(self, step: Step) -> Label:
        """Make the OSD of a step and return its label. Raises OsdError, CephError, OSError."""
        disk = step.found.disk
        note = step.note or Note(
            uuid=str(uuid.uuid4()),
            secret=new_key(),
            # A link that says which disk it is outlives the order in which the kernel finds disks.
            path=next(iter(disk.links), disk.path),
            serial=disk.serial,
            device_class=step.device_class,
        )
        write_note(NOTES, note)
        # Before there is a number: until here nothing has to be taken back.
        self._wipe(disk)
        number = self._register(note)
        self._make_store(disk, note, number)
        label = read_label(disk.path)
        if label is None or not label.complete:
            raise OsdError(
                f"osd.{number} on {disk.path} was made, but its label does not say so",
                "Look at the disk with: ceph-bluestore-tool show-label --dev " + disk.path,
            )
        drop_note(NOTES, note.uuid)
        return label

    def _wipe(self, disk: Disk) -> None:
        for path in (*disk.partitions, disk.path):
            self._run(["wipefs", "--all", "--quiet", path])
        # The kernel refuses this while anybody else uses the disk.
        device = os.open(disk.path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
        try:
            os.write(device, bytes(min(_WIPED, disk.size)))
            os.fsync(device)
        finally:
            os.close(device)
        if disk.partitions:
            self._run(["blockdev", "--rereadpt", disk.path])

    def _register(self, note: Note) -> int:
        """Return the number of the OSD; the cluster gives the same one for the same identity and key."""
        data = {"cephx_secret": note.secret}
        if note.device_class:
            data["crush_device_class"] = note.device_class
        answer = self._cluster.ask({"prefix": "osd new", "uuid": note.uuid}, json.dumps(data))
        return int(answer["osdid"])

    def _make_store(self, disk: Disk, note: Note, number: int) -> None:
        folder = FOLDERS / f"ceph-{number}"
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        folder.mkdir(mode=0o750)
        (folder / "block").symlink_to(disk.path)
        monmap = folder / "activate.monmap"
        monmap.write_bytes(self._cluster.run({"prefix": "mon getmap"}))
        for path in (folder, monmap, Path(disk.path)):
            shutil.chown(path, self._user, self._user)
        # It ends when this module does, so that the next run is alone with the disk. In the foreground: a child of its
        # own would go on.
        argv = ["setpriv", "--reuid", self._user, "--regid", self._user, "--init-groups", "--pdeathsig", "KILL"]
        argv += [
            "ceph-osd",
            "-f",
            "--mkfs",
            "--id",
            str(number),
            "--osd-objectstore",
            "bluestore",
            "--osd-uuid",
            note.uuid,
        ]
        argv += ["--osd-data", str(folder), "--monmap", str(monmap), "--keyfile", "-"]
        self._run(argv, data=note.secret)

    def _run(self, argv: list[str], data: str | None = None) -> None:
        code, out, err = self._module.run_command(argv, data=data, binary_data=True)
        if code:
            raise OsdError(
                f"{' '.join(argv)} ended with code {code}: {(err or out).strip()[-2000:]}",
                "Mend what it complains about, then run again: it goes on with this disk.",
            )


def describe_osd(step: Step, label: Label) -> dict[str, Any]:
    """Return an OSD as the module tells it."""
    path = step.found.disk.path
    return {"id": label.number, "uuid": label.uuid, "path": path, "unit": f"ceph-osd@{label.number}.service"}


def foretell_osd(step: Step) -> dict[str, Any]:
    """Return an OSD that is still to be made, as check mode tells it: the cluster gives it a number only then."""
    path = step.found.disk.path
    known = step.note.uuid if step.note else None
    return {"id": None, "uuid": known, "path": path, "unit": f"ceph-osd@{number_of(path)}.service"}


def describe_lost(note: Note) -> str:
    """Return what a person is told of an OSD whose disk does not come back."""
    return (
        f"An OSD that an earlier run began on {note.path} {note.serial} was never finished, and the disk is gone or "
        "holds something else. If it does not come back: on a monitor's host see whether ceph osd dump shows "
        f"{note.uuid}, remove it with ceph osd purge, and remove {NOTES}/{note.uuid}.json here."
    )


def carry_out(module: AnsibleModule, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Make what is to be made and return all OSDs of the host. Raises OsdError, CephError, OSError."""
    kept = [(step, step.found.label) for step in steps if step.action == KEEP]
    osds = [describe_osd(step, label) for step, label in kept if label is not None]
    todo = [step for step in steps if step.action not in (KEEP, LEAVE)]
    if module.check_mode:
        return osds + [foretell_osd(step) for step in todo]
    for step, _label in kept:
        if step.note is not None:
            drop_note(NOTES, step.note.uuid)
    if todo:
        with connected("client.bootstrap-osd", module.params["keyring"], module.params["timeout"]) as cluster:
            maker = Maker(module, cluster)
            osds += [describe_osd(step, maker.make(step)) for step in todo]
    return sorted(osds, key=lambda osd: int(osd["id"]))


def bring_about(module: AnsibleModule) -> Mapping[str, Any]:
    """Return the module's result. Raises OsdError, CephError, HeldError, OSError."""
    rules = [read_rule(row) for row in module.params["rules"]]
    if not module.check_mode:
        NOTES.mkdir(mode=0o700, parents=True, exist_ok=True)
    alone = only_one(module, NOTES / "lock", "makes OSDs", timeout=0)
    with contextlib.nullcontext() if module.check_mode else alone:
        disks = [look(module, disk) for disk in read_disks(extra=named_devices(rules, FOLDERS))]
        notes = read_notes(NOTES)
        steps = plan_osds(disks, rules, notes, module.params["fsid"])
        unfinished = [describe_lost(note) for note in lost_notes(steps, notes)]
        for text in unfinished:
            module.warn(text)
        osds = carry_out(module, steps)
    changes = [step.describe() for step in steps if step.action not in (KEEP, LEAVE)]
    return {
        "changed": bool(changes),
        "osds": osds,
        "disks": [step.describe() for step in steps],
        "unfinished": unfinished,
        "diff": {"before": "", "after": "".join(f"{line}\n" for line in changes)},
    }


def main() -> None:
    """Run the module."""
    rule = {
        "path": {"type": "str"},
        "serial": {"type": "str"},
        "model": {"type": "str"},
        "size_min_gib": {"type": "int"},
        "size_max_gib": {"type": "int"},
        "rotational": {"type": "bool"},
        "device_class": {"type": "str"},
        "overwrite": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "fsid": {"type": "str", "required": True},
            "rules": {"type": "list", "elements": "dict", "required": True, "options": rule},
            # The path of a secret is none.
            "keyring": {"type": "path", "default": "/var/lib/ceph/bootstrap-osd/ceph.keyring", "no_log": False},
            "user": {"type": "str", "default": "ceph"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    result: Mapping[str, Any] = {}
    try:
        result = bring_about(module)
    except (OsdError, CephError, HeldError) as error:
        module.fail_json(msg=str(error), remedy=error.remedy)
    except OSError as error:
        module.fail_json(
            msg=f"An OSD is not made: {error}", remedy="See to the disk that it names (dmesg), then run again."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
