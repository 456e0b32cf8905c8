# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks a site folder: every file, every variable, and what the values say together. Nothing is changed."""

from __future__ import annotations

import argparse
import dataclasses
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.pdu_tables import TABLES
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_schema
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_disk_rules import Overwrite, find_loose_overwrites
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_files import (
    SECRET_FILES,
    STORE_FILE,
    SUFFIXES,
    first_of,
    is_ignored_at_the_top,
    read_variable_name,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, printable, report
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_group_rules import find_even_controllers
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_inventory import (
    BUILT_IN_GROUPS,
    HOSTS_FILE,
    SITE_GROUPS,
    Inventory,
    hosts_below,
    read_inventory,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_lab_rules import (
    LabDisks,
    RackMachine,
    find_disk_mistakes,
    find_other_proxy,
    find_rack_mistakes,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_name_rules import (
    find_long_names,
    find_names_of_the_api,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_port_rules import (
    SitePort,
    find_bad_ports,
    find_networks_without_vlan,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import (
    BMC_NETWORK,
    LIVES,
    Located,
    SiteHost,
    SiteNetwork,
    SiteOutlet,
    find_conflicts,
    find_duplicates,
    find_short_lives,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_yaml import (
    MAX_BYTES,
    OPAQUE,
    SEAL,
    Document,
    Node,
    is_template,
    load_document,
    walk,
)

REMEDY = "The Python library jsonschema is missing. Install it for the Python that runs Ansible: pip install jsonschema"
ROLES = Path(__file__).resolve().parents[2] / "roles"
GROUP_VARS = "group_vars"
HOST_VARS = "host_vars"
MOST_LINES = 50
_SUFFIX = SUFFIXES[0]
# Variables that Molecule gives to the inventory that it makes and hands to Ansible beside a site.
_OF_MOLECULE = "molecule_"
# The only variable of a role that is compared with more than its argument_specs, wherever it is set.
_OSD_DISKS = "ceph_osd_disks"


class CheckError(RuntimeError):
    """The check itself cannot run. The text says what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class SiteReport:
    """The outcome: findings sorted by file and line, the number of hosts, and of values that were looked at."""

    findings: tuple[Finding, ...]
    hosts: int
    values: int


def failure_message(folder: str, outcome: SiteReport) -> str:
    """Say what is wrong with the site, one line for each mistake, and what to do."""
    count = len(outcome.findings)
    lines = [f"The site in {folder} has {count} mistake{'s' if count > 1 else ''}:"]
    lines += [str(finding) for finding in outcome.findings[:MOST_LINES]]
    if count > MOST_LINES:
        lines.append(f"and {count - MOST_LINES} more")
    lines.append("Nothing was changed. Correct these lines, then run the same command again.")
    return "\n".join(lines)


def inventory_folders(sources: Iterable[object]) -> list[Path]:
    """Return the folders that inventory sources are or are in, each once."""
    paths = [Path(str(source)) for source in sources]
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))


def site_folders(folders: Iterable[Path]) -> list[Path]:
    """Return the folders that are sites. Others may stand beside them, as Molecule's own or a generated one do."""
    return [folder for folder in folders if (folder / HOSTS_FILE).is_file()]


def sources_beside(sources: Iterable[object], site: Path) -> list[Path]:
    """Return the inventory sources that are files or folders outside of the folder of the site, each once."""
    home = site.resolve()
    paths = dict.fromkeys(Path(str(source)) for source in sources)
    return [path for path in paths if path.exists() and not path.resolve().is_relative_to(home)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """A file with the variables of one group or host."""

    owner: str
    file: str
    root: Node


@dataclasses.dataclass(frozen=True, slots=True)
class _Variable:
    """The value of a variable, and the file and key it has there."""

    node: Node
    file: str
    key: str

    def located(self, node: Node, *steps: object) -> Located:
        key = ".".join([self.key, *(str(step) for step in steps)])
        return Located(str(node.value), Place(self.file, node.line, node.column, key))


def check_site(folder: Path, roles: Path = ROLES, beside: Iterable[Path] = ()) -> SiteReport:
    """Check the site in a folder against the core schema and the argument_specs of the roles.

    :param folder: an inventory folder with hosts.yml, group_vars and host_vars.
    :param roles: the folder that holds the roles.
    :param beside: other inventories of the same run, files or folders. Findings there have the path that is given here.
    :raises CheckError: jsonschema is missing, or a role has a broken argument_specs.yml.
    """
    if not site_schema.HAS_JSONSCHEMA:
        raise CheckError(REMEDY)
    try:
        specs = site_schema.read_role_specs(roles)
        schema = site_schema.SiteSchema(site_schema.read_core_schema(), site_schema.role_schemas(specs))
    except (site_schema.SpecError, OSError) as error:
        raise CheckError(f"The collection is damaged, install it again: {error}") from error
    checker = _SiteChecker(folder, schema, site_schema.role_defaults(specs))
    checker.run()
    checker.check_beside(beside)
    # A value with several names, by way of an alias or of a range of hosts, has one mistake.
    unique = {
        (item.file, item.line, item.column, item.problem, item.key.rpartition(".")[2]): item
        for item in reversed(checker.findings)
    }
    return SiteReport(tuple(sorted(unique.values())), len(checker.inventory.hosts), checker.values)


class _SiteChecker:
    def __init__(self, folder: Path, schema: site_schema.SiteSchema, defaults: Mapping[str, Any]) -> None:
        self.folder = folder
        self.schema = schema
        self.defaults = defaults
        self.inventory = Inventory()
        self.findings: list[Finding] = []
        self.values = 0
        self.bad: set[int] = set()
        self.misplaced: set[str] = set()  # variables that are somewhere, but not where they belong
        self.site_named: set[str] = set()
        self.host_named: dict[str, set[str]] = {}
        self.excused: set[tuple[str, str]] = set()  # (kind, owner) whose variables could not all be read
        self.site: dict[str, _Variable] = {}
        self.hosts: dict[str, dict[str, _Variable]] = {}
        self.first_set: dict[tuple[str, str, str], Place] = {}
        self.site_file = ""

    def run(self) -> None:
        """Fill findings, inventory and values."""
        given = str(self.folder)
        try:
            self.folder = self.folder.resolve(strict=True)
            names = sorted(path.name for path in self.folder.iterdir())
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is a loop of links"
            self._note(given, f"the folder cannot be read: {reason}", "a site folder")
            return
        readable = self._read_hosts(names)
        for kind in (GROUP_VARS, HOST_VARS):
            if kind in names:
                for source in self._sources(kind, known_owners=readable):
                    self._check_source(kind, source)
        self._find_missing()
        self._find_conflicts()
        if readable:
            controllers = hosts_below(self.inventory, "controller")
            place = self.inventory.group_places.get("controller", Place(HOSTS_FILE, 1, 1))
            self.findings += find_even_controllers(controllers, place)

    def check_beside(self, sources: Iterable[Path]) -> None:
        """Add what is wrong with the inventories that the run has besides the site."""
        others = [_BesideChecker(source, self.schema, self.inventory) for source in sources]
        for other in others:
            other.read()
        # What a program or a plug-in makes may be what another inventory names.
        all_known = self.inventory.complete and not any(other.makes_more for other in others)
        for other in others:
            other.check(all_known=all_known)
            # Names beginning at the folder would be taken for files of the site.
            shown = printable(str(other.given))
            self.findings += [dataclasses.replace(item, file=f"{shown}/{item.file}") for item in other.findings]
            self.values += other.values

    def _note(self, file: str, problem: str, expected: str, suggestion: str = "") -> None:
        self.findings.append(report(Place(file, 1, 1), problem, expected=expected, suggestion=suggestion))

    # --- files ---

    def _read_hosts(self, names: Sequence[str]) -> bool:
        """Read hosts.yml and complain about files that have no meaning. Tell whether hosts and groups are known."""
        meant = set()
        for name in names:
            if name in SECRET_FILES:
                self._note_plain_secrets(name)
            if name == HOSTS_FILE or is_ignored_at_the_top(name):
                continue
            suggestion = self.schema.suggest(name, [HOSTS_FILE, GROUP_VARS, HOST_VARS])
            meant.add(suggestion)
            self._note(name, "unknown file", f"{HOSTS_FILE}, {GROUP_VARS}, {HOST_VARS} or README", suggestion)
        if GROUP_VARS in meant:
            self.excused.add((GROUP_VARS, "all"))
        if HOST_VARS in meant:
            self.misplaced |= set(self.schema.only_host)
        if HOSTS_FILE not in names:
            if HOSTS_FILE not in meant:
                self._note(HOSTS_FILE, "the file is missing", "a YAML inventory with the hosts of the site")
            return False
        document = self._load(HOSTS_FILE)
        if document is None or document.broken:
            return False
        if document.root is None:
            self._note(HOSTS_FILE, "the file is empty", "a YAML inventory with the hosts of the site")
            return False
        self.inventory = read_inventory(document.root, self.schema.suggest)
        self.findings += self.inventory.findings
        for group in self.inventory.group_variables:
            self._check(group.node, "group", HOSTS_FILE, f"{group.owner}.vars", ("group in hosts.yml", group.owner))
        for host in self.inventory.host_variables:
            self._check_host(host.node, HOSTS_FILE, host.owner, host.names)
        return self.inventory.complete and not document.mistakes

    def _load(self, file: str) -> Document | None:
        """Read a file of the folder and note what is wrong with it. None when it is not read at all."""
        try:
            path = (self.folder / file).resolve(strict=True)
            if not path.is_relative_to(self.folder):
                self._note(file, "is a link out of the folder", "an ordinary file")
                return None
            if not stat.S_ISREG(path.stat().st_mode):
                self._note(file, "is not an ordinary file", "an ordinary file")
                return None
            # A FIFO put in its place meanwhile would block without O_NONBLOCK.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "it is a loop of links"
            self._note(file, f"the file cannot be read: {reason}", "a file that you may read")
            return None
        document = load_document(raw)
        for mistake in document.mistakes:
            place = Place(file, mistake.line, mistake.column, mistake.key)
            self.findings.append(report(place, mistake.problem, expected=mistake.expected))
        return document

    def _note_plain_secrets(self, file: str) -> None:
        """Complain about a file for secrets in which one stands in plain text. Such a file is not checked otherwise."""
        path = self.folder / file
        try:
            if not path.is_file():
                return
            with path.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        except OSError:
            # Whoever uses it will be told.
            return
        if not raw.strip() or raw.startswith(SEAL):
            return
        document = load_document(raw)
        known = walk(document.root) if document.root and document.root.kind == "mapping" else None
        plain = [node for _path, node in known if node.value is not OPAQUE and not is_template(node)] if known else []
        if known is None or plain:
            place = Place(file, plain[0].line, plain[0].column) if plain else Place(file, 1, 1)
            problem = "is not sealed, and holds what should be"
            expected = "a file sealed with 'ansible-vault encrypt', or secrets stored with 'tools/set-secret SITE NAME'"
            if file == STORE_FILE:
                expected = "the sealed store: put it back from a copy, or move it away to have every secret made anew"
            self.findings.append(report(place, problem, expected=expected))

    def _load_variables(self, file: str) -> Document | None:
        """Read a file with variables, as _load does, but have other words for a text that Ansible takes for one."""
        before = len(self.findings)
        document = self._load(file)
        prose = document and (document.broken or (document.root and document.root.kind != "mapping"))
        if not prose or "." in file.rpartition("/")[2]:
            return document
        del self.findings[before:]
        problem = "Ansible reads it as variables, since its name has no suffix"
        self._note(file, problem, "variables, or another name, such as README.md")
        return None

    def _list(self, name: str) -> list[str] | None:
        """Return the sorted names in a directory of the folder; None, with a finding, when it is not one."""
        try:
            path = (self.folder / name).resolve(strict=True)
            if not path.is_relative_to(self.folder):
                self._note(name, "is a link out of the folder", "an ordinary directory")
                return None
            return sorted(entry.name for entry in path.iterdir())
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "it is a loop of links"
            self._note(name, f"the directory cannot be read: {reason}", "a directory that you may read")
            return None

    def _is_directory(self, name: str) -> bool:
        try:
            return (self.folder / name).is_dir()
        except OSError:
            return False

    def _sources(self, kind: str, *, known_owners: bool) -> Iterator[_Source]:
        """Yield the readable files of group_vars or host_vars."""
        entries = self._list(kind)
        if entries is None:
            self.excused.add((kind, "all"))
            return
        if kind == GROUP_VARS:
            what, owners = "group", [*SITE_GROUPS, *BUILT_IN_GROUPS, *self.inventory.groups]
        else:
            what, owners = "host", list(self.inventory.hosts)
        folders = {entry for entry in entries if self._is_directory(f"{kind}/{entry}")}
        for entry in entries:
            path = f"{kind}/{entry}"
            directory = entry in folders
            name = read_variable_name(entry, directory=directory)
            if name.ignored:
                self._note_misspelt(path, kind, name.owner, name.meant)
            elif not directory and not name.suffix and entry.startswith("README") and entry not in owners:
                continue
            elif known_owners and name.owner not in owners:
                meant = self.schema.suggest(name.owner, owners)
                self.excused.add((kind, meant))
                self._note(path, f"there is no such {what}", f"a {what} of {HOSTS_FILE}", meant)
                self._note_names(kind, path, directory=directory)
            else:
                self._note_hidden(path, first_of(name.owner, entries), folders)
                for file in self._files_in(kind, name.owner, path) if directory else [path]:
                    document = self._load_variables(file)
                    if document is None or document.broken:
                        self.excused.add((kind, name.owner))
                    elif document.root is not None:
                        yield _Source(name.owner, file, document.root)

    def _note_hidden(self, path: str, first: str, folders: set[str]) -> None:
        """Complain about a file or folder beside another one for the same group or host, and Ansible reads that."""
        if path.endswith(f"/{first}"):
            return
        there, only, expected = f"the file {first}", "that", "in that file"
        if first in folders:
            there, only, expected = f"a folder {first}/", "the folder", "in a file of that folder"
        self._note(path, f"there is also {there}, and Ansible reads only {only}", f"these values {expected}")

    def _files_in(self, kind: str, owner: str, directory: str, above: tuple[Path, ...] = ()) -> list[str]:
        """Return the files that Ansible reads below a directory of a group or host, in its order."""
        files = []
        names = self._list(directory) or []
        here = (self.folder / directory).resolve()
        if here in above:
            self._note(directory, "is a link to a directory that it is in", "an ordinary directory")
            return []
        for entry in names:
            path = f"{directory}/{entry}"
            below = self._is_directory(path)
            name = read_variable_name(entry, directory=below)
            if name.ignored:
                self._note_misspelt(path, kind, owner, name.meant)
            elif not below:
                files.append(path)
            elif not name.suffix:
                files += self._files_in(kind, owner, path, (*above, here))
        return files

    def _note_misspelt(self, path: str, kind: str, owner: str, meant: str) -> None:
        """Complain about a file that Ansible does not read, if its suffix is nearly one of those that it reads."""
        if meant:
            self.excused.add((kind, owner))
            better = f"{path.rpartition('/')[2].rpartition('.')[0]}{meant}"
            self._note(path, "Ansible does not read a file of this name", f"a name that ends in {_SUFFIX}", better)

    def _note_names(self, kind: str, path: str, *, directory: bool) -> None:
        """Remember which site variables are in a file that belongs to nobody: they are misplaced, not missing."""
        if kind != GROUP_VARS:
            return
        found = len(self.findings)
        for file in self._files_in(kind, "", path) if directory else [path]:
            document = self._load(file)
            if document and document.root:
                self.misplaced |= set(document.root.fields)
        del self.findings[found:]

    # --- variables ---

    def _check_source(self, kind: str, source: _Source) -> None:
        root = source.root
        if root.kind != "mapping":
            place = Place(source.file, root.line, root.column)
            problem = f"is a {root.kind if root.kind == 'list' else 'text'}"
            self.findings.append(report(place, problem, expected='a mapping: lines such as "key: value"'))
            self.excused.add((kind, source.owner))
        elif kind == HOST_VARS:
            self._check_host(root, source.file, "", (source.owner,))
        elif source.owner != "all":
            self._check(root, "group", source.file, "", (kind, source.owner))
        else:
            checked = self._check(root, "all", source.file, "", (kind, "all"))
            self.site_named |= checked.named
            if not self.site_file and not checked.named.isdisjoint(self.schema.site["properties"]):
                self.site_file = source.file
            for name, node in root.fields.items():
                self.site[name] = _Variable(node, source.file, name)

    def _check_host(self, root: Node, file: str, pattern: str, names: Sequence[str]) -> None:
        checked = self._check(root, "host", file, pattern, (file.partition("/")[0], pattern or names[0]))
        for host in names:
            self.host_named.setdefault(host, set()).update(checked.named)
            variables = self.hosts.setdefault(host, {})
            for name in self.schema.only_host:
                if name in root.fields:
                    key = f"{pattern}.{name}" if pattern else name
                    variables[name] = _Variable(root.fields[name], file, key)

    def _check(self, root: Node, scope: str, file: str, prefix: str, owner: tuple[str, str]) -> site_schema.Checked:
        checked = self.schema.check(root, scope, file, prefix)
        self.findings += checked.findings
        self.bad |= checked.bad
        self.misplaced |= checked.misplaced
        self.values += root.scalars
        if _OSD_DISKS in root.fields:
            disks = _Variable(root.fields[_OSD_DISKS], file, f"{prefix}.{_OSD_DISKS}" if prefix else _OSD_DISKS)
            self.findings += find_loose_overwrites(self._overwrites(disks))
        for name, key in root.keys.items():
            place = Place(file, key.line, key.column, f"{prefix}.{name}" if prefix else name)
            first = self.first_set.setdefault((*owner, name), place)
            if first is not place:
                problem = f"is also set in {first.file}:{first.line}"
                self.findings.append(report(place, problem, expected="each variable once"))
        return checked

    # --- what is missing, and what does not fit together ---

    def _find_missing(self) -> None:
        for name in self.schema.site["required"]:
            if (GROUP_VARS, "all") in self.excused or name in self.site_named or name in self.misplaced:
                continue
            file = self.site_file or site_schema.SITE_FILE
            self.findings.append(self.schema.missing(Place(file, 1, 1, name), "all", (name,), file))
        for host, place in self.inventory.hosts.items():
            if (
                host in self.inventory.misnamed
                or (HOST_VARS, host) in self.excused
                or (HOST_VARS, "all") in self.excused
            ):
                continue
            for name in self.schema.host["required"]:
                if name in self.host_named.get(host, ()) or name in self.misplaced:
                    continue
                where = f"{HOSTS_FILE} or {HOST_VARS}/{host}{_SUFFIX}"
                missing = Place(place.file, place.line, place.column, f"{host}.{name}")
                self.findings.append(self.schema.missing(missing, "host", (name,), where))

    def _find_conflicts(self) -> None:
        networks = []
        site_networks = self.site.get("site_networks")
        for name, node in self._fields(site_networks):
            cidr = self._text(site_networks, node.fields.get("cidr"), name, "cidr")
            if cidr and id(node) not in self.bad:
                gateway = self._text(site_networks, node.fields.get("gateway"), name, "gateway")
                networks.append(SiteNetwork(name, cidr, gateway, self._vlan(site_networks, node, name)))
        hosts = [self._host(name, self.hosts.get(name, {})) for name in self.inventory.hosts]
        cache = self._site_text("lab_cache_address")
        conflicts = find_conflicts(networks, hosts, self._site_text("site_api_address"), cache)
        self.findings += conflicts
        self._find_lab_mistakes(networks, conflicts, cache)
        self._find_bad_ports()
        self._find_bad_names()
        admins = self._rows(self.site.get("site_admins"), "name")
        self.findings += find_duplicates("name", ((f"entry {index}", name) for index, name in admins), str)
        days = {name: self._days(name) for name in LIVES}
        known = {name: value for name, value in days.items() if value}
        if len(known) == len(LIVES):
            self.findings += find_short_lives(known)

    def _find_lab_mistakes(
        self, networks: Sequence[SiteNetwork], conflicts: Sequence[Finding], cache: Located | None
    ) -> None:
        proxy = self._site_text("site_apt_proxy")
        # What has a finding is not where it should be, and nothing else can be blamed for that.
        blamed = {finding.key for finding in conflicts}
        if cache and proxy and cache.place.key not in blamed:
            self.findings += find_other_proxy(cache, proxy)
        cidrs = {network.name: network.cidr for network in networks if network.cidr.place.key not in blamed}
        self.findings += find_rack_mistakes([*self._machines()], cidrs.get(BMC_NETWORK))
        hosts = list(self.inventory.hosts) if self.inventory.complete else None
        self.findings += find_disk_mistakes(dict(self._lab_disks()), hosts, self.schema.suggest)

    def _overwrites(self, disks: _Variable) -> Iterator[Overwrite]:
        """Yield the rules without a serial number that say overwrite. What a template makes of a path is not known."""
        for index, row in enumerate(disks.node.items):
            overwrite, path = row.fields.get("overwrite"), row.fields.get("path")
            if overwrite is None or overwrite.value is not True or "serial" in row.fields:
                continue
            # What was meant by a key with a mistake is not known, either.
            if self.bad.isdisjoint({id(row), *map(id, row.fields.values())}) and not (path and is_template(path)):
                place = disks.located(overwrite, index, "overwrite").place
                yield Overwrite(place, self._text(disks, path, index, "path"))

    def _machines(self) -> Iterator[RackMachine]:
        machines = self.site.get("lab_rack_machines")
        if machines is None or machines.node.kind != "list" or id(machines.node) in self.bad:
            return
        for index, machine in enumerate(machines.node.items):
            macs, networks, bmc = (machine.fields.get(name) for name in ("macs", "networks", "bmc"))
            located = (
                self._text(machines, node, index, "macs", number)
                for number, node in enumerate(macs.items if macs else [])
            )
            yield RackMachine(
                self._text(machines, machine.fields.get("name"), index, "name"),
                self._text(machines, bmc.fields.get("address"), index, "bmc", "address") if bmc else None,
                [mac for mac in located if mac],
                self._text(machines, networks.items[0], index, "networks", 0) if networks and networks.items else None,
                (len(macs.items) if macs else 0, len(networks.items) if networks else 0),
            )

    def _lab_disks(self) -> Iterator[tuple[str, LabDisks]]:
        disks = self.site.get("lab_disks")
        for host, rows in self._fields(disks):
            if disks is None or rows.kind != "list":
                continue
            names = (self._text(disks, row.fields.get("name"), host, n, "name") for n, row in enumerate(rows.items))
            key = disks.node.keys[host]
            place = Place(disks.file, key.line, key.column, f"{disks.key}.{host}")
            yield host, LabDisks(place, [name for name in names if name])

    def _vlan(self, variable: _Variable | None, network: Node, name: str) -> Located | None:
        node = network.fields.get("vlan")
        if variable is None or node is None or id(node) in self.bad or not isinstance(node.value, int):
            return None
        return variable.located(node, name, "vlan")

    def _find_bad_ports(self) -> None:
        ports: list[SitePort] = []
        seen: set[tuple[int, ...]] = set()  # The hosts of one range have their ports in common.
        for host, variables in self.hosts.items():
            given = [variables.get(name) for name in ("host_interfaces", "host_bonds")]
            nodes = tuple(id(variable.node) for variable in given if variable)
            if nodes in seen:
                continue
            seen.add(nodes)
            interfaces, bonds = ([*self._ports(variable)] for variable in given)
            meant = "host_bonds" in self.host_named.get(host, ()) or "host_bonds" in self.misplaced
            whole = len(bonds) == len(given[1].node.items) if given[1] else not meant
            self.findings += find_bad_ports(interfaces, bonds if whole else None, self.schema.suggest)
            ports += interfaces + bonds
        networks = self._fields(self.site.get("site_networks"))
        without = {
            name
            for name, node in networks
            if node.kind == "mapping"
            and "vlan" not in node.fields
            and self.bad.isdisjoint(map(id, node.fields.values()))
        }
        self.findings += find_networks_without_vlan(ports, without)

    def _ports(self, variable: _Variable | None) -> Iterator[SitePort]:
        if variable is None:
            return
        for index, name in self._rows(variable, "name"):
            fields = variable.node.items[index].fields
            tagged = fields["tagged"].items if "tagged" in fields else []
            networks = [self._text(variable, node, index, "tagged", number) for number, node in enumerate(tagged)]
            bond = self._text(variable, fields.get("bond"), index, "bond")
            yield SitePort(name, bond, [network for network in networks if network])

    def _find_bad_names(self) -> None:
        domain = self._site_text("site_domain")
        api = self._site_text("site_api_name")
        # Of a name of the API that cannot be read, or has a mistake, nothing is known.
        if domain is None or (api is None and "site_api_name" in self.site):
            return
        hosts = {name: place for name, place in self.inventory.hosts.items() if name not in self.inventory.misnamed}
        self.findings += find_long_names(domain, hosts, hosts_below(self.inventory, "compute"), api)
        self.findings += find_names_of_the_api(domain, hosts, api)

    def _site_text(self, name: str) -> Located | None:
        """Return a variable of group_vars/all that is a text without a mistake, or None."""
        variable = self.site.get(name)
        return self._text(variable, variable.node) if variable else None

    def _days(self, name: str) -> tuple[int, Place | None] | None:
        """Return a number of days that stands in group_vars/all or is a default; None if it cannot be known here."""
        variable = self.site.get(name)
        value = variable.node.value if variable else self.defaults.get(name)
        if not isinstance(value, int) or (variable and id(variable.node) in self.bad):
            return None
        return value, variable.located(variable.node).place if variable else None

    def _host(self, name: str, variables: dict[str, _Variable]) -> SiteHost:
        addresses = variables.get("host_addresses")
        interfaces = variables.get("host_interfaces")
        bmc = variables.get("host_bmc")
        bmc_fields = dict(self._fields(bmc))
        serial = variables.get("host_serial")
        macs = []
        if interfaces and interfaces.node.kind == "list":
            for index, item in enumerate(interfaces.node.items):
                macs.append(self._text(interfaces, item.fields.get("mac"), index, "mac"))
        macs.append(self._text(bmc, bmc_fields.get("mac"), "mac"))
        given = {key: self._text(addresses, node, key) for key, node in self._fields(addresses)}
        return SiteHost(
            name,
            {key: located for key, located in given.items() if located},
            self._text(bmc, bmc_fields.get("address"), "address"),
            [mac for mac in macs if mac],
            self._text(serial, serial.node) if serial else None,
            [*self._outlets(bmc), *self._outlets(variables.get("host_power_outlets"))],
            "driver" in bmc_fields and bmc_fields["driver"].value == "snmp",
        )

    def _outlets(self, variable: _Variable | None) -> Iterator[SiteOutlet]:
        """Yield the outlets without a mistake that are named in a variable."""
        fields = dict(self._fields(variable))
        rows = fields.get("outlets")
        if variable is None or rows is None or rows.kind != "list" or id(rows) in self.bad:
            return
        shared = self._text(variable, fields.get("address"), "address")
        for number, row in enumerate(rows.items):
            unit = self._text(variable, row.fields.get("address"), "outlets", number, "address") or shared
            outlet, table = row.fields.get("outlet"), row.fields.get("table")
            if unit is None or outlet is None or table is None or {id(row), id(outlet), id(table)} & self.bad:
                continue
            if table.value in TABLES and isinstance(outlet.value, int | str):
                index = TABLES[str(table.value)].index(str(outlet.value))
                located = variable.located(outlet, "outlets", number, "outlet")
                yield SiteOutlet(unit, dataclasses.replace(located, text=index))

    def _rows(self, variable: _Variable | None, field: str) -> Iterator[tuple[int, Located]]:
        """Yield a field, a text without a mistake, of the rows of a variable that is a list, with the row's number."""
        if variable is None or variable.node.kind != "list" or id(variable.node) in self.bad:
            return
        for index, row in enumerate(variable.node.items):
            located = self._text(variable, row.fields.get(field), index, field)
            if located and id(row) not in self.bad:
                yield index, located

    def _fields(self, variable: _Variable | None) -> Iterator[tuple[str, Node]]:
        """Yield the fields of a variable that is a mapping without a mistake of its own."""
        if variable and variable.node.kind == "mapping" and id(variable.node) not in self.bad:
            yield from variable.node.fields.items()

    def _text(self, variable: _Variable | None, node: Node | None, *steps: object) -> Located | None:
        """Return a text without a mistake, or None."""
        if variable is None or node is None or id(node) in self.bad or not isinstance(node.value, str):
            return None
        return variable.located(node, *steps)


class _BesideChecker(_SiteChecker):
    """Checks an inventory that is used beside a site.

    Its variables take the place of the site's, so they have to be as right. What the site and its hosts are stands in
    the folder of the site alone, where addresses and names are compared. What a program or a plug-in will say is not
    known here.
    """

    def __init__(self, source: Path, schema: site_schema.SiteSchema, site: Inventory) -> None:
        self.whole = source.is_dir()
        self.given = source if self.whole else source.parent
        super().__init__(self.given, schema, {})
        self.source = source
        self.site_hosts = site.hosts
        self.inventory.groups = dict(site.groups)
        self.inventory.hosts = dict(site.hosts)
        self.makes_more = False  # whether a program or a plug-in makes hosts and groups that are not known here
        self.strangers: dict[str, Place] = {}

    def read(self) -> None:
        """Read the inventories themselves."""
        self.folder = self.given.resolve()
        if not self.whole:
            self._read_inventory(self.source.name)
        else:
            for name in self._list(".") or ():
                self._read_below(name)

    def check(self, *, all_known: bool) -> None:
        """Read the variables beside them, after all inventories of the run.

        :param all_known: whether there are no hosts and groups but those that were read.
        """
        for name, place in self.strangers.items() if all_known else ():
            meant = self.schema.suggest(name, self.site_hosts)
            expected = f"a host of {HOSTS_FILE} in the folder of the site"
            self.findings.append(report(place, "the site has no such host", expected=expected, suggestion=meant))
        for kind in (GROUP_VARS, HOST_VARS):
            if self._is_directory(kind):
                for source in self._sources(kind, known_owners=all_known):
                    self._check_source(kind, source)

    def _read_below(self, path: str, above: tuple[Path, ...] = ()) -> None:
        """Read what Ansible reads of an entry in a folder of inventories."""
        here = (self.folder / path).resolve()
        if is_ignored_at_the_top(path.rpartition("/")[2]) or here in above:
            return
        if not self._is_directory(path):
            self._read_inventory(path)
            return
        for name in self._list(path) or ():
            self._read_below(f"{path}/{name}", (*above, here))

    def _read_inventory(self, file: str) -> None:
        """Read an inventory in YAML. A program, and the settings of a plug-in, say nothing before they are run."""
        suffix = read_variable_name(file.rpartition("/")[2], directory=False).suffix
        if self._is_program(file):
            self.makes_more = True
            return
        before = len(self.findings)
        document = self._load(file) if suffix in ("", *SUFFIXES) else None
        root = document.root if document else None
        if suffix not in SUFFIXES and (root is None or root.kind != "mapping"):
            # Without a suffix it is for Ansible whatever can be read as such.
            del self.findings[before:]
            problem = "is no inventory in YAML, so nothing in it can be checked"
            self._note(file, problem, f"a file that ends in {_SUFFIX}, or the same in the folder of the site")
            return
        if root is None or "plugin" in root.fields:
            self.makes_more = self.makes_more or root is not None
            return
        inventory = read_inventory(root, self.schema.suggest, file, whole=False)
        self.findings += inventory.findings
        self.inventory.groups = {**inventory.groups, **self.inventory.groups}
        for group in inventory.group_variables:
            self._check(group.node, "group", file, f"{group.owner}.vars", (f"group in {file}", group.owner))
        for host in inventory.host_variables:
            self._check(host.node, "group", file, host.owner, (f"host in {file}", host.owner))
        self.strangers |= {name: place for name, place in inventory.hosts.items() if name not in self.site_hosts}

    def _is_program(self, file: str) -> bool:
        """Tell whether Ansible gets an inventory by running this file. It reads what cannot be run as other files."""
        path = self.folder / file
        if not path.is_file() or not os.access(path, os.R_OK | os.X_OK):
            return False
        with path.open("rb") as stream:
            return stream.read(4).startswith((b"#!", b"\x7fELF"))

    def _check(self, root: Node, scope: str, file: str, prefix: str, owner: tuple[str, str]) -> site_schema.Checked:
        fields = {name: node for name, node in root.fields.items() if not name.startswith(_OF_MOLECULE)}
        # What only the site or a host may have is out of place here, and told so.
        return super()._check(dataclasses.replace(root, fields=fields), "group", file, prefix, owner)


def main(argv: Sequence[str]) -> int:
    """Check the folder named on the command line. Returns 0 without mistakes, 2 with, 1 when the check cannot run."""
    parser = argparse.ArgumentParser(
        prog="check-site", description="Check the configuration of a site; change nothing."
    )
    parser.add_argument("folder", help="the inventory folder of the site, such as inventories/lab")
    folder = parser.parse_args(argv).folder
    started = time.monotonic()
    try:
        outcome = check_site(Path(folder))
    except CheckError as error:
        sys.stderr.write(f"check-site: {error}\n")
        return 1
    for finding in outcome.findings:
        sys.stderr.write(f"{finding}\n")
    if outcome.findings:
        return 2
    seconds = time.monotonic() - started
    sys.stdout.write(
        f"{printable(folder.rstrip('/'))}: {outcome.hosts} hosts, {outcome.values} values checked, no mistakes "
        f"({seconds:.2f} s)\n"
    )
    return 0
