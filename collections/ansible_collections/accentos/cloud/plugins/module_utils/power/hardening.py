# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a hardened controller is: the plan that leads there, from what was found. Nothing here talks to anybody."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import UnsupportedError

# Privilege level ADMINISTRATOR (IPMI 2.0, table 23-4, parameter 24); 0 means that the suite is not used.
ADMINISTRATOR, UNUSED = 4, 0
SHA256, SHA1 = 17, 3
# IPMI 2.0, 22.28 and 22.30: a user name has 16 bytes, a password 16 or 20.
MOST_NAME, MOST_PASSWORD, LEAST_PASSWORD = 16, 20, 16
# Bits of an authentication type enable byte (IPMI 2.0, table 23-4, parameter 2).
_KINDS = {0x01: "none", 0x02: "md2", 0x04: "md5", 0x10: "password", 0x20: "oem"}


@dataclasses.dataclass(frozen=True, slots=True)
class Login:
    """A user and a password."""

    user: str
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """An account of a controller. ``key`` is what the controller calls it: a number or an address."""

    key: str
    name: str
    active: bool
    administrator: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Suites:
    """The highest privilege of each cipher suite, in the order of the controller, and the suite of this session."""

    levels: Mapping[int, int]
    in_use: int


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What a controller is like. None: it has no such thing, or does not tell."""

    accounts: tuple[Account, ...]
    # Name of the account that opened it, and whether that was the wanted login.
    user: str
    proven: bool
    # Accounts that are entered with a password that others know, too.
    known: frozenset[str] = frozenset()
    # Where an account may be added; an empty text is anywhere.
    free: str | None = None
    # What IPMI 1.5 asks for, a byte for each privilege level.
    kinds: tuple[int, ...] | None = None
    suites: Suites | None = None
    # Whether IPMI over LAN is on, where it is to be off.
    ipmi: bool | None = None


class Deed(enum.Enum):
    """What can be done to a controller; those on the wanted account come first."""

    NAME = "name"
    PASSWORD = "password"  # noqa: S105 - the name of a step
    ADMIT = "admit"
    DISABLE = "disable"
    KINDS = "kinds"
    SUITES = "suites"
    IPMI = "ipmi"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One deed, to the account KEY where it is about one."""

    deed: Deed
    key: str = ""
    name: str = ""

    def __str__(self) -> str:
        who = f"the user {self.name}" if self.name else "the user without a name"
        return {
            Deed.NAME: f"add {who}",
            Deed.PASSWORD: f"give {who} its password",
            Deed.ADMIT: f"let {who} in as an administrator",
            Deed.DISABLE: f"disable {who}",
            Deed.KINDS: "turn IPMI 1.5 off",
            Deed.SUITES: "turn weak cipher suites off",
            Deed.IPMI: "turn IPMI over LAN off",
        }[self.deed]


def plan(found: Found, user: str) -> tuple[Step, ...]:
    """Return the steps after which USER alone has a password of its own and no weak door is open.

    Raises UnsupportedError when the account is missing and there is room for none.
    """
    steps = [*_own_account(found, user)]
    # The account of the own login comes last: it is given up when nothing needs it any more.
    others = sorted((one for one in found.accounts if one.name != user), key=lambda one: one.name == found.user)
    steps += [
        Step(Deed.DISABLE, one.key, one.name)
        for one in others
        if one.active and (not one.name or one.name in found.known)
    ]
    if found.kinds is not None and any(found.kinds):
        steps.append(Step(Deed.KINDS))
    if found.suites is not None and narrowed(found.suites) != found.suites.levels:
        steps.append(Step(Deed.SUITES))
    if found.ipmi:
        steps.append(Step(Deed.IPMI))
    return tuple(steps)


