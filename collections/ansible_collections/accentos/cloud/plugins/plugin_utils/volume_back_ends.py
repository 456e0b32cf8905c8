# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what back ends of volumes mean for a host: options, files, packages, kernel. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A share as NFS names it: a server, or an IPv6 address in brackets, and a path.
_SHARE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):/\S*")
_MOUNT_OPTIONS = re.compile(r"[A-Za-z0-9_.:=/-]+(,[A-Za-z0-9_.:=/-]+)*")
_POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# With version 3 of NFS, each client answers calls about locks from any host, unencrypted.
_OLD_NFS = re.compile(r"(?:nfs)?vers=3(?:\.|,|$)")
_PORT_MAPPER = ("rpcbind.service", "rpcbind.socket")
_GROUP = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]*")
# It becomes the name of a section and of a file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# Sections that cinder.conf has, of cinder and the libraries that read the file, besides those of oslo. A back end of
# such a name would be written over the section. Case makes no difference in the name of a section.
_SECTIONS = frozenset(
    re.findall(
        r"\S+",
        """default backend backend_defaults barbican barbican_service_user brcd_fabric_example cache
        cisco_fabric_example coordination cors database fc-zone-manager healthcheck key_manager
        keystone_authtoken nova privsep profiler sample_generator service_user ssl vault""",
    )
)
_OSLO = "oslo_"


# Variables that tell of volumes, see the role openstack_service.
BACK_ENDS, RAW = "openstack_service_volume_back_ends", "openstack_service_cinder_back_ends"
CEPH = "openstack_service_ceph"


class BackEndError(Exception):
    """A back end of volumes cannot be as described. The argument says what and what helps."""


@dataclass(frozen=True)
class Place:
    """Where a plan is for: a host and its address, and the site with its hosts of volumes and its computes.

    ``ceph`` tells whether the site has Ceph, ``secret_uuid`` names the secret of libvirt with which computes open
    volumes there.
    """

    host: str
    address: str
    site: str
    volume_hosts: Sequence[str]
    computes: Sequence[str]
    ceph: bool
    secret_uuid: str


def variables_of_volumes(hostvars: Mapping[str, Mapping[str, Any]], place: Place) -> dict[str, Any]:
    """Return what the first host of volumes is told of them by name, for a host that is none; empty for one that is."""
    if place.host in place.volume_hosts or not place.volume_hosts:
        return {}
    teller = hostvars.get(place.volume_hosts[0], {})
    return {name: teller[name] for name in (BACK_ENDS, RAW, CEPH) if name in teller}


@dataclass(frozen=True)
class Needs:
    """What a host needs for a back end: packages, features of its kernel as the module host_check names them, units.

    ``daemons`` are units that run as their packages have them.
    """

    packages: Sequence[str] = ()
    kernel: Sequence[str] = ()
    # Units that the packages bring and this back end does not need, and those that it does.
    masked: Sequence[str] = ()
    kept: Sequence[str] = ()
    daemons: Sequence[str] = ()


@dataclass(frozen=True)
class Part:
    """What one back end means: its options, the files that they name, and what hosts of each kind need.

    ``hosts`` are those whose volume service has it.
    """

    hosts: Sequence[str]
    options: Mapping[str, object]
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    volume_host: Needs = Needs()
    compute: Needs = Needs()


# Volumes in the Ceph of the site, and the user of it that handles them.
_RBD_DRIVER = "cinder.volume.drivers.rbd.RBDDriver"
_CEPH = {"rbd_ceph_conf": "/etc/ceph/ceph.conf", "rbd_user": "cinder"}
_POOL_OF_VOLUMES = "volumes"

# What hands volumes out over iSCSI: the kernel, told so by a library, or a daemon. Packages of Debian 13.
_HELPERS: Mapping[str, Needs] = {
    "lioadm": Needs(["lvm2", "python3-rtslib-fb"], ["device_mapper", "iscsi_target"]),
    "tgtadm": Needs(["lvm2", "tgt"], ["device_mapper"]),
}
_SECURE = ("auto", "true", "false")


def _rbd(name: str, given: Mapping[str, Any], place: Place) -> Part:
    """Volumes in Ceph. Computes have the secret of this identity, see the role libvirt."""
    if not place.ceph:
        raise BackEndError(
            f"The back end {name} is in Ceph, which this site has not. Give it hosts in the group storage."
        )
    pool = given.get("pool", _POOL_OF_VOLUMES)
    if not isinstance(pool, str) or not _POOL.fullmatch(pool):
        raise BackEndError(f"pool of the back end {name} must be the name of a pool of Ceph, not {pool!r}.")
    return Part(
        place.volume_hosts,
        {
            "volume_driver": _RBD_DRIVER,
            **_CEPH,
            "rbd_exclusive_cinder_pool": True,
            "rbd_pool": pool,
            "rbd_secret_uuid": place.secret_uuid,
            "report_discard_supported": True,
        },
    )


