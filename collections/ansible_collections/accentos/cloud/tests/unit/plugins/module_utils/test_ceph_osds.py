# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which disks become OSDs. A disk that holds anything is safe unless its own rule gives it up."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.bluestore import Label
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_osds import (
    KEEP,
    LEAVE,
    MAKE,
    RESUME,
    FoundDisk,
    Note,
    OsdError,
    Step,
    lost_notes,
    plan_osds,
    read_rule,
)
from ansible_collections.accentos.cloud.plugins.module_utils.disk_rules import GIB, Disk, Holder
from hypothesis import given
from hypothesis import strategies as st

from .ceph_samples import CLUSTER, KEY, UUID

OTHER_UUID = "11111111-2507-468c-8d48-a2f9b185f3a0"
ROOT = FoundDisk(Disk("/dev/sda", 480 * GIB, serial="R1", partitions=("/dev/sda1",), mounted=("/",)), ("gpt",))
EMPTY = FoundDisk(Disk("/dev/sdb", 4000 * GIB, serial="S2", rotational=True, links=("/dev/disk/by-id/two",)))
USED = FoundDisk(Disk("/dev/sdc", 4000 * GIB, serial="S3", rotational=True), ("ext4",))
OSD = FoundDisk(
    Disk("/dev/sdd", 4000 * GIB, serial="S4", rotational=True),
    ("ceph_bluestore",),
    Label(UUID, CLUSTER, 3, complete=True),
)
DISKS = [ROOT, EMPTY, USED, OSD]
NOTE = Note(OTHER_UUID, KEY, "/dev/disk/by-id/two", "S2", "hdd")


def plan(disks: Sequence[FoundDisk], *rules: dict[str, Any], notes: Sequence[Note] = ()) -> dict[str, tuple[str, str]]:
    steps = plan_osds(disks, [read_rule(rule) for rule in rules], notes, CLUSTER)
    return {step.found.disk.path: (step.action, step.reason) for step in steps}


def with_label(found: FoundDisk, label: Label) -> FoundDisk:
    return dataclasses.replace(found, label=label, signatures=("ceph_bluestore",))


def test_empty_disks_that_a_rule_means_and_no_others() -> None:
    assert plan(DISKS, {"size_min_gib": 100}) == {
        "/dev/sda": (LEAVE, "mounted at /, gpt, 1 partition"),
        "/dev/sdb": (MAKE, "empty, meant by {size_min_gib: 100}"),
        "/dev/sdc": (LEAVE, "ext4"),
        "/dev/sdd": (KEEP, "osd.3 is on it"),
    }
    assert plan(DISKS)["/dev/sdb"] == (LEAVE, "no rule means it")
    assert plan(DISKS)["/dev/sdc"] == (LEAVE, "no rule means it; ext4")


def test_the_first_rule_counts() -> None:
    rules = [
        read_rule({"serial": "S2", "device_class": "slow"}),
        read_rule({"rotational": True, "device_class": "hdd"}),
    ]
    steps = plan_osds(DISKS, rules, [], CLUSTER)
    assert [step.device_class for step in steps if step.action == MAKE] == ["slow"]


@pytest.mark.parametrize(
    "found",
    [
        USED,
        dataclasses.replace(EMPTY, readable=False),
        dataclasses.replace(EMPTY, disk=dataclasses.replace(EMPTY.disk, mounted=("/srv",))),
        dataclasses.replace(EMPTY, disk=dataclasses.replace(EMPTY.disk, partitions=("/dev/sdb1",))),
        dataclasses.replace(
            EMPTY, disk=dataclasses.replace(EMPTY.disk, holders=(Holder("dm-0", frozenset(["/dev/sdb"])),))
        ),
        with_label(EMPTY, Label(OTHER_UUID, "another", 3, complete=True)),
        with_label(EMPTY, Label(OTHER_UUID, CLUSTER)),
    ],
)
def test_what_holds_anything_is_left_alone_and_told_when_its_rule_names_it(found: FoundDisk) -> None:
    (outcome,) = plan([found], {"rotational": True}).values()
    assert outcome[0] == LEAVE
    assert outcome[1]
    with pytest.raises(OsdError, match="is not empty") as caught:
        plan([found], {"serial": found.disk.serial})
    assert "no disk was touched" in str(caught.value)
    assert "overwrite" in caught.value.remedy


def test_overwrite_lets_go_what_is_on_the_named_disk_alone() -> None:
    found = plan([USED, EMPTY], {"serial": "S3", "overwrite": True})
    assert found["/dev/sdc"] == (MAKE, "what is on it goes: ext4")
    assert found["/dev/sdb"][0] == LEAVE
    foreign = with_label(USED, Label(OTHER_UUID, "another", 3, complete=True))
    foreign = dataclasses.replace(foreign, disk=dataclasses.replace(USED.disk, links=("/dev/disk/by-id/three",)))
    assert plan([foreign], {"path": "/dev/disk/by-id/three", "overwrite": True})["/dev/sdc"][0] == MAKE


