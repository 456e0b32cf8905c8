# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module and driver against pyghmi's own controller, in good order and with faults."""

from __future__ import annotations

import socket
import time
from typing import Any, Protocol

import pytest

from tests.power.conftest import PASSWORD, USER, RunModule, Server, Starter, elsewhere, free_port, round_trip

# Time enough for a busy machine; what is about time has limits of its own.
QUICK: dict[str, Any] = {"interval": 0.05, "timeout": 60}


@pytest.fixture(scope="module")
def shared(start: Starter, tmp_path_factory: pytest.TempPathFactory) -> Server:
    secret = tmp_path_factory.mktemp("ipmi") / "password"
    secret.write_text(PASSWORD)
    return start("ipmi_server.py", USER, secret, kind=socket.SOCK_DGRAM)


@pytest.fixture
def controller(shared: Server) -> Server:
    return shared.renew()


def bmc(server: Server, **options: Any) -> dict[str, Any]:
    return {
        "driver": "ipmi",
        "address": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        **options,
    }


@pytest.mark.parametrize(
    ("before", "state", "after", "calls"),
    [
        ("on", "off", "off", ["off"]),
        ("on", "soft_off", "off", ["soft_off"]),
        ("off", "on", "on", ["on"]),
        ("on", "reset", "on", ["reset"]),
        ("on", "cycle", "on", ["off", "on"]),
    ],
)
def test_states(
    controller: Server, run_module: RunModule, before: str, state: str, after: str, calls: list[str]
) -> None:
    controller.set_state(before)
    planned = run_module("power", check=True, bmc=bmc(controller), state=state, **QUICK)
    assert (planned["changed"], planned["commands"], controller.calls()) == (True, calls, [])
    done = run_module("power", bmc=bmc(controller), state=state, **QUICK)
    assert (done["changed"], controller.calls(), controller.state(), done["power"]) == (True, calls, after, after)
    assert planned["diff"] == done["diff"]
    if state not in ("reset", "cycle"):
        assert run_module("power", bmc=bmc(controller), state=state, **QUICK)["changed"] is False
        assert controller.calls() == calls


class Power(Protocol):
    """Runs module power for the controller."""

    def __call__(self, **options: Any) -> dict[str, Any]: ...


@pytest.fixture
def power(controller: Server, run_module: RunModule) -> Power:
    def run(**options: Any) -> dict[str, Any]:
        inner = {key.removeprefix("bmc_"): value for key, value in options.items() if key.startswith("bmc_")}
        outer = {key: value for key, value in options.items() if not key.startswith("bmc_")}
        return run_module("power", bmc=bmc(controller, **inner), **{**QUICK, **outer})

    return run


def test_suite_17_is_taken_where_it_is_offered(controller: Server, power: Power) -> None:
    controller.fault(suites=[3, 17])
    done = power(state="off")
    assert (done["connection"]["protection"], done["power"], done["warnings"]) == ("cipher suite 17", "off", [])
    assert power(state="on", bmc_cipher_suite=17)["power"] == "on"


def test_suite_3_is_taken_with_a_warning(controller: Server, power: Power) -> None:
    done = power(state="off")
    assert done["connection"]["protection"] == "cipher suite 3"
    assert "cipher suite 3 (SHA-1) is in use" in done["warnings"][0]


def test_suite_3_is_refused_where_17_is_asked_for(controller: Server, power: Power) -> None:
    failed = power(state="off", bmc_cipher_suite=17)
    assert "does not protect the session well enough: cipher suite 17 refused" in failed["msg"]
    assert controller.calls() == []


@pytest.mark.parametrize(("other", "lowest"), [("none", 3), ("none", 17), ("swap", 17)])
def test_a_suite_that_nobody_proposed_is_refused(controller: Server, power: Power, other: str, lowest: int) -> None:
    controller.fault(other=other)
    failed = power(state="off", bmc_cipher_suite=lowest)
    assert "does not protect the session well enough" in failed["msg"]
    assert controller.calls() == []


