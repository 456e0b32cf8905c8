# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module and driver against sushy-emulator over TLS, in good order and with faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.power.conftest import (
    PASSWORD,
    USER,
    Certificates,
    RunModule,
    Server,
    Starter,
    elsewhere,
    free_port,
    round_trip,
)

# Time enough for a busy machine; what is about time has limits of its own.
QUICK: dict[str, Any] = {"interval": 0.05, "timeout": 60, "answer_timeout": 10}


@pytest.fixture(scope="module")
def shared(start: Starter, certificates: Certificates, auth_file: Path) -> Server:
    return start("redfish_server.py", certificates.good, auth_file)


@pytest.fixture
def emulator(shared: Server) -> Server:
    return shared.renew()


def bmc(server: Server, certificates: Certificates, **options: Any) -> dict[str, Any]:
    """Return the options that reach SERVER."""
    return {
        "driver": "redfish",
        "address": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "ca": str(certificates.ca),
        **options,
    }


class Power(Protocol):
    """Runs module power for a server; an option of the connection starts with bmc_."""

    def __call__(self, server: Server, *, check: bool = False, **options: Any) -> dict[str, Any]: ...


@pytest.fixture
def power(run_module: RunModule, certificates: Certificates) -> Power:
    def run(server: Server, *, check: bool = False, **options: Any) -> dict[str, Any]:
        inner = {key.removeprefix("bmc_"): value for key, value in options.items() if key.startswith("bmc_")}
        outer = {key: value for key, value in options.items() if not key.startswith("bmc_")}
        return run_module("power", check=check, bmc=bmc(server, certificates, **inner), **{**QUICK, **outer})

    return run


@pytest.mark.parametrize(
    ("before", "state", "after", "commands", "calls"),
    [
        ("on", "off", "off", ["off"], ["ForceOff"]),
        ("on", "soft_off", "off", ["soft_off"], ["GracefulShutdown"]),
        ("off", "on", "on", ["on"], ["On"]),
        ("on", "reset", "on", ["reset"], ["ForceRestart"]),
        ("off", "reset", "on", ["on"], ["On"]),
        ("on", "cycle", "on", ["off", "on"], ["ForceOff", "On"]),
        ("off", "cycle", "on", ["on"], ["On"]),
    ],
)
def test_states(
    emulator: Server,
    power: Power,
    before: str,
    state: str,
    after: str,
    commands: list[str],
    calls: list[str],
) -> None:
    emulator.set_state(before)
    planned = power(emulator, check=True, state=state)
    assert (planned["changed"], planned["commands"], emulator.calls(), emulator.state()) == (True, commands, [], before)
    done = power(emulator, state=state)
    assert (done["changed"], done["commands"], emulator.calls(), emulator.state()) == (True, commands, calls, after)
    assert done["power"] == after
    assert planned["diff"] == done["diff"]
    assert done["diff"]["before"]["power"] == before
    assert done["connection"]["protection"] == "TLS, verified"
    if state not in ("reset", "cycle"):
        again = power(emulator, state=state)
        assert (again["changed"], again["commands"], emulator.calls()) == (False, [], calls)
        assert again["diff"]["before"] == again["diff"]["after"]


def test_boot_device(emulator: Server, power: Power) -> None:
    wanted: dict[str, Any] = {"boot_device": "pxe", "boot_persistent": True, "boot_firmware": "bios"}
    planned = power(emulator, check=True, **wanted)
    assert (planned["changed"], (emulator.folder / "boot").exists()) == (True, False)
    done = power(emulator, **wanted)
    assert (done["changed"], done["boot"]) == (True, {"device": "pxe", "persistent": True, "firmware": "bios"})
    assert planned["diff"] == done["diff"]
    assert power(emulator, **wanted)["changed"] is False
    assert emulator.calls() == []


def test_a_boot_device_is_set_before_the_power_and_what_is_not_kept_is_told(emulator: Server, power: Power) -> None:
    done = power(emulator, boot_device="cdrom", state="cycle")
    assert (done["boot"]["device"], emulator.calls()) == ("cdrom", ["ForceOff", "On"])
    # The emulator keeps every device for good.
    assert done["boot"]["persistent"] is True
    assert "not all of persistent=False" in done["warnings"][0]


