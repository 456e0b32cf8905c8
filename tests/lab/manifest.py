# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints what a host has of all that runs may write: path, mode, owner, group and digest of the content, one a line.

Runs on hosts, with nothing but Python. Two hosts that were brought about in other ways, of the same site and with the
same secrets, print the same. Owners are names: which numbers they have depends on the order in which packages came.

Usage: manifest.py [FOLDER], below which all is looked for, by default /.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Files and folders that playbooks/prepare.yml and playbooks/deploy.yml write to, or that packages configure.
TREES = (
    "/etc",
    "/home",
    "/root/.ssh",
    "/usr/lib/accentos",
    "/usr/local",
    "/usr/sbin/policy-rc.d",
    "/var/lib/accentos",
    "/var/lib/ceph/bootstrap-osd",
    "/var/lib/ceph/mgr",
    "/var/lib/rabbitmq/.erlang.cookie",
)
# What a host makes for itself, another one each time: of it only existence, mode and owner count.
OWN = (
    # Private keys never leave their host, and a certificate has a serial number and a date. The authority's is kept by
    # the site.
    r"/etc/accentos/pki/(?!ca\.crt$).+",
    # Digests of what a unit was started with, certificates among it.
    r"/var/lib/accentos/units/.+",
    # Made by the ssh server at its first start.
    r"/etc/ssh/ssh_host_.+",
    # Made by systemd at the first boot.
    r"/etc/machine-id",
    # A certificate that the package ssl-cert makes.
    r"/etc/ssl/(certs|private)/ssl-cert-snakeoil\..+",
    # Names by which the host knows its storage, made by open-iscsi and nvme-cli.
    r"/etc/iscsi/initiatorname\.iscsi",
    r"/etc/nvme/(hostid|hostnqn)",
    # The database of the switch, which gives each row a number by chance.
    r"/etc/openvswitch/.*conf\.db.*",
    # When systemd last saw /usr change, and how the clock of the hardware drifts.
    r"/etc/\.updated",
    r"/etc/adjtime",
    # Written by what runs the container.
    r"/etc/resolv\.conf",
)
# What is no part of a configuration, so that even its existence says nothing.
LEFT_OUT = (
    # Backups of Debian's account files: what they hold depends on how often one was written.
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-",
    # Programs of Python that ran leave a translation.
    r".*/__pycache__",
    # Written by playbooks/verify.yml, not by a deployment.
    r"/var/lib/accentos/(images|tempest)(\.lock)?",
    # Made for a guest when it starts.
    r"/etc/apparmor\.d/libvirt/libvirt-.+",
)


def name_of_user(number: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def name_of_group(number: int) -> str:
    """Return the name of a group, or the number of one without a name."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _fields(*kept: int) -> Callable[[str], str]:
    """Return what keeps some fields of each line, and sorts the lines: accounts come in the order of the packages."""

    def keep(text: str) -> str:
        rows = [line.split(":") for line in text.splitlines()]
        return "\n".join(sorted(":".join(row[place] for place in kept if place < len(row)) for row in rows))

    return keep


def _passwd(text: str) -> str:
    """Return the accounts without their number, each with the name of its group."""
    rows = [line.split(":") for line in text.splitlines()]
    for row in rows:
        if len(row) > 3 and row[3].isdigit():
            row[2:4] = ["", name_of_group(int(row[3]))]
    return "\n".join(sorted(":".join(row) for row in rows))


def _members(text: str) -> str:
    """Return the groups without their number, the members of each in order."""
    rows = [line.split(":") for line in text.splitlines()]
    return "\n".join(sorted(":".join([*row[:2], ",".join(sorted(row[-1].split(",")))]) for row in rows))


def _without(pattern: str) -> Callable[[str], str]:
    """Return what takes out all that matches a pattern."""
    return lambda text: re.sub(pattern, "", text)


# Files of which a part depends on chance, on the order of packages or on the day: the rest of them counts.
PARTS: tuple[tuple[str, Callable[[str], str]], ...] = (
    (r"/etc/passwd", _passwd),
    (r"/etc/g(roup|shadow)", _members),
    # Name, password and limits, without the day of the last change.
    (r"/etc/shadow", _fields(0, 1, 3, 4, 5)),
    # Name and number of further numbers, without where they begin.
    (r"/etc/sub[ug]id", _fields(0, 2)),
    # libvirt gives its examples numbers when it first reads them, its package gives the network a device's address.
    (r"/etc/libvirt/(nwfilter|qemu/networks)/.+\.xml", _without(r"\s*<(uuid>[^<]*</uuid|mac [^>]*/)>")),
    # A password for a database that the package would make by itself and does not.
    (r"/etc/dbconfig-common/.+\.conf", _without(r"(?m)^dbc_dbpass=.*$")),
)


def matches(patterns: tuple[str, ...], path: str) -> bool:
    """Tell whether one of some patterns is that of the whole path."""
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def digest(path: str, content: bytes) -> str:
    """Return the digest of a file's content, of as much of it as counts in a file of this path."""
    for pattern, part in PARTS:
        if re.fullmatch(pattern, path):
            content = part(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return hashlib.sha256(content).hexdigest()


def entry(path: str, root: str = "") -> str:
    """Return the line of a file, folder or link at PATH below ROOT."""
    place = Path(root + path)
    state = place.lstat()
    content = "-"
    if stat.S_ISLNK(state.st_mode):
        content = str(place.readlink())
    elif stat.S_ISREG(state.st_mode):
        content = "own" if matches(OWN, path) else digest(path, place.read_bytes())
    return f"{path} {state.st_mode:o} {name_of_user(state.st_uid)} {name_of_group(state.st_gid)} {content}"


def entries(tree: str, root: str = "") -> Iterator[str]:
    """Return the lines of a tree below ROOT, or of one file; none if it is not there."""
    if os.path.lexists(root + tree):
        yield entry(tree, root)
    for folder, folders, files in os.walk(root + tree):
        within = folder.removeprefix(root)
        folders[:] = sorted(name for name in folders if not matches(LEFT_OUT, f"{within}/{name}"))
        for name in sorted(folders + files):
            path = f"{within}/{name}"
            if not matches(LEFT_OUT, path):
                yield entry(path, root)


if __name__ == "__main__":
    given = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else ""
    sys.stdout.writelines(f"{line}\n" for one in TREES for line in entries(one, given))