def test_boot_device(controller: Server, power: Power) -> None:
    wanted: dict[str, Any] = {"boot_device": "pxe", "boot_persistent": True, "boot_firmware": "uefi"}
    done = power(**wanted)
    assert (done["changed"], done["boot"]) == (True, {"device": "pxe", "persistent": True, "firmware": "uefi"})
    assert (controller.folder / "boot").read_text() == f"{0xE0} {1 << 2}"
    assert power(**wanted)["changed"] is False
    once = power(boot_device="bios_setup")
    assert once["boot"] == {"device": "bios_setup", "persistent": False, "firmware": "bios"}
    assert power(boot_device="none")["changed"] is True
    assert power(boot_device="none")["changed"] is False


def test_a_command_without_effect_is_sent_again(controller: Server, power: Power) -> None:
    controller.fault(ignore=1)
    assert (power(state="off", timeout=12)["commands"], controller.state()) == (["off", "off"], "off")


def test_a_controller_that_accepts_and_does_nothing_is_a_failure(controller: Server, power: Power) -> None:
    controller.fault(ignore=100)
    failed = power(state="off", timeout=6)
    assert failed["msg"].startswith("the machine is not off within 6 s: sent off, off")
    assert failed["msg"].endswith("last readings on, on, on")


def test_off_for_a_moment_is_not_believed(controller: Server, power: Power) -> None:
    controller.fault(says="off", says_times=2)
    assert (power(state="off")["changed"], controller.state()) == (True, "off")


def test_a_refusal_because_it_is_off_already_is_success(controller: Server, power: Power) -> None:
    controller.set_state("off")
    controller.fault(says="on", says_times=1, present=True)
    done = power(state="off")
    assert (done["power"], done["commands"], controller.calls()) == ("off", ["off"], [])


def test_a_session_that_drops_is_opened_again(controller: Server, power: Power) -> None:
    # The status is lost twice; pyghmi asks again by itself, in a new session when need be.
    controller.fault(mute=True, mute_times=2)
    assert power(state="off")["power"] == "off"


def test_silence_in_the_middle_is_no_success(controller: Server, power: Power) -> None:
    controller.set_state("off")
    controller.fault(mute=True)
    failed = power(state="off", timeout=2, answer_timeout=2)
    assert "which says nothing about the machine" in failed["msg"]


def test_nobody_listens(power: Power) -> None:
    failed = power(state="off", timeout=1, bmc_port=free_port(socket.SOCK_DGRAM))
    assert failed["msg"].startswith("no answer within 1 s")
    assert "IPMI over LAN" in failed["remedy"]


def test_a_wrong_password_is_told_at_once(controller: Server, power: Power) -> None:
    begun = time.monotonic()
    failed = power(state="off", timeout=60, bmc_password="wrong")  # noqa: S106 - it is not the right one
    assert "refuses the user or the password: Incorrect password provided" in failed["msg"]
    assert time.monotonic() - begun < 30
    assert controller.state() == "on"


@pytest.mark.parametrize(
    ("code", "words"),
    [(0xC1, "answers 0xc1"), (0xD4, "answers 0xd4"), (0xC0, "answers 0xc0"), (0xD5, "answers 0xd5")],
)
def test_completion_codes(controller: Server, power: Power, code: int, words: str) -> None:
    controller.fault(code=code)
    assert words in power(state="off", timeout=1, answer_timeout=5)["msg"]


def test_many_machines_at_once(controller: Server, run_module: RunModule) -> None:
    machines = [{"name": f"m{number}", "bmc": bmc(controller)} for number in range(20)]
    done = run_module("power", machines=machines, state="on", **QUICK)
    assert (len(done["machines"]), done["changed"]) == (20, False)


def test_round_trip_here_or_where_the_environment_says(controller: Server, run_module: RunModule) -> None:
    round_trip(run_module, elsewhere("ipmi", bmc(controller)), interval=0.5)


def test_an_answer_that_is_cut_short_is_none(controller: Server, power: Power) -> None:
    controller.fault(short=True)
    assert "no answer within 1 s" in power(state="off", timeout=1, answer_timeout=5)["msg"]
    assert "does not tell a boot device" in power(boot_device="pxe", answer_timeout=5)["msg"]


def test_a_controller_of_ipmi_1_5_is_refused(controller: Server, power: Power) -> None:
    controller.fault(old=True)
    assert "IPMI 1.5 only" in power(state="off")["msg"]
