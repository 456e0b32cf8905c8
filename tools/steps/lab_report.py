# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of `make lab`: what there is now, how it is used, where its secrets are, how long each stage took.

    .venv/bin/python -m tools.steps.lab_report STOP

It reads the site folder and what the stages left, and asks no host.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import lab
from .report import clip, clock

REASON_WIDTH = 80
PLAYBOOK = ".venv/bin/ansible-playbook playbooks"


@dataclass(frozen=True)
class Result:
    """How a stage ended: `outcome` as the callback says it, seconds, and how many tasks changed something."""

    name: str
    outcome: str
    seconds: float
    changed: int


@dataclass(frozen=True)
class Site:
    """What the report tells of the site: folder of its keys, domain, address of its services, and hosts by group."""

    folder: str
    domain: str
    api_address: str
    groups: Mapping[str, Sequence[str]]

    @property
    def ssh(self) -> str:
        """Return the command that logs in to a host, without its name."""
        return f"ssh -F {self.folder}/ssh_config"

    @property
    def page(self) -> str:
        """Return the file with the doctor's page."""
        return f"{self.folder}/.doctor/report.html"

    @property
    def secrets(self) -> str:
        """Return the command that shows all secrets."""
        key, file = f"{self.folder}/.vault_key", f"{self.folder}/.secrets.yml"
        return f".venv/bin/ansible-vault view --vault-password-file {key} {file}"


def read_result(name: str, summary: Mapping[str, Any]) -> Result:
    """Return the result of the stage NAME from the SUMMARY that the callback `stages` wrote. Raises KeyError."""
    changed = sum(int(play["changed"]) for play in summary["stages"])
    return Result(name, str(summary["outcome"]), float(summary["seconds"]), changed)


def groups_of(tree: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the hosts of each group, those of its children included, from the TREE of hosts.yml."""
    found: dict[str, list[str]] = {}

    def walk(name: str, group: Mapping[str, Any] | None) -> list[str]:
        group = group or {}
        hosts = [*(group.get("hosts") or {})]
        for child, content in (group.get("children") or {}).items():
            hosts += walk(child, content)
        found[name] = [*dict.fromkeys([*found.get(name, []), *hosts])]
        return found[name]

    for name, group in tree.items():
        walk(name, group)
    return found


def stage_table(results: Sequence[Result]) -> list[str]:
    """Return the RESULTS as a table, with their time and changes in all. Stages of a group ran at the same time."""
    width = max(len("stage"), *(len(result.name) for result in results))
    rows = [f"  {'stage':{width}}  {'time':>6}  {'changed':>7}"]
    rows += [f"  {one.name:{width}}  {clock(one.seconds):>6}  {one.changed:7}" for one in results]
    changed = sum(result.changed for result in results)
    groups = {stage.name: stage.group for stage in lab.STAGES}
    ways: dict[str, list[Result]] = {}
    for one in results:
        ways.setdefault(groups.get(one.name) or one.name, []).append(one)
    elapsed = sum(max(one.seconds for one in beside) for beside in ways.values())
    rows.append(f"  {'in all':{width}}  {clock(elapsed):>6}  {changed:7}")
    rows += [
        f"  {' and '.join(one.name for one in beside)} ran at the same time."
        for beside in ways.values()
        if len(beside) > 1
    ]
    return rows


def headline(stop: str, site: Site, acceleration: Mapping[str, str], changed: int) -> list[str]:
    """Return what there is after STOP, how guests run there, and whether this run had CHANGED anything."""
    machines = site.groups.get(lab.MACHINES, [])
    hosts = len(set(site.groups["all"]) - set(machines))
    installed = f"{len(machines)} installed over the network ({', '.join(machines)})"
    computes = ", ".join(site.groups.get("compute", []))
    what = {
        "hosts": f"{hosts} hosts are prepared.",
        "machines": f"{hosts} hosts are prepared, and {installed}.",
        "cloud": f"The cloud is there. Its computes: {computes}; {installed}.",
        "guests": f"The cloud is there, and guests have proved it. Its computes: {computes}; {installed}.",
    }[stop]
    how = acceleration.get("acceleration", "unknown")
    # What QEMU says at its end may be long.
    reason = clip(acceleration.get("acceleration_reason", "make lab did not find out").rstrip("."), REASON_WIDTH)
    lines = [what, f"Guests and machines run under {how.upper()}: {reason}."]
    if not changed:
        lines.append("Nothing was to change.")
    return lines


def access(site: Site) -> list[str]:
    """Return where the cloud of SITE answers and how one logs in."""
    name = f"api.{site.domain}"
    (client, *_rest) = site.groups["deploy"]
    return [
        "Endpoints",
        f"  dashboard     https://{name}/",
        f"  identity      https://{name}:5000/v3; it knows all others: openstack catalog list",
        f'  On this machine {name} is {site.api_address}: add the line "{site.api_address} {name}" to /etc/hosts.',
        f"  Certificates are of the site's own authority: {site.folder}/.pki/ca.crt",
        "Log in",
        f"  command line  {site.ssh} {client} openstack server list",
        f"  dashboard     user admin, domain Default; the password: {site.secrets} | grep ^keystone_admin_password",
    ]


def as_built(site: Site, counts: Mapping[str, int]) -> list[str]:
    """Return where the doctor's page of SITE is, and how many checks ended in which state, as COUNTS tells."""
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number or state in ("ok", "fail"))
    lines = ["As built", f"  {site.page}; the same as JSON is beside it", f"  checks: {told}"]
    if {state for state, number in counts.items() if number} - {"ok"}:
        lines.append("  What was found, and what to do about it, is on the page.")
    return lines