def test_a_boot_device_that_is_accepted_and_not_kept(emulator: Server, power: Power) -> None:
    emulator.fault(boot_lost=True)
    failed = power(emulator, boot_device="pxe", state="cycle")
    assert "accepts the boot device pxe and still says disk" in failed["msg"]
    assert emulator.calls() == []


def test_a_boot_device_that_is_not_offered(emulator: Server, power: Power) -> None:
    failed = power(emulator, boot_device="bios_setup")
    assert "offers no boot device bios_setup; it offers Cd, Hdd, Pxe" in failed["msg"]


def test_a_command_without_effect_is_sent_again(emulator: Server, power: Power) -> None:
    emulator.fault(ignore=1)
    done = power(emulator, state="off", timeout=12)
    assert (done["commands"], emulator.calls(), emulator.state()) == (["off", "off"], ["ignored", "ForceOff"], "off")


def test_a_controller_that_accepts_and_does_nothing_is_a_failure(emulator: Server, power: Power) -> None:
    emulator.fault(ignore=100)
    failed = power(emulator, state="off", timeout=6)
    assert failed["msg"].startswith("the machine is not off within 6 s: sent off, off")
    assert failed["msg"].endswith("last readings on, on, on")
    assert set(emulator.calls()) == {"ignored"}


def test_off_for_a_moment_is_not_believed(emulator: Server, power: Power) -> None:
    emulator.fault(says="Off", says_times=2)
    done = power(emulator, state="off")
    assert (done["changed"], emulator.calls(), emulator.state()) == (True, ["ForceOff"], "off")


def test_off_while_it_runs_is_found_out_by_insisting(emulator: Server, power: Power) -> None:
    emulator.fault(says="Off")
    assert power(emulator, state="off")["commands"] == []
    assert emulator.state() == "on"
    assert power(emulator, state="off", insist=True)["commands"] == ["off"]
    assert emulator.state() == "off"


def test_on_is_not_reached_by_a_controller_that_says_off_for_ever(emulator: Server, power: Power) -> None:
    emulator.fault(says="Off", conflict=True)
    failed = power(emulator, state="on", timeout=6)
    assert failed["msg"].startswith("the machine is not on within 6 s: sent on, on")
    assert "the last one refused" in failed["msg"]


def test_409_to_a_machine_that_is_off_already_is_success(emulator: Server, power: Power) -> None:
    emulator.set_state("off")
    # The first reading is wrong, so off is sent and refused.
    emulator.fault(says="On", says_times=2, conflict=True)
    done = power(emulator, state="off")
    assert (done["power"], done["commands"], emulator.calls()) == ("off", ["off"], [])


def test_409_to_a_reset_is_told(emulator: Server, power: Power) -> None:
    emulator.fault(conflict=True)
    assert "already On" in power(emulator, state="reset")["msg"]


def test_a_connection_that_is_cut_is_opened_again(emulator: Server, power: Power) -> None:
    emulator.fault(drop=2)
    assert power(emulator, state="off")["power"] == "off"


def test_answers_that_are_too_slow_are_no_success(emulator: Server, power: Power) -> None:
    emulator.set_state("off")
    emulator.fault(slow=1.5)
    begun = time.monotonic()
    failed = power(emulator, state="off", timeout=2, answer_timeout=0.5)
    assert failed["msg"].startswith("no answer within 2 s, which says nothing about the machine")
    assert "timed out" in failed["msg"]
    assert time.monotonic() - begun < 30


def test_a_controller_that_never_ends_its_answer_meets_the_deadline(emulator: Server, power: Power) -> None:
    emulator.fault(drip=True)
    failed = power(emulator, state="off", timeout=0.5, answer_timeout=0.3)
    assert "which says nothing about the machine" in failed["msg"]
    assert emulator.state() == "on"


