# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The specification of a machine: read strictly, so that nothing odd reaches a disk or a command."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TypedDict

from .disk_rules import DiskRule
from .errors import AgentError

VERSION = 1
LAYOUTS = ("plain", "raid1", "lvm", "raid1+lvm")
BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FQDN = re.compile(rf"(?=.{{1,253}}\Z){_HOST.pattern}(?:\.{_HOST.pattern})*")
_INTERFACE = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,15}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"https://[A-Za-z0-9.:\[\]_/%+~-]+")
_DEVICE = re.compile(r"/dev/(?!.*\.\.)[A-Za-z0-9._:+/-]+")
_CONSOLE = re.compile(r"tty[A-Za-z]*[0-9]+(?:,[0-9]{1,7}[noe]?[5-8]?r?)?")
# What the kernel takes, without the characters that GRUB's configuration, a shell or a line end would read.
_KERNEL_OPTIONS = re.compile(r"[A-Za-z0-9 ._,:=/@+-]*")
_TEXT = re.compile(r"[\x20-\x7e]{1,128}")
_KEY = re.compile(
    r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/=]+(?: [\x21-\x7e][\x20-\x7e]*)?"
)


class SpecificationError(AgentError):
    """The specification cannot be carried out as it is written; nothing was touched."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(
            f"specification, {where}: {problem}",
            "Mend the host in the site folder, write its Cobbler system again and arm it again.",
        )


@dataclass(frozen=True)
class Image:
    """A compressed root image: sizes in bytes, ``sha256`` and ``size`` of the compressed file."""

    name: str
    url: str
    sha256: str
    size: int
    raw_size: int


@dataclass(frozen=True)
class Interface:
    """A network card, known by its MAC."""

    name: str
    mac: str
    addresses: tuple[str, ...] = ()
    gateway: str | None = None
    mtu: int | None = None
    dhcp: bool = False


@dataclass(frozen=True)
class Bond:
    """Several network cards, known by their MACs, as one."""

    name: str
    mode: str
    members: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    gateway: str | None = None
    mtu: int | None = None
    dhcp: bool = False


@dataclass(frozen=True)
class Vlan:
    """A tagged network on an interface or bond."""

    name: str
    link: str
    id: int
    addresses: tuple[str, ...] = ()
    gateway: str | None = None
    mtu: int | None = None
    dhcp: bool = False


@dataclass(frozen=True)
class Network:
    """The whole network configuration of the machine."""

    interfaces: tuple[Interface, ...] = ()
    bonds: tuple[Bond, ...] = ()
    vlans: tuple[Vlan, ...] = ()
    dns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Boot:
    """How the installed machine boots: console as the kernel names it, further options, and how it gets there."""

    console: str = ""
    kernel_options: str = ""
    next: str = "reboot"


@dataclass(frozen=True)
class Specification:
    """All that is to be done to one machine."""

    host: str
    fqdn: str
    image: Image
    rule: DiskRule
    layout: str
    network: Network
    authorized_keys: tuple[str, ...]
    boot: Boot = field(default_factory=Boot)


class _Reader:
    """Takes the values of one mapping, each once and checked; what is left over is an error."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise SpecificationError(where, f"must be a mapping, is {value!r}")
        self._left = dict(value)
        self._where = where

    def fail(self, name: str, problem: str) -> SpecificationError:
        return SpecificationError(f"{self._where}.{name}" if self._where else name, problem)

    def take(self, name: str) -> object:
        return self._left.pop(name, None)

    def text(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.optional_text(name, pattern)
        if value is None:
            raise self.fail(name, "is missing")
        return value

    def optional_text(self, name: str, pattern: re.Pattern[str]) -> str | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.fail(name, f"{value!r} is not allowed")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        value = self.take(name)
        value = default if value is None else value
        if not isinstance(value, str) or value not in allowed:
            raise self.fail(name, f"must be one of {', '.join(allowed)}, is {value!r}")
        return value

    def number(self, name: str, low: int, high: int) -> int:
        value = self.optional_number(name, low, high)
        if value is None:
            raise self.fail(name, "is missing")
        return value

    def optional_number(self, name: str, low: int, high: int) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(name, f"must be a whole number from {low} to {high}, is {value!r}")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            raise self.fail(name, f"must be true or false, is {value!r}")
        return value

    def items(self, name: str) -> list[tuple[str, object]]:
        value = self.take(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(name, f"must be a list, is {value!r}")
        return [(f"{self._where}.{name}[{index}]".lstrip("."), item) for index, item in enumerate(value)]

    def checked(self, name: str, check: Callable[[str], object]) -> tuple[str, ...]:
        found = []
        for where, item in self.items(name):
            try:
                if not isinstance(item, str):
                    raise ValueError(f"{item!r} is no text")
                check(item)
            except ValueError as error:
                raise SpecificationError(where, str(error)) from error
            found.append(item)
        return tuple(found)

    def address(self, name: str) -> str | None:
        value = self.take(name)
        if value is None:
            return None
        try:
            return str(ipaddress.ip_address(str(value)))
        except ValueError as error:
            raise self.fail(name, str(error)) from error

    def end(self) -> None:
        if self._left:
            raise self.fail(str(min(self._left, key=str)), "is not known")


def _matching(pattern: re.Pattern[str]) -> Callable[[str], object]:
    def check(value: str) -> None:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is not allowed")

    return check


def _image(value: object) -> Image:
    reader = _Reader(value, "image")
    image = Image(
        name=reader.text("name", _TEXT),
        url=reader.text("url", _URL),
        sha256=reader.text("sha256", _SHA256),
        size=reader.number("size", 1, 2**50),
        raw_size=reader.number("raw_size", 1, 2**50),
    )
    reader.end()
    return image


def _disks(value: object) -> tuple[DiskRule, str]:
    reader = _Reader(value, "disks")
    layout = reader.choice("layout", LAYOUTS, "plain")
    inner = _Reader(reader.take("rule"), "disks.rule")
    reader.end()
    rule = DiskRule(
        path=inner.optional_text("path", _DEVICE),
        serial=inner.optional_text("serial", _TEXT),
        model=inner.optional_text("model", _TEXT),
        size_min_gib=inner.optional_number("size_min_gib", 0, 2**30),
        size_max_gib=inner.optional_number("size_max_gib", 0, 2**30),
        rotational=inner.flag("rotational"),
    )
    inner.end()
    if all(getattr(rule, item.name) is None for item in fields(rule)):
        raise SpecificationError("disks.rule", "names no property, so that it would match any disk")
    return rule, layout


def _network(value: object) -> Network:
    reader = _Reader(value, "network")
    interfaces, bonds, vlans = [], [], []
    for where, item in reader.items("interfaces"):
        inner = _Reader(item, where)
        mac = inner.text("mac", _MAC)
        interfaces.append(Interface(name=inner.text("name", _INTERFACE), mac=mac, **_link(inner)))
    for where, item in reader.items("bonds"):
        inner = _Reader(item, where)
        members = inner.checked("members", _matching(_MAC))
        mode = inner.choice("mode", BOND_MODES)
        bonds.append(Bond(name=inner.text("name", _INTERFACE), mode=mode, members=members, **_link(inner)))
        if not members:
            raise SpecificationError(where, "has no members")
    for where, item in reader.items("vlans"):
        inner = _Reader(item, where)
        link = inner.text("link", _INTERFACE)
        identifier = inner.number("id", 1, 4094)
        vlans.append(Vlan(name=inner.text("name", _INTERFACE), link=link, id=identifier, **_link(inner)))
    network = Network(tuple(interfaces), tuple(bonds), tuple(vlans), reader.checked("dns", ipaddress.ip_address))
    reader.end()
    _check_network(network)
    return network


class _Common(TypedDict):
    addresses: tuple[str, ...]
    gateway: str | None
    mtu: int | None
    dhcp: bool


def _link(reader: _Reader) -> _Common:
    """Read what interfaces, bonds and VLANs have in common, as keyword arguments."""
    found: _Common = {
        "addresses": reader.checked("addresses", _interface_address),
        "gateway": reader.address("gateway"),
        "mtu": reader.optional_number("mtu", 576, 65535),
        "dhcp": bool(reader.flag("dhcp")),
    }
    reader.end()
    return found


def _interface_address(value: str) -> None:
    if "/" not in value:
        raise ValueError(f"{value!r} has no prefix length, such as /24")
    ipaddress.ip_interface(value)


def _check_network(network: Network) -> None:
    links: list[Interface | Bond | Vlan] = [*network.interfaces, *network.bonds, *network.vlans]
    names = [link.name for link in links]
    macs = [interface.mac for interface in network.interfaces]
    members = [mac for bond in network.bonds for mac in bond.members]
    for what, values in (("name", names), ("MAC", macs), ("bond member", members)):
        double = sorted({value for value in values if values.count(value) > 1})
        if double:
            raise SpecificationError("network", f"the {what} {double[0]} is there twice")
    if not names:
        raise SpecificationError("network", "has no interface, so that the machine could not be reached")
    for vlan in network.vlans:
        if vlan.link not in names or vlan.link == vlan.name:
            raise SpecificationError(f"network.vlans {vlan.name}", f"its link {vlan.link} is not defined")
    for interface in network.interfaces:
        if interface.mac in members and (interface.addresses or interface.dhcp or interface.gateway):
            raise SpecificationError(
                f"network.interfaces {interface.name}", "is a member of a bond; addresses belong to the bond"
            )


def _boot(value: object) -> Boot:
    reader = _Reader({} if value is None else value, "boot")
    console = reader.optional_text("console", re.compile(rf"(?:{_CONSOLE.pattern})?")) or ""
    options = reader.optional_text("kernel_options", _KERNEL_OPTIONS) or ""
    boot = Boot(console, options, reader.choice("next", ("reboot", "kexec"), "reboot"))
    reader.end()
    return boot


def parse_specification(value: object) -> Specification:
    """Check VALUE, as it comes from JSON, and return it typed. Raises SpecificationError; unknown keys are errors."""
    reader = _Reader(value, "")
    if reader.take("version") != VERSION:
        raise SpecificationError("version", f"this ramdisk knows version {VERSION} only")
    rule, layout = _disks(reader.take("disks"))
    ssh = _Reader(reader.take("ssh"), "ssh")
    keys = ssh.checked("authorized_keys", _matching(_KEY))
    ssh.end()
    if not keys:
        raise SpecificationError("ssh.authorized_keys", "is empty, so that nobody could reach the machine")
    specification = Specification(
        host=reader.text("host", _HOST),
        fqdn=reader.text("fqdn", _FQDN),
        image=_image(reader.take("image")),
        rule=rule,
        layout=layout,
        network=_network(reader.take("network")),
        authorized_keys=keys,
        boot=_boot(reader.take("boot")),
    )
    reader.end()
    return specification
