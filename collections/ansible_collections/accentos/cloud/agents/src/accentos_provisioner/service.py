# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the service does, apart from HTTP. Everything runs in one event loop; only Cobbler is asked in threads."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TypeVar

from . import enrolments, machines
from .enrolments import Enrolment
from .errors import ServiceError
from .machines import Machine, Order, digest
from .store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

_NO_MACHINE = "See which there are: module provision_info."


class Provider(Protocol):
    """What is needed of Cobbler; see cobbler.Cobbler."""

    def set_install(self, host: str, token: str | None) -> None:
        """Let HOST boot into its installation, or not."""

    def render(self, host: str) -> dict[str, Any]:
        """Return the specification of HOST."""


class Limiter:
    """Lets each peer ask BURST times at once and RATE times a second in the long run; remembers PEERS of them."""

    def __init__(
        self, burst: float, rate: float, peers: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst, self._rate, self._peers, self._clock = burst, rate, peers, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, peer: str) -> None:
        """Count a question of PEER. Raises ServiceError when it asks too often."""
        now = self._clock()
        level, at = self._levels.pop(peer, (0.0, now))
        level = max(0.0, level - (now - at) * self._rate)
        self._levels[peer] = (min(level + 1, self._burst + 1), now)
        if len(self._levels) > self._peers:
            self._levels.popitem(last=False)
        if level + 1 > self._burst:
            raise ServiceError(429, "too many requests", "Wait a little.")


