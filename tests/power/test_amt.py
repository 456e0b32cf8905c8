# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module and driver against a fake of AMT that speaks its protocols, in good order and with faults."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Protocol

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.power import amt

from tests.power.conftest import PASSWORD, USER, Certificates, RunModule, Server, Starter, free_port

# Time enough for a busy machine; what is about time has limits of its own.
QUICK: dict[str, Any] = {"interval": 0.05, "timeout": 60, "answer_timeout": 10}


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("amt") / "password"
    path.write_text(PASSWORD)
    return path


@pytest.fixture(scope="module")
def shared(start: Starter, certificates: Certificates, secret: Path) -> Server:
    return start("amt_server.py", USER, secret, certificates.good)


@pytest.fixture
def controller(shared: Server) -> Server:
    for name in ("order", "role", "settings"):
        (shared.folder / name).unlink(missing_ok=True)
    return shared.renew()


class Power(Protocol):
    """Runs module power for a server; an option of the connection starts with bmc_."""

    def __call__(self, server: Server, *, check: bool = False, **options: Any) -> dict[str, Any]: ...


@pytest.fixture
def power(run_module: RunModule, certificates: Certificates) -> Power:
    def run(server: Server, *, check: bool = False, **options: Any) -> dict[str, Any]:
        connection = {
            "driver": "amt",
            "address": "127.0.0.1",
            "port": server.port,
            "user": USER,
            "password": PASSWORD,
            "ca": str(certificates.ca),
        }
        connection |= {key.removeprefix("bmc_"): value for key, value in options.items() if key.startswith("bmc_")}
        outer = {key: value for key, value in options.items() if not key.startswith("bmc_")}
        return run_module("power", check=check, bmc=connection, **{**QUICK, **outer})

    return run


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
def test_states(controller: Server, power: Power, before: str, state: str, after: str, calls: list[str]) -> None:
    controller.set_state(before)
    planned = power(controller, check=True, state=state)
    assert (planned["changed"], planned["commands"], controller.calls()) == (True, calls, [])
    done = power(controller, state=state)
    assert (done["changed"], controller.calls(), controller.state(), done["power"]) == (True, calls, after, after)
    assert done["connection"] == {"protocol": "amt", "protection": "TLS, verified", "product": "Intel(r) AMT 12.0.45"}
    assert planned["diff"] == done["diff"]
    if state not in ("reset", "cycle"):
        assert power(controller, state=state)["changed"] is False
        assert controller.calls() == calls


@pytest.mark.parametrize(
    ("device", "order", "role", "setup"),
    [
        ("pxe", "pxe", "1", "false"),
        ("disk", "disk", "1", "false"),
        ("cdrom", "cdrom", "1", "false"),
        ("bios_setup", "", "1", "true"),
        ("none", "", "32768", "false"),
    ],
)
def test_boot_device(controller: Server, power: Power, device: str, order: str, role: str, setup: str) -> None:
    planned = power(controller, check=True, boot_device=device)
    assert (planned["changed"], (controller.folder / "order").exists()) == (True, False)
    done = power(controller, boot_device=device, state="reset")
    assert (done["boot"]["device"], done["diff"]["before"]["boot"]) == (device, None)
    assert [(controller.folder / name).read_text() for name in ("order", "role")] == [order, role]
    settings = json.loads((controller.folder / "settings").read_text())
    # What another start left behind is cleared, and all else is written back as it was.
    assert settings == {
        "BIOSPause": "false",
        "BIOSSetup": setup,
        "BootMediaIndex": "0",
        "UseSOL": "false",
        "ElementName": "A&B",
    }
    assert controller.calls() == ["reset"]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"boot_persistent": True}, "once only"), ({"boot_firmware": "uefi"}, "does not choose the firmware")],
)
def test_boot_devices_that_amt_does_not_know(
    controller: Server, power: Power, options: dict[str, Any], words: str
) -> None:
    assert words in power(controller, boot_device="pxe", **options)["msg"]
    assert not (controller.folder / "order").exists()


def test_a_command_without_effect_is_sent_again(controller: Server, power: Power) -> None:
    controller.fault(ignore=1)
    assert power(controller, state="off", timeout=12)["commands"] == ["off", "off"]


def test_a_controller_that_accepts_and_does_nothing_is_a_failure(controller: Server, power: Power) -> None:
    controller.fault(ignore=100)
    assert "the machine is not off within 6 s: sent off, off" in power(controller, state="off", timeout=6)["msg"]


@pytest.mark.parametrize(
    ("says", "words"), [(10, "last readings changing"), (99, "no answer within 1 s"), ("?", "no answer within 1 s")]
)
def test_states_that_are_none(controller: Server, power: Power, says: Any, words: str) -> None:
    controller.fault(says=says)
    assert words in power(controller, state="off", timeout=1)["msg"]


@pytest.mark.parametrize(("value", "words"), [(1, "with 1"), (2, "the last one refused")])
def test_methods_that_fail(controller: Server, power: Power, value: int, words: str) -> None:
    controller.fault(returns=value)
    assert words in power(controller, state="off", timeout=4)["msg"]
    assert controller.state() == "on"


def test_a_connection_that_is_cut_is_opened_again(controller: Server, power: Power) -> None:
    controller.fault(drop=2)
    assert power(controller, state="off")["power"] == "off"


@pytest.mark.parametrize("fault", ["garbage", "huge", "odd_challenge"])
def test_what_is_no_answer(controller: Server, power: Power, fault: str) -> None:
    controller.fault(**{fault: True})
    assert "answers what is no WS-Management" in power(controller, state="off", timeout=1)["msg"]


def test_answers_that_are_too_slow_are_no_success(controller: Server, power: Power) -> None:
    controller.set_state("off")
    controller.fault(slow=1.5)
    failed = power(controller, state="off", timeout=2, answer_timeout=0.5)
    assert failed["msg"].startswith("no answer within 2 s, which says nothing about the machine")


def test_nobody_listens(controller: Server, power: Power) -> None:
    assert "Connection refused" in power(controller, bmc_port=free_port(), state="off", timeout=0.5)["msg"]


def test_a_wrong_password_is_told_at_once(controller: Server, power: Power) -> None:
    begun = time.monotonic()
    failed = power(controller, state="off", timeout=60, bmc_password="wrong")  # noqa: S106 - it is not the right one
    assert "refuses the user or the password" in failed["msg"]
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("which", "reason"), [("wrong_name", "IP address mismatch"), ("self_signed", "self-signed certificate")]
)
def test_a_wrong_certificate_is_refused_unless_that_is_asked_for(
    start: Starter, certificates: Certificates, secret: Path, power: Power, which: str, reason: str
) -> None:
    server = start("amt_server.py", USER, secret, getattr(certificates, which))
    failed = power(server, state="off")
    assert "is not to be trusted" in failed["msg"]
    assert reason in failed["msg"]
    assert server.state() == "on"
    done = power(server, state="off", bmc_verify=False)
    assert (done["power"], done["connection"]["protection"]) == ("off", "TLS, not verified")
    assert "the certificate is not verified" in done["warnings"][0]


def test_a_port_without_tls_is_warned_of(
    start: Starter, secret: Path, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start("amt_server.py", USER, secret)
    monkeypatch.setattr(amt, "_PLAIN_PORT", server.port)
    done = power(server, state="off")
    assert (done["power"], done["connection"]["protection"]) == ("off", "HTTP digest, no TLS")
    assert "port 16992 has no TLS" in done["warnings"][0]