def test_nobody_listens(emulator: Server, power: Power) -> None:
    failed = power(emulator, bmc_port=free_port(), state="off", timeout=0.5)
    assert "Connection refused" in failed["msg"]
    assert "out_of_band" in failed["remedy"]


def test_a_wrong_password_is_told_at_once(emulator: Server, power: Power) -> None:
    begun = time.monotonic()
    failed = power(emulator, state="off", timeout=60, bmc_password="wrong")  # noqa: S106 - it is not the right one
    assert "refuses the user or the password" in failed["msg"]
    assert time.monotonic() - begun < 30
    assert emulator.state() == "on"


@pytest.mark.parametrize(
    ("which", "reason"), [("wrong_name", "IP address mismatch"), ("self_signed", "self-signed certificate")]
)
def test_a_wrong_certificate_is_refused_unless_that_is_asked_for(
    start: Starter, certificates: Certificates, auth_file: Path, power: Power, which: str, reason: str
) -> None:
    server = start("redfish_server.py", getattr(certificates, which), auth_file)
    failed = power(server, state="off")
    assert "is not to be trusted" in failed["msg"]
    assert reason in failed["msg"]
    assert server.state() == "on"
    done = power(server, state="off", bmc_verify=False)
    assert (done["power"], done["connection"]["protection"]) == ("off", "TLS, not verified")
    assert "the certificate is not verified" in done["warnings"][0]


def test_the_authority_must_be_named(emulator: Server, power: Power) -> None:
    assert "is not to be trusted" in power(emulator, bmc_ca=None, state="off")["msg"]


@pytest.mark.parametrize(
    "system", ["27946b59-9e44-4fa7-8e91-f3527a1ef094", "/redfish/v1/Systems/27946b59-9e44-4fa7-8e91-f3527a1ef094"]
)
def test_a_system_can_be_named(emulator: Server, power: Power, system: str) -> None:
    assert power(emulator, state="on", bmc_system=system)["power"] == "on"


def test_a_system_that_is_not_there(emulator: Server, power: Power) -> None:
    assert "nothing-here was not found" in power(emulator, state="on", bmc_system="nothing-here")["msg"]


