# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hardening of IPMI controllers: OpenIPMI's simulator, and pyghmi's controller with users, suites and faults."""

from __future__ import annotations

import json
import socket
from typing import Any, Protocol

import pytest

from tests.power.conftest import PASSWORD, RunModule, Server, Starter
from tests.power.test_audit import problems

# 20 characters. What a run shows is searched for those of PASSWORD.
OWN = f"{PASSWORD}!"
FACTORY = [{"user": "root", "password": "calvin"}, {"user": "ADMIN", "password": "ADMIN"}]
QUICK: dict[str, Any] = {"timeout": 120}
ADMIN, NOBODY = 0x14, 0x0F


def user(name: str, password: str, *, access: int = ADMIN, enabled: bool = True) -> dict[str, Any]:
    return {"name": name, "password": password, "access": access, "enabled": enabled}


def doors(*users: dict[str, Any], suites: tuple[int, ...] = (0, 1, 2, 3, 17), **changed: Any) -> dict[str, Any]:
    """Return a controller as it leaves the factory."""
    known = [user("", "test"), *users, user("", "", access=NOBODY, enabled=False)]
    return {"users": known, "kinds": [0x15] * 5, "levels": dict.fromkeys(suites, 4), **changed}


@pytest.fixture(scope="module")
def shared(start: Starter, tmp_path_factory: pytest.TempPathFactory) -> Server:
    secret = tmp_path_factory.mktemp("ipmi") / "password"
    secret.write_text("not in use")
    return start("ipmi_server.py", "nobody", secret, kind=socket.SOCK_DGRAM)


