# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of hardening carried out: nothing is given up before what replaces it is proven, and all is read back."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    AccessDeniedError,
    Connection,
    Identity,
    PowerError,
    UnreachableError,
    UnsupportedError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.hardening import (
    Account,
    Deed,
    Found,
    Login,
    Step,
    Suites,
    narrowed,
    opened,
    plan,
    reached,
    told,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.ipmi_accounts import IpmiAccounts
from ansible_collections.accentos.cloud.plugins.module_utils.power.redfish_accounts import RedfishAccounts
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import ANSWERS, Result, limited

# Only this of IPMI 1.5 is left to a controller that insists on something (IPMI 2.0, table 23-4, parameter 2).
_MD5 = 0x04
# The time of so many answers one list of users may take: IPMI asks twice for each of up to 63.
_LIST = 4
# The system, its manager and the protocols of that are read one after the other, and then written.
_MANAGERS = 2


class Accounts(Protocol):
    """What lets people into a controller. Every method but close can raise PowerError."""

    def enter(self) -> None: ...
    def accounts(self) -> tuple[Account, ...]: ...
    def free(self, accounts: Sequence[Account]) -> str | None: ...
    def kinds(self) -> tuple[int, ...] | None: ...
    def suites(self) -> Suites | None: ...
    def hides(self) -> bool: ...
    def ipmi(self) -> bool | None: ...
    def add(self, key: str, name: str, password: str) -> bool: ...
    def set_password(self, key: str, password: str) -> None: ...
    def admit(self, key: str) -> None: ...
    def disable(self, key: str) -> None: ...
    def set_kinds(self, kinds: Sequence[int]) -> None: ...
    def set_suites(self, levels: Mapping[int, int]) -> None: ...
    def close_ipmi(self) -> None: ...
    def again(self) -> Accounts: ...
    def identity(self) -> Identity: ...
    def close(self) -> None: ...


DRIVERS: Mapping[str, Callable[[Connection], Accounts]] = {"ipmi": IpmiAccounts, "redfish": RedfishAccounts}


def harden(connection: Connection, logins: Sequence[Login], *, dry: bool, close_ipmi: bool = False) -> Result:
    """Bring a controller to where CONNECTION alone opens it; LOGINS may open it now. Raises PowerError.

    With CLOSE_IPMI its IPMI over LAN is turned off as well, which needs Redfish.
    An error after the first change is a result with failed and changed.
    """
    if connection.driver == "snmp":
        # Community and user are set up in the unit itself; SNMP has no agreed way to change them.
        return {"changed": False, "warnings": [], "steps": [], "diff": {"before": {}, "after": {}}}
    if connection.driver not in DRIVERS:
        raise UnsupportedError(
            f"passwords of a controller with {connection.driver} are not changed from here",
            "Set them in the machine's own setup (MEBx for AMT), and take it out of the machines to harden.",
        )
    work = _Work(connection, logins, close_ipmi=close_ipmi)
    try:
        return work.run(dry=dry)
    except PowerError as error:
        if not work.begun:
            raise
        return {"failed": True, "changed": True, "kind": type(error).__name__, "msg": error.problem} | {
            "remedy": error.remedy
        }
    finally:
        work.close()


class _Work:
    """One controller on its way. Its current session is that of the login proven last."""

    def __init__(self, connection: Connection, logins: Sequence[Login], *, close_ipmi: bool) -> None:
        self.wanted = connection
        self.close_ipmi = close_ipmi
        self.own = Login(connection.user, connection.password)
        self.logins = [login for login in logins if login != self.own]
        self.login = self.own
        self.begun = False
        self.warnings: list[str] = []
        # What the controller refuses, and what of it is no danger.
        self.refused: set[Deed] = set()
        self._sessions: list[Accounts] = []

    def run(self, *, dry: bool) -> Result:
        """Look, plan, act, and look again."""
        session = self._enter()
        before = self._look(session)
        steps = plan(before, self.own.user)
        expected = reached(before, steps, self.own.user) if steps else before
        if steps and not dry:
            session = self._act(session, before, steps)
            after = self._look(session)
            left = [step for step in plan(after, self.own.user) if step.deed not in self.refused]
            if left:
                raise PowerError(
                    f"the controller accepted everything and still has to: {', '.join(str(step) for step in left)}",
                    "Do it by hand in the controller's own interface, or update its firmware.",
                )
            expected = after
        with self._limit():
            identity = session.identity()
        before_told, after_told = told(before), told(expected)
        return {
            "changed": before_told != after_told,
            "steps": [str(step) for step in steps if step.deed not in self.refused],
            "warnings": [*self.warnings, *identity.warnings],
            "connection": identity.as_dict(),
            "diff": {"before": before_told, "after": after_told},
        }

    def close(self) -> None:
        """End all sessions."""
        while self._sessions:
            with contextlib.suppress(PowerError), self._limit():
                self._sessions.pop().close()

    def _limit(self, calls: int = 1) -> contextlib.AbstractContextManager[None]:
        return limited(calls * ANSWERS * self.wanted.answer_timeout)

    def _open(self, login: Login) -> Accounts:
        """Return a session of LOGIN. Raises PowerError."""
        session = DRIVERS[self.wanted.driver](
            dataclasses.replace(self.wanted, user=login.user, password=login.password)
        )
        self._sessions.append(session)
        with self._limit():
            session.enter()
        return session

    def _enter(self) -> Accounts:
        """Return a session of the wanted login, otherwise of the first that opens."""
        denied: AccessDeniedError | None = None
        silent: UnreachableError | None = None
        for login in (self.own, *self.logins):
            try:
                session = self._open(login)
            except AccessDeniedError as error:
                denied = error
            except UnreachableError as error:
                # Some controllers leave a user that they do not have without an answer.
                silent = error
            else:
                self.login = login
                return session
        if denied is None and silent is not None:
            raise silent
        raise AccessDeniedError(
            f"the controller {self.wanted.address} refuses the wanted login and all {len(self.logins)} others: "
            f"{denied.problem if denied else ''}",
            "Add the login that it has now to bmc_hardening_factory_logins. Some controllers lock an account for "
            "minutes after wrong ones.",
        )

    def _look(self, session: Accounts) -> Found:
        with self._limit(_LIST):
            accounts = session.accounts()
            free = session.free(accounts)
        with self._limit():
            kinds = session.kinds()
            suites = session.suites()
        if suites is None and self.wanted.driver == "ipmi":
            self._warn("the controller does not tell its cipher suites, so none is turned off")
        elif suites is not None and suites.in_use not in suites.levels:
            self._warn(f"the controller does not list cipher suite {suites.in_use} that it uses; none is turned off")
        proven = self.login == self.own
        return Found(accounts, self.login.user, proven, self._known(accounts), free, kinds, suites, self._ipmi(session))

    def _ipmi(self, session: Accounts) -> bool | None:
        if not self.close_ipmi:
            return None
        if session.hides():
            # It is read again once the password is changed, and left alone if it is off.
            self._warn(
                "whether IPMI over LAN is on shows after the change of the password; it is taken to be on until then"
            )
            return True
        with self._limit(_MANAGERS):
            ipmi = session.ipmi()
        if ipmi is None:
            self._warn("the controller does not tell of IPMI over LAN, so it is left as it is")
        return ipmi

    def _known(self, accounts: Sequence[Account]) -> frozenset[str]:
        """Return the active users, the wanted one aside, that one of the other logins opens."""
        active = {one.name for one in accounts if one.active}
        found = set()
        for login in self.logins:
            if login.user not in active or login.user == self.own.user or login.user in found:
                continue
            if login == self.login:
                found.add(login.user)
                continue
            # Only an account that is there is tried: each wrong password counts against it.
            with contextlib.suppress(AccessDeniedError, UnreachableError):
                self._open(login)
                found.add(login.user)
        return frozenset(found)

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def _act(self, session: Accounts, found: Found, steps: Sequence[Step]) -> Accounts:
        """Carry out STEPS and return a session of the wanted login."""
        own = [step for step in steps if step.deed in (Deed.NAME, Deed.PASSWORD, Deed.ADMIT)]
        self.begun = True
        complete = False
        for step in own:
            with self._limit():
                match step.deed:
                    case Deed.NAME:
                        complete = session.add(step.key, step.name, self.own.password)
                    case Deed.PASSWORD if not complete:
                        session.set_password(step.key, self.own.password)
                    case Deed.ADMIT if not complete:
                        session.admit(step.key)
        if own:
            session = self._prove(session, own)
        for step in steps[len(own) :]:
            match step.deed:
                case Deed.DISABLE:
                    with self._limit():
                        session.disable(step.key)
                case Deed.KINDS:
                    self._turn_kinds_off(session, found.kinds or ())
                case Deed.SUITES if found.suites is not None:
                    session = self._narrow(session)
                case Deed.IPMI:
                    with self._limit(_MANAGERS):
                        session.close_ipmi()
        return session

    def _prove(self, session: Accounts, own: Sequence[Step]) -> Accounts:
        """Return a session of the wanted login, or put the old password back."""
        try:
            proven = self._open(self.own)
        except PowerError as error:
            changed = next((step.key for step in own if step.deed is Deed.PASSWORD), None)
            back = "The old login was left as it is."
            if changed is not None and self.login.user == self.own.user:
                back = "Its old password was put back."
                try:
                    with self._limit():
                        session.set_password(changed, self.login.password)
                except PowerError as second:
                    back = f"Its old password could not be put back: {second.problem}."
            raise PowerError(
                f"the controller accepted the password of {self.own.user} and does not let it in: {error.problem}",
                f"{back} Some controllers keep 16 characters of 20 or ask for others: store one that it takes with "
                "tools/set-secret.",
            ) from None
        self.login = self.own
        return proven

    def _turn_kinds_off(self, session: Accounts, kinds: Sequence[int]) -> None:
        weakest = [byte & _MD5 for byte in kinds]
        for wanted in ([0] * len(kinds), weakest):
            if list(kinds) == wanted:
                break
            try:
                with self._limit():
                    session.set_kinds(wanted)
            except UnsupportedError:
                self.refused.add(Deed.KINDS)
                continue
            break
        if Deed.KINDS in self.refused:
            self._warn("the controller does not let IPMI 1.5 be turned off")

    def _narrow(self, session: Accounts) -> Accounts:
        """Turn suites off while a second session proves that the controller can still be entered."""
        with self._limit():
            first = session.suites()
        if first is None:
            return session
        with self._put_back(session, first.levels):
            suites = first
            if opened(first) != first.levels:
                # Suite 17 is tried before it is believed.
                self._write(session, opened(first))
                trial = self._again(session)
                with self._limit():
                    suites = trial.suites() or first
                    trial.close()
            self._write(session, narrowed(suites))
            return self._again(session)

    def _write(self, session: Accounts, levels: Mapping[int, int]) -> None:
        with self._limit():
            session.set_suites(levels)

    def _again(self, session: Accounts) -> Accounts:
        trial = session.again()
        self._sessions.append(trial)
        with self._limit():
            trial.enter()
        return trial

    @contextlib.contextmanager
    def _put_back(self, session: Accounts, levels: Mapping[int, int]) -> Iterator[None]:
        try:
            yield
        except PowerError as error:
            told_back = "The cipher suites were put back as they were."
            try:
                self._write(session, levels)
            except PowerError as second:
                told_back = f"The cipher suites could not be put back: {second.problem}."
            raise PowerError(
                f"the controller cannot be entered with strong cipher suites alone: {error.problem}",
                f"{told_back} Update its firmware, or use its Redfish and turn IPMI off.",
            ) from None
