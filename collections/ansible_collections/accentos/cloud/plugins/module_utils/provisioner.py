# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Talks to the provisioner service on its host, and decides what to ask of it. Decisions are pure; ``call`` is not."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

SOCKET = "/run/accentos-provisioner/admin.sock"
STAGES = ("specification", "disks", "image", "configuration", "boot_loader", "finish")
# What a machine does before it asks for its specification: firmware, DHCP, kernel and ramdisk.
BOOT = "boot"
DEFAULT_TIMEOUTS = {
    BOOT: 900.0,
    "specification": 60.0,
    "disks": 300.0,
    "image": 1800.0,
    "configuration": 300.0,
    "boot_loader": 600.0,
    "finish": 300.0,
}
_ANSWER_LIMIT = 64 * 2**20
SSH_PORT = 22
_SSH_GREETING = b"SSH-"
# Seconds that an SSH server has to greet, and how many are asked at the same time.
_SSH_PATIENCE = 2.0
_SSH_ASKED = 64


class ProvisionerError(Exception):
    """The service said no, or nothing: what and why, and ``remedy``, what to do next."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the Unix socket PATH."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(
    path: str, method: str, *place: str, body: Mapping[str, Any] | None = None, timeout: float = 120.0
) -> dict[str, Any]:
    """Ask the service behind the socket PATH for /v1/<place>/... and return its answer. Raises ProvisionerError."""
    target = "/v1/" + "/".join(urllib.parse.quote(part, safe="") for part in place)
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        data = answer.read(_ANSWER_LIMIT)
    except (OSError, http.client.HTTPException) as error:
        raise ProvisionerError(
            f"The provisioner does not answer on {path}: {error}",
            "Run this on the deploy host, as root, and look at accentos-provisioner.service there.",
        ) from error
    finally:
        connection.close()
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProvisionerError(
            f"The provisioner answers {method} {target} with {answer.status} and no JSON object.",
            "Look at the journal of accentos-provisioner.service.",
        )
    if answer.status >= http.client.BAD_REQUEST:
        raise ProvisionerError(
            f"The provisioner refuses {method} {target} ({answer.status}): {found.get('error')}",
            str(found.get("remedy", "Look at the journal of accentos-provisioner.service.")),
        )
    return found


def answer(module: AnsibleModule, action: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """End MODULE with what ACTION returns, or with the error that it raises."""
    try:
        result = action(module)
    except ProvisionerError as error:
        module.fail_json(msg=str(error), remedy=error.remedy)
    else:
        module.exit_json(**result)


def list_machines(path: str) -> dict[str, dict[str, Any]]:
    """Return the machines that the service knows, by host. Raises ProvisionerError."""
    return {row["host"]: row for row in call(path, "GET", "machines")["machines"]}


def _greets(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), _SSH_PATIENCE) as connection:
            connection.settimeout(_SSH_PATIENCE)
            return connection.recv(len(_SSH_GREETING)) == _SSH_GREETING
    except OSError:
        return False


def find_running(addresses: Mapping[str, str], port: int = SSH_PORT) -> set[str]:
    """Return those of the hosts in ADDRESSES that have an SSH server, so an operating system, at their address."""
    if not addresses:
        return set()
    with ThreadPoolExecutor(_SSH_ASKED) as pool:
        answers = pool.map(lambda address: _greets(address, port), addresses.values())
        return {host for host, greets in zip(addresses, answers, strict=True) if greets}


@dataclass(frozen=True)
class Step:
    """What is to be done to a host: arm, disarm, exchange its cards, forget or nothing, and why."""

    host: str
    action: str
    reason: str


def plan_machines(
    wanted: Sequence[Mapping[str, Any]],
    known: Mapping[str, Mapping[str, Any]],
    reinstall: Iterable[str],
    now: float,
    enrolled: Container[str] = (),
    running: Container[str] = (),
) -> list[Step]:
    """Return one step for each machine of WANTED (host, macs, address, state). Raises ProvisionerError.

    A deployed host is armed only if REINSTALL names it, and so is one of those that are RUNNING though nothing is known
    of them. ENROLLED are the names that strangers in quarantine got.
    """
    hosts = [row["host"] for row in wanted]
    double = sorted({host for host in hosts if hosts.count(host) > 1})
    if double:
        raise ProvisionerError(f"{double[0]} is listed twice.", "List each machine once.")
    strangers = sorted(set(reinstall) - set(hosts))
    if strangers:
        raise ProvisionerError(
            f"{strangers[0]} is to be reinstalled but is not among the machines.", "Mend the name, or list the machine."
        )
    _check_macs(wanted, known)
    steps = []
    for row in wanted:
        host, machine = row["host"], known.get(row["host"])
        match row.get("state", "armed"):
            case "forgotten":
                steps.append(_plan_forgetting(host, machine, host in enrolled))
            case "kept":
                steps.append(_plan_cards(row, machine, known))
            case _:
                steps.append(_plan_machine(row, machine, host in set(reinstall), host in running, now))
    return steps


def _check_macs(wanted: Sequence[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> None:
    owners: dict[str, str] = {}
    listed = {row["host"]: row.get("state") for row in wanted}
    for row in [*wanted, *(row for host, row in known.items() if host not in listed)]:
        for mac in row.get("macs") or []:
            owner = owners.setdefault(mac.lower(), row["host"])
            # A card that came to a machine that is kept is the old one's until that one is armed without it. What is
            # between two others is not looked at here.
            if owner != row["host"] and (row["host"] in listed or listed.get(owner, "kept") != "kept"):
                raise ProvisionerError(
                    f"{owner} and {row['host']} both claim the MAC {mac.lower()}.", "Mend the MAC in the site folder."
                )


def _plan_forgetting(host: str, machine: Mapping[str, Any] | None, enrolled: bool) -> Step:
    if machine is None and not enrolled:
        return Step(host, "nothing", "it is unknown")
    return Step(host, "forget", f"it is {machine['state']}" if machine else "it was taken in and is not armed any more")


def _plan_machine(
    row: Mapping[str, Any], machine: Mapping[str, Any] | None, reinstall: bool, running: bool, now: float
) -> Step:
    host = row["host"]
    state = machine["state"] if machine else "unknown"
    if row.get("state", "armed") == "disarmed":
        active = state in ("armed", "installing", "failed")
        return Step(host, "disarm" if active else "nothing", f"it is {state}")
    if not row.get("macs"):
        raise ProvisionerError(f"{host} has no MACs, to which its token could be bound.", "List its MACs.")
    if machine is None:
        return (
            Step(host, "nothing", "it answers over SSH, and was not installed from here")
            if running and not reinstall
            else Step(host, "arm", "it was never installed")
        )
    if state == "deployed":
        return (
            Step(host, "arm", "its name was given to be reinstalled")
            if reinstall
            else Step(host, "nothing", "it is deployed")
        )
    valid = now < machine["expires_at"]
    if state == "installing" and valid:
        return Step(host, "nothing", "it is being installed")
    same = macs_of(row) == machine["macs"] and row.get("address") == machine["address"]
    if state == "armed" and valid and same:
        return Step(host, "nothing", "it is armed")
    return Step(host, "arm", f"it is {state}" + ("" if valid else " and its time is over"))


def macs_of(row: Mapping[str, Any]) -> list[str]:
    """Return the MACs of a machine that is wanted as the service keeps them."""
    return sorted({mac.lower() for mac in row["macs"]})


def _plan_cards(
    row: Mapping[str, Any], machine: Mapping[str, Any] | None, known: Mapping[str, Mapping[str, Any]]
) -> Step:
    """Return what is to be done about a machine that stays as it is: it is never armed."""
    if machine is None or machine["state"] != "deployed" or not row.get("macs") or macs_of(row) == machine["macs"]:
        return Step(row["host"], "nothing", f"it is {machine['state'] if machine else 'unknown'}")
    others = (other for other in known.values() if other["host"] != row["host"] and other["state"] != "deployed")
    if strange := [other["host"] for other in others if set(macs_of(row)) & set(other["macs"])]:
        return Step(row["host"], "nothing", f"it is deployed; one of its cards is still that of {strange[0]}")
    return Step(row["host"], "exchange", f"its cards were {', '.join(machine['macs'])}")


@dataclass(frozen=True)
class Progress:
    """How far a machine is: its state, the stage it is in, seconds in it, seconds by stage, and why it failed."""

    host: str
    state: str
    stage: str
    seconds: float
    stages: Mapping[str, float]
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether waiting for it is over."""
        return self.state in ("deployed", "failed", "late")