class Provisioner:
    """The machines and strangers of a site. FOLDER keeps them; PROVIDER is Cobbler."""

    def __init__(self, folder: Path, provider: Provider, clock: Callable[[], float] = time.time) -> None:
        self._provider = provider
        self._clock = clock
        self._machine_store = Store(folder / "machines")
        self._enrolment_store = Store(folder / "enrolments")
        self._machines = {name: machines.from_record(row) for name, row in self._machine_store.load().items()}
        self._enrolments = {name: enrolments.from_record(row) for name, row in self._enrolment_store.load().items()}
        # One change of a machine at a time, in memory, in the store and in Cobbler alike.
        self._lock = asyncio.Lock()

    async def _ask(self, call: Callable[..., T], *arguments: object) -> T:
        return await asyncio.to_thread(call, *arguments)

    async def _locked(self, action: Callable[[], Awaitable[T]]) -> T:
        """Carry ACTION out alone and to its end, even if the asker hangs up meanwhile."""

        async def alone() -> T:
            async with self._lock:
                return await action()

        return await asyncio.shield(asyncio.ensure_future(alone()))

    def _keep(self, machine: Machine) -> None:
        self._machine_store.save(machine.host, machines.to_record(machine))
        self._machines[machine.host] = machine
        log.info("%s is %s", machine.host, machine.state)

    # What machines ask for.

    async def hand_out(self, token: str, macs: tuple[str, ...], peer: str, inventory: object = None) -> dict[str, Any]:
        """Exchange TOKEN, once, for specification and session, and keep the INVENTORY. Raises ServiceError."""
        checked = None if inventory is None else enrolments.check_inventory(inventory)[0]
        return await self._locked(lambda: self._hand_out(token, macs, peer, checked))

    async def _hand_out(
        self, token: str, macs: tuple[str, ...], peer: str, inventory: dict[str, Any] | None
    ) -> dict[str, Any]:
        wanted = digest(token)
        found = [
            row for row in self._machines.values() if row.token_sha256 and hmac.compare_digest(row.token_sha256, wanted)
        ]
        machine = found[0] if found else None
        problem = machines.refusal(machine, macs, peer, self._clock())
        if machine is None or problem:
            log.warning("%s is refused a specification: %s", peer, problem)
            raise machines.refused()
        mixed_up = machines.mix_up(machine, macs, self._machines.values())
        if mixed_up:
            log.warning("%s is refused a specification: %s", peer, mixed_up)
            self._keep(machines.give_up(machine, mixed_up, self._clock()))
            raise ServiceError(
                409, mixed_up, "Mend the cards, or the MACs of both in the site folder; then arm it again."
            )
        specification = await self._ask(self._provider.render, machine.host)
        session = secrets.token_urlsafe(32)
        begun = machines.begin(machine, digest(session), self._clock())
        self._keep(dataclasses.replace(begun, inventory=inventory) if inventory else begun)
        return {"specification": specification, "session": session}

    async def report(self, session: str, report: machines.Report) -> None:
        """Take a REPORT of the machine that holds SESSION. Raises ServiceError."""
        await self._locked(lambda: self._report(session, report))

    async def _report(self, session: str, report: machines.Report) -> None:
        wanted = digest(session)
        found = [
            row
            for row in self._machines.values()
            if row.session_sha256 and hmac.compare_digest(row.session_sha256, wanted)
        ]
        if not found:
            raise ServiceError(403, "this session is not known", "Arm the host again and restart it.")
        if machines.is_repeated(found[0], report):
            return
        machine = machines.take_report(found[0], report, self._clock())
        if machine.state == "deployed":
            # First: a machine that is told to restart must not come back into its installation.
            await self._ask(self._provider.set_install, machine.host, None)
        log.info("%s: %s %s after %.1f s", machine.host, report.stage, report.status, report.seconds)
        self._keep(machine)

    async def enrol(self, inventory: object, peer: str) -> dict[str, Any]:
        """Take a stranger into quarantine; return its id and secret. Raises ServiceError."""
        checked, macs = enrolments.check_inventory(inventory)
        now = self._clock()
        rows = self._enrolments.values()
        for old in {*enrolments.forgotten(rows, now), *enrolments.replaced(rows, macs, peer)}:
            self._drop(old)
        enrolments.check_room(self._enrolments.values(), peer)
        identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row = Enrolment(identifier, digest(secret), "pending", macs, peer, checked, now, now)
        self._note(row)
        log.info("%s introduces itself as enrolment %s", peer, identifier)
        return {"id": identifier, "secret": secret}

    async def ask_enrolment(self, identifier: str, secret: str, peer: str) -> dict[str, Any]:
        """Tell a stranger how its matter stands; once approved, with a fresh token. Raises ServiceError."""
        row = self._enrolments.get(identifier)
        if row is None or not hmac.compare_digest(row.secret_sha256, digest(secret)):
            raise ServiceError(403, "this enrolment is not known here", "The machine introduces itself anew.")
        # In memory only: a write for each question would let strangers wear out the disk.
        self._enrolments[identifier] = dataclasses.replace(row, seen_at=self._clock())
        if row.state != "approved" or row.host is None:
            return {"state": row.state}
        order = Order(row.macs, peer, row.lifetime, reinstall=False)
        token = await self._locked(lambda: self._rearm(row, order))
        return {"state": "approved", "token": token} if token else {"state": "approved"}

    async def _rearm(self, row: Enrolment, order: Order) -> str | None:
        machine = self._machines.get(str(row.host))
        if machine is None or machine.state != "armed" or machine.macs != row.macs:
            return None
        return await self._arm(machine.host, order)

    # What administrators ask for.

    def list_machines(self) -> list[dict[str, Any]]:
        """Return all machines by name."""
        return [machines.view(self._machines[name]) for name in sorted(self._machines)]

    def get_machine(self, host: str) -> dict[str, Any]:
        """Return one machine. Raises ServiceError."""
        if host not in self._machines:
            raise ServiceError(404, f"{host} was never armed", _NO_MACHINE)
        return machines.view(self._machines[host])

    async def arm(self, host: str, order: Order) -> dict[str, Any]:
        """Let HOST be installed once; return whether that is new, and the machine. Raises ServiceError."""

        async def action() -> bool:
            if machines.is_satisfied(self._machines.get(host), order, self._clock()):
                return False
            machines.check_arming(self._machines.values(), host, order)
            await self._arm(host, order)
            return True

        changed = await self._locked(action)
        return {"changed": changed, "machine": self.get_machine(host)}

    async def _arm(self, host: str, order: Order) -> str:
        token = secrets.token_urlsafe(32)
        # Cobbler first: killed in between, the host counts as not armed, and arming it again mends both.
        await self._ask(self._provider.set_install, host, token)
        self._keep(machines.arm(self._machines.get(host), host, order, digest(token), self._clock()))
        return token

    async def exchange_cards(self, host: str, macs: tuple[str, ...]) -> dict[str, Any]:
        """Know a deployed HOST by the MACS that it has now; return whether that is new. Raises ServiceError."""

        async def action() -> bool:
            if host not in self._machines:
                raise ServiceError(404, f"{host} was never armed", _NO_MACHINE)
            before = self._machines[host]
            after = machines.exchange_cards(before, macs, self._machines.values())
            if after != before:
                self._keep(after)
            return after != before

        return {"changed": await self._locked(action)}

    async def disarm(self, host: str) -> dict[str, Any]:
        """Let HOST not be installed; return whether that is new. Raises ServiceError."""

        return {"changed": await self._locked(lambda: self._disarm(host))}

    async def _disarm(self, host: str) -> bool:
        machine = self._machines.get(host)
        after = machines.disarm(machine, self._clock()) if machine else None
        if machine is None or after == machine:
            return False
        await self._ask(self._provider.set_install, host, None)
        if after:
            self._keep(after)
        else:
            self._machine_store.remove(host)
            del self._machines[host]
            log.info("%s is disarmed", host)
        return True

    async def forget(self, host: str) -> dict[str, Any]:
        """Know nothing of HOST any more, as machine or as stranger; return whether that is new. Raises ServiceError."""

        return {"changed": await self._locked(lambda: self._forget(host))}

    async def _forget(self, host: str) -> bool:
        introduced = [row.id for row in self._enrolments.values() if row.host == host]
        if host not in self._machines and not introduced:
            return False
        try:
            await self._ask(self._provider.set_install, host, None)
        except ServiceError as error:
            # Its system may be gone already: then nothing boots it into an installation.
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        for identifier in introduced:
            self._drop(identifier)
        if host in self._machines:
            self._machine_store.remove(host)
            del self._machines[host]
        log.info("%s is forgotten", host)
        return True

    async def expire(self) -> None:
        """Disarm hosts whose token has expired unused: with netboot on they would no longer boot from their disks."""

        async def action(host: str) -> None:
            machine = self._machines.get(host)
            if machine and machines.has_expired(machine, self._clock()):
                log.warning("the token of %s has expired unused", host)
                await self._disarm(host)

        for host in list(self._machines):
            try:
                await self._locked(functools.partial(action, host))
            except (ServiceError, OSError) as error:
                log.warning("%s is not disarmed yet: %s", host, error)

    def list_enrolments(self) -> list[dict[str, Any]]:
        """Return the machines in quarantine, oldest first."""
        for old in enrolments.forgotten(self._enrolments.values(), self._clock()):
            self._drop(old)
        return [enrolments.view(row) for row in sorted(self._enrolments.values(), key=lambda row: row.created_at)]

    async def approve(self, identifier: str, host: str, lifetime: float) -> dict[str, Any]:
        """Let the stranger be HOST, and be installed as such; return whether that is new. Raises ServiceError."""

        async def action() -> bool:
            row = self._enrolment(identifier)
            if (row.state, row.host) == ("approved", host):
                return False
            order = Order(row.macs, row.peer, lifetime, reinstall=False)
            machines.check_arming(self._machines.values(), host, order)
            await self._arm(host, order)
            self._keep(dataclasses.replace(self._machines[host], inventory=row.inventory))
            self._note(dataclasses.replace(row, state="approved", host=host, lifetime=lifetime))
            return True

        return {"changed": await self._locked(action)}

    def reject(self, identifier: str) -> dict[str, Any]:
        """Turn the stranger away; return whether that is new. Raises ServiceError."""
        row = self._enrolment(identifier)
        if row.state == "rejected":
            return {"changed": False}
        self._note(dataclasses.replace(row, state="rejected", host=None))
        return {"changed": True}

    def _enrolment(self, identifier: str) -> Enrolment:
        if identifier not in self._enrolments:
            raise ServiceError(
                404, f"there is no enrolment {identifier}", "List them: module enrolment without options."
            )
        return self._enrolments[identifier]

    def _note(self, row: Enrolment) -> None:
        self._enrolment_store.save(row.id, enrolments.to_record(row))
        self._enrolments[row.id] = row

    def _drop(self, identifier: str) -> None:
        self._enrolment_store.remove(identifier)
        del self._enrolments[identifier]