@pytest.mark.parametrize("path", ["/dev/sdc", "/dev/disk/by-path/pci-0000:00:1f.2-ata-3", "/dev/disk/by-diskseq/3"])
def test_overwrite_wants_a_name_that_no_other_disk_has_later(path: str) -> None:
    links = (path, "/dev/disk/by-id/three", "/dev/disk/by-id/wwn-3")
    for found in (USED, OSD, EMPTY):
        disk = dataclasses.replace(found.disk, path="/dev/sdc", links=links)
        with pytest.raises(OsdError, match="whatever disk has this name; no disk was touched") as caught:
            plan([ROOT, dataclasses.replace(found, disk=disk)], {"path": path, "overwrite": True})
        assert caught.value.remedy.endswith("such as /dev/disk/by-id/three.")
        # With a serial number the path does no harm, and without overwrite it may be any.
        assert plan([dataclasses.replace(found, disk=disk)], {"path": path, "serial": disk.serial, "overwrite": True})
    assert plan([EMPTY], {"path": "/dev/sdb"})["/dev/sdb"][0] == MAKE
    with pytest.raises(OsdError, match="whatever disk") as caught:
        plan([EMPTY], {"path": path, "overwrite": True})
    assert caught.value.remedy.endswith("a path below /dev/disk/by-id/.")


def test_overwrite_takes_no_second_disk_of_the_same_serial_number() -> None:
    twin = dataclasses.replace(USED, disk=dataclasses.replace(USED.disk, path="/dev/sde"))
    for disks in ([OSD, USED, twin], [with_label(USED, Label(UUID, CLUSTER, 3, complete=True)), twin]):
        with pytest.raises(OsdError, match="would overwrite several disks; no disk was touched"):
            plan(disks, {"serial": "S3", "overwrite": True})


def test_overwrite_takes_no_disk_in_use_and_no_osd_of_the_cluster() -> None:
    for used in (
        ROOT,
        dataclasses.replace(USED, readable=False),
        dataclasses.replace(USED, disk=dataclasses.replace(USED.disk, holders=(Holder("md0", frozenset()),))),
    ):
        with pytest.raises(OsdError, match="is not empty"):
            plan([used], {"serial": used.disk.serial, "overwrite": True})
    assert plan([OSD], {"serial": "S4", "overwrite": True})["/dev/sdd"][0] == KEEP


def test_rules_that_are_wrong_touch_no_disk() -> None:
    with pytest.raises(OsdError, match="would overwrite disks that it does not name"):
        plan(DISKS, {"rotational": True, "overwrite": True})
    with pytest.raises(OsdError, match="matches no disk") as caught:
        plan(DISKS, {"rotational": True}, {"serial": "S9"})
    assert "/dev/sdc: 4000.0 GiB, rotational, serial S3: ext4" in str(caught.value)
    with pytest.raises(OsdError, match=r"\(the host has no disk\)"):
        plan([], {"serial": "S9"})
    with pytest.raises(OsdError, match="names no property"):
        read_rule({"path": None, "device_class": "ssd"})


def test_a_run_goes_on_with_what_an_earlier_one_began() -> None:
    begun = with_label(EMPTY, Label(OTHER_UUID, CLUSTER, 5))
    rule = {"rotational": True}
    assert plan([EMPTY], rule, notes=[NOTE])["/dev/sdb"][0] == RESUME
    assert plan([begun], rule, notes=[NOTE])["/dev/sdb"][0] == RESUME
    # Even when its rule is gone: a number in the cluster waits for it. An empty disk without a rule stays empty.
    assert plan([begun], notes=[NOTE])["/dev/sdb"][0] == RESUME
    assert plan([EMPTY], notes=[NOTE])["/dev/sdb"][0] == LEAVE
    # Its own label under another path, as after a restart.
    moved = dataclasses.replace(begun, disk=Disk("/dev/sdz", GIB))
    (step,) = plan_osds([moved], [], [NOTE], CLUSTER)
    assert (step.action, step.note, step.device_class) == (RESUME, NOTE, "hdd")


def test_a_begun_disk_that_somebody_uses_meanwhile_is_left_alone() -> None:
    mounted = dataclasses.replace(EMPTY.disk, mounted=("/srv",))
    begun = with_label(dataclasses.replace(EMPTY, disk=mounted), Label(OTHER_UUID, CLUSTER))
    assert plan([begun], notes=[NOTE])["/dev/sdb"][0] == LEAVE
    other = with_label(EMPTY, Label(UUID, "another", 3))
    assert plan([other], {"rotational": True}, notes=[NOTE])["/dev/sdb"][0] == LEAVE
    foreign = dataclasses.replace(EMPTY, signatures=("xfs",))
    (step,) = plan_osds([foreign], [], [NOTE], CLUSTER)
    assert (step.action, lost_notes([step], [NOTE])) == (LEAVE, [NOTE])


