# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files that make the written image this very machine. All renderers are pure; ``write_files`` writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .disks import Layout
from .specification import Bond, Interface, Network, Specification, Vlan

NETWORK_FOLDER = "etc/systemd/network"
ESP_FOLDERS = ("boot/efi", "boot/efi2")
# Nothing waits for these file systems, so a slow controller may take its time; systemd's own 90 s are too few for some.
ESP_OPTIONS = "umask=0077,nofail,x-systemd.device-timeout=10min"


@dataclass(frozen=True)
class File:
    """A file of the new system: its content, and its permissions."""

    text: str
    mode: int = 0o644


def render_hosts(specification: Specification) -> str:
    """Return /etc/hosts with the machine itself only; the roles write the whole one."""
    names = dict.fromkeys((specification.fqdn, specification.host))
    return (
        f"127.0.0.1 localhost\n127.0.1.1 {' '.join(names)}\n"
        "::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    )


def render_fstab(layout: Layout) -> str:
    """Return /etc/fstab: all by identifier. A machine whose second disk died boots on meanwhile."""
    lines = [f"UUID={layout.root_uuid} / ext4 errors=remount-ro 0 1"]
    lines += [
        f"UUID={volume} /{folder} vfat {ESP_OPTIONS} 0 2"
        for (_device, volume), folder in zip(layout.esps, ESP_FOLDERS, strict=False)
    ]
    return "\n".join(lines) + "\n"


def render_mdadm(host: str, arrays: str) -> str:
    """Return mdadm.conf from ARRAYS, the output of ``mdadm --detail --scan``."""
    kept = [line for line in arrays.splitlines() if line.startswith("ARRAY ")]
    return "\n".join(["HOMEHOST <system>", "MAILADDR root", f"# Made when {host} was installed.", *kept]) + "\n"


def _sections(*sections: tuple[str, Sequence[tuple[str, object]]]) -> str:
    parts = []
    for name, rows in sections:
        lines = [f"{key}={value}" for key, value in rows if value is not None]
        if lines:
            parts.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(parts) + "\n"


def _network_rows(
    link: Interface | Bond | Vlan, network: Network, dns: Sequence[str], bond: str | None = None
) -> list[tuple[str, object]]:
    configured = bool(link.addresses) or link.dhcp
    rows: list[tuple[str, object]] = [("Bond", bond)]
    rows += [("VLAN", vlan.name) for vlan in network.vlans if vlan.link == link.name]
    rows.append(("DHCP", "yes" if link.dhcp else "no"))
    rows += [("Address", address) for address in link.addresses]
    rows.append(("Gateway", link.gateway))
    rows += [("DNS", server) for server in dns]
    if not configured:
        # No address is to appear by itself on a link that only carries others.
        rows += [("LinkLocalAddressing", "no"), ("IPv6AcceptRA", "no")]
    return rows


def _link_rows(link: Interface | Bond | Vlan) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [("MTUBytes", link.mtu)]
    if not link.addresses and not link.dhcp:
        rows.append(("RequiredForOnline", "no"))
    return rows


def _dns_link(network: Network) -> str | None:
    """Return the name of the link with the name servers: that with the gateway, else the first with addresses."""
    links: list[Interface | Bond | Vlan] = [*network.interfaces, *network.bonds, *network.vlans]
    for wanted in ([link for link in links if link.gateway], [link for link in links if link.addresses or link.dhcp]):
        if wanted:
            return wanted[0].name
    return None


def render_network(network: Network) -> dict[str, str]:
    """Return the files of systemd-networkd by name.

    Cards are matched by their permanent MAC: members of a bond take on another one, and VLANs share that of their link.
    """
    files: dict[str, str] = {}
    dns_link = _dns_link(network)

    def dns(link: Interface | Bond | Vlan) -> Sequence[str]:
        return network.dns if link.name == dns_link else ()

    bond_of = {mac: bond.name for bond in network.bonds for mac in bond.members}
    named = {interface.mac for interface in network.interfaces}
    for interface in network.interfaces:
        match = ("Match", [("PermanentMACAddress", interface.mac)])
        files[f"10-{interface.name}.link"] = _sections(match, ("Link", [("Name", interface.name)]))
        rows = _network_rows(interface, network, dns(interface), bond_of.get(interface.mac))
        files[f"20-{interface.name}.network"] = _sections(match, ("Link", _link_rows(interface)), ("Network", rows))
    for bond in network.bonds:
        aggregated = bond.mode == "802.3ad"
        files[f"15-{bond.name}.netdev"] = _sections(
            ("NetDev", [("Name", bond.name), ("Kind", "bond"), ("MACAddress", bond.members[0])]),
            (
                "Bond",
                [
                    ("Mode", bond.mode),
                    ("MIIMonitorSec", "100ms"),
                    ("LACPTransmitRate", "fast" if aggregated else None),
                    ("TransmitHashPolicy", "layer3+4" if aggregated or bond.mode == "balance-xor" else None),
                ],
            ),
        )
        for number, mac in enumerate(bond.members):
            if mac not in named:
                files[f"20-{bond.name}-member{number}.network"] = _sections(
                    ("Match", [("PermanentMACAddress", mac)]), ("Network", [("Bond", bond.name)])
                )
        match = ("Match", [("Name", bond.name)])
        rows = _network_rows(bond, network, dns(bond))
        files[f"25-{bond.name}.network"] = _sections(match, ("Link", _link_rows(bond)), ("Network", rows))
    for vlan in network.vlans:
        files[f"15-{vlan.name}.netdev"] = _sections(
            ("NetDev", [("Name", vlan.name), ("Kind", "vlan")]), ("VLAN", [("Id", vlan.id)])
        )
        rows = _network_rows(vlan, network, dns(vlan))
        files[f"30-{vlan.name}.network"] = _sections(
            ("Match", [("Name", vlan.name)]), ("Link", _link_rows(vlan)), ("Network", rows)
        )
    return files


def render_files(specification: Specification, layout: Layout, arrays: str = "") -> dict[str, File]:
    """Return all files of the new system by path relative to its root. ARRAYS as for render_mdadm."""
    files = {
        "etc/hostname": File(f"{specification.host}\n"),
        "etc/hosts": File(render_hosts(specification)),
        "etc/fstab": File(render_fstab(layout)),
        "root/.ssh/authorized_keys": File("".join(f"{key}\n" for key in specification.authorized_keys), 0o600),
        # Empty, not missing: systemd then makes one at the first boot without taking it for a factory reset.
        "etc/machine-id": File("", 0o444),
    }
    for name, text in render_network(specification.network).items():
        files[f"{NETWORK_FOLDER}/{name}"] = File(text)
    if specification.network.dns:
        files["etc/resolv.conf"] = File("".join(f"nameserver {server}\n" for server in specification.network.dns))
    if layout.array:
        files["etc/mdadm/mdadm.conf"] = File(render_mdadm(specification.host, arrays))
    return files


def inside(root: Path, name: str) -> Path:
    """Return the place of NAME below ROOT, with links of the image followed inside of ROOT only, the last one not."""
    place, left, hops = root, [part for part in Path(name).parts if part not in ("/", ".")], 0
    while left:
        part = left.pop(0)
        if part == "..":
            place = place.parent if place != root else root
            continue
        place /= part
        if left and place.is_symlink():
            hops += 1
            if hops > 40:  # noqa: PLR2004  as many as the kernel follows
                raise OSError(f"{place}: too many links")
            target = place.readlink()
            place = root if target.is_absolute() else place.parent
            left = [part for part in target.parts if part != "/"] + left
    return place


def write_files(root: Path, files: Mapping[str, File]) -> None:
    """Write FILES below ROOT. A link of the image is replaced, but resolv.conf's stays. Raises OSError."""
    for name, file in sorted(files.items()):
        place = inside(root, name)
        if name == "etc/resolv.conf" and place.is_symlink():
            # systemd-resolved keeps the name servers; it knows them from the network files.
            continue
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if place.parent.name == ".ssh" else 0o755)
        place.unlink(missing_ok=True)
        place.write_text(file.text, encoding="utf-8")
        place.chmod(file.mode)


def remove_identity(root: Path) -> None:
    """Remove what two machines from one image must not share, and network files of the image. Raises OSError."""
    stale = [*inside(root, "etc/ssh/x").parent.glob("ssh_host_*_key*"), inside(root, "var/lib/dbus/machine-id")]
    stale += inside(root, f"{NETWORK_FOLDER}/x").parent.glob("*.network")
    stale += [inside(root, "var/lib/systemd/random-seed")]
    for place in stale:
        place.unlink(missing_ok=True)


def read_host_keys(root: Path) -> list[str]:
    """Return the public SSH host keys of the system below ROOT, without comments."""
    found = []
    for place in sorted(inside(root, "etc/ssh/x").parent.glob("ssh_host_*_key.pub")):
        words = place.read_text(encoding="ascii", errors="replace").split()
        if len(words) > 1 and re.fullmatch(r"[a-z0-9@.-]+", words[0]):
            found.append(" ".join(words[:2]))
    return found
