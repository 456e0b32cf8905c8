# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds in the root file system of an image what only one host may have: names, keys, state of a machine.

Every host that is made of the image would have it. Nothing here touches a disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# As much of a file as is looked at; what identifies a host is small.
LIMIT = 1024 * 1024
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


@dataclass(frozen=True)
class Rule:
    """Files whose path fits ``paths`` hold ``what`` if something in them fits ``content``, which any content does."""

    paths: re.Pattern[str]
    what: str
    content: re.Pattern[bytes] = re.compile(rb"")


def _rule(paths: str, what: str, content: str = "") -> Rule:
    return Rule(re.compile(paths), what, re.compile(content.encode("ascii"), re.MULTILINE))


# Paths are relative to the root of the image. The first rule that fits is told.
RULES = (
    _rule(r"etc/machine-id|var/lib/dbus/machine-id", "the identity of a machine", r"^[0-9a-f]{32}"),
    _rule(r"etc/host(name|id)|etc/mailname", "the name of a host"),
    _rule(r"etc/ssh/ssh_host_.*", "a host key of SSH"),
    _rule(r"etc/iscsi/initiatorname\.iscsi", "the name of an iSCSI initiator", r"^\s*InitiatorName\s*=\s*\S"),
    _rule(r"etc/nvme/host(nqn|id)", "the name of an NVMe host", r"\S"),
    _rule(r"etc/openvswitch/system-id\.conf", "the identity of an Open vSwitch", r"\S"),
    _rule(r"(etc|var/lib)/(openvswitch|ovn)/.*\.db", "a database of Open vSwitch or OVN"),
    _rule(r"etc/libvirt/.*\.conf", "the identity of a libvirt", r"^\s*host_uuid\s*="),
    _rule(r"etc/libvirt/.*\.xml", "a UUID or an address that libvirt made", rf"<uuid>{_UUID}</uuid>|<mac address="),
    _rule(r"etc/libvirt/secrets/.*", "a secret of libvirt"),
    _rule(r"(etc|var/lib)/ceph/.*keyring", "a key of Ceph"),
    _rule(r"etc/chrony/chrony\.keys", "a key of the time service", r"^\s*[0-9]"),
    _rule(r"etc/mdadm/mdadm\.conf", "an array of the machine that built the image", r"^\s*ARRAY\s"),
    _rule(r"etc/lvm/(archive|backup|devices)/.*", "volumes of the machine that built the image"),
    _rule(r"etc/multipath/(bindings|wwids)", "disks of the machine that built the image", r"^\s*[^#\s]"),
    _rule(r"var/lib/systemd/(credential\.secret|random-seed)", "a secret of systemd"),
    _rule(r"var/lib/(dhcp|NetworkManager|iscsi/nodes)/.+", "state of a network"),
    _rule(r"(etc|home|opt|root|srv|var/lib(?!/dpkg))/.*", "a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    # dpkg and apt keep files of packages, and smartmontools its table of disk models, which are the same everywhere.
    _rule(r"var/lib/(?!apt/|dpkg/|ucf/|smartmontools/drivedb/).*", "a UUID, so state of a host", rf"\b{_UUID}\b"),
)


@dataclass(frozen=True)
class File:
    """A regular file: its path relative to the root, and how to get its first LIMIT bytes."""

    path: str
    read: Callable[[], bytes]


def identities(files: Iterable[File]) -> list[str]:
    """Return a line for each of FILES that only one host may have: path, colon, what it holds."""
    found = []
    for file in files:
        fitting = [rule for rule in RULES if rule.paths.fullmatch(file.path)]
        if fitting:
            content = file.read()
            found += [f"{file.path}: {rule.what}" for rule in fitting if rule.content.search(content)][:1]
    return sorted(found)