def _nfs(name: str, given: Mapping[str, Any], place: Place) -> Part:
    """Volumes as files on shares. The service and computes mount them with the options in the list of shares."""
    shares, mount_options = given.get("shares"), given.get("mount_options", "")
    wrong = shares if not isinstance(shares, list) else [one for one in shares if not _SHARE.fullmatch(str(one))]
    if not shares or wrong:
        raise BackEndError(
            f"shares of the back end {name} must be a list such as [nas.example.com:/volumes], not {shares!r}."
        )
    if mount_options and not _MOUNT_OPTIONS.fullmatch(str(mount_options)):
        raise BackEndError(
            f"mount_options of the back end {name} are {mount_options!r}. Write them as vers=4.2,noexec."
        )
    path = f"/etc/cinder/shares-{name}"
    flags = f" -o {mount_options}" if mount_options else ""
    lines = [f"{share}{flags}\n" for share in shares]
    old = _OLD_NFS.search(str(mount_options))
    needs = Needs(["nfs-common"], ["nfs"], **{"kept" if old else "masked": _PORT_MAPPER})
    return Part(
        place.volume_hosts,
        {
            "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
            "nas_secure_file_operations": _secure(name, given, "secure_file_operations"),
            "nas_secure_file_permissions": _secure(name, given, "secure_file_permissions"),
            "nfs_shares_config": path,
        },
        texts={path: {"content": "".join(["# Written by AccentOS.\n", *lines])}},
        volume_host=needs,
        compute=needs,
    )


def _secure(name: str, given: Mapping[str, Any], option: str) -> str:
    value = str(given.get(option, "auto")).lower()
    if value not in _SECURE:
        raise BackEndError(f"{option} of the back end {name} is {value}. It is one of {', '.join(_SECURE)}.")
    return value


def _lvm(name: str, given: Mapping[str, Any], place: Place) -> Part:
    """Volumes as logical volumes of a host, which hands them to computes over iSCSI. They are lost with that host."""
    group, helper = given.get("volume_group"), given.get("target_helper", "lioadm")
    hosts = given.get("hosts", list(place.volume_hosts))
    if not isinstance(hosts, list):
        raise BackEndError(f"hosts of the back end {name} must be a list such as [controller-1], not {hosts!r}.")
    if not group or not _GROUP.fullmatch(str(group)):
        raise BackEndError(f"The back end {name} needs volume_group, the name of a group of LVM, not {group!r}.")
    if helper not in _HELPERS:
        raise BackEndError(f"target_helper of the back end {name} is {helper}. It is one of {', '.join(_HELPERS)}.")
    strangers = [one for one in hosts if one not in place.volume_hosts]
    if strangers or not hosts:
        known, told = ", ".join(place.volume_hosts), ", ".join(map(str, hosts)) or "none"
        raise BackEndError(f"hosts of the back end {name} are {told}. Name some of {known}.")
    return Part(
        hosts,
        {
            "volume_driver": "cinder.volume.drivers.lvm.LVMVolumeDriver",
            "backend_host": place.host,
            "target_helper": helper,
            # A variable of the host, which others need not be able to work out.
            **({"target_ip_address": given.get("target_address", place.address)} if place.host in hosts else {}),
            "target_protocol": "iscsi",
            # A compute proves for each volume that it is meant for it.
            "use_chap_auth": True,
            "volume_group": group,
        },
        volume_host=_HELPERS[helper],
        # By itself it starts when it is asked for the first time. Only then a host of an image has the name of its own
        # that Nova gives to the volume service before.
        compute=Needs(["open-iscsi"], ["iscsi"], daemons=["iscsid.service"]),
    )


# How a driver is described, and which keys it takes besides those of all.
_DRIVERS: Mapping[str, tuple[Callable[[str, Mapping[str, Any], Place], Part], frozenset[str]]] = {
    "lvm": (_lvm, frozenset({"volume_group", "target_helper", "target_address", "hosts"})),
    "nfs": (_nfs, frozenset({"shares", "mount_options", "secure_file_operations", "secure_file_permissions"})),
    "rbd": (_rbd, frozenset({"pool"})),
}
_KEYS = frozenset({"driver", "options", "type"})