def test_no_proxy_gets_the_password(emulator: Server, power: Power, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    assert power(emulator, state="on")["power"] == "on"


def test_many_machines_at_once(
    start: Starter, certificates: Certificates, auth_file: Path, emulator: Server, run_module: RunModule
) -> None:
    other = start("redfish_server.py", certificates.good, auth_file)
    other.set_state("off")
    machines = [
        {"name": "a", "bmc": bmc(emulator, certificates)},
        {"name": "b", "bmc": bmc(other, certificates)},
        {"name": "c", "bmc": bmc(other, certificates, port=free_port())},
    ]
    done = run_module("power", machines=machines[:2], state="off", **QUICK)
    assert {name: row["changed"] for name, row in done["machines"].items()} == {"a": True, "b": False}
    assert [row["before_header"] for row in done["diff"]] == ["a", "b"]
    failed = run_module("power", machines=machines, state="on", pause=0.1, **{**QUICK, "timeout": 5})
    assert failed["msg"].startswith("1 of 3 machines failed. c: no answer")
    assert failed["changed"] is True
    assert (emulator.state(), other.state(), failed["machines"]["a"]["power"]) == ("on", "on", "on")


def test_round_trip_here_or_where_the_environment_says(
    emulator: Server, certificates: Certificates, run_module: RunModule
) -> None:
    round_trip(run_module, elsewhere("redfish", bmc(emulator, certificates)), interval=0.5)


@pytest.mark.parametrize(
    ("faults", "options", "words"),
    [
        ({"status": "500 Internal Server Error"}, {"state": "off"}, "no answer within 1 s"),
        ({"status": "404 Not Found"}, {"state": "off"}, "has not exactly one system"),
        ({"no_json": True}, {"state": "off"}, "answers what is no Redfish"),
        ({"patch": {"PowerState": "Resting"}}, {"state": "off"}, "no answer within 1 s"),
        ({"patch": {"PowerState": "PoweringOff"}}, {"state": "off"}, "last readings changing"),
        ({"patch": {"Actions": {}}}, {"state": "off"}, "is missing"),
        ({"patch": {"Boot": "x"}}, {"state": "off"}, "answers what is no Redfish"),
        ({"patch": {"Boot": {}}}, {"boot_device": "pxe"}, "does not tell a boot device"),
    ],
)
def test_answers_of_an_odd_kind(
    emulator: Server, power: Power, faults: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    emulator.fault(**faults)
    assert words in power(emulator, **options, timeout=1)["msg"]
    assert (emulator.state(), emulator.calls()) == ("on", [])


def test_a_command_that_is_not_offered(emulator: Server, power: Power) -> None:
    action = {
        "target": "/redfish/v1/Systems/27946b59-9e44-4fa7-8e91-f3527a1ef094/Actions/ComputerSystem.Reset",
        "ResetType@Redfish.AllowableValues": ["On", "ForceOff"],
    }
    emulator.fault(patch={"Actions": {"#ComputerSystem.Reset": action}})
    assert "offers no soft_off; it offers ForceOff, On" in power(emulator, state="soft_off")["msg"]
    assert power(emulator, state="off")["power"] == "off"


def test_no_boot_device(emulator: Server, power: Power) -> None:
    boot = {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "Pxe"}
    emulator.fault(patch={"Boot": boot})
    assert power(emulator, boot_device="none")["changed"] is False


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server with the image boot.iso; its address."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("boot.iso", "old.iso"):
        (folder / name).write_bytes(name.encode())
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def empty(emulator: Server, power: Power) -> Server:
    """The emulator with nothing in its drives; another test may have left an image there."""
    power(emulator, virtual_media={"state": "ejected"})
    return emulator


def held(power: Power, server: Server) -> dict[str, str | None]:
    """Return what the drives hold."""
    found: dict[str, str | None] = power(server, check=True, virtual_media={"state": "ejected"})["virtual_media"]
    return found


def test_a_machine_starts_once_from_an_image(empty: Server, power: Power, images: str) -> None:
    image = f"{images}/boot.iso"
    wanted: dict[str, Any] = {"virtual_media": {"image": image}, "boot_device": "virtual_media"}
    planned = power(empty, check=True, **wanted)
    assert (planned["changed"], planned["virtual_media"], held(power, empty)) == (True, {"Cd": None}, {"Cd": None})
    assert not (empty.folder / "boot").exists()
    done = power(empty, **wanted, boot_persistent=True, state="cycle")
    assert (done["changed"], done["virtual_media"]) == (True, {"Cd": image})
    assert (done["boot"]["device"], (empty.folder / "boot").read_text()) == ("virtual_media", "Cd")
    assert empty.calls() == ["ForceOff", "On"]
    assert planned["diff"]["after"]["virtual_media"] == done["diff"]["after"]["virtual_media"]
    again = power(empty, **wanted, boot_persistent=True)
    assert (again["changed"], again["diff"]["before"]) == (False, again["diff"]["after"])


def test_an_image_is_ejected_once(empty: Server, power: Power, images: str) -> None:
    image = f"{images}/boot.iso"
    power(empty, virtual_media={"image": image})
    elsewhere_is_kept = power(empty, virtual_media={"image": f"{images}/old.iso", "state": "ejected"})
    assert (elsewhere_is_kept["changed"], elsewhere_is_kept["virtual_media"]) == (False, {"Cd": image})
    wanted = {"image": image, "state": "ejected"}
    assert power(empty, check=True, virtual_media=wanted)["changed"] is True
    assert held(power, empty) == {"Cd": image}
    done = power(empty, virtual_media=wanted)
    assert (done["changed"], done["virtual_media"], done["diff"]["after"]) == (
        True,
        {"Cd": None},
        {"virtual_media": {"Cd": None}},
    )
    assert power(empty, virtual_media=wanted)["changed"] is False
    assert empty.calls() == []


def test_an_old_image_is_ejected_first(empty: Server, power: Power, images: str) -> None:
    power(empty, virtual_media={"image": f"{images}/old.iso"})
    done = power(empty, virtual_media={"image": f"{images}/boot.iso"})
    assert done["diff"]["before"]["virtual_media"] == {"Cd": f"{images}/old.iso"}
    assert held(power, empty) == {"Cd": f"{images}/boot.iso"}


def test_an_old_image_that_is_stuck_is_told_and_nothing_is_started(empty: Server, power: Power, images: str) -> None:
    power(empty, virtual_media={"image": f"{images}/old.iso"})
    empty.fault(eject=204)
    wanted = {"image": f"{images}/boot.iso"}
    failed = power(empty, virtual_media=wanted, boot_device="virtual_media", state="cycle", timeout=3)
    assert failed["msg"] == f"the drive Cd still holds {images}/old.iso, which was to be ejected"
    assert "restart the controller" in failed["remedy"]
    assert (empty.calls(), empty.state(), held(power, empty)) == ([], "on", {"Cd": f"{images}/old.iso"})


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"insert": 400}, "no insert today"),
        ({"insert": 403}, "no insert today"),
        ({"insert": 404}, "no insert today"),
        # What the controller says may become true later, so the drive is looked at for a while.
        ({"insert": 409}, "does not hold"),
        ({"insert": 503}, "does not hold"),
        ({"insert": 204}, "does not hold"),
        ({"no_media": True}, "has no virtual optical drive"),
    ],
)
def test_a_controller_that_inserts_nothing(
    empty: Server, power: Power, images: str, faults: dict[str, Any], words: str
) -> None:
    empty.fault(**faults)
    wanted = {"image": f"{images}/boot.iso"}
    failed = power(empty, virtual_media=wanted, boot_device="virtual_media", state="cycle", timeout=3)
    assert words in failed["msg"]
    assert "licence" in failed["remedy"]
    assert (empty.calls(), (empty.folder / "boot").exists()) == ([], False)


