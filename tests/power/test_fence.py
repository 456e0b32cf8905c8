# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module fence against real controllers and units: each way is tried, and believed only when it proves something."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.power.conftest import PASSWORD, USER, Certificates, RunModule, Server, Starter, free_port

# Time enough for a busy machine. Where a way is to run out of time, it has less, and the next one has it too.
QUICK: dict[str, Any] = {"interval": 0.1, "timeout": 60, "answer_timeout": 10, "probe_timeout": 0.5}
SHORT: dict[str, Any] = {**QUICK, "timeout": 15, "answer_timeout": 3}
FEEDS = ("outlet-apc-3", "outlet-apc-4")
WATCHDOG = {"armed": True, "timeout": 0.5, "margin": 0.5}


class Host:
    """The network of a host: it accepts connections while the machine has power, and is silent when it has none.

    No answer at all is what a full queue of connections gives on loopback, where an address without a listener refuses.
    """

    def __init__(self, has_power: Callable[[], bool]) -> None:
        self._has_power = has_power
        self._done = threading.Event()
        self._kept: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        while not self._done.is_set() and self._has_power():
            if select.select([self._listener], [], [], 0.01)[0]:
                self._listener.accept()[0].close()
        for _ in range(3):
            caller = socket.socket()
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(("127.0.0.1", self.port))
            self._kept.append(caller)

    def close(self) -> None:
        """End it."""
        self._done.set()
        self._thread.join()
        for one in (*self._kept, self._listener):
            one.close()

    def wait_for_silence(self) -> None:
        """Return when it answers no more."""
        self._thread.join()


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("secret") / "password"
    path.write_text(PASSWORD)
    return path


@pytest.fixture(scope="module")
def shared_redfish(start: Starter, certificates: Certificates, auth_file: Any) -> Server:
    return start("redfish_server.py", certificates.good, auth_file)


@pytest.fixture(scope="module")
def shared_ipmi(start: Starter, secret: Any) -> Server:
    return start("ipmi_server.py", USER, secret, kind=socket.SOCK_DGRAM)


@pytest.fixture(scope="module")
def shared_simulator(start: Starter) -> Server:
    return start("ipmi_sim_server.py", kind=socket.SOCK_DGRAM)


@pytest.fixture(scope="module")
def shared_unit(start: Starter, secret: Any) -> Server:
    return start("snmp_server.py", USER, secret, "no-community", kind=socket.SOCK_DGRAM)


@pytest.fixture
def redfish(shared_redfish: Server) -> Server:
    return shared_redfish.renew()


@pytest.fixture
def ipmi(shared_ipmi: Server) -> Server:
    return shared_ipmi.renew()


@pytest.fixture
def unit(shared_unit: Server) -> Server:
    for feed in FEEDS:
        (shared_unit.folder / feed).write_text("on")
    return shared_unit.renew()


def feeds(unit: Server) -> list[str]:
    """Return what the two outlets do in truth."""
    return [(unit.folder / feed).read_text() for feed in FEEDS]


@pytest.fixture
def silent() -> Iterator[Host]:
    host = Host(lambda: False)
    host.wait_for_silence()
    yield host
    host.close()


