# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges what the services of a cloud say through their APIs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_checks import (
    dead_agents,
    dead_services,
    usable_computes,
)
from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    Check,
    Verdict,
    failure,
    good,
    judge_list,
    judge_share,
    warning,
)

_SLOW, _VERY_SLOW = 2.0, 8.0
_HANGS = 3600.0
_MANY, _TOO_MANY = 85, 98
_MOVING_IMAGE = ("queued", "saving", "importing", "uploading")
_MOVING_VOLUME = (
    "attaching",
    "backing-up",
    "creating",
    "deleting",
    "detaching",
    "downloading",
    "retyping",
    "uploading",
)


def age(text: str | None, now: float) -> float:
    """Return the seconds since a time as APIs write it; 0 of none. What names no zone is UTC."""
    if not text:
        return 0.0
    when = datetime.fromisoformat(text)
    return now - (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _named(things: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (f"{one.get('name') or 'unnamed'} ({one['id']}): {one['status']}" for one in things)


def login(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how long a login took."""
    told = f"{data['seconds']:.1f} s"
    return failure(told) if data["seconds"] > _VERY_SLOW else warning(told) if data["seconds"] > _SLOW else good(told)


def catalogue(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the catalogue has all services, each with its endpoints, and where they lead to."""
    known = {service["name"]: service for service in data["services"] if service["enabled"]}
    bad = [f"{name} is missing" for name in wanted["services"] if name not in known]
    bad += [
        f"{name} has no {kind} endpoint"
        for name in wanted["services"]
        if name in known
        for kind in ("public", "internal")
        if kind not in known[name]["urls"]
    ]
    bad += [
        f"the {kind} endpoint of {name} is {known[name]['urls'][kind]} instead of {url}"
        for name, urls in wanted["endpoints"].items()
        for kind, url in urls.items()
        if name in known and known[name]["urls"].get(kind, url) != url
    ]
    return judge_list(bad, f"{len(wanted['services'])} services with their endpoints")


def endpoints_over_tls(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether an endpoint is reached without TLS."""
    urls = {url for service in data["services"] for url in service["urls"].values()}
    return judge_list(sorted(url for url in urls if not url.startswith("https://")), f"{len(urls)} of them")


def service_users(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the users by which services know each other are there and may log in."""
    bad = [f"{name} is missing" for name in wanted["identity_users"] if name not in data["users"]]
    bad += [f"{name} is disabled" for name in wanted["identity_users"] if data["users"].get(name) is False]
    return judge_list(bad, f"{len(wanted['identity_users'])} are there")


def images_whole(data: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether images hang on their way."""
    late = (one for one in data if one["status"] in _MOVING_IMAGE and age(one["updated_at"], wanted["now"]) > _HANGS)
    return judge_list(_named(late), f"{len(data)} images", state="warn")


def images_there(data: Sequence[Mapping[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether there is an image to start a guest from."""
    count = sum(one["status"] == "active" for one in data)
    return good(f"{count} can be used") if count else warning("there is none")


def compute_services(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the parts of the compute service report."""
    return judge_list(dead_services(data["services"]), f"{len(data['services'])} report")


def computes_usable(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether a compute takes guests."""
    usable = usable_computes(data["services"])
    return good(f"{len(usable)} do") if usable else failure("none does")


def computes_known(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether every compute of the inventory has joined the cloud."""
    known = {one["host"] for one in data["services"] if one["binary"] == "nova-compute"}
    return judge_list(
        (name for name in wanted["computes"] if name not in known), f"{len(wanted['computes'])} have joined"
    )


def computes_disabled(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether computes take no guests since somebody said so."""
    off = (
        f"{one['host']}: {one.get('disabled_reason') or 'no reason told'}"
        for one in data["services"]
        if one["binary"] == "nova-compute" and one["status"] == "disabled"
    )
    return judge_list(off, "none is disabled", state="warn")


def computes_placed(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether placement knows what computes have."""
    lacking = (
        name
        for name in wanted["computes"]
        if not any(
            known.partition(".")[0] == name.partition(".")[0] and provider["inventories"]
            for known, provider in data["providers"].items()
        )
    )
    return judge_list(lacking, f"{len(data['providers'])} are known")


def room_for_guests(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how much memory and how many processors of all computes together are given away."""
    shares = {}
    for kind, name in (("MEMORY_MB", "memory"), ("VCPU", "processors")):
        rows = [one for one in data["providers"].values() if kind in one["inventories"]]
        room = sum(
            (row["inventories"][kind]["total"] - row["inventories"][kind].get("reserved", 0))
            * row["inventories"][kind].get("allocation_ratio", 1.0)
            for row in rows
        )
        if room:
            shares[name] = 100.0 * sum(row["usages"].get(kind, 0) for row in rows) / room
    return judge_share(shares, _MANY, _TOO_MANY)


def guests_broken(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether guests are in the state of an error."""
    return judge_list(_named(data["broken"]), f"none of {len(data['guests'])}", state="warn")


def guests_hanging(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether something has been done to a guest for long and has not ended."""
    late = (
        f"{one['name']} ({one['id']}): {one['OS-EXT-STS:task_state']}"
        for one in data["guests"]
        if one.get("OS-EXT-STS:task_state") and age(one.get("updated"), wanted["now"]) > _HANGS
    )
    return judge_list(late, "none hangs", state="warn")


def network_agents(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the agents of the network service report."""
    return judge_list(dead_agents(data["agents"]), f"{len(data['agents'])} report")


def network_agents_known(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether every compute has an agent that gives its guests metadata."""
    known = {one["host"].partition(".")[0] for one in data["agents"] if "metadata" in one["agent_type"].lower()}
    missing = (name for name in wanted["computes"] if name.partition(".")[0] not in known)
    return judge_list(missing, f"{len(known)} have one")


def ports_bound(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether ports of guests could not be given to their host."""
    bad = (
        f"{one['id']} on {one.get('binding:host_id')}"
        for one in data["ports"]
        if one.get("binding:vif_type") == "binding_failed"
    )
    return judge_list(bad, f"{len(data['ports'])} ports")


def floating_addresses(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether floating addresses of guests are in the state of an error."""
    bad = (f"{one['floating_ip_address']}: {one['status']}" for one in data["floating"] if one.get("status") == "ERROR")
    return judge_list(bad, f"{len(data['floating'])} floating addresses")


def routers(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether routers that should work do."""
    bad = (one for one in data["routers"] if one.get("admin_state_up") and one.get("status") not in ("ACTIVE", None))
    return judge_list(_named(bad), f"{len(data['routers'])} routers", state="warn")


def volume_services(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the parts of the volume service report."""
    return judge_list(dead_services(data["services"]), f"{len(data['services'])} report")


def volumes_broken(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether volumes are in the state of an error."""
    bad = (one for one in data["volumes"] if str(one["status"]).startswith("error"))
    return judge_list(_named(bad), f"none of {len(data['volumes'])}", state="warn")


def volumes_hanging(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether something has been done to a volume for long and has not ended."""
    late = (
        one
        for one in data["volumes"]
        if one["status"] in _MOVING_VOLUME
        and age(one.get("updated_at") or one.get("created_at"), wanted["now"]) > _HANGS
    )
    return judge_list(_named(late), "none hangs", state="warn")


def snapshots_broken(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether snapshots are in the state of an error."""
    bad = (one for one in data["snapshots"] if str(one["status"]).startswith("error"))
    return judge_list(_named(bad), f"none of {len(data['snapshots'])}", state="warn")


_UNIT = "Start its unit on that host and read its log; disable what is gone for good (playbooks/remove_compute.yml)."
_ACCOUNTS = "Run deploy.yml again, which makes entries and accounts that are missing."
_VOLUME = "Read the log of cinder-volume; then openstack volume set --state available, or delete it."

CLOUD_CHECKS = (
    Check(
        "login",
        "identity",
        "login",
        login,
        f"an administrator logs in within {_SLOW:.0f} s",
        "Every request to every service begins with it.",
        "Look at keystone on the controllers, at cache and database, and at the load balancer (layer network).",
        answers=True,
    ),
    Check(
        "catalogue",
        "identity",
        "identity_api",
        catalogue,
        "all services of the site, each with its endpoints, which lead to the site's API",
        "Users and services find each other by it.",
        _ACCOUNTS,
        answers=True,
    ),
    Check(
        "endpoints over TLS",
        "identity",
        "identity_api",
        endpoints_over_tls,
        "every endpoint begins with https",
        "Tokens would cross the network for everybody to read.",
        _ACCOUNTS,
    ),
    Check(
        "users of services",
        "identity",
        "identity_api",
        service_users,
        "each service has its user, and it is enabled",
        "A service without one cannot check anybody's token.",
        _ACCOUNTS,
    ),
    Check(
        "images that can be used",
        "image",
        "image_api",
        images_there,
        "at least one is active",
        "No guest starts without one.",
        "Upload one: openstack image create.",
        answers=True,
    ),
    Check(
        "images on their way",
        "image",
        "image_api",
        images_whole,
        "none for more than an hour",
        "Its data came in part or not at all.",
        "Delete the image and upload it again; see the log of glance-api.",
    ),
    Check(
        "services of compute",
        "compute",
        "compute_api",
        compute_services,
        "all that are enabled report",
        "Guests cannot be started, stopped or moved where it is missing.",
        _UNIT,
        answers=True,
    ),
    Check(
        "computes that take guests",
        "compute",
        "compute_api",
        computes_usable,
        "at least one",
        "No guest starts.",
        "Deploy or enable one: openstack compute service set --enable HOST nova-compute.",
    ),
    Check(
        "computes of the inventory",
        "compute",
        "compute_api",
        computes_known,
        "all have joined the cloud",
        "What it could carry is not used.",
        "Run deploy.yml --limit HOST and see the log of nova-compute there.",
    ),
    Check(
        "disabled computes",
        "compute",
        "compute_api",
        computes_disabled,
        "none",
        "Often it was for a repair, and forgotten.",
        "When it is over: openstack compute service set --enable HOST nova-compute.",
    ),
    Check(
        "computes in placement",
        "compute",
        "compute_api",
        computes_placed,
        "placement knows what each has",
        "The scheduler gives no guest to a compute that placement does not know.",
        "See the log of nova-compute there: the login at placement, and another host of the same name.",
    ),
    Check(
        "room for guests",
        "compute",
        "compute_api",
        room_for_guests,
        f"below {_MANY} % of memory and processors",
        "New guests, and those of a lost compute, find no place.",
        "Add a compute, or remove guests.",
    ),
    Check(
        "guests with errors",
        "compute",
        "compute_api",
        guests_broken,
        "none",
        "Their owners cannot use them.",
        "openstack server show ID tells the fault; then openstack server set --state active, or delete it.",
    ),
    Check(
        "guests that hang",
        "compute",
        "compute_api",
        guests_hanging,
        "no task of more than an hour",
        "Nothing else can be done to the guest meanwhile.",
        "Look for its id in the logs of its compute and of the messaging; then openstack server set --state active ID.",
    ),
    Check(
        "agents of the network",
        "network service",
        "network_api",
        network_agents,
        "all that are enabled report",
        "Ports of new guests on that host are not made.",
        _UNIT,
        answers=True,
    ),
    Check(
        "metadata agents",
        "network service",
        "network_api",
        network_agents_known,
        "every compute has one",
        "Guests there get neither their keys nor their names.",
        "Run deploy.yml --tags network --limit HOST.",
    ),
    Check(
        "bound ports",
        "network service",
        "network_api",
        ports_bound,
        "no port failed to be bound",
        "Its guest has no network.",
        "Look at the chassis of that host; then detach and attach the port.",
    ),
    Check(
        "floating addresses",
        "network service",
        "network_api",
        floating_addresses,
        "none has an error",
        "Guests are not reached there.",
        "Disassociate and associate it; see the log of neutron-api.",
    ),
    Check(
        "routers",
        "network service",
        "network_api",
        routers,
        "all are active",
        "Guests behind it do not get out.",
        "See openstack router show ID, and gateways: ovn-nbctl lrp-get-gateway-chassis.",
    ),
    Check(
        "services of volumes",
        "block storage",
        "volume_api",
        volume_services,
        "all that are enabled report",
        "Volumes of that back end cannot be made or attached.",
        _UNIT,
        answers=True,
    ),
    Check(
        "volumes with errors",
        "block storage",
        "volume_api",
        volumes_broken,
        "none",
        "Their owners cannot use them.",
        _VOLUME,
    ),
    Check(
        "volumes that hang",
        "block storage",
        "volume_api",
        volumes_hanging,
        "no task of more than an hour",
        "Nothing else can be done to the volume meanwhile.",
        _VOLUME,
    ),
    Check(
        "snapshots with errors",
        "block storage",
        "volume_api",
        snapshots_broken,
        "none",
        "A volume with such a snapshot cannot be deleted.",
        "Delete it; else cinder snapshot-reset-state ID, then delete it.",
    ),
)
