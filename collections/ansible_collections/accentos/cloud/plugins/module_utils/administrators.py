# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what makes the people who may log in to a host those that the site lists, and nobody else of them before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SHELL = "/bin/bash"
# The default UID_MIN of Debian's login.defs and of systemd: accounts below it belong to the system.
FIRST_PERSON = 1000
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
# Day 1 of the epoch: an account that expired then lets nobody in, whatever the way.
_LONG_AGO = "1"


class AdministratorError(Exception):
    """The list of administrators cannot be followed. The first argument says why, the second what helps."""


@dataclass(frozen=True)
class Administrator:
    """What the site wants of a person: name of the account, public keys as lines, and whether to become root."""

    name: str
    keys: tuple[str, ...]
    sudo: bool = False


@dataclass(frozen=True)
class Account:
    """What the host has of a person. ``keys`` are the lines of all files in which sshd looks for keys."""

    uid: int
    shell: str
    locked: bool
    expired: bool
    has_home: bool = True
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Commands as argument lists in their order, new keys by name (an empty tuple: none), names to remember."""

    commands: tuple[tuple[str, ...], ...]
    keys: Mapping[str, tuple[str, ...]]
    remembered: tuple[str, ...]


def parse_shadow(text: str, today: int) -> dict[str, tuple[bool, bool]]:
    """Return by name whether the password is locked and whether the account is expired on day ``today`` of the epoch.

    ``text`` is that of /etc/shadow; see shadow(5).
    """
    found = {}
    for line in text.splitlines():
        fields = [*line.split(":"), *[""] * 9]
        expires = fields[7]
        found[fields[0]] = (fields[1].startswith(("!", "*")), expires.isdecimal() and int(expires) <= today)
    return found


def refuse_impossible(wanted: Iterable[Administrator], accounts: Mapping[str, Account]) -> None:
    """Raise AdministratorError for a list that must not be followed. ``accounts`` are those that the host has."""
    seen: set[str] = set()
    for person in wanted:
        remedy = "Mend site_admins in the site's group_vars/all/site.yml, or base_admins."
        if not _NAME.fullmatch(person.name):
            raise AdministratorError(f"The administrator {person.name!r} is not named like a Unix user.", remedy)
        if person.name in seen:
            raise AdministratorError(f"The administrator {person.name} is listed twice.", remedy)
        seen.add(person.name)
        account = accounts.get(person.name)
        if person.name == "root" or (account and account.uid < FIRST_PERSON):
            raise AdministratorError(
                f"The administrator {person.name} would take over an account of the system.",
                f"Give the person an account of their own, with sudo if they may become root. {remedy}",
            )
        if not person.keys:
            raise AdministratorError(f"The administrator {person.name} has no SSH key.", remedy)


def sudo_rules(wanted: Iterable[Administrator], managed: str) -> str:
    """Return the text of the file below /etc/sudoers.d; ``managed`` is its first line."""
    lines = [f"{person.name} ALL=(ALL:ALL) NOPASSWD: ALL\n" for person in wanted if person.sudo]
    return "".join([f"{managed}\n", *lines])


def plan_administrators(
    wanted: Sequence[Administrator],
    accounts: Mapping[str, Account],
    remembered: Iterable[str],
    groups: Iterable[str] = (),
) -> Plan:
    """Return what makes the host as wanted.

    ``remembered`` are the names that earlier runs let in; those that are no longer wanted lose every way in and keep
    their home. ``groups`` are the groups of the host: a new account cannot have one of its name where that is taken.
    """
    commands: list[tuple[str, ...]] = []
    keys: dict[str, tuple[str, ...]] = {}
    taken = set(groups)
    for person in wanted:
        account = accounts.get(person.name)
        if account is None:
            own_group = "--no-user-group" if person.name in taken else "--user-group"
            commands.append(("useradd", "--create-home", "--shell", SHELL, own_group, person.name))
        else:
            commands += _mended(person.name, account)
        if account is None or account.keys != person.keys:
            keys[person.name] = person.keys
    names = {person.name for person in wanted}
    # An account that somebody removed needs nothing more.
    gone = sorted(name for name in set(remembered) - names if name in accounts)
    for name in gone:
        account = accounts[name]
        if not (account.locked and account.expired):
            commands.append(("usermod", "--lock", "--expiredate", _LONG_AGO, name))
        if account.keys:
            keys[name] = ()
    return Plan(tuple(commands), keys, tuple(sorted({*names, *gone})))


def _mended(name: str, account: Account) -> list[tuple[str, ...]]:
    options: list[str] = []
    if account.shell != SHELL:
        options += ["--shell", SHELL]
    if not account.locked:
        options.append("--lock")
    if account.expired:
        options += ["--expiredate", ""]
    commands = [("usermod", *options, name)] if options else []
    # The run that made the account was killed before it made the home.
    return commands if account.has_home else [*commands, ("mkhomedir_helper", name)]


def describe(accounts: Mapping[str, Account], names: Iterable[str]) -> str:
    """Describe the accounts of these names for a diff, one line for each fact."""
    lines = []
    for name in sorted(set(names)):
        account = accounts.get(name)
        if account is None:
            lines.append(f"{name}: no account")
            continue
        lines.append(f"{name}: shell {account.shell}")
        lines.append(f"{name}: {'lets nobody in' if account.expired else 'lets in'}")
        lines.append(f"{name}: password {'locked' if account.locked else 'usable'}")
        lines += [f"{name}: key {key}" for key in account.keys]
    return "".join(f"{line}\n" for line in lines)


def after(plan: Plan, wanted: Iterable[Administrator], accounts: Mapping[str, Account]) -> dict[str, Account]:
    """Return the accounts as the plan will leave them."""
    left = dict(accounts)
    names = {person.name for person in wanted}
    for name in {*names, *plan.remembered}:
        present = accounts.get(name)
        keys = plan.keys.get(name, present.keys if present else ())
        shell = SHELL if name in names or present is None else present.shell
        left[name] = Account(present.uid if present else -1, shell, locked=True, expired=name not in names, keys=keys)
    return left