class Controller:
    """The controller of a test."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.file = server.folder / "accounts.json"

    def is_like(self, found: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(found))

    def doors(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def let_in(self) -> dict[str, str]:
        """Return name and password of those who may enter."""
        return {
            one["name"]: one["password"]
            for one in self.doors()["users"]
            if one["enabled"] and one["access"] & 0x10 and one["access"] & 0x0F != NOBODY
        }

    def suites(self) -> list[str]:
        return [suite for suite, level in self.doors()["levels"].items() if level]


@pytest.fixture
def controller(shared: Server) -> Controller:
    made = Controller(shared.renew())
    made.is_like(doors(user("root", "calvin"), user("guest", "quite-secret")))
    return made


class Harden(Protocol):
    """Runs module bmc_hardening for the controller."""

    def __call__(self, name: str = "root", **options: Any) -> dict[str, Any]: ...


def bmc(server: Server, name: str, password: str = OWN) -> dict[str, Any]:
    return {"driver": "ipmi", "address": "127.0.0.1", "port": server.port, "user": name, "password": password}


@pytest.fixture
def harden(controller: Controller, run_module: RunModule) -> Harden:
    def run(name: str = "root", **options: Any) -> dict[str, Any]:
        options = {"logins": FACTORY, **QUICK, **options}
        return run_module("bmc_hardening", machines=[{"name": "m1", "bmc": bmc(controller.server, name)}], **options)

    return run


def test_a_controller_from_the_factory_is_flagged_before_and_passes_afterwards(
    controller: Controller, harden: Harden, run_module: RunModule
) -> None:
    before = run_module("power_info", bmc=bmc(controller.server, "root", "calvin"), audit=True, default_passwords=True)
    told = " ".join(problems(before, "critical"))
    for words in ("cipher suite 0", "user without a name", "IPMI 1.5", "password of the factory"):
        assert words in told

    planned = harden(check=True)
    assert planned["changed"] is True
    assert controller.server.calls() == []
    done = harden()
    assert done["changed"] is True
    assert planned["diff"] == done["diff"]
    assert planned["machines"]["m1"]["steps"] == done["machines"]["m1"]["steps"]
    assert (controller.let_in(), controller.suites()) == ({"root": OWN, "guest": "quite-secret"}, ["17"])
    assert controller.doors()["kinds"] == [0] * 5

    after = run_module("power_info", bmc=bmc(controller.server, "root"), audit=True, default_passwords=True)
    assert problems(after, "critical") == []
    assert after["connection"]["protection"] == "cipher suite 17"

    written = controller.server.calls()
    again = harden()
    assert (again["changed"], again["machines"]["m1"]["steps"]) == (False, [])
    assert again["diff"][0]["before"] == again["diff"][0]["after"]
    assert controller.server.calls() == written


def test_a_user_of_the_site_takes_the_place_of_that_of_the_factory(controller: Controller, harden: Harden) -> None:
    planned = harden("operator", check=True)
    done = harden("operator")
    assert planned["diff"] == done["diff"]
    assert controller.let_in() == {"operator": OWN, "guest": "quite-secret"}
    assert harden("operator")["changed"] is False


def test_a_controller_without_suite_17_keeps_3_and_warns(controller: Controller, harden: Harden) -> None:
    controller.is_like(doors(user("root", "calvin"), suites=(0, 1, 2, 3)))
    done = harden()
    assert controller.suites() == ["3"]
    assert any("cipher suite 3 (SHA-1) is in use" in warning for warning in done["warnings"])
    assert harden()["changed"] is False


def test_suite_17_is_turned_on_where_it_is_off(controller: Controller, harden: Harden) -> None:
    controller.is_like(doors(user("root", "calvin"), levels={0: 4, 3: 4, 17: 0}))
    planned = harden(check=True)
    done = harden()
    assert (controller.suites(), planned["diff"]) == (["17"], done["diff"])
    assert harden()["changed"] is False


def test_no_login_fits(controller: Controller, harden: Harden) -> None:
    before = controller.doors()
    failed = harden(logins=[{"user": "root", "password": "wrong"}])
    assert "refuses the wanted login and all 1 others" in failed["msg"]
    assert controller.doors() == before


WRITES = 13


@pytest.mark.parametrize("writes", range(WRITES))
def test_a_run_that_ends_in_the_middle_is_finished_by_the_next(
    controller: Controller, harden: Harden, writes: int
) -> None:
    controller.is_like(doors(user("root", "calvin"), user("ADMIN", "ADMIN")))
    controller.server.fault(stop=writes)
    failed = harden("operator", answer_timeout=0.7)
    assert failed["failed"] is True, controller.server.calls()
    assert failed["changed"] is bool(writes)
    controller.server.fault()
    done = harden("operator")
    assert "failed" not in done
    assert (controller.let_in(), controller.suites()) == ({"operator": OWN}, ["17"])


def test_no_more_is_written_than_the_test_above_interrupts(controller: Controller, harden: Harden) -> None:
    controller.is_like(doors(user("root", "calvin"), user("ADMIN", "ADMIN")))
    harden("operator")
    assert len(controller.server.calls()) == WRITES - 1


@pytest.mark.parametrize(
    ("deaf", "words"),
    [
        ("password", "accepted the password of root and does not let it in"),
        ("access", "accepted everything and still has to: disable the user without a name"),
        ("parameter", "accepted everything and still has to: turn IPMI 1.5 off, turn weak cipher suites off"),
    ],
)
def test_a_controller_that_accepts_and_does_nothing_is_a_failure(
    controller: Controller, harden: Harden, deaf: str, words: str
) -> None:
    controller.server.fault(deaf=["access", "password"] if deaf == "access" else [deaf])
    if deaf == "access":
        found = controller.doors()
        found["users"][1]["password"] = OWN
        controller.is_like(found)
    failed = harden()
    assert words in failed["msg"]


def test_a_password_that_is_cut_short_is_taken_back(controller: Controller, harden: Harden) -> None:
    controller.server.fault(truncate=16)
    failed = harden()
    assert "accepted the password of root and does not let it in" in failed["msg"]
    assert "Its old password was put back. Some controllers keep 16 characters of 20" in failed["remedy"]
    assert controller.let_in()["root"] == "calvin"


def test_suites_that_shut_everybody_out_are_put_back(controller: Controller, harden: Harden) -> None:
    controller.server.fault(shut=True)
    before = controller.suites()
    failed = harden(answer_timeout=2)
    assert "cannot be entered with strong cipher suites alone" in failed["msg"]
    assert "The cipher suites were put back as they were." in failed["remedy"]
    assert controller.suites() == before
    controller.server.fault()
    assert "failed" not in harden()
    assert controller.suites() == ["17"]


def test_ipmi_1_5_that_cannot_be_turned_off_is_warned_of(controller: Controller, harden: Harden) -> None:
    controller.server.fault(read_only=[2])
    done = harden()
    assert any("does not let IPMI 1.5 be turned off" in warning for warning in done["warnings"])
    assert harden()["changed"] is False


def test_a_user_with_a_password_of_its_own_is_left_alone(controller: Controller, harden: Harden) -> None:
    logins = [*FACTORY, {"user": "guest", "password": "guest"}]
    harden(logins=logins)
    assert controller.let_in()["guest"] == "quite-secret"


def test_a_controller_without_room_for_a_user(controller: Controller, harden: Harden) -> None:
    found = doors(user("root", "calvin"))
    found["users"].pop()
    controller.is_like(found)
    failed = harden("operator")
    assert "has no user operator and no room for one" in failed["msg"]
    assert controller.server.calls() == []


@pytest.fixture
def vulnerable(start: Starter) -> Server:
    return start("ipmi_sim_server.py", kind=socket.SOCK_DGRAM)


def test_openipmis_simulator_as_far_as_it_can(vulnerable: Server, run_module: RunModule) -> None:
    def run(password: str) -> dict[str, Any]:
        machine = {"name": "m1", "bmc": bmc(vulnerable, "root", password)}
        # It has 63 users, and all of them are looked at.
        limits: dict[str, Any] = {"timeout": 500, "answer_timeout": 20}
        return run_module("bmc_hardening", machines=[machine], logins=FACTORY, **limits)

    def audit(password: str) -> str:
        found = run_module("power_info", bmc=bmc(vulnerable, "root", password), audit=True, default_passwords=True)
        return " ".join(problems(found, "critical"))

    assert "a user without a name" in audit("calvin")
    # It keeps 16 characters of 20, and says that all went well.
    failed = run(OWN)
    assert "accepted the password of root and does not let it in" in failed["msg"]
    short = OWN[:16]
    assert "password of the factory" in audit("calvin")
    done = run(short)
    assert done["changed"] is True
    left = audit(short)
    assert "without a name" not in left
    assert "password of the factory" not in left
    # It takes suite 0 whatever it is told, and has IPMI 1.5 fixed: the audit goes on saying so.
    assert "cipher suite 0" in left
    assert "IPMI 1.5" in left
    assert any("does not let IPMI 1.5 be turned off" in warning for warning in done["warnings"])
    assert run(short)["changed"] is False