def test_an_image_that_the_controller_cannot_fetch(empty: Server, power: Power, images: str) -> None:
    failed = power(empty, virtual_media={"image": f"{images}/gone.iso"})
    assert "Cannot download virtual media" in failed["msg"]
    assert "reaches the address of the image" in failed["remedy"]


def test_an_insertion_whose_answer_is_lost_counts_by_what_the_drive_holds(
    empty: Server, power: Power, images: str
) -> None:
    empty.fault(media_cut=1)
    done = power(empty, virtual_media={"image": f"{images}/boot.iso"})
    assert (done["changed"], done["virtual_media"]) == (True, {"Cd": f"{images}/boot.iso"})


def test_a_controller_that_shows_another_address_is_warned_of(empty: Server, power: Power, images: str) -> None:
    empty.fault(media_name="//shown/otherwise")
    done = power(empty, virtual_media={"image": f"{images}/boot.iso"})
    assert "shows the image" in done["warnings"][0]


def test_virtual_media_of_the_manager(empty: Server, power: Power, images: str) -> None:
    empty.fault(media_at_manager=True)
    wanted = {"image": f"{images}/boot.iso"}
    done = power(empty, virtual_media=wanted)
    assert done["virtual_media"] == {"Cd": f"{images}/boot.iso"}, done["msg"]
    assert power(empty, virtual_media=wanted)["changed"] is False
    assert power(empty, virtual_media={"state": "ejected"})["virtual_media"] == {"Cd": None}


def test_the_virtual_drive_may_have_a_name_of_its_own(empty: Server, power: Power, images: str) -> None:
    empty.fault(usb_media=True)
    done = power(empty, virtual_media={"image": f"{images}/boot.iso"}, boot_device="virtual_media")
    assert (done["boot"]["device"], (empty.folder / "boot").read_text()) == ("virtual_media", "UsbCd")


def test_nothing_to_start_from(empty: Server, power: Power) -> None:
    failed = power(empty, boot_device="virtual_media", state="cycle")
    assert "no image is inserted" in failed["msg"]
    assert (empty.calls(), (empty.folder / "boot").exists()) == ([], False)
