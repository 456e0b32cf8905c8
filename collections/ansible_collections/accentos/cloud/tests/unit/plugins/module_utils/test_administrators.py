# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may log in: the decisions, on literals."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.administrators import (
    Account,
    Administrator,
    AdministratorError,
    Plan,
    after,
    describe,
    parse_shadow,
    plan_administrators,
    refuse_impossible,
    sudo_rules,
)

ANN = Administrator("ann", ("ssh-ed25519 A ann",), sudo=True)
BOB = Administrator("bob", ("ssh-ed25519 B bob", "ssh-ed25519 C bob"))
GOOD = Account(1000, "/bin/bash", locked=True, expired=False, keys=ANN.keys)
OUT = Account(1001, "/bin/bash", locked=True, expired=True)
LOCK_OUT = ("usermod", "--lock", "--expiredate", "1", "bob")


def test_shadow() -> None:
    text = "a:!:20000:0:99999:7:::\nb:$y$x:20000:0:99999:7::1:\nc:*:1:::::20781:\nd:!$y$x:1:::::20780\nodd\n"
    assert parse_shadow(text, 20780) == {
        "a": (True, False),
        "b": (False, True),
        "c": (True, False),
        "d": (True, True),
        "odd": (False, False),
    }


def test_a_new_person_gets_account_and_keys() -> None:
    made = ("useradd", "--create-home", "--shell", "/bin/bash", "--user-group", "ann")
    assert plan_administrators([ANN], {}, []) == Plan((made,), {"ann": ANN.keys}, ("ann",))
    # Debian has groups with names that people like, such as operator.
    plan = plan_administrators([ANN], {}, [], ["ann"])
    assert plan.commands == ((*made[:4], "--no-user-group", "ann"),)


def test_nothing_is_left_to_do() -> None:
    nothing = Plan((), {}, ("ann", "bob"))
    assert plan_administrators([ANN], {"ann": GOOD, "bob": OUT}, ["ann", "bob"]) == nothing


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"shell": "/bin/sh"}, ("usermod", "--shell", "/bin/bash", "ann")),
        ({"locked": False}, ("usermod", "--lock", "ann")),
        # Who comes back is let in again.
        ({"expired": True}, ("usermod", "--expiredate", "", "ann")),
        ({"has_home": False}, ("mkhomedir_helper", "ann")),
    ],
)
def test_what_differs_is_mended(changes: dict[str, object], command: tuple[str, ...]) -> None:
    account = dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]
    assert plan_administrators([ANN], {"ann": account}, ["ann"]) == Plan((command,), {}, ("ann",))


def test_other_keys_are_replaced() -> None:
    account = dataclasses.replace(GOOD, keys=(*ANN.keys, "ssh-ed25519 X intruder"))
    assert plan_administrators([ANN], {"ann": account}, ["ann"]) == Plan((), {"ann": ANN.keys}, ("ann",))


@pytest.mark.parametrize(
    ("account", "commands", "keys"),
    [
        (Account(1001, "/bin/bash", locked=True, expired=False, keys=BOB.keys), (LOCK_OUT,), {"bob": ()}),
        (Account(1001, "/bin/bash", locked=False, expired=True), (LOCK_OUT,), {}),
        # Keys that came back later, and a run that was killed before it removed them.
        (dataclasses.replace(OUT, keys=("ssh-ed25519 X",)), (), {"bob": ()}),
    ],
)
def test_who_is_no_longer_listed_is_locked_out(
    account: Account, commands: tuple[tuple[str, ...], ...], keys: dict[str, tuple[str, ...]]
) -> None:
    accounts = {"ann": GOOD, "bob": account}
    assert plan_administrators([ANN], accounts, ["ann", "bob"]) == Plan(commands, keys, ("ann", "bob"))


def test_only_those_whom_an_earlier_run_let_in_are_touched() -> None:
    accounts = {"ann": GOOD, "bob": Account(1001, "/bin/sh", locked=False, expired=False, keys=("k",))}
    assert plan_administrators([ANN], accounts, ["ann"]) == Plan((), {}, ("ann",))


def test_an_account_that_somebody_removed_is_forgotten() -> None:
    assert plan_administrators([ANN], {"ann": GOOD}, ["ann", "bob"]) == Plan((), {}, ("ann",))


def test_sudo_rules() -> None:
    assert sudo_rules([ANN, BOB], "# x") == "# x\nann ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert sudo_rules([], "# x") == "# x\n"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([Administrator("root", ("k",))], "root would take over an account of the system"),
        ([Administrator("toor", ("k",))], "toor would take over an account of the system"),
        ([Administrator("a b", ("k",))], "'a b' is not named like a Unix user"),
        ([ANN, ANN], "ann is listed twice"),
        ([Administrator("ann", ())], "ann has no SSH key"),
    ],
)
def test_what_is_refused(wanted: list[Administrator], words: str) -> None:
    with pytest.raises(AdministratorError) as caught:
        refuse_impossible(wanted, {"toor": dataclasses.replace(GOOD, uid=0)})
    assert words in caught.value.args[0]
    assert "site_admins" in caught.value.args[1]


def test_what_is_fine_is_not_refused() -> None:
    refuse_impossible([ANN, BOB], {"ann": GOOD})


def test_before_and_after_for_people() -> None:
    accounts = {"bob": Account(1001, "/bin/sh", locked=False, expired=False, keys=("k",))}
    plan = plan_administrators([ANN], accounts, ["bob"])
    assert describe(accounts, ["bob", "ann"]) == (
        "ann: no account\nbob: shell /bin/sh\nbob: lets in\nbob: password usable\nbob: key k\n"
    )
    assert describe(after(plan, [ANN], accounts), ["ann", "bob"]) == (
        "ann: shell /bin/bash\nann: lets in\nann: password locked\nann: key ssh-ed25519 A ann\n"
        "bob: shell /bin/sh\nbob: lets nobody in\nbob: password locked\n"
    )