def connection(server: Server, driver: str, **more: Any) -> dict[str, Any]:
    common = {"driver": driver, "address": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
    return {**common, **more}


def outlets(unit: Server, *numbers: str) -> dict[str, Any]:
    rows = [{"outlet": number, "table": "apc"} for number in numbers or ("3", "4")]
    return connection(unit, "snmp", privacy_password=f"{PASSWORD}x", outlets=rows)


def lost(host: Host, **described: Any) -> dict[str, Any]:
    return {"name": "compute-1", "address": "127.0.0.1", "port": host.port, **described}


def told(result: dict[str, Any], name: str = "compute-1") -> tuple[str, str | None, list[str]]:
    """Return the state of a host, the way that proved it, and those that were tried in vain."""
    row = result["machines"][name]
    return (
        row["state"],
        row["way"],
        [one["way"] for one in row["attempts"] if not one["proved"] and one["way"] in row["order"]],
    )


def reason(result: dict[str, Any], way: str) -> str:
    """Return why a way proved nothing."""
    (found,) = [row["reason"] for row in result["machines"]["compute-1"]["attempts"] if row["way"] == way]
    return str(found)


def nobody(driver: str, **more: Any) -> dict[str, Any]:
    """Return a connection to a port that nobody listens on."""
    kind = socket.SOCK_STREAM if driver == "redfish" else socket.SOCK_DGRAM
    return {
        "driver": driver,
        "address": "127.0.0.1",
        "port": free_port(kind),
        "user": USER,
        "password": PASSWORD,
        **more,
    }


def test_a_controller_that_works(
    redfish: Server, unit: Server, silent: Host, run_module: RunModule, certificates: Certificates
) -> None:
    host = lost(silent, bmc=connection(redfish, "redfish", ca=str(certificates.ca)), pdu=outlets(unit))
    planned = run_module("fence", check=True, machines=[host], **QUICK)
    assert (told(planned), planned["changed"]) == (("dead", "bmc", []), True)
    assert planned["machines"]["compute-1"]["order"] == ["bmc", "pdu"]
    assert (redfish.calls(), redfish.state()) == ([], "on")
    done = run_module("fence", machines=[host], **QUICK)
    assert (told(done), done["changed"], redfish.state()) == (("dead", "bmc", []), True, "off")
    assert done["diff"] == planned["diff"]
    # Its outlets were not needed.
    assert (feeds(unit), unit.calls()) == (["on", "on"], [])
    again = run_module("fence", machines=[host], **QUICK)
    assert (told(again), again["changed"]) == (("dead", "bmc", []), False)


def test_off_is_sent_to_a_host_that_is_said_to_be_off(ipmi: Server, silent: Host, run_module: RunModule) -> None:
    ipmi.fault(says="off", says_times=3)
    done = run_module("fence", machines=[lost(silent, bmc=connection(ipmi, "ipmi"))], **QUICK)
    assert (told(done), ipmi.state(), ipmi.calls()) == (("dead", "bmc", []), "off", ["off"])


def test_ipmi_of_another_make(shared_simulator: Server, silent: Host, run_module: RunModule) -> None:
    bmc = connection(shared_simulator, "ipmi", user="root", password="calvin")  # noqa: S106 - the simulator's own
    result = run_module("fence", machines=[lost(silent, bmc=bmc)], **SHORT)
    # It has no chassis that could be turned off, so it proves nothing.
    assert (told(result), bool(reason(result, "bmc"))) == (("unknown", None, ["bmc"]), True)


def test_a_controller_that_is_not_there(unit: Server, silent: Host, run_module: RunModule) -> None:
    host = lost(silent, bmc=nobody("redfish"), pdu=outlets(unit))
    done = run_module("fence", machines=[host], **SHORT)
    assert (told(done), done["changed"], feeds(unit)) == (("dead", "pdu", ["bmc"]), True, ["off", "off"])
    assert reason(done, "bmc").startswith("no answer within 15 s, which says nothing about the machine")


def test_outlets(unit: Server, silent: Host, run_module: RunModule) -> None:
    host = lost(silent, bmc=nobody("redfish"), pdu=outlets(unit))
    planned = run_module("fence", check=True, machines=[host], ways=["pdu"], **QUICK)
    assert (told(planned), planned["changed"], feeds(unit)) == (("dead", "pdu", []), True, ["on", "on"])
    done = run_module("fence", machines=[host], ways=["pdu"], **QUICK)
    assert (told(done), done["changed"], feeds(unit)) == (("dead", "pdu", []), True, ["off", "off"])
    assert done["diff"] == planned["diff"]
    again = run_module("fence", machines=[host], ways=["pdu"], **QUICK)
    assert (told(again), again["changed"]) == (("dead", "pdu", []), False)


def test_a_controller_that_accepts_and_does_nothing(
    ipmi: Server, unit: Server, silent: Host, run_module: RunModule
) -> None:
    ipmi.fault(ignore=100)
    done = run_module("fence", machines=[lost(silent, bmc=connection(ipmi, "ipmi"), pdu=outlets(unit))], **SHORT)
    assert (told(done), ipmi.state(), feeds(unit)) == (("dead", "pdu", ["bmc"]), "on", ["off", "off"])
    assert "the machine is not off within 15 s: sent off" in reason(done, "bmc")


def test_a_controller_that_says_off_while_the_host_answers(
    redfish: Server, unit: Server, run_module: RunModule, certificates: Certificates
) -> None:
    redfish.fault(says="Off", ignore=100)
    host = Host(lambda: feeds(unit) != ["off", "off"])
    try:
        machine = lost(host, bmc=connection(redfish, "redfish", ca=str(certificates.ca)), pdu=outlets(unit))
        refused = run_module("fence", machines=[machine], **QUICK)
        assert told(refused) == ("unknown", None, [])
        assert (redfish.calls(), unit.calls()) == ([], [])
        done = run_module("fence", machines=[machine], fence_alive=["compute-1"], **QUICK)
        assert (told(done), redfish.state(), feeds(unit)) == (("dead", "pdu", ["bmc"]), "on", ["off", "off"])
        assert "it accepts connections at 127.0.0.1" in reason(done, "bmc")
    finally:
        host.close()


def test_a_wrong_password_is_no_proof(ipmi: Server, unit: Server, silent: Host, run_module: RunModule) -> None:
    bmc = connection(ipmi, "ipmi", password="wrong")  # noqa: S106 - it is not the right one
    done = run_module("fence", machines=[lost(silent, bmc=bmc, pdu=outlets(unit))], **QUICK)
    assert (told(done), ipmi.state()) == (("dead", "pdu", ["bmc"]), "on")


def test_one_of_two_outlets_that_stays_on_is_no_proof(unit: Server, silent: Host, run_module: RunModule) -> None:
    unit.fault(stuck=[FEEDS[1]])
    done = run_module("fence", machines=[lost(silent, pdu=outlets(unit), watchdog=WATCHDOG)], **SHORT)
    assert (told(done), feeds(unit)) == (("dead", "watchdog", ["pdu"]), ["off", "on"])
    # One outlet is off now, though that proves nothing.
    assert done["changed"] is True
    assert "last readings partly, partly, partly" in reason(done, "pdu")


def test_one_of_two_units_that_is_not_there_is_no_proof(unit: Server, silent: Host, run_module: RunModule) -> None:
    pdu = outlets(unit)
    # The units have one port in common; at this address nobody listens.
    pdu["outlets"][1]["address"] = "127.0.0.9"
    failed = run_module("fence", machines=[lost(silent, pdu=pdu)], **SHORT)
    assert told(failed) == ("unknown", None, ["pdu"])
    assert "127.0.0.9 does not answer" in failed["msg"]


def test_the_watchdog_alone(silent: Host, run_module: RunModule) -> None:
    begun = time.monotonic()
    done = run_module("fence", machines=[lost(silent, watchdog=WATCHDOG)], **SHORT)
    assert (told(done), done["changed"]) == (("dead", "watchdog", []), False)
    assert time.monotonic() - begun >= 1


def test_nothing_proves_it(unit: Server, silent: Host, run_module: RunModule) -> None:
    unit.fault(ignore=True)
    unarmed = {**WATCHDOG, "armed": False}
    host = lost(silent, bmc=nobody("redfish"), pdu=outlets(unit), watchdog=unarmed)
    failed = run_module("fence", machines=[host], **SHORT)
    assert (told(failed), feeds(unit)) == (("unknown", None, ["bmc", "pdu"]), ["on", "on"])
    assert failed["msg"].startswith("1 of 1 machines failed. compute-1: nothing proves that compute-1 is dead. bmc: ")
    assert "confirmed_dead: [compute-1]" in failed["remedy"]
    confirmed = run_module("fence", machines=[host], confirmed_dead=["compute-1"], **{**SHORT, "timeout": 1})
    assert told(confirmed) == ("dead", "operator", ["bmc", "pdu"])


def test_several_hosts_at_once(ipmi: Server, unit: Server, silent: Host, run_module: RunModule) -> None:
    machines = [
        lost(silent, bmc=connection(ipmi, "ipmi")),
        {**lost(silent, bmc=nobody("ipmi"), pdu=outlets(unit)), "name": "compute-2"},
        {**lost(silent, bmc=nobody("ipmi")), "name": "compute-3"},
    ]
    refused = run_module("fence", machines=machines, **SHORT)
    assert "3 hosts are to be fenced at once and max_hosts is 1" in refused["msg"]
    assert (ipmi.calls(), unit.calls()) == ([], [])
    failed = run_module("fence", machines=machines, max_hosts=3, **SHORT)
    assert told(failed) == ("dead", "bmc", [])
    assert told(failed, "compute-2") == ("dead", "pdu", ["bmc"])
    assert told(failed, "compute-3") == ("unknown", None, ["bmc"])
    assert failed["changed"] is True
    assert failed["msg"].startswith("1 of 3 machines failed. compute-3: ")
