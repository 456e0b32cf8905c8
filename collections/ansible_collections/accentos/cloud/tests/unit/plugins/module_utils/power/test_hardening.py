# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of hardening, from what was found."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import Connection, UnsupportedError
from ansible_collections.accentos.cloud.plugins.module_utils.power.hardening import (
    Account,
    Deed,
    Found,
    Login,
    Suites,
    narrowed,
    opened,
    plan,
    reached,
    told,
    wrong_login,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.options import OptionError, refuse_weak_logins

NAMELESS = Account("1", "", active=True, administrator=False)
ROOT = Account("2", "root", active=True)
EMPTY = Account("3", "", active=False)
FACTORY = Found(
    (NAMELESS, ROOT, EMPTY),
    user="root",
    proven=False,
    known=frozenset({"root"}),
    free="3",
    kinds=(0x15,) * 5,
    suites=Suites({0: 4, 3: 4, 17: 4}, 17),
)


def deeds(found: Found, user: str) -> list[tuple[Deed, str]]:
    return [(step.deed, step.key) for step in plan(found, user)]


def test_the_user_of_the_factory_gets_a_password() -> None:
    assert deeds(dataclasses.replace(FACTORY, known=frozenset()), "root") == [
        (Deed.PASSWORD, "2"),
        (Deed.DISABLE, "1"),
        (Deed.KINDS, ""),
        (Deed.SUITES, ""),
    ]


def test_the_user_of_the_factory_goes_last_when_another_takes_its_place() -> None:
    user = Account("4", "user", active=True)
    found = dataclasses.replace(
        FACTORY, accounts=(NAMELESS, ROOT, EMPTY, user), known=frozenset({"root", "user"}), kinds=None, suites=None
    )
    assert deeds(found, "operator") == [
        (Deed.NAME, "3"),
        (Deed.PASSWORD, "3"),
        (Deed.ADMIT, "3"),
        (Deed.DISABLE, "1"),
        (Deed.DISABLE, "4"),
        (Deed.DISABLE, "2"),
    ]


@pytest.mark.parametrize("user", ["root", "operator"])
def test_nothing_is_left_to_do_where_the_plan_leads(user: str) -> None:
    known = FACTORY.known - {user}
    found = dataclasses.replace(FACTORY, known=known)
    after = reached(found, plan(found, user), user)
    assert plan(after, user) == ()
    assert told(after) == {
        "login": f"{user}, its own password",
        "users": [user],
        "ipmi_1_5": [],
        "cipher_suites": [17],
    }


def test_what_a_person_sees_of_a_controller_from_the_factory() -> None:
    assert told(FACTORY) == {
        "login": "root, a password that others know",
        "users": ["(no name)", "root"],
        "ipmi_1_5": ["none", "md5", "password"],
        "cipher_suites": [0, 3, 17],
    }


def test_a_wanted_account_that_is_shut_or_weak_is_let_in() -> None:
    for own in (Account("2", "root", active=False), Account("2", "root", active=True, administrator=False)):
        found = Found((own,), user="root", proven=True)
        assert deeds(found, "root") == [(Deed.ADMIT, "2")]


def test_no_room() -> None:
    with pytest.raises(UnsupportedError, match="no user operator and no room for one"):
        plan(dataclasses.replace(FACTORY, free=None), "operator")


@pytest.mark.parametrize(
    ("levels", "in_use", "left"),
    [
        ({0: 4, 3: 4, 17: 4}, 17, {0: 0, 3: 0, 17: 4}),
        ({0: 4, 3: 4}, 3, {0: 0, 3: 4}),
        # 17 is offered and refused.
        ({0: 4, 3: 4, 17: 4}, 3, {0: 0, 3: 4, 17: 4}),
        # 17 was never offered to administrators.
        ({3: 4, 17: 0}, 3, {3: 0, 17: 4}),
        ({3: 4, 17: 3}, 3, {3: 0, 17: 4}),
        ({17: 4}, 17, {17: 4}),
        # A list that is not about what the controller does.
        ({1: 4, 2: 4}, 3, {1: 4, 2: 4}),
    ],
)
def test_suites_that_are_left(levels: dict[int, int], in_use: int, left: dict[int, int]) -> None:
    assert narrowed(Suites(levels, in_use)) == left


def test_suites_are_added_before_any_is_taken_away() -> None:
    assert opened(Suites({0: 4, 3: 4, 17: 0}, 3)) == {0: 4, 3: 4, 17: 4}
    assert opened(Suites({0: 4, 17: 4}, 17)) == {0: 4, 17: 4}


@pytest.mark.parametrize(
    ("driver", "login", "words"),
    [
        ("ipmi", Login("root", "x" * 20), None),
        ("ipmi", Login("root", "x" * 21), "more than 20"),
        ("redfish", Login("root", "x" * 21), None),
        ("ipmi", Login("root", "x" * 15), "fewer than 16"),
        ("ipmi", Login("", "x" * 20), "no user name"),
        ("ipmi", Login("r" * 17, "x" * 20), "more than 16 bytes"),
        ("ipmi", Login("root", "\u00e4" * 16), "not printable ASCII"),
    ],
)
def test_logins_that_no_controller_shall_have(driver: str, login: Login, words: str | None) -> None:
    found = wrong_login(driver, login)
    assert (found is None) if words is None else (found is not None and words in found)


def test_two_controllers_with_one_password_are_refused() -> None:
    def connection(driver: str = "ipmi") -> Connection:
        return Connection(driver, "10.0.0.1", user="root", password="x" * 20)

    refuse_weak_logins({"a": connection(), "b": connection("snmp")})
    with pytest.raises(OptionError, match="bmc of b has the same password as a"):
        refuse_weak_logins({"a": connection(), "b": connection()})


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(Login("root", "secret"))