def _own_account(found: Found, user: str) -> list[Step]:
    own = next((one for one in found.accounts if one.name == user), None)
    if own is None:
        if found.free is None:
            raise UnsupportedError(
                f"the controller has no user {user} and no room for one",
                "Remove a user of the controller that nobody needs, or name one of its users: tools/set-secret "
                "<site folder> bmc_user.",
            )
        key = found.free
        return [Step(deed, key, user) for deed in (Deed.NAME, Deed.PASSWORD, Deed.ADMIT)]
    steps = [] if found.proven else [Step(Deed.PASSWORD, own.key, user)]
    if not own.active or not own.administrator:
        steps.append(Step(Deed.ADMIT, own.key, user))
    return steps


def narrowed(suites: Suites) -> dict[int, int]:
    """Return the levels of which nothing is left but suite 17, and suite 3 where 17 is refused.

    17 is believed when a session uses it. One that is not offered to administrators yet has not been refused either.
    """
    if suites.in_use not in suites.levels:
        # The list is not about what the controller does; to write it would change anything or nothing.
        return dict(suites.levels)
    kept = {SHA256}
    if suites.in_use == SHA1 and suites.levels.get(SHA256, ADMINISTRATOR) == ADMINISTRATOR:
        kept.add(SHA1)
    return {suite: ADMINISTRATOR if suite in kept else UNUSED for suite in suites.levels}


def opened(suites: Suites) -> dict[int, int]:
    """Return the levels with those of ``narrowed`` added and nothing taken away, to try them."""
    return {suite: level or suites.levels[suite] for suite, level in narrowed(suites).items()}


def reached(found: Found, steps: Sequence[Step], user: str) -> Found:
    """Return what is found after STEPS that succeed."""
    accounts = {one.key: one for one in found.accounts}
    kinds, suites, ipmi = found.kinds, found.suites, found.ipmi
    for step in steps:
        match step.deed:
            case Deed.NAME | Deed.ADMIT:
                accounts[step.key] = Account(step.key, step.name, active=True)
            case Deed.DISABLE:
                accounts[step.key] = dataclasses.replace(accounts[step.key], active=False)
            case Deed.KINDS:
                kinds = tuple(0 for _byte in kinds or ())
            case Deed.SUITES if suites is not None:
                suites = Suites(narrowed(suites), suites.in_use)
            case Deed.IPMI:
                ipmi = False
    return Found(tuple(accounts.values()), user, proven=True, kinds=kinds, suites=suites, ipmi=ipmi)


def told(found: Found) -> dict[str, Any]:
    """Return what a person wants to see of it. There is no secret in it."""
    shown: dict[str, Any] = {
        "login": f"{found.user}, {'its own password' if found.proven else 'a password that others know'}",
        "users": sorted(one.name or "(no name)" for one in found.accounts if one.active),
    }
    if found.kinds is not None:
        bits = 0
        for byte in found.kinds:
            bits |= byte
        shown["ipmi_1_5"] = [name for bit, name in _KINDS.items() if bits & bit]
    if found.suites is not None:
        shown["cipher_suites"] = sorted(suite for suite, level in found.suites.levels.items() if level)
    if found.ipmi is not None:
        shown["ipmi_over_lan"] = "on" if found.ipmi else "off"
    return shown


def wrong_login(driver: str, login: Login) -> str | None:
    """Return what is wrong with the LOGIN that is wanted of a controller, or None."""
    if not login.user:
        return "has no user name"
    if not login.password.isascii() or not login.password.isprintable():
        return "has a password with characters that are not printable ASCII"
    if len(login.password) < LEAST_PASSWORD:
        return f"has a password of fewer than {LEAST_PASSWORD} characters"
    if driver == "ipmi" and len(login.password) > MOST_PASSWORD:
        return f"has a password of more than {MOST_PASSWORD} characters, which IPMI does not take"
    if driver == "ipmi" and len(login.user.encode()) > MOST_NAME:
        return f"has a user name of more than {MOST_NAME} bytes, which IPMI does not take"
    return None
