# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module and driver against net-snmp's snmpd with outlet tables, in good order and with faults."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.power.conftest import PASSWORD, USER, RunModule, Server, Starter, free_port

# Time enough for a busy machine; what is about time has limits of its own.
QUICK: dict[str, Any] = {"interval": 0.05, "timeout": 60, "answer_timeout": 10}
COMMUNITY = "canary-community"
OUTLETS = {"apc": "3", "eaton": "0.3", "raritan": "1.3", "baytech": "1.3", "other": "3"}
CUSTOM = {
    "state_oid": "1.3.6.1.4.1.99999.1",
    "on_oid": "1.3.6.1.4.1.99999.2",
    "off_oid": "1.3.6.1.4.1.99999.2",
    "on_value": 7,
    "off_value": 8,
    "on_reading": 5,
    "off_reading": 6,
}


@pytest.fixture(scope="module")
def shared(start: Starter, tmp_path_factory: pytest.TempPathFactory) -> Server:
    secret = tmp_path_factory.mktemp("snmp") / "password"
    secret.write_text(PASSWORD)
    return start("snmp_server.py", USER, secret, COMMUNITY, kind=socket.SOCK_DGRAM)


@pytest.fixture
def unit(shared: Server) -> Server:
    """A unit with outlets 3 and 4 of each make, all on."""
    for maker, index in OUTLETS.items():
        for name in (index, index[:-1] + "4"):
            (shared.folder / f"outlet-{maker}-{name}").write_text("on")
    return shared.renew()


def outlet(server: Server, maker: str, index: str) -> str:
    """Return what an outlet does in truth."""
    return (server.folder / f"outlet-{maker}-{index}").read_text()


def bmc(server: Server, *outlets: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "driver": "snmp",
        "address": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "privacy_password": f"{PASSWORD}x",
        "outlets": list(outlets) or [{"outlet": "3", "table": "apc"}],
        **options,
    }


@pytest.mark.parametrize("maker", ["apc", "eaton", "raritan", "baytech", "other"])
def test_makes(unit: Server, run_module: RunModule, maker: str) -> None:
    row = {"outlet": "3", "table": maker} if maker != "other" else {"outlet": "3", "table": "custom", "custom": CUSTOM}
    connection = bmc(unit, row)
    planned = run_module("power", check=True, bmc=connection, state="off", **QUICK)
    assert (planned["changed"], outlet(unit, maker, OUTLETS[maker])) == (True, "on")
    done = run_module("power", bmc=connection, state="off", **QUICK)
    assert (done["changed"], done["power"], outlet(unit, maker, OUTLETS[maker])) == (True, "off", "off")
    assert done["connection"]["protection"] == "v3 authPriv, sha256, aes"
    assert done["connection"]["product"] == "Example PDU 8 outlets"
    assert planned["diff"] == done["diff"]
    assert run_module("power", bmc=connection, state="off", **QUICK)["changed"] is False
    assert run_module("power", bmc=connection, state="cycle", **QUICK)["commands"] == ["on"]
    assert outlet(unit, maker, OUTLETS[maker]) == "on"
    # The neighbour was never touched.
    assert unit.calls() == [f"outlet-{maker}-{OUTLETS[maker]}=off", f"outlet-{maker}-{OUTLETS[maker]}=on"]


TWO = ({"outlet": "3", "table": "apc"}, {"outlet": "4", "table": "apc"})


def test_a_machine_with_two_feeds_is_off_when_both_are(unit: Server, run_module: RunModule) -> None:
    (unit.folder / "outlet-apc-4").write_text("off")
    found = run_module("power", check=True, bmc=bmc(unit, *TWO), state="off", **QUICK)
    assert (found["changed"], found["diff"]["before"]["power"]) == (True, "partly")
    assert run_module("power", bmc=bmc(unit, *TWO), state="on", **QUICK)["changed"] is True
    assert outlet(unit, "apc", "4") == "on"
    assert run_module("power", bmc=bmc(unit, *TWO), state="cycle", **QUICK)["commands"] == ["off", "on"]
    assert run_module("power", bmc=bmc(unit, *TWO), state="off", **QUICK)["power"] == "off"
    assert (outlet(unit, "apc", "3"), outlet(unit, "apc", "4")) == ("off", "off")


