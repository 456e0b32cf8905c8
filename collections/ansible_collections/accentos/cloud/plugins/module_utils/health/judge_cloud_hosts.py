# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the overlay network, the hypervisor and Ceph as the hosts see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    Check,
    Verdict,
    failure,
    good,
    judge_list,
    judge_share,
    warning,
)

_PAUSED, _CRASHED = 3, 6
# Reasons for which a guest is paused without anybody having asked for it.
_STOPPED_BY = {5: "an error of its disk", 6: "its watchdog", 10: "a crash", 13: "a migration that broke off"}
_FULL, _NEARLY_FULL = 85, 70
_LEAST_COPIES = 2
_STOPPING_FLAGS = frozenset(
    ("nobackfill", "nodeep-scrub", "nodown", "noin", "noout", "norebalance", "norecover", "noscrub", "noup")
)
_PAUSING_FLAGS = frozenset(("full", "pauserd", "pausewr"))


def overlay_members(data: Mapping[str, Mapping[str, str]], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the host's databases are in clusters that have all of their members."""
    bad = []
    for name, state in data.items():
        if state.get("Status") != "cluster member":
            bad.append(f"{name}: {state.get('Status') or 'no state'}")
        elif int(state["members"]) != int(wanted["controllers"]):
            bad.append(f"{name}: {state['members']} members")
    return judge_list(bad, "both are members")


def overlay_leader(data: Mapping[str, Mapping[str, str]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the host's databases know who leads."""
    bad = (
        f"{name}: {state.get('Role', '')}"
        for name, state in data.items()
        if state.get("Leader", "unknown") == "unknown"
    )
    told = ", ".join(f"{name} {state.get('Role', '')}" for name, state in data.items())
    return judge_list(bad, told)


def overlay_entries(data: Mapping[str, Mapping[str, str]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether changes wait for other members."""
    names = ("Entries not yet committed", "Entries not yet applied")
    bad = (
        f"{name}: {state[entry]} {entry.lower()}"
        for name, state in data.items()
        for entry in names
        if int(state.get(entry, 0))
    )
    return judge_list(bad, "none wait", state="warn")


def northd(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what northd does."""
    return (
        good(data["northd"])
        if data["northd"] in ("active", "standby")
        else failure(data["northd"] or "it tells nothing")
    )


def chassis(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether all hosts take part in the overlay network."""
    missing = [name for name in wanted["chassis"] if name not in data["chassis"]]
    return judge_list(missing, f"{len(data['chassis'])} take part")


def strange_chassis(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether hosts take part that the inventory does not know, or one does twice."""
    strange = [name for name in data["chassis"] if name not in wanted["chassis"]]
    twice = sorted({name for name in data["chassis"] if data["chassis"].count(name) > 1})
    return judge_list([*strange, *(f"{name} twice" for name in twice)], "none", state="warn")


def switch_bridge(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the bridges are there that the settings name."""
    settings = data["settings"]
    named = [settings.get("ovn-bridge", "br-int")]
    named += [pair.rpartition(":")[2] for pair in settings.get("ovn-bridge-mappings", "").split(",") if pair]
    return judge_list((name for name in named if name not in data["bridges"]), f"{', '.join(named)} are there")


def switch_errors(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what the switch says of its ports."""
    return judge_list((f"{name}: {error}" for name, error in data["errors"].items()), "none")


def switch_tunnel(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge the address from which tunnels go out."""
    address, own = data["settings"].get("ovn-encap-ip", "none"), wanted.get("addresses", {}).get("tunnel")
    return failure(f"{address} instead of {own}") if own and address != own else good(address)


def switch_connection(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether ovn-controller hears of changes."""
    return good(data["connection"]) if data["connection"] == "connected" else failure(data["connection"] or "no answer")


def guests_run(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether guests stopped without having been asked to."""
    bad = [
        f"{name} is paused by {_STOPPED_BY[state['reason']]}"
        for name, state in data["guests"].items()
        if state.get("state") == _PAUSED and state.get("reason") in _STOPPED_BY
    ]
    bad += [f"{name} crashed" for name, state in data["guests"].items() if state.get("state") == _CRASHED]
    return judge_list(bad, f"{len(data['guests'])} guests")


def acceleration(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether guests start as nova is told to start them."""
    if data["virt_type"] == "kvm":
        return good("kvm") if data["kvm"] else failure("kvm is wanted and /dev/kvm is not there")
    return warning(f"{data['virt_type'] or 'nothing'}: guests run without acceleration")


def hypervisor_tls(data: str, _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what libvirt answered over TLS."""
    return good(f"{data} answers")


def monitor_state(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the monitor of the host is in the quorum."""
    return good(data["state"]) if data["state"] in ("leader", "peon") else failure(data["state"])


def osd_states(data: Mapping[str, str], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what the OSDs of the host say of themselves."""
    bad = (f"osd.{number}: {state}" for number, state in data.items() if state != "active")
    return judge_list(bad, f"{len(data)} are active") if data else failure("the host has no OSD")


def ceph_quorum(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many monitors agree."""
    inside, known = len(data["status"]["quorum_names"]), int(data["status"]["monmap"]["num_mons"])
    told = f"{inside} of {known} monitors"
    return good(told) if inside == known else warning(told)


def ceph_health(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what Ceph complains about itself."""
    health = data["status"]["health"]
    told = [
        f"{name}: {check['summary']['message']}"
        for name, check in health.get("checks", {}).items()
        if not check.get("muted")
    ]
    state = "fail" if health["status"] == "HEALTH_ERR" else "warn"
    return judge_list(told, str(health["status"]), state=state)


def ceph_osds(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether OSDs are away."""
    bad = [f"osd.{osd['osd']} is down" for osd in data["dump"]["osds"] if not osd["up"]]
    bad += [f"osd.{osd['osd']} is out" for osd in data["dump"]["osds"] if osd["up"] and not osd["in"]]
    return (
        judge_list(bad, f"{len(data['dump']['osds'])} are up and in")
        if data["dump"]["osds"]
        else failure("there is none")
    )


def ceph_groups(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether data can be read and written, and whether all copies are there."""
    counts = {one["state_name"]: one["count"] for one in data["status"]["pgmap"].get("pgs_by_state", ())}
    still = {name: count for name, count in counts.items() if "active" not in name.split("+")}
    if still:
        return judge_list((f"{count} {name}" for name, count in still.items()), "")
    lacking = {name: count for name, count in counts.items() if "clean" not in name.split("+")}
    told = (f"{count} {name}" for name, count in lacking.items())
    return judge_list(told, f"{sum(counts.values())} active and clean", state="warn")


def ceph_manager(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether a manager works."""
    return good("one is active") if data["status"]["mgrmap"]["available"] else failure("none is active")


def ceph_standby(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether another manager could take over."""
    count = int(data["status"]["mgrmap"]["num_standbys"])
    return good(f"{count} stand by") if count else warning("no other one could take over")


def ceph_room(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how full the cluster is."""
    stats = data["df"]["stats"]
    total = int(stats["total_bytes"])
    return judge_share(
        {"in use": 100.0 * int(stats["total_used_raw_bytes"]) / total if total else 0.0}, _NEARLY_FULL, _FULL
    )


def ceph_pools(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the pools are there that services use, each marked with what uses it."""
    known = {pool["pool_name"]: pool for pool in data["dump"]["pools"]}
    bad = [f"{name} is missing" for name in wanted["ceph_pools"] if name not in known]
    bad += [
        f"{name} is of no application"
        for name in wanted["ceph_pools"]
        if name in known and not known[name]["application_metadata"]
    ]
    return judge_list(bad, f"{len(wanted['ceph_pools'])} are there")


def ceph_copies(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether pools have more than one copy of their data."""
    bad = (f"{pool['pool_name']} has {pool['size']}" for pool in data["dump"]["pools"] if pool["size"] < _LEAST_COPIES)
    return judge_list(bad, "every pool has more than one")


def ceph_flags(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether somebody has told the cluster to leave things be."""
    flags = set(str(data["dump"]["flags"]).split(","))
    if stopped := sorted(flags & _PAUSING_FLAGS):
        return failure(", ".join(stopped))
    return judge_list(sorted(flags & _STOPPING_FLAGS), "none is set", state="warn")


def ceph_versions(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether all daemons are of one version."""
    versions = data["versions"]["overall"]
    return (
        good("one version")
        if len(versions) <= 1
        else warning("; ".join(f"{count} {name}" for name, count in versions.items()))
    )


def _has_overlay(wanted: Mapping[str, Any]) -> bool:
    """Tell whether OVN sets up the networks; with another driver of networks the host has a switch without it."""
    return str(wanted.get("network_driver", "ovn")) == "ovn"


_OVN_RUN = "See journalctl --unit ovn-ovsdb-server-nb, and ports 6643, 6644; deploy.yml --tags network starts it."
_SWITCH_RUN = "Run deploy.yml --tags network --limit HOST; see journalctl --unit ovs-vswitchd and ovs-vsctl show."
_POOLS = "Run deploy.yml --tags storage, which makes pools that are missing and sets their copies."

CLOUD_HOST_CHECKS = (
    Check(
        "overlay databases",
        "network service",
        "overlay_databases",
        overlay_members,
        "both databases of OVN are in their clusters, with a member on each controller",
        "Networks of guests are described there; a cluster works while more than half of its members do.",
        _OVN_RUN,
        answers=True,
    ),
    Check(
        "overlay leaders",
        "network service",
        "overlay_databases",
        overlay_leader,
        "each knows its leader",
        "Without a leader nothing can be changed: no guest gets a port.",
        _OVN_RUN,
    ),
    Check(
        "overlay changes",
        "network service",
        "overlay_databases",
        overlay_entries,
        "none waits for other members",
        "Ports of new guests come late.",
        "Look at load and disks of the controllers, and at the network between them.",
    ),
    Check(
        "northd",
        "network service",
        "overlay",
        northd,
        "active, or standby for another one",
        "It turns networks into what switches do; without it nothing new is switched.",
        "See journalctl --unit ovn-northd; deploy.yml --tags network.",
        answers=True,
    ),
    Check(
        "chassis",
        "network service",
        "overlay",
        chassis,
        "every controller and compute takes part",
        "Guests of a host that does not have no network.",
        "Look at that host's layer network service: is ovn-controller connected?",
    ),
    Check(
        "strange chassis",
        "network service",
        "overlay",
        strange_chassis,
        "nobody else, and nobody twice",
        "Tunnels are made to hosts that are gone, and two of one name take each other's ports.",
        "See ovn-sbctl list Chassis; playbooks/remove_compute.yml lets a host leave, ovn-sbctl chassis-del NAME "
        "removes one.",
    ),
    Check(
        "bridges",
        "network service",
        "switch",
        switch_bridge,
        "the bridges are there that OVN is told of",
        "Guests' ports, or the external network, lead nowhere.",
        _SWITCH_RUN,
        answers=True,
    ),
    Check(
        "ports of the switch",
        "network service",
        "switch",
        switch_errors,
        "no port has an error",
        "What is behind such a port has no network.",
        "Look whether the device still exists: ip link; ports of removed guests go by ovs-vsctl del-port.",
    ),
    Check(
        "address of tunnels",
        "network service",
        "switch",
        switch_tunnel,
        "the host's own in the tunnel network",
        "Other hosts send guests' packets there.",
        _SWITCH_RUN,
        applies=_has_overlay,
    ),
    Check(
        "ovn-controller",
        "network service",
        "switch",
        switch_connection,
        "connected to the southbound database",
        "The host goes on with what it knew last; new guests get no network.",
        "See journalctl --unit ovn-controller, certificates of the host, and port 6642 of the controllers.",
        applies=_has_overlay,
    ),
    Check(
        "guests of libvirt",
        "compute",
        "hypervisor",
        guests_run,
        "none stopped without having been asked to",
        "Its owner sees it standing still.",
        "See /var/log/libvirt/qemu/NAME.log; mend disk or storage, then virsh resume NAME.",
        answers=True,
    ),
    Check(
        "acceleration",
        "compute",
        "hypervisor",
        acceleration,
        "guests run under KVM, and it is there",
        "Guests do not start, or are many times slower.",
        "Turn virtualization on in the firmware, load the module kvm_intel or kvm_amd; then deploy again.",
    ),
    Check(
        "libvirt over TLS",
        "compute",
        "hypervisor_tls",
        hypervisor_tls,
        "libvirt answers at the host's name with a verified certificate",
        "Live migration goes that way.",
        "See journalctl --unit libvirtd and the certificates libvirt of both hosts; deploy.yml --tags compute.",
        answers=True,
    ),
    Check(
        "monitor",
        "Ceph",
        "monitor",
        monitor_state,
        "leader or peon",
        "A monitor that is not in the quorum counts as lost.",
        "See journalctl --unit 'ceph-mon@*', the clocks, and port 3300 in the storage network.",
        answers=True,
    ),
    Check(
        "OSDs of the host",
        "Ceph",
        "osds",
        osd_states,
        "active",
        "Copies of data are missing while one is away.",
        "See journalctl --unit ceph-osd@NUMBER and smartctl of its disk; an OSD that boots waits for monitors or "
        "other OSDs.",
        answers=True,
    ),
    Check(
        "quorum of Ceph",
        "Ceph",
        "ceph",
        ceph_quorum,
        "all monitors",
        "With less than a majority all storage stands still.",
        "Look at the hosts whose monitors are missing: ceph mon stat.",
        answers=True,
        shared=True,
    ),
    Check(
        "health of Ceph",
        "Ceph",
        "ceph",
        ceph_health,
        "HEALTH_OK",
        "Ceph says itself what threatens data.",
        "ceph health detail tells more of each.",
        shared=True,
    ),
    Check(
        "OSDs",
        "Ceph",
        "ceph",
        ceph_osds,
        "all are up and in",
        "Fewer copies, less space, and slower.",
        "ceph osd tree names the host; look at its layer Ceph.",
        shared=True,
    ),
    Check(
        "placement groups",
        "Ceph",
        "ceph",
        ceph_groups,
        "all active and clean",
        "What is not active cannot be read or written; what is not clean lacks copies.",
        "Bring OSDs back that are away; then wait while it recovers: ceph pg stat.",
        shared=True,
    ),
    Check(
        "manager of Ceph",
        "Ceph",
        "ceph",
        ceph_manager,
        "one is active",
        "Without it nothing is counted and nothing rebalanced.",
        "See journalctl --unit 'ceph-mgr@*'.",
        shared=True,
    ),
    Check(
        "other managers of Ceph",
        "Ceph",
        "ceph",
        ceph_standby,
        "at least one stands by",
        "When the active one ends nobody takes over.",
        "See journalctl --unit 'ceph-mgr@*' on the other controllers.",
        shared=True,
        applies=lambda wanted: int(wanted.get("controllers", 1)) > 1,
    ),
    Check(
        "room in Ceph",
        "Ceph",
        "ceph",
        ceph_room,
        f"below {_NEARLY_FULL} %; {_FULL} % is a failure",
        "A full cluster stops every write, and needs room to heal.",
        "Add disks, or remove volumes, images and snapshots.",
        shared=True,
    ),
    Check(
        "pools",
        "Ceph",
        "ceph",
        ceph_pools,
        "the pools of images, volumes and guests are there, each with its application",
        "Their services fail; without an application Ceph gives nobody the rights on a pool that go by it.",
        _POOLS,
        shared=True,
        applies=lambda wanted: bool(wanted.get("ceph_pools")),
    ),
    Check(
        "copies",
        "Ceph",
        "ceph",
        ceph_copies,
        f"at least {_LEAST_COPIES} of all data",
        "One disk that fails takes the data with it.",
        _POOLS,
        shared=True,
    ),
    Check(
        "flags of Ceph",
        "Ceph",
        "ceph",
        ceph_flags,
        "none that stops recovery or writes",
        "Set for a repair and forgotten, it keeps lost copies from being made anew.",
        "Unset it: ceph osd unset FLAG.",
        shared=True,
    ),
    Check(
        "versions of Ceph",
        "Ceph",
        "ceph",
        ceph_versions,
        "one",
        "After an upgrade some daemons still run the old one.",
        "Restart them host by host: monitors, managers, OSDs.",
        shared=True,
    ),
)
