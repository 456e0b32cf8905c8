# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the checks of a cloud do: everything is made in a project of its own, by an ordinary user of it, and removed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import (
    Cloud,
    CloudError,
    NoSuchThingError,
    ServiceBrokenError,
    wait,
)
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_checks import (
    Check,
    CheckFailedError,
    Console,
    LeftOutError,
    back_end_types,
    dead_agents,
    dead_services,
    migration_target,
    missing_agents,
    read_console,
    read_pings,
    usable_computes,
)
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_guests import (
    GuestError,
    Keys,
    Pinging,
    call,
    greet_console,
)
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_trial import provide_external_network

# Everything that the checks make is in this project, belongs to this user or has this name.
NAME = "accentos-checks"
# What is in no such project has this description: with another one it is somebody else's.
MARK = "Made by AccentOS to check the cloud. The next check removes it with all that is in it."
_GUESTS = ("accentos-check-1", "accentos-check-2")
_PINGS = 5
# In the shell of a guest: find the volume, write it, read it. Both end with the digest of what is in it.
_FIND = "for i in $(seq 30); do disk=$(ls -d /dev/vd[b-z] 2>/dev/null); [ -z $disk ] || break; sleep 1; done; "
_WRITE = (
    "dd if=/dev/urandom of=/tmp/data bs=65536 count=64 2>/dev/null && "
    "dd if=/tmp/data of=$disk bs=65536 2>/dev/null && sync && sha256sum </tmp/data"
)
_READ = "dd if=$disk bs=65536 count=64 2>/dev/null | sha256sum"
_MIB = 2**20

_JOURNALS = {
    "compute": "/var/log/nova on controllers (scheduler, conductor) and computes",
    "identity": "/var/log/keystone on controllers",
    "image": "/var/log/glance on controllers",
    "network": "/var/log/neutron and /var/log/ovn on all hosts",
    "volume": "/var/log/cinder on controllers",
}


@dataclass(frozen=True)
class Hints:
    """What helps where networks do not what they are for."""

    data_path: str
    metadata: str
    outside: str
    twice: str


# By the driver of networks.
_HINTS = {
    "openvswitch": Hints(
        data_path="See whether ovs-vsctl show lists the port in br-int of its compute, and on both hosts the tunnel to "
        "the other in br-tun; a tunnel needs UDP 4789 and a larger MTU on the tunnel network than guests have. DHCP "
        "answers from a controller: openstack network agent list.",
        metadata="See neutron-l3-agent and neutron-metadata-agent on its compute and nova-api-metadata on controllers.",
        outside="The host that checks needs an address in the external network. See the agents of the router "
        "(openstack network agent list --router), and on the one whose ha_state is active or that is a gateway "
        "ip netns exec snat-ROUTER ip address and ovs-vsctl show.",
        twice="Two guests may have one floating address; see the NAT of the router (ip netns exec, iptables -t nat).",
    ),
    "ovn": Hints(
        data_path="See whether ovn-sbctl show lists the port on a compute, and on both hosts ovs-appctl "
        "ofproto/list-tunnels the tunnel to the other; a tunnel needs UDP 6081 and a larger MTU on the tunnel network "
        "than guests have.",
        metadata="See neutron-ovn-metadata-agent on its compute and nova-api-metadata on controllers.",
        outside="The host that checks needs an address in the external network. See whether the gateway is bound to a "
        "chassis (ovn-sbctl show, port cr-lrp) that has the bridge of the external network (ovs-vsctl show).",
        twice="Two guests may have one floating address; see the NAT of OVN.",
    ),
}


@dataclass
class Made:
    """What the checks made so far, by the names of the services' APIs."""

    image: str = ""
    network: str = ""
    subnet: str = ""
    router: str = ""
    group: str = ""
    server_group: str = ""
    servers: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    consoles: list[Console] = field(default_factory=list)
    floating: str = ""


@contextlib.contextmanager
def told(service: str) -> Iterator[None]:
    """Turn what a service refuses into a check that failed."""
    try:
        yield
    except CloudError as error:
        raise CheckFailedError(str(error), f"See what the service logged: {_JOURNALS[service]}.") from error


