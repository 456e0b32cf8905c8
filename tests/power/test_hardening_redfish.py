# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hardening of Redfish controllers: sushy-emulator with an account service in front of it, and faults."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

import pytest

from tests.power.conftest import PASSWORD, Certificates, RunModule, Server, Starter

# 20 characters. What a run shows is searched for those of PASSWORD.
OWN = f"{PASSWORD}!"
FACTORY = [{"user": "root", "password": "calvin"}, {"user": "guest", "password": "guest"}]


def account(name: str, password: str, *, enabled: bool = True, role: str = "Administrator") -> dict[str, Any]:
    return {"UserName": name, "Password": password, "Enabled": enabled, "RoleId": role}


@pytest.fixture(scope="module")
def shared(start: Starter, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Server:
    users = tmp_path_factory.mktemp("users") / "users"
    users.write_text("")
    return start("redfish_server.py", certificates.good, users)


@pytest.fixture
def controller(shared: Server) -> Server:
    shared.renew()
    known = [account("", "", enabled=False), account("root", "calvin"), account("guest", "quite-secret")]
    be_like(shared, known)
    (shared.folder / "protocols.json").unlink(missing_ok=True)
    return shared


def be_like(server: Server, known: list[dict[str, Any]]) -> None:
    (server.folder / "accounts.json").write_text(json.dumps(known))


def let_in(server: Server) -> dict[str, str]:
    """Return name and password of those who may enter."""
    known = json.loads((server.folder / "accounts.json").read_text())
    return {one["UserName"]: one["Password"] for one in known if one["Enabled"]}


class Harden(Protocol):
    """Runs module bmc_hardening for the controller."""

    def __call__(self, name: str = "root", **options: Any) -> dict[str, Any]: ...


@pytest.fixture
def harden(controller: Server, run_module: RunModule, certificates: Certificates) -> Harden:
    def run(name: str = "root", **options: Any) -> dict[str, Any]:
        connection = {"driver": "redfish", "address": "127.0.0.1", "port": controller.port}
        connection |= {"user": name, "password": OWN, "ca": str(options.pop("ca", certificates.ca))}
        return run_module("bmc_hardening", bmc=connection, **{"logins": FACTORY, "timeout": 120, **options})

    return run


@pytest.fixture
def close(controller: Server, run_module: RunModule, certificates: Certificates) -> Harden:
    """Runs module bmc_hardening for the controller as machine m1, whose IPMI over LAN is to be off."""

    def run(name: str = "root", **options: Any) -> dict[str, Any]:
        connection = {"driver": "redfish", "address": "127.0.0.1", "port": controller.port}
        connection |= {"user": name, "password": OWN, "ca": str(certificates.ca)}
        machines = [{"name": "m1", "bmc": connection}, *options.pop("more", [])]
        given = {"logins": FACTORY, "timeout": 120, "close_ipmi": ["m1"], **options}
        return run_module("bmc_hardening", machines=machines, **given)

    return run


def test_the_password_of_the_factory_is_replaced(controller: Server, harden: Harden) -> None:
    planned = harden(check=True)
    assert (planned["changed"], controller.calls()) == (True, [])
    done = harden()
    assert (done["changed"], done["steps"]) == (True, ["give the user root its password"])
    assert planned["diff"] == done["diff"]
    assert let_in(controller) == {"root": OWN, "guest": "quite-secret"}
    assert done["connection"]["protection"] == "TLS, verified"
    again = harden()
    assert (again["changed"], again["steps"], controller.calls()) == (False, [], ["account-Password"])


def test_a_user_of_the_site_takes_the_place_of_that_of_the_factory(controller: Server, harden: Harden) -> None:
    known = [account("root", "calvin"), account("guest", "guest")]
    be_like(controller, known)
    planned = harden("operator", check=True)
    done = harden("operator")
    assert planned["diff"] == done["diff"]
    assert let_in(controller) == {"operator": OWN}
    assert harden("operator")["changed"] is False


def test_where_no_account_is_added_an_empty_one_is_filled_in(controller: Server, harden: Harden) -> None:
    controller.fault(slots=True)
    harden("operator")
    assert let_in(controller) == {"operator": OWN, "guest": "quite-secret"}
    be_like(controller, [account("root", "calvin")])
    assert "takes no further account" in harden("operator")["msg"]


def test_an_account_without_a_name_is_disabled(controller: Server, harden: Harden) -> None:
    be_like(controller, [account("", "x"), account("root", OWN, role="Operator"), account("admin", "letmein")])
    done = harden(logins=[{"user": "admin", "password": "letmein"}])
    assert done["steps"] == [
        "let the user root in as an administrator",
        "disable the user without a name",
        "disable the user admin",
    ]
    assert let_in(controller) == {"root": OWN}


@pytest.mark.parametrize("changes", range(4))
def test_a_run_that_ends_in_the_middle_is_finished_by_the_next(
    controller: Server, harden: Harden, changes: int
) -> None:
    be_like(controller, [account("", ""), account("root", "calvin"), account("guest", "guest")])
    controller.fault(stop=changes)
    failed = harden("operator")
    assert failed["failed"] is True
    controller.fault()
    assert "failed" not in harden("operator")
    assert let_in(controller) == {"operator": OWN}


def test_a_controller_that_accepts_and_does_nothing_is_a_failure(controller: Server, harden: Harden) -> None:
    controller.fault(deaf=True)
    assert "accepted the password of root and does not let it in" in harden()["msg"]
    be_like(controller, [account("root", OWN), account("guest", "guest")])
    assert "still has to: disable the user" in harden()["msg"]


def test_a_password_that_must_be_changed_first(controller: Server, harden: Harden) -> None:
    controller.fault(must_change="calvin")
    assert "no room for one" in harden("operator")["msg"]
    harden()
    assert let_in(controller)["root"] == OWN
    assert harden()["changed"] is False


def speak(server: Server, **protocols: Any) -> None:
    """Let the manager of the machine tell of its protocols."""
    (server.folder / "protocols.json").write_text(json.dumps({"HTTPS": {"ProtocolEnabled": True}, **protocols}))


def spoken(server: Server) -> dict[str, Any]:
    """Return what the manager of the machine tells of its protocols."""
    found: dict[str, Any] = json.loads((server.folder / "protocols.json").read_text())
    return found


IPMI_ON = {"ProtocolEnabled": True, "Port": 623}


def test_ipmi_over_lan_is_turned_off_where_that_is_asked_for(controller: Server, close: Harden) -> None:
    be_like(controller, [account("root", OWN)])
    speak(controller, IPMI=IPMI_ON)
    assert close(close_ipmi=[])["changed"] is False
    planned = close(check=True)
    assert (planned["changed"], controller.calls()) == (True, [])
    done = close()
    assert done["machines"]["m1"]["steps"] == ["turn IPMI over LAN off"]
    assert planned["diff"] == done["diff"]
    assert (done["diff"][0]["before"]["ipmi_over_lan"], done["diff"][0]["after"]["ipmi_over_lan"]) == ("on", "off")
    assert spoken(controller) == {"HTTPS": {"ProtocolEnabled": True}, "IPMI": {"ProtocolEnabled": False, "Port": 623}}
    assert (close()["changed"], controller.calls()) == (False, ["protocols-IPMI"])


def test_a_password_that_must_be_changed_first_hides_ipmi_over_lan_until_then(
    controller: Server, close: Harden
) -> None:
    controller.fault(must_change="calvin")
    speak(controller, IPMI=IPMI_ON)
    planned = close(check=True)
    assert "turn IPMI over LAN off" in planned["machines"]["m1"]["steps"]
    # The plan may be wrong in that, and says so.
    assert any("it is taken to be on until then" in warning for warning in planned["warnings"])
    close()
    assert (let_in(controller)["root"], spoken(controller)["IPMI"]["ProtocolEnabled"]) == (OWN, False)
    assert close()["changed"] is False


@pytest.mark.parametrize("protocols", [{}, {"IPMI": None}, {"IPMI": {"Port": 623}}])
def test_a_controller_that_tells_nothing_of_ipmi_over_lan_is_warned_of(
    controller: Server, close: Harden, protocols: dict[str, Any]
) -> None:
    be_like(controller, [account("root", OWN)])
    speak(controller, **protocols)
    done = close()
    assert (done["changed"], controller.calls()) == (False, [])
    assert "m1: the controller does not tell of IPMI over LAN, so it is left as it is" in done["warnings"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [({"deaf": True}, "still has to: turn IPMI over LAN off"), ({"protocols": 405}, "HTTP 405|not that")],
)
def test_ipmi_over_lan_that_stays_on_is_a_failure(
    controller: Server, close: Harden, fault: dict[str, Any], told: str
) -> None:
    be_like(controller, [account("root", OWN)])
    speak(controller, IPMI=IPMI_ON)
    controller.fault(**fault)
    failed = close()
    assert re.search(told, failed["msg"])
    assert spoken(controller)["IPMI"] == IPMI_ON


@pytest.mark.parametrize("driver", ["ipmi", "amt", "snmp"])
def test_ipmi_over_lan_stays_on_where_it_is_what_reaches_the_controller(
    controller: Server, close: Harden, driver: str
) -> None:
    speak(controller, IPMI=IPMI_ON)
    outlets = [{"outlet": "3", "table": "apc"}]
    other = {"driver": driver, "address": "127.0.0.1", "user": "root", "password": f"{OWN[:-1]}?", "outlets": outlets}
    refused = close(more=[{"name": "m2", "bmc": other}], close_ipmi=["m1", "m2"])
    assert f"close_ipmi names m2, whose controller is reached with the driver {driver}" in refused["msg"]
    assert (controller.calls(), spoken(controller)["IPMI"]) == ([], IPMI_ON)
    assert "close_ipmi names m3, which machines does not" in close(close_ipmi=["m3"])["msg"]


def test_no_login_fits(controller: Server, harden: Harden) -> None:
    failed = harden(logins=[{"user": "root", "password": "wrong"}])
    assert "refuses the wanted login and all 1 others" in failed["msg"]
    assert controller.calls() == []


def test_an_untrusted_controller_gets_no_password(
    controller: Server, harden: Harden, certificates: Certificates
) -> None:
    assert "is not to be trusted" in harden(ca=certificates.self_signed)["msg"]


def test_weak_or_shared_passwords_are_refused(run_module: RunModule) -> None:
    def bmc(**changed: Any) -> dict[str, Any]:
        return {"driver": "ipmi", "address": "127.0.0.1", "user": "root", "password": OWN, **changed}

    assert "more than 20 characters" in run_module("bmc_hardening", bmc=bmc(password=f"{OWN}x"))["msg"]
    assert "fewer than 16" in run_module("bmc_hardening", bmc=bmc(password="short"))["msg"]  # noqa: S106 - too short
    machines = [{"name": name, "bmc": bmc()} for name in ("m1", "m2")]
    assert "bmc of m2 has the same password as m1" in run_module("bmc_hardening", machines=machines)["msg"]


def test_other_drivers(run_module: RunModule) -> None:
    amt = {"driver": "amt", "address": "127.0.0.1", "user": "admin", "password": OWN}
    assert "passwords of a controller with amt are not changed from here" in run_module("bmc_hardening", bmc=amt)["msg"]
    outlets = [{"outlet": "3", "table": "apc"}]
    snmp = {"driver": "snmp", "address": "127.0.0.1", "user": "u", "password": OWN, "outlets": outlets}
    assert run_module("bmc_hardening", bmc=snmp)["changed"] is False