def test_a_disk_that_is_overwritten_keeps_its_note() -> None:
    rule = read_rule({"serial": "S2", "overwrite": True})
    (step,) = plan_osds([dataclasses.replace(EMPTY, signatures=("xfs",))], [rule], [NOTE], CLUSTER)
    assert (step.action, step.note) == (MAKE, NOTE)


def test_an_osd_that_was_finished_drops_its_note() -> None:
    done = Note(UUID, KEY, "/dev/sdd", "S4")
    (step,) = plan_osds([OSD], [], [done], CLUSTER)
    assert (step.action, step.note) == (KEEP, done)
    assert lost_notes([step], [done, NOTE]) == [NOTE]


def test_notes_are_about_disks_with_the_same_serial_number_or_the_same_link() -> None:
    other = dataclasses.replace(EMPTY, disk=dataclasses.replace(EMPTY.disk, serial="S8"))
    assert NOTE.means(EMPTY)
    assert not NOTE.means(other)
    bare = dataclasses.replace(NOTE, serial="")
    assert bare.means(dataclasses.replace(EMPTY, disk=dataclasses.replace(EMPTY.disk, serial="")))
    assert not bare.means(EMPTY)
    assert KEY not in repr(NOTE)


LABELS = st.builds(
    Label,
    uuid=st.sampled_from([UUID, OTHER_UUID]),
    cluster=st.sampled_from(["", CLUSTER, "another"]),
    number=st.none() | st.integers(0, 9),
    complete=st.booleans(),
)
FOUND = st.builds(
    FoundDisk,
    disk=st.builds(
        Disk,
        path=st.sampled_from(["/dev/sda", "/dev/sdb"]),
        size=st.sampled_from([GIB, 4000 * GIB]),
        serial=st.sampled_from(["", "S1", "S2"]),
        rotational=st.booleans(),
        links=st.sampled_from([(), ("/dev/disk/by-id/one",)]),
        partitions=st.sampled_from([(), ("/dev/sda1",)]),
        mounted=st.sampled_from([(), ("/srv",)]),
        holders=st.sampled_from([(), (Holder("md0", frozenset(["/dev/sda"])),)]),
    ),
    signatures=st.sampled_from([(), ("ext4",), ("ceph_bluestore",)]),
    label=st.none() | LABELS,
    readable=st.booleans(),
)
RULES = st.fixed_dictionaries(
    {"size_min_gib": st.sampled_from([0, 1, 100])},
    optional={
        "path": st.sampled_from(["/dev/sda", "/dev/disk/by-id/one"]),
        "serial": st.sampled_from(["S1", "S2"]),
        "rotational": st.booleans(),
        "overwrite": st.booleans(),
    },
)
NOTES = st.builds(
    Note,
    uuid=st.sampled_from([UUID, OTHER_UUID]),
    secret=st.just(KEY),
    path=st.sampled_from(["/dev/sda", "/dev/sdb"]),
    serial=st.sampled_from(["", "S1"]),
)


@given(st.lists(FOUND, max_size=3), st.lists(RULES, max_size=3), st.lists(NOTES, max_size=2))
def test_nothing_is_ever_lost_that_was_not_given_up(
    disks: list[FoundDisk], rules: list[dict[str, Any]], notes: list[Note]
) -> None:
    try:
        steps = plan_osds(disks, [read_rule(rule) for rule in rules], notes, CLUSTER)
    except OsdError:
        return
    for step in steps:
        found, disk, label = step.found, step.found.disk, step.found.label
        if step.action not in (MAKE, RESUME):
            continue
        assert not disk.mounted
        assert not disk.holders
        if label is not None and label.complete and label.number is not None:
            assert label.cluster != CLUSTER
        empty = found.readable and not (disk.partitions or found.signatures or label)
        begun = label is not None and label.uuid in {note.uuid for note in notes}
        given_up = any(
            rule.get("overwrite")
            and ("serial" in rule or rule.get("path") == "/dev/disk/by-id/one")
            # What the rule names is this disk.
            and rule.get("path", disk.path) in (disk.path, *disk.links)
            and rule.get("serial", disk.serial) == disk.serial
            for rule in rules
        )
        assert empty or begun or given_up


def test_a_step_is_one_line() -> None:
    step = Step(EMPTY, MAKE, "empty")
    assert step.describe() == "make   /dev/sdb: 4000.0 GiB, rotational, serial S2: empty"