class Project:
    """The project of the checks: made anew, and removed with everything in it."""

    def __init__(self, admin: Cloud, timeout: int) -> None:
        self._admin, self._timeout = admin, timeout

    def make(self) -> tuple[str, dict[str, str]]:
        """Return the project's id, and user name and password of a user who may do there what users may.

        Raises CloudError.
        """
        ask = self._admin.ask
        body = {"name": NAME, "description": MARK, "domain_id": "default"}
        project = ask("identity", "POST", "/projects", {"project": body})["project"]["id"]
        password = secrets.token_urlsafe(32)
        body = {"name": NAME, "description": MARK, "domain_id": "default", "password": password}
        user = ask("identity", "POST", "/users", {"user": body})["user"]["id"]
        (role,) = self._admin.get("identity", "/roles", name="member")["roles"]
        ask("identity", "PUT", f"/projects/{project}/users/{user}/roles/{role['id']}")
        return project, {"username": NAME, "password": password, "project": NAME, "domain": "Default"}

    def remove(self) -> int:
        """Remove the project, its user and whatever belongs to them; return how many things there were.

        Raises CloudError.
        """
        get = self._admin.get
        projects = get("identity", "/projects", name=NAME, domain_id="default")["projects"]
        users = get("identity", "/users", name=NAME, domain_id="default")["users"]
        for one in (*projects, *users):
            if one.get("description") != MARK:
                raise CloudError(f"a project or user {NAME} is there that the checks did not make; rename it")
        count = sum(empty_project(self._admin, one["id"], self._timeout) for one in projects)
        count += self._shared(users)
        for kind, found in (("users", users), ("projects", projects)):
            for one in found:
                self._admin.remove("identity", f"/{kind}/{one['id']}")
        return count + len(users) + len(projects)

    def _shared(self, users: list[Any]) -> int:
        """Remove what is in no project: keys of users, the flavor, the external network. Return how many there were."""
        get, remove = self._admin.get, self._admin.remove
        count = sum(remove_keys(self._admin, user["id"]) for user in users)
        for flavor in get("compute", "/flavors/detail", is_public="None")["flavors"]:
            if flavor["name"] == NAME and flavor.get("description") == MARK:
                remove("compute", f"/flavors/{flavor['id']}")
                count += 1
        for network in get("network", "/networks", name=NAME)["networks"]:
            if network.get("description") == MARK:
                remove("network", f"/networks/{network['id']}")
                count += 1
        return count


def remove_keys(admin: Cloud, user: str) -> int:
    """Remove the keys of a user, which outlive it; return how many there were. Raises CloudError."""
    if not admin.has("compute"):
        return 0
    keys = admin.get("compute", "/os-keypairs", user_id=user)["keypairs"]
    for one in keys:
        admin.remove("compute", f"/os-keypairs/{one['keypair']['name']}?user_id={user}")
    return len(keys)


def empty_project(admin: Cloud, project: str, timeout: float) -> int:
    """Remove what is in a project, in an order in which services allow it; return how many things there were.

    TIMEOUT is in seconds for one thing. Raises CloudError.
    """
    get = admin.get
    count, paths = 0, []
    if admin.has("compute"):
        servers = get("compute", "/servers/detail", all_tenants=1, project_id=project)["servers"]
        count += _remove_and_wait(admin, "compute", [f"/servers/{one['id']}" for one in servers], timeout)
        groups = get("compute", "/os-server-groups", all_projects=True)["server_groups"]
        paths += [("compute", f"/os-server-groups/{one['id']}") for one in groups if one.get("project_id") == project]
    if admin.has("volume"):
        for kind in ("snapshots", "volumes"):
            found = get("volume", f"/{kind}/detail", all_tenants=1, project_id=project)[kind]
            count += _remove_and_wait(admin, "volume", [f"/{kind}/{one['id']}" for one in found], timeout)
    if admin.has("network"):
        paths += [("network", path) for path in _network_paths(admin, project)]
    if admin.has("image"):
        owned = get("image", "/images", owner=project, visibility="all")["images"]
        paths += [("image", f"/images/{one['id']}") for one in owned if one["owner"] == project]
    for service, path in paths:
        admin.remove(service, path)
    return count + len(paths)