def plan_back_ends(
    back_ends: Mapping[str, Mapping[str, Any]], raw: Mapping[str, Mapping[str, object] | None], place: Place
) -> dict[str, Any]:
    """Return what back ends mean for a host, see the filter volume_back_ends. Raises BackEndError.

    ``raw`` are options by back end, of those described and of others, which every volume host has.
    """
    described: tuple[tuple[str, object], ...] = (("volume", back_ends), ("cinder", raw))
    for what, all_of_them in described:
        if not isinstance(all_of_them, Mapping):
            raise BackEndError(
                f"openstack_service_{what}_back_ends must be a mapping of back ends by name, not {all_of_them!r}."
            )
    for name, given in raw.items():
        _refuse_name(name)
        _refuse_other_options(f"The back end {name} in openstack_service_cinder_back_ends", given)
    parts = {name: _part(name, given, place) for name, given in back_ends.items()}
    more = {name: given.get("options") or {} for name, given in back_ends.items()}
    parts |= {name: Part(place.volume_hosts, {}) for name in raw if name not in parts}
    _refuse_names_alike(parts)
    options = {
        name: {
            # A volume belongs to the site and not to the host that made it, so that another one can go on with it,
            # unless its back end says otherwise.
            "backend_host": place.site,
            **part.options,
            **({"volume_backend_name": name} if name in back_ends else {}),
            **more.get(name, {}),
            **(raw.get(name) or {}),
        }
        for name, part in parts.items()
    }
    here = {name: part for name, part in parts.items() if place.host in part.hosts}
    volume_host = [part.volume_host for part in here.values()]
    compute = [part.compute for part in parts.values() if place.host in place.computes]
    kept = {unit for needs in (*volume_host, *compute) for unit in needs.kept}
    return {
        "names": list(parts),
        "sections": {name: options[name] for name in here},
        "texts": {path: dict(text) for part in here.values() for path, text in part.texts.items()},
        "packages": sorted({package for needs in volume_host for package in needs.packages}),
        "compute_packages": sorted({package for needs in compute for package in needs.packages}),
        "compute_daemons": sorted({unit for needs in compute for unit in needs.daemons}),
        "kernel": sorted({feature for needs in (*volume_host, *compute) for feature in needs.kernel}),
        "masked": sorted({unit for needs in (*volume_host, *compute) for unit in needs.masked} - kept),
        "types": _types({name: given.get("type", name) for name, given in back_ends.items()}, options),
    }


def pools_of_volumes(
    back_ends: Mapping[str, Mapping[str, Any]], raw: Mapping[str, Mapping[str, object] | None]
) -> list[str]:
    """Return the pools of the site's Ceph in which back ends keep volumes, each once.

    What is no back end at all is passed over: plan_back_ends() tells of it.
    """
    named = {
        name: {
            "volume_driver": _RBD_DRIVER,
            **_CEPH,
            "rbd_pool": given.get("pool", _POOL_OF_VOLUMES),
            **_mapping(given.get("options")),
        }
        for name, given in _mapping(back_ends).items()
        if _mapping(given).get("driver") == "rbd"
    }
    own = {name: {**named.get(name, {}), **_mapping(given)} for name, given in _mapping(raw).items()}
    ours = {"volume_driver": _RBD_DRIVER, **_CEPH}
    pools = [str(one.get("rbd_pool")) for one in (named | own).values() if {**one, **ours} == one]
    return list(dict.fromkeys(pool for pool in pools if _POOL.fullmatch(pool)))


def _mapping(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _types(names: Mapping[str, object], options: Mapping[str, Mapping[str, object]]) -> list[dict[str, Any]]:
    """Return the type of volumes of each back end, of which NAMES has the name; several may have one together."""
    found: dict[str, tuple[str, object]] = {}
    for back_end, name in names.items():
        if not isinstance(name, str) or not name.strip():
            raise BackEndError(f"type of the back end {back_end} must be the name of a volume type, not {name!r}.")
        told = options[back_end]["volume_backend_name"]
        if not isinstance(told, str) or not told.strip():
            raise BackEndError(f"volume_backend_name of the back end {back_end} must be a name, not {told!r}.")
        other, same = found.setdefault(name, (back_end, told))
        if same != told:
            raise BackEndError(
                f"The back ends {other} and {back_end} have the volume type {name}, which can lead to one name only. "
                "Give them types of their own, or the same volume_backend_name in options, and the scheduler chooses."
            )
    return [{"name": name, "extra_specs": {"volume_backend_name": told}} for name, (_one, told) in found.items()]


def _refuse_names_alike(names: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(name.lower(), name)
        if other != name:
            raise BackEndError(
                f"The back ends {other} and {name} differ in case only, and cinder.conf takes both for one section. "
                "Give one of them another name."
            )


def _refuse_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BackEndError(f"{name!r} is no name of a back end. Take letters, digits, - and _.")
    if name.lower() in _SECTIONS or name.lower().startswith(_OSLO):
        raise BackEndError(
            f"A back end cannot be called {name}, since cinder.conf has a section of that name for something else. "
            "Give it another name."
        )


def _refuse_other_options(what: str, given: object) -> None:
    if given is not None and not isinstance(given, Mapping):
        raise BackEndError(f"{what} must be a mapping of options in cinder.conf, not {given!r}.")


def _part(name: str, given: Mapping[str, Any], place: Place) -> Part:
    _refuse_name(name)
    # What is no mapping has no driver, and what is no text is the name of none.
    driver = str(given.get("driver")) if isinstance(given, Mapping) else ""
    if driver not in _DRIVERS:
        raise BackEndError(f"The back end {name} names no driver. It is one of {', '.join(_DRIVERS)}.")
    plan, keys = _DRIVERS[driver]
    unknown = sorted(str(key) for key in set(given) - keys - _KEYS)
    if unknown:
        known = ", ".join(sorted(keys | _KEYS))
        raise BackEndError(f"The back end {name} has {', '.join(unknown)}, which means nothing. Known: {known}.")
    _refuse_other_options(f"options of the back end {name}", given.get("options"))
    return plan(name, given, place)