def judge(
    host: str, machine: Mapping[str, Any] | None, timeouts: Mapping[str, float], started: float, now: float
) -> Progress:
    """Return how far HOST is at NOW; it is late when a stage lasts longer than TIMEOUTS allow.

    STARTED says when waiting began.
    """
    if machine is None:
        return Progress(host, "failed", BOOT, 0.0, {}, "it is not armed, or its token has expired")
    done = {row["stage"]: float(row["seconds"]) for row in machine["stages"] if row["status"] != "started"}
    last = machine["stages"][-1] if machine["stages"] else None
    state = machine["state"]
    if state == "deployed" and last:
        return Progress(host, state, "finish", 0.0, done)
    if state == "deployed":
        # What was armed and disarmed again is deployed as before.
        reason = "it was not installed again: it was disarmed, or its token has expired"
        return Progress(host, "failed", BOOT, 0.0, done, reason)
    if state == "failed":
        reason = last["detail"] if last and last["status"] == "failed" else "it was disarmed"
        return Progress(host, state, last["stage"] if last else BOOT, 0.0, done, reason)
    # An old order's waiting does not count: power comes on when waiting begins.
    since = float(last["at"]) if last else max(started, float(machine["armed_at"]))
    stage = _present_stage(last)
    seconds = max(0.0, now - since)
    if seconds > timeouts[stage]:
        return Progress(host, "late", stage, seconds, done, f"nothing new for {seconds:.0f} s in stage {stage}")
    return Progress(host, state, stage, seconds, done)


