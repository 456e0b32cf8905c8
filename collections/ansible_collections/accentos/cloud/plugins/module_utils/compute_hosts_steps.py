# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads what a cloud has of its computes, moves guests away and removes records. What to do is decided elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError, NoSuchThingError, wait
from ansible_collections.accentos.cloud.plugins.module_utils.compute_hosts import (
    EVACUATE,
    LIVE_MIGRATE,
    MOVE,
    MOVING,
    OFFLOAD,
    WAIT,
    Guest,
    Order,
    State,
    Step,
    plan,
    read_guest,
    unsettled,
    way,
    without,
)

_PAUSE = 2.0
_PAGE = 500
# From 2.95 on an evacuated guest is left shut off.
_EVACUATE_VERSION = "2.94"
_ACTIONS = {LIVE_MIGRATE: "live-migration", OFFLOAD: "shelveOffload", EVACUATE: "evacuate"}
_SETTLE = 120
_SOUTH = ("ovn-sbctl", "--no-leader-only", "--timeout=30")

# Runs a program and returns its exit code, output and errors.
Call = Callable[[Sequence[str]], tuple[int, str, str]]
Say = Callable[[str], None]


class Chassis:
    """The hosts in OVN's southbound database, on a host that has the database."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def _run(self, *arguments: str) -> str:
        code, out, error = self._call([*_SOUTH, *arguments])
        if code:
            raise CloudError(f"OVN's southbound database does not answer: {error.strip()}")
        return out

    def names(self) -> dict[str, str]:
        """Return name -> host. Raises CloudError."""
        rows = json.loads(self._run("--format=json", "--columns=name,hostname", "list", "Chassis"))["data"]
        return {str(name): str(host) for name, host in rows}

    def remove(self, name: str) -> None:
        """Let a chassis and its private row be gone. Raises CloudError."""
        removed = ("--if-exists", "chassis-del", name, "--", "--if-exists", "destroy", "Chassis_Private", name)
        self._run("--", *removed)


def read_guests(cloud: Cloud, hosts: Iterable[str]) -> list[Guest]:
    """Return the guests that nova has on HOSTS. Raises CloudError."""
    found = []
    for host in hosts:
        query: dict[str, Any] = {"all_tenants": 1, "host": host, "limit": _PAGE}
        while page := cloud.get("compute", "/servers/detail", **query)["servers"]:
            found += [read_guest(one) for one in page]
            query["marker"] = page[-1]["id"]
            if len(page) < _PAGE:
                break
    return sorted(found, key=lambda guest: guest.name)


def read_migrations(cloud: Cloud, hosts: Iterable[str]) -> list[dict[str, Any]]:
    """Return the migrations from or to HOSTS. Raises CloudError."""
    return [one for host in hosts for one in cloud.get("compute", "/os-migrations", host=host)["migrations"]]


def read_state(cloud: Cloud, chassis: Chassis | None, hosts: Sequence[str], osd_hosts: Iterable[str]) -> State:
    """Return what the cloud has of its computes, and the guests of HOSTS; CHASSIS is None where there is no OVN.

    Raises CloudError.
    """
    return State(
        services=cloud.get("compute", "/os-services")["services"],
        guests=read_guests(cloud, hosts),
        migrations=read_migrations(cloud, hosts),
        agents=cloud.get("network", "/agents")["agents"] if cloud.has("network") else [],
        aggregates=cloud.get("compute", "/os-aggregates")["aggregates"],
        providers=cloud.get("placement", "/resource_providers")["resource_providers"],
        chassis=chassis.names() if chassis else {},
        osd_hosts=set(osd_hosts),
    )


class Removal:
    """Carries out the steps of a stage. SAY tells who watches; TIMEOUT is in seconds without any guest leaving."""

    def __init__(
        self, cloud: Cloud, chassis: Chassis | None, order: Order, say: Say, *, timeout: int, at_once: int
    ) -> None:
        self._cloud, self._chassis, self._order, self._say = cloud, chassis, order, say
        self._timeout, self._at_once = timeout, at_once
        self.failures: dict[str, str] = {}

    def apply(self, state: State, stage: str) -> None:
        """Do the steps of a stage. Guests that did not leave are in ``failures``. Raises CloudError."""
        steps = plan(state, self._order, stage)
        kinds = MOVING if stage == MOVE else frozenset({EVACUATE})
        first = [step for step in steps if step.action in ("disable", "force-down")]
        guests = [step for step in steps if step.action in {*kinds, WAIT}]
        self._do_all(first)
        self._wait_until_down({step.host for step in guests if step.action == EVACUATE})
        self._empty(kinds)
        if not self.failures:
            self._do_all([step for step in steps if step not in first and step not in guests])

    def _do_all(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._say(f"{step.verb} {step.thing}")
            self._do(step)

    def _do(self, step: Step) -> None:
        body: dict[str, Any]
        match step.action:
            case "disable":
                body = {"status": "disabled", "disabled_reason": step.why}
                self._cloud.ask("compute", "PUT", f"/os-services/{step.id}", body)
            case "force-down":
                self._cloud.ask("compute", "PUT", f"/os-services/{step.id}", {"forced_down": True})
            case "aggregate":
                body = {"remove_host": {"host": step.host}}
                self._cloud.ask("compute", "POST", f"/os-aggregates/{step.id}/action", body)
            case "service":
                self._cloud.remove("compute", f"/os-services/{step.id}")
            case "provider":
                self._remove_provider(step.id)
            case "agent":
                self._cloud.remove("network", f"/agents/{step.id}")
            case "chassis" if self._chassis:
                self._chassis.remove(step.id)

    def _remove_provider(self, provider: str) -> None:
        """Remove what nova left in placement: it goes with the service, unless a guest was evacuated from it."""
        try:
            held = self._cloud.get("placement", f"/resource_providers/{provider}/allocations")["allocations"]
        except NoSuchThingError:
            return
        for consumer in held:
            path = f"/allocations/{consumer}"
            rest = without(self._cloud.get("placement", path), provider)
            if rest:
                self._cloud.ask("placement", "PUT", path, rest)
            else:
                self._cloud.remove("placement", path)
        self._cloud.remove("placement", f"/resource_providers/{provider}")

    def _empty(self, kinds: Collection[str]) -> None:
        """Let the guests leave that go one of these ways, some at once, and wait until nova is through with them.

        Raises CloudError.
        """
        started: dict[str, tuple[Guest, str]] = {}
        here: set[str] | None = None
        last = time.monotonic()
        while True:
            guests = [(one, self._way(one)) for one in read_guests(self._cloud, self._order.hosts)]
            now = {one.id for one, _kind in guests}
            if now != here:
                self._say(f"{len(now)} guests are on {', '.join(self._order.hosts)}")
                here, last = now, time.monotonic()
            busy = [one.describe() for one, kind in guests if kind == WAIT]
            for one, kind in guests:
                if kind not in kinds or one.id in self.failures:
                    continue
                if one.id in started:
                    self.failures[one.id] = f"{one.describe()} is still on {one.host}: {self._reason(one.id, kind)}."
                elif len(busy) < self._at_once:
                    self._start(one, kind)
                    started[one.id] = one, kind
                    busy.append(one.describe())
            busy += [f"the {one['migration_type']} of {one['instance_uuid']}" for one in self._migrations()]
            if not busy:
                break
            if time.monotonic() - last > self._timeout:
                raise CloudError(f"no guest has left within {self._timeout} seconds; nova is at {', '.join(busy)}")
            time.sleep(_PAUSE)
        for number, (one, kind) in started.items():
            if number not in self.failures:
                self._see_arrived(one, kind)

    def _way(self, guest: Guest) -> str:
        return way(guest, dead=guest.host in self._order.dead, shared=self._order.shared)[0]

    def _migrations(self) -> list[Any]:
        """Return the migrations that nova is at; those of a dead host will not end."""
        found = unsettled(State(migrations=read_migrations(self._cloud, self._order.hosts)))
        return [
            one
            for one in found
            if one["status"] != "finished"
            and not (one["migration_type"] == "live-migration" and one["source_compute"] in self._order.dead)
        ]

    def _start(self, guest: Guest, kind: str) -> None:
        self._say(f"{kind} {guest.describe()}")
        try:
            match kind:
                case "live-migrate":
                    self._cloud.act(guest.id, {"os-migrateLive": {"host": None, "block_migration": "auto"}})
                case "offload":
                    self._cloud.act(guest.id, {"shelveOffload": None})
                case "evacuate":
                    self._cloud.act(guest.id, {"evacuate": {}}, version=_EVACUATE_VERSION)
        except NoSuchThingError:
            # Its owner deleted it meanwhile.
            return
        except CloudError as error:
            self.failures[guest.id] = f"{guest.describe()} is still on {guest.host}: {error}."

    def _wait_until_down(self, hosts: Collection[str]) -> None:
        """Wait until nova knows that computes are down: it evacuates from no others."""

        def down() -> bool:
            services = self._cloud.get("compute", "/os-services", binary="nova-compute")["services"]
            return all(one["state"] == "down" for one in services if one["host"] in hosts)

        if hosts and not wait(down, _SETTLE):
            raise CloudError(f"{', '.join(sorted(hosts))} still reports to nova after {_SETTLE} seconds")

    def _see_arrived(self, guest: Guest, kind: str) -> None:
        """Wait until nova is through with a guest elsewhere, and see that it works."""

        def settled() -> dict[str, Any] | None:
            try:
                found: dict[str, Any] = self._cloud.get("compute", f"/servers/{guest.id}")["server"]
            except NoSuchThingError:
                # Its owner deleted it meanwhile.
                return {"OS-EXT-STS:vm_state": "deleted"}
            return None if found["OS-EXT-STS:task_state"] else found

        found = wait(settled, self._timeout)
        if not found or found["OS-EXT-STS:vm_state"] == "error":
            self.failures[guest.id] = f"{guest.describe()} did not arrive well: {self._reason(guest.id, kind)}."

    def _reason(self, number: str, kind: str) -> str:
        """Return what nova noted of the last attempt to move a guest."""
        path = f"/servers/{number}/os-instance-actions"
        actions = self._cloud.get("compute", path)["instanceActions"]
        last = next((one for one in actions if one["action"] == _ACTIONS[kind]), None)
        if not last:
            return "nova noted no reason"
        events = self._cloud.get("compute", f"{path}/{last['request_id']}")["instanceAction"].get("events") or []
        details = [one.get("details") for one in events if one.get("result") == "Error"]
        return str(next(filter(None, details), None) or last["message"] or "nova noted no reason").strip().rstrip(".")