def test_community(unit: Server, run_module: RunModule) -> None:
    options = {"snmp_version": "v2c", "user": "", "password": COMMUNITY}
    done = run_module("power", bmc=bmc(unit, **options), state="off", **QUICK)
    assert (done["power"], done["connection"]["protection"]) == ("off", "v2c, none")
    assert "SNMP v2c is in use" in done["warnings"][0]


def test_a_unit_that_accepts_and_does_nothing_is_a_failure(unit: Server, run_module: RunModule) -> None:
    unit.fault(ignore=True)
    failed = run_module("power", bmc=bmc(unit), state="off", **{**QUICK, "timeout": 6})
    assert failed["msg"].startswith("the machine is not off within 6 s: sent off, off")


@pytest.mark.parametrize(
    ("value", "maker", "words"),
    [
        (7, "apc", "no answer within 1 s"),
        (2, "eaton", "nothing was sent; last readings changing"),
    ],
)
def test_values_that_are_no_state(unit: Server, run_module: RunModule, value: int, maker: str, words: str) -> None:
    unit.fault(value=value)
    connection = bmc(unit, {"outlet": "3", "table": maker})
    assert words in run_module("power", bmc=connection, state="off", **{**QUICK, "timeout": 1})["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": "wrong-password"}, "refuses the user or a password"),
        ({"privacy_password": "wrong-password"}, "cannot be read|refuses the user or a password|does not answer"),
        ({"user": "nobody"}, "refuses the user or a password"),
        ({"user": "reader"}, "refuses: "),
        ({"snmp_version": "v2c", "password": "wrong-community"}, "no answer within 2 s"),
        ({"outlets": [{"outlet": "9", "table": "apc"}]}, "has no object 1.3.6.1.4.1.318.1.1.12.3.5.1.1.4.9"),
    ],
)
def test_what_is_refused(unit: Server, run_module: RunModule, options: dict[str, Any], words: str) -> None:
    # Where the unit is silent, to wait longer would not help.
    limits = {"timeout": 2, "answer_timeout": 2} if "answer" in words else {}
    failed = run_module("power", bmc=bmc(unit, **options), state="off", **{**QUICK, **limits})
    assert any(part in failed["msg"] for part in words.split("|")), failed["msg"]
    assert outlet(unit, "apc", "3") == "on"


def test_nobody_listens(unit: Server, run_module: RunModule) -> None:
    connection = bmc(unit, port=free_port(socket.SOCK_DGRAM))
    failed = run_module("power", bmc=connection, state="off", **{**QUICK, "timeout": 1, "answer_timeout": 0.5})
    assert failed["msg"].startswith("no answer within 1 s, which says nothing about the machine")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"state": "soft_off"}, "an outlet knows no soft_off"),
        ({"boot_device": "pxe"}, "an outlet knows no boot device"),
    ],
)
def test_what_outlets_cannot_do(unit: Server, run_module: RunModule, options: dict[str, Any], words: str) -> None:
    assert words in run_module("power", bmc=bmc(unit), **options, **QUICK)["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outlets": []}, "driver snmp needs outlets"),
        ({"outlets": [{"outlet": "3; reboot", "table": "apc"}]}, "'3; reboot' is no outlet"),
        ({"outlets": [{"outlet": "3", "table": "custom"}]}, "table is custom and custom is not there"),
        ({"outlets": [{"outlet": "3", "table": "apc", "custom": CUSTOM}]}, "table is apc and custom is there"),
        (
            {"outlets": [{"outlet": "3", "table": "custom", "custom": {**CUSTOM, "on_oid": "x"}}]},
            "no object identifier",
        ),
        ({"outlets": [{"outlet": "3", "table": "custom", "custom": {**CUSTOM, "off_reading": 5}}]}, "readings name no"),
        ({"outlets": [{"outlet": "3", "table": "custom", "custom": {**CUSTOM, "off_value": 7}}]}, "write the same"),
        ({"outlets": [{"outlet": "3", "table": "custom", "custom": {**CUSTOM, "off_value": 2**31}}]}, "no value of an"),
        ({"outlets": [{"outlet": "3", "table": "apc", "address": "a b"}]}, "'a b' is no address"),
    ],
)
def test_options_that_are_wrong(unit: Server, run_module: RunModule, options: dict[str, Any], words: str) -> None:
    assert words in run_module("power", bmc=bmc(unit, **options), state="off", **QUICK)["msg"]