def _network_paths(admin: Cloud, project: str) -> list[str]:
    """Take routers of a project off their networks, and return what is to be removed, in its order."""
    get = admin.get
    paths = [f"/floatingips/{one['id']}" for one in get("network", "/floatingips", project_id=project)["floatingips"]]
    for port in get("network", "/ports", project_id=project)["ports"]:
        if port["device_owner"].startswith("network:router_interface"):
            with contextlib.suppress(NoSuchThingError):
                path = f"/routers/{port['device_id']}/remove_router_interface"
                admin.ask("network", "PUT", path, {"port_id": port["id"]})
        elif not port["device_owner"]:
            # Others go with what they belong to.
            paths.append(f"/ports/{port['id']}")
    for kind in ("routers", "networks", "subnetpools", "security-groups"):
        found = get("network", f"/{kind}", project_id=project)[kind.replace("-", "_")]
        paths += [f"/{kind}/{one['id']}" for one in found]
    return paths


def _remove_and_wait(admin: Cloud, service: str, paths: list[str], timeout: float) -> int:
    for path in paths:
        admin.remove(service, path)
    for path in paths:
        if not wait(functools.partial(admin.gone, service, path), timeout):
            raise CloudError(f"the {service} service did not remove {path} within {timeout} seconds")
    return len(paths)


def services(admin: Cloud, driver: str) -> str:
    """Ask all services which of their parts live; DRIVER is that of networks."""
    with told("compute"):
        compute = admin.get("compute", "/os-services")["services"]
    with told("network"):
        agents = admin.get("network", "/agents")["agents"]
    volume = []
    if admin.has("volume"):
        with told("volume"):
            volume = admin.get("volume", "/os-services")["services"]
    dead = [*dead_services(compute), *dead_services(volume), *dead_agents(agents)]
    if dead:
        raise CheckFailedError(
            f"These do not report: {', '.join(dead)}.",
            "Start their units, or disable what is gone for good (openstack compute service set --disable).",
        )
    computes = usable_computes(compute)
    if driver == "openvswitch" and (missing := missing_agents(agents, computes)):
        raise CheckFailedError(
            f"The network service does not know these: {', '.join(missing)}.",
            "Deploy the stage network of their hosts, and see /var/log/neutron there.",
        )
    if not computes:
        raise CheckFailedError("No compute takes guests.", "Deploy or enable one: openstack compute service list.")
    return f"{len(compute) + len(volume)} services and {len(agents)} agents report; computes {', '.join(computes)}"