def secrets(site: Site) -> list[str]:
    """Return where the secrets of SITE are."""
    return [
        "Secrets",
        f"  {site.folder}/.secrets.yml, encrypted with {site.folder}/.vault_key; they go with the lab",
        f"  SSH key of the hosts: {site.folder}/id_ed25519",
    ]


# What goes on from where the lab was left.
ON = f"make lab UNTIL={lab.STOPS[-1]}"


def next_commands(stop: str, site: Site) -> list[str]:
    """Return three commands of use after STOP on the way to SITE."""
    rows = {
        "hosts": [
            (f"{site.ssh} controller-1", "a look at a host"),
            (f"{PLAYBOOK}/prepare.yml --check --diff --limit controller-1", "what would change there"),
            (ON, "the rest of the way, to a cloud"),
        ],
        "machines": [
            (f"{site.ssh} rack-1 virsh list --all", "the machines in the rack"),
            (f"{PLAYBOOK}/provision.yml --check", "what would be installed"),
            (ON, "the rest of the way, to a cloud"),
        ],
    }.get(
        stop,
        [
            (f"{PLAYBOOK}/doctor.yml", "the state of every host and service"),
            (f"{PLAYBOOK}/plan.yml --check --diff", "what a deployment would change after you changed the site"),
            ("make lab-down", "remove the lab"),
        ],
    )
    width = max(len(command) for command, _what in rows)
    return ["Next", *(f"  {command:{width}}  {what}" for command, what in rows)]


def report(
    stop: str,
    site: Site,
    acceleration: Mapping[str, str],
    results: Sequence[Result],
    checks: Mapping[str, int] | None = None,
) -> list[str]:
    """Return the lines of the report; CHECKS counts those of the doctor by state, where it has looked."""
    changed = sum(result.changed for result in results)
    parts = [headline(stop, site, acceleration, changed), ["Stages", *stage_table(results)]]
    if stop in ("cloud", "guests"):
        parts.append(access(site))
    if checks:
        parts.append(as_built(site, checks))
    parts += [secrets(site), next_commands(stop, site)]
    return [line for part in parts for line in ("", *part)]


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in the file PATH. Raises OSError or ValueError."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"{path} holds no mapping")
    return found


def main(stop: str, root: Path) -> int:
    """Print the report of the lab of checkout ROOT up to STOP, and keep it; return the exit code."""
    folder = root / lab.SITE
    values = read_yaml(folder / "group_vars/all/site.yml")
    site = Site(
        f".lab/{read_yaml(folder / 'group_vars/all/lab.yml')['lab_name']}",
        values["site_domain"],
        values["site_api_address"],
        groups_of(read_yaml(folder / "hosts.yml")),
    )
    results = [
        read_result(stage.name, json.loads((root / lab.summary_file(stage.name)).read_text(encoding="utf-8")))
        for stage in lab.stages_until(stop)
    ]
    acceleration = json.loads((root / site.folder / "acceleration.json").read_text(encoding="utf-8"))
    checks = None
    if lab.DOCTOR in (result.name for result in results):
        checks = json.loads((root / site.page).with_suffix(".json").read_text(encoding="utf-8"))["counts"]
    text = "\n".join(report(stop, site, acceleration, results, checks)) + "\n"
    (root / site.folder / "report.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(__file__).resolve().parents[2]))