def _present_stage(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return BOOT
    index = STAGES.index(last["stage"])
    return STAGES[min(index + 1, len(STAGES) - 1)] if last["status"] == "done" else str(last["stage"])


def row_of(progress: Progress) -> dict[str, Any]:
    """Return PROGRESS as a row of the table of results; ``total`` are the seconds of all stages."""
    return {
        "host": progress.host,
        "state": progress.state,
        "stage": progress.stage,
        "stages": dict(progress.stages),
        "total": round(sum(progress.stages.values()), 3),
        "reason": progress.reason,
    }


def plan_timeouts(given: Mapping[str, float]) -> dict[str, float]:
    """Return the time-outs of all stages, those GIVEN in the place of the usual ones. Raises ProvisionerError."""
    unknown = sorted(set(given) - set(DEFAULT_TIMEOUTS))
    if unknown:
        raise ProvisionerError(f"There is no stage {unknown[0]}.", f"Stages are {', '.join(DEFAULT_TIMEOUTS)}.")
    return {name: float(given.get(name, usual)) for name, usual in DEFAULT_TIMEOUTS.items()}


def plan_enrolments(
    approvals: Sequence[Mapping[str, Any]], rejections: Sequence[str], known: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str, str]]:
    """Return action (approve, reject), id and host for each decision that is new. Raises ProvisionerError."""
    rows = {row["id"]: row for row in known}
    asked = [*(row["id"] for row in approvals), *rejections]
    for identifier in asked:
        if identifier not in rows:
            raise ProvisionerError(f"There is no enrolment {identifier}.", "List them: this module without options.")
        if asked.count(identifier) > 1:
            raise ProvisionerError(f"Enrolment {identifier} is named twice.", "Decide once.")
    hosts = [row["host"] for row in approvals]
    double = sorted({host for host in hosts if hosts.count(host) > 1})
    if double:
        raise ProvisionerError(f"{double[0]} is to be two machines.", "Give each machine a name of its own.")
    steps = [
        ("approve", row["id"], row["host"])
        for row in approvals
        if (rows[row["id"]]["state"], rows[row["id"]]["host"]) != ("approved", row["host"])
    ]
    return steps + [("reject", identifier, "") for identifier in rejections if rows[identifier]["state"] != "rejected"]