class Checks:
    """The checks of a cloud, in their order."""

    def __init__(self, admin: Cloud, user: Cloud, keys: Keys, options: Mapping[str, Any]) -> None:
        """Take an administrator and a user of the project; OPTIONS are those of the module."""
        self._admin, self._user, self._keys, self._options = admin, user, keys, options
        self._timeout: int = options["timeout"]
        self._driver: str = options["network_driver"]
        self._hints = _HINTS[self._driver]
        self._made = Made()
        self._computes: list[str] = []
        self._outside: Mapping[str, Any] | None = None
        self._answers = False

    def listed(self) -> list[Check]:
        """Return the checks."""
        return [
            Check("services", (), functools.partial(services, self._admin, self._driver)),
            Check("image", (), self.image),
            Check("network", ("services",), self.network),
            Check("guests", ("image", "network"), self.guests),
            Check("address by DHCP", ("guests",), self.lease),
            Check("metadata", ("address by DHCP",), self.metadata),
            Check("floating address", ("address by DHCP",), self.floating),
            Check("ssh", ("metadata", "floating address"), self.ssh),
            Check("guest to guest", ("ssh",), self.tunnel),
            Check("volume", ("guest to guest",), self.volume),
            Check("console", ("guests",), self.console),
            Check("live migration", ("guests",), self.migration),
        ]

    def image(self) -> str:
        """Give the guest's disk to the image service, and compare what it has taken in."""
        file = Path(self._options["image"])
        try:
            digest = hashlib.sha512(file.read_bytes()).hexdigest()
        except OSError as error:
            raise CheckFailedError(
                f"{file} cannot be read: {error.strerror}.", "Let the role guest_image build it."
            ) from error
        body = {"name": NAME, "disk_format": "raw", "container_format": "bare", "min_disk": 1, "hw_rng_model": "virtio"}
        with told("image"):
            self._made.image = self._user.ask("image", "POST", "/images", body)["id"]
            path = f"/images/{self._made.image}"
            self._user.put_file(f"{path}/file", file)
            image = wait(functools.partial(self._with_status, "image", path, "", "active"), self._timeout)
        if not image or image["os_hash_value"] != digest:
            raise CheckFailedError(
                "The image service has another image than it was given.", f"See its log: {_JOURNALS['image']}."
            )
        return f"{file.stat().st_size // _MIB} MiB, SHA-512 {digest[:12]}..."

    def _with_status(self, service: str, path: str, inner: str, *states: str, admin: bool = False) -> Any:
        """Return an object once it has one of STATES, None before."""
        found = (self._admin if admin else self._user).get(service, path)
        found = found[inner] if inner else found
        if str(found["status"]).lower() == "error" and "error" not in states:
            fault = found.get("fault", {}).get("message", "no reason is given")
            raise CloudError(f"{path} is in state ERROR: {fault}")
        return found if str(found["status"]).lower() in states else None

    def network(self) -> str:
        """Make a network, its way out and a group of rules that lets ping and SSH in."""
        ask, made = self._user.ask, self._made
        with told("network"):
            outside = provide_external_network(self._admin, NAME, MARK, self._options)
            body: dict[str, Any] = {"name": NAME}
            made.network = ask("network", "POST", "/networks", {"network": body})["network"]["id"]
            body = {"network_id": made.network, "ip_version": 4, "cidr": self._options["cidr"], "name": NAME}
            made.subnet = ask("network", "POST", "/subnets", {"subnet": body})["subnet"]["id"]
            body = {"name": NAME}
            if outside:
                body["external_gateway_info"] = {"network_id": outside["id"]}
            made.router = ask("network", "POST", "/routers", {"router": body})["router"]["id"]
            ask("network", "PUT", f"/routers/{made.router}/add_router_interface", {"subnet_id": made.subnet})
            body = {"name": NAME}
            made.group = ask("network", "POST", "/security-groups", {"security_group": body})["security_group"]["id"]
            for rule in ({"protocol": "icmp"}, {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}):
                body = {"security_group_id": made.group, "direction": "ingress", "ethertype": "IPv4", **rule}
                ask("network", "POST", "/security-group-rules", {"security_group_rule": body})
        self._outside = outside
        return f"external network {outside['name']}" if outside else "no external network"

    def guests(self) -> str:
        """Start two guests, on different computes where there are two."""
        ask, made = self._user.ask, self._made
        with told("compute"):
            flavor = {"name": NAME, "ram": self._options["memory_mib"], "vcpus": 1, "disk": 1}
            flavor |= {"os-flavor-access:is_public": False, "description": MARK}
            number = self._admin.ask("compute", "POST", "/flavors", {"flavor": flavor})["flavor"]["id"]
            access = {"addTenantAccess": {"tenant": self._user.project_id}}
            self._admin.ask("compute", "POST", f"/flavors/{number}/action", access)
            key = {"name": NAME, "type": "ssh", "public_key": self._keys.public}
            ask("compute", "POST", "/os-keypairs", {"keypair": key})
            self._computes = usable_computes(self._admin.get("compute", "/os-services")["services"])
            hints = {}
            if len(self._computes) > 1:
                body = {"name": NAME, "policy": "anti-affinity"}
                made.server_group = ask("compute", "POST", "/os-server-groups", {"server_group": body})["server_group"][
                    "id"
                ]
                hints = {"os:scheduler_hints": {"group": made.server_group}}
            for name in _GUESTS:
                server = {
                    "name": name,
                    "imageRef": made.image,
                    "flavorRef": number,
                    "key_name": NAME,
                    "networks": [{"uuid": made.network}],
                    "security_groups": [{"name": NAME}],
                }
                made.servers.append(ask("compute", "POST", "/servers", {"server": server, **hints})["server"]["id"])
                # The scheduler learns from a compute that it has a guest when that has started. Asked for earlier, both
                # may be given the same compute, and then be refused there by their group.
                path = f"/servers/{made.servers[-1]}"
                if not wait(functools.partial(self._with_status, "compute", path, "server", "active"), self._timeout):
                    raise CloudError(f"{path} did not become active within {self._timeout} seconds")
        with told("network"):
            for server_id in made.servers:
                (port,) = self._user.get("network", "/ports", device_id=server_id)["ports"]
                made.ports.append(port["id"])
                made.addresses.append(port["fixed_ips"][0]["ip_address"])
        return f"on {' and '.join(self._host(one) for one in made.servers)}"

    def _host(self, server: str) -> str:
        with told("compute"):
            found = self._admin.get("compute", f"/servers/{server}")["server"]
        return str(found["OS-EXT-SRV-ATTR:host"])

    def _kinds(self) -> dict[str, str]:
        """Return how computes run their guests, kvm or qemu, for those that tell it."""
        found = {}
        for server in self._made.servers:
            # Where the policy of the cloud or a slow compute keeps it from being told, it is not known.
            with contextlib.suppress(CloudError):
                kind = self._admin.get("compute", f"/servers/{server}/diagnostics")["hypervisor"]
                if kind:
                    found[self._host(server)] = str(kind)
        return found

    def _said(self, server: str) -> Console:
        """Return what a guest said so far."""
        body: dict[str, Any] = {"os-getConsoleOutput": {}}
        return read_console(self._user.ask("compute", "POST", f"/servers/{server}/action", body)["output"])

    def _said_enough(self, server: str, done: Callable[[Console], Any]) -> bool:
        """Tell whether a guest said what it ought to."""
        try:
            return bool(done(self._said(server)))
        except ServiceBrokenError:
            # The first console since a compute started takes longer on a slow one than an answer may.
            return False

    def _consoles(self, done: Callable[[Console], Any]) -> list[Console]:
        """Return what both guests said once that is enough, or after the time that they have."""
        with told("compute"):
            for server in self._made.servers:
                wait(functools.partial(self._said_enough, server, done), self._timeout)
            return [self._said(server) for server in self._made.servers]

    def lease(self) -> str:
        """Compare the addresses that guests got with those of their ports."""
        consoles = self._consoles(lambda said: said.address or said.failure)
        for guest, said, address in zip(_GUESTS, consoles, self._made.addresses, strict=True):
            if said.address != address:
                raise CheckFailedError(
                    f"{guest} ought to have {address} and has {said.address or 'no address'}; "
                    f"{said.failure or ('it does not start' if said.started is None else 'it gives no reason')}.",
                    f"Look at its console (openstack console log show). {self._hints.data_path}",
                )
        return ", ".join(self._made.addresses)

    def metadata(self) -> str:
        """See whether guests learned their names and took the key."""
        consoles = self._consoles(lambda said: said.ready or said.failure)
        for guest, said in zip(_GUESTS, consoles, strict=True):
            if not said.has_key or (said.hostname or "").partition(".")[0] != guest or not said.host_key:
                raise CheckFailedError(
                    f"{guest} has name {said.hostname}, {'a' if said.has_key else 'no'} key; {said.failure}.",
                    self._hints.metadata,
                )
        self._made.consoles = consoles
        return f"name and key; ready after {' and '.join(f'{said.ready:.1f}' for said in consoles)} s of uptime"

    def floating(self) -> str:
        """Give the first guest a floating address and ping it from here."""
        if not self._outside:
            raise LeftOutError("there is no external network, and cloud_checks_external gives no addresses to make one")
        body = {"floating_network_id": self._outside["id"], "port_id": self._made.ports[0]}
        with told("network"):
            made = self._user.ask("network", "POST", "/floatingips", {"floatingip": body})["floatingip"]
        self._made.floating = made["floating_ip_address"]
        try:
            wait(self._reached, self._timeout / 4)
            code, said = call(["ping", "-n", "-q", "-c", str(_PINGS), "-i", "0.3", "-W", "2", self._made.floating], 30)
        except GuestError as error:
            raise CheckFailedError(str(error), "Install the package iputils-ping on the host that checks.") from error
        if code:
            raise CheckFailedError(f"{self._made.floating}: {read_pings(said).describe()}.", self._hints.outside)
        self._answers = True
        return f"{self._made.floating}: {read_pings(said).describe()}"

    def _reached(self) -> bool:
        return call(["ping", "-n", "-q", "-c", "1", "-W", "1", self._made.floating], 10)[0] == 0

    def ssh(self) -> str:
        """Log in to the first guest, whose key is known from its console."""
        made = self._made
        for address, said in zip((made.floating, made.addresses[1]), made.consoles, strict=True):
            self._keys.know(address, said.host_key or "")
        name = self._on_guest(0, "hostname", "See its console, and the rules of its security group.")
        if name.strip() != _GUESTS[0]:
            raise CheckFailedError(f"{made.floating} is {name.strip()}.", self._hints.twice)
        return "its key is the one on its console"

    def _on_guest(self, number: int, command: str, remedy: str) -> str:
        """Run a command on one of the guests and return what it printed; the second is reached through the first."""
        made = self._made
        try:
            if number:
                return self._keys.run(made.addresses[1], command, through=made.floating)
            return self._keys.run(made.floating, command)
        except GuestError as error:
            raise CheckFailedError(str(error), remedy) from error

    def tunnel(self) -> str:
        """Ping the second guest from the first, with packets as large as the network promises, and log in to it."""
        address = self._made.addresses[1]
        with told("network"):
            mtu = int(self._user.get("network", f"/networks/{self._made.network}")["network"]["mtu"])
        said = self._on_guest(0, f"ping -q -c {_PINGS} -s {mtu - 28} {address} || true", self._hints.data_path)
        pings = read_pings(said)
        # The first one may be lost while addresses are learned.
        if pings.received < _PINGS - 1:
            raise CheckFailedError(f"{address} with {mtu} bytes: {pings.describe()}.", self._hints.data_path)
        self._on_guest(1, "true", self._hints.data_path)
        return f"{pings.describe()}, packets of {mtu} bytes, and SSH"

    def volume(self) -> str:
        """Let one guest write a volume and the other one read it, on each back end that has a type."""
        if not self._user.has("volume"):
            raise LeftOutError("the cloud has no volume service")
        with told("volume"):
            types = back_end_types(self._admin.get("volume", "/types")["volume_types"])
        for kind in types or [""]:
            self._pass_on(kind)
        where = f", of each of the types {', '.join(types)}" if len(types) > 1 else ""
        return f"4 MiB written by one guest, read by the other{where}"

    def _pass_on(self, kind: str) -> None:
        """Let one guest write a volume of a type, without a name of whichever the cloud takes, and another read it."""
        prefix = f"A volume of type {kind}: " if kind else ""
        body = {"volume": {"size": 1, "name": NAME, **({"volume_type": kind} if kind else {})}}
        try:
            with told("volume"):
                volume = self._user.ask("volume", "POST", "/volumes", body)["volume"]["id"]
                self._volume_is(volume, "available")
            digests = [self._with_volume(number, volume, command) for number, command in enumerate((_WRITE, _READ))]
            if digests[0] != digests[1]:
                raise CheckFailedError(
                    "What one guest wrote is not what the other one read.",
                    "Stop: the storage behind volumes loses data.",
                )
            with told("volume"):
                self._user.remove("volume", f"/volumes/{volume}")
        except CheckFailedError as error:
            what, remedy = error.args
            raise CheckFailedError(f"{prefix}{what}", remedy) from error

    def _volume_is(self, volume: str, state: str) -> None:
        path = f"/volumes/{volume}"
        if not wait(functools.partial(self._with_status, "volume", path, "volume", state), self._timeout):
            raise CloudError(f"{path} did not become {state} within {self._timeout} seconds")

    def _with_volume(self, number: int, volume: str, command: str) -> str:
        """Run a command on a guest while it has the volume as $disk, and return what it printed."""
        server = self._made.servers[number]
        path = f"/servers/{server}/os-volume_attachments"
        with told("compute"):
            self._user.ask("compute", "POST", path, {"volumeAttachment": {"volumeId": volume}})
        self._wait_until_attached(volume, f"{path}/{volume}")
        said = self._on_guest(
            number,
            _FIND + command,
            "The guest does not see the volume or cannot write it; see nova-compute and the storage.",
        )
        with told("compute"):
            self._user.remove("compute", f"{path}/{volume}")
        with told("volume"):
            self._volume_is(volume, "available")
        # The compute service forgets it a moment later, and until then gives it to no other guest.
        with told("compute"):
            if not wait(functools.partial(self._user.gone, "compute", f"{path}/{volume}"), self._timeout):
                raise CloudError(f"{path} still has the volume after {self._timeout} seconds")
        return said

    def _wait_until_attached(self, volume: str, attachment: str) -> None:
        """Wait for a volume of a guest, but not for one that the compute service has given up: that it forgets."""
        attached = functools.partial(self._with_status, "volume", f"/volumes/{volume}", "volume", "in-use")
        given_up = functools.partial(self._user.gone, "compute", attachment)
        with told("volume"):
            if not wait(lambda: attached() or given_up(), self._timeout):
                raise CloudError(f"/volumes/{volume} did not become in-use within {self._timeout} seconds")
            if not attached():
                raise CheckFailedError(
                    "The compute service gave up attaching it.",
                    "The reason is in nova-compute.log of the guest's host, and if block storage refused in "
                    "cinder-volume.log of a controller.",
                )

    def console(self) -> str:
        """Open the console of the first guest as a browser does."""
        body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        with told("compute"):
            path = f"/servers/{self._made.servers[0]}/remote-consoles"
            url = self._user.ask("compute", "POST", path, body)["remote_console"]["url"]
        try:
            greeting = greet_console(url, self._options["ca_file"])
        except GuestError as error:
            raise CheckFailedError(
                f"{error}.",
                "See nova-novncproxy on controllers, and whether computes let it in: TLS with their authority.",
            ) from error
        return f"TLS, {greeting}"

    def migration(self) -> str:
        """Move the first guest while it answers."""
        made = self._made
        server = made.servers[0]
        before = self._host(server)
        target = migration_target(self._computes, before, self._kinds())
        with told("compute"):
            # Its rule would keep the guest from joining the other one.
            self._user.remove("compute", f"/os-server-groups/{made.server_group}")
        pinging = Pinging(made.floating) if self._answers else None
        start = time.monotonic()
        body = {"os-migrateLive": {"host": target, "block_migration": "auto"}}
        try:
            with told("compute"):
                self._admin.ask("compute", "POST", f"/servers/{server}/action", body)
                wait(functools.partial(self._moved, server), self._timeout)
        finally:
            seconds = time.monotonic() - start
            pings = read_pings(pinging.stop()) if pinging else None
        after = self._host(server)
        if after != target:
            raise CheckFailedError(
                f"The guest is still on {after} after {seconds:.0f} s.",
                f"See {_JOURNALS['compute']}; computes reach each other on TCP 16514 and 49152 to 49215, with TLS.",
            )
        moved = f"{before} to {after} in {seconds:.0f} s"
        if pings is None:
            return f"{moved}; nobody could ping it meanwhile"
        if not pings.received or not self._reached():
            raise CheckFailedError(
                f"On {after} it does not answer any more: {pings.describe()}.", self._hints.data_path
            )
        return f"{moved}, {pings.sent - pings.received} of {pings.sent} pings lost"

    def _moved(self, server: str) -> bool:
        """Tell whether the migration of a guest is over, whatever came of it."""
        found = self._admin.get("compute", f"/servers/{server}")["server"]
        busy = found["status"] == "MIGRATING" or found["OS-EXT-STS:task_state"]
        return not busy
