# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service over its two sockets: single use, order, quarantine, limits, and what is on disk and in the log."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from accentos_provisioner import enrolments
from accentos_provisioner.machines import STAGES
from accentos_provisioner.service import Limiter
from accentos_ramdisk.client import RefusedError
from accentos_ramdisk.errors import AgentError
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import ProvisionerError

from .cobblerd import PASSWORD
from .conftest import MAC, Running

OTHER = "52:54:00:00:00:02"


def install(running: Running, host: str = "compute-1", mac: str = MAC) -> None:
    session = running.fetch(running.cobbler.token(host), mac)["session"]
    for stage in STAGES:
        running.report(session, stage, "started")
        keys = {"host_keys": ["ssh-ed25519 AAAA"]} if stage == "finish" else {}
        running.report(session, stage, "done", **keys)


def test_a_machine_is_armed_installed_and_deployed(running: Running) -> None:
    assert running.arm()
    assert running.state() == "armed"
    found = running.fetch(running.cobbler.token("compute-1"))
    assert found["specification"] == {"version": 1, "host": "compute-1"}
    assert running.state() == "installing"
    for stage in STAGES:
        assert running.cobbler.token("compute-1")
        running.report(found["session"], stage, "started")
        running.report(found["session"], stage, "done", host_keys=["ssh-ed25519 AAAA"] if stage == "finish" else [])
    machine = running.admin("GET", "machines", "compute-1")
    assert machine["state"] == "deployed"
    assert [(row["stage"], row["status"], row["seconds"]) for row in machine["stages"]] == [
        (name, "done", 1.0) for name in STAGES
    ]
    assert machine["host_keys"] == ["ssh-ed25519 AAAA"]
    assert not {"token_sha256", "session_sha256"} & set(machine)
    assert running.cobbler.token("compute-1") is None
    assert [row["host"] for row in running.admin("GET", "machines")["machines"]] == ["compute-1"]


def test_arming_again_changes_nothing(running: Running) -> None:
    assert running.arm()
    token = running.cobbler.token("compute-1")
    assert not running.arm()
    assert running.cobbler.token("compute-1") == token
    assert running.cobbler.saves == ["compute-1"]
    running.fetch(token)
    assert not running.arm()
    assert running.arm("compute-2", macs=[OTHER])


@pytest.mark.parametrize("change", [{"macs": [OTHER]}, {"address": "127.0.0.2"}])
def test_arming_otherwise_makes_a_new_token(running: Running, change: dict[str, Any]) -> None:
    running.arm()
    token = running.cobbler.token("compute-1")
    assert running.arm(**change)
    assert running.cobbler.token("compute-1") != token
    with pytest.raises(RefusedError, match="403"):
        running.fetch(token)


def refused(running: Running, token: str | None, mac: str = MAC) -> None:
    with pytest.raises(RefusedError, match=r"the token is not known, was used, has expired, or belongs") as caught:
        running.fetch(token, mac)
    assert caught.value.status == 403
    assert "Arm the host again" in caught.value.remedy


def test_a_machine_with_a_card_of_another_host_fails_with_the_names_of_both(running: Running) -> None:
    running.arm()
    running.arm("compute-2", macs=[OTHER], address="127.0.0.2")
    token = running.cobbler.token("compute-1")
    with pytest.raises(RefusedError, match=r"boots as compute-1 has the card .*, which belongs to compute-2") as caught:
        running.client.post("/v1/specification", {"token": token, "macs": [MAC, OTHER]})
    assert (caught.value.status, "then arm it again" in caught.value.remedy) == (409, True)
    machine = running.admin("GET", "machines", "compute-1")
    ((stage, status, detail),) = [(row["stage"], row["status"], row["detail"]) for row in machine["stages"]]
    assert (machine["state"], stage, status) == ("failed", "specification", "failed")
    assert OTHER in detail
    assert running.state("compute-2") == "armed"
    refused(running, token)
    # The card is where it belongs again.
    running.arm()
    assert running.fetch(running.cobbler.token("compute-1"))["session"]


def test_cards_are_exchanged_of_a_deployed_machine_only(running: Running) -> None:
    def exchange(host: str, *macs: str) -> bool:
        changed: bool = running.admin("PUT", "machines", host, "cards", macs=[*macs])["changed"]
        return changed

    with pytest.raises(ProvisionerError, match="compute-1 was never armed"):
        exchange("compute-1", OTHER)
    running.arm()
    with pytest.raises(ProvisionerError, match="compute-1 is armed: its cards are those that it was armed with"):
        exchange("compute-1", OTHER)
    install(running)
    with pytest.raises(ProvisionerError, match="macs must be a list"):
        exchange("compute-1", "no card")
    running.arm("compute-2", macs=[OTHER])
    # The token of the other one is bound to that card.
    with pytest.raises(ProvisionerError, match="compute-2, which is armed, both claim the MAC"):
        exchange("compute-1", OTHER)
    install(running, "compute-2", OTHER)
    # Two that exchange a card are told one after the other.
    assert (exchange("compute-1", OTHER), exchange("compute-2", MAC)) == (True, True)
    running.restart()
    assert running.admin("GET", "machines", "compute-1")["macs"] == [OTHER]
    assert not exchange("compute-1", OTHER)


def test_a_token_serves_once(running: Running) -> None:
    running.arm()
    token = running.cobbler.token("compute-1")
    running.fetch(token)
    refused(running, token)


def test_a_token_serves_once_even_at_the_same_moment(running: Running) -> None:
    running.arm()
    token = running.cobbler.token("compute-1")
    running.cobbler.delay = 0.05
    results: list[str] = []

    def fetch() -> None:
        try:
            results.append(str(running.fetch(token)["session"]))
        except RefusedError as error:
            results.append(str(error.status))

    threads = [threading.Thread(target=fetch) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("403") == 7
    assert [len(result) > 30 for result in results if result != "403"] == [True]


def test_a_token_is_bound_to_mac_and_address_and_time(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    running.arm(lifetime=60)
    token = running.cobbler.token("compute-1")
    refused(running, "x" * 43)
    refused(running, token, OTHER)
    running.arm(address="127.0.0.9")
    refused(running, running.cobbler.token("compute-1"))
    running.arm(address=None, lifetime=60)
    running.now += 61
    refused(running, running.cobbler.token("compute-1"))
    for reason in ("no armed host has", "none of its MACs", "is bound to 127.0.0.9", "has expired"):
        assert reason in caplog.text
    assert running.arm(address=None, lifetime=60)
    running.fetch(running.cobbler.token("compute-1"))


def test_a_token_survives_a_cobbler_that_is_unwell(running: Running) -> None:
    running.arm()
    token = running.cobbler.token("compute-1")
    running.cobbler.texts["compute-1"] = "# had errors"
    with pytest.raises(AgentError, match="HTTP 502"):
        running.fetch(token)
    running.cobbler.texts["compute-1"] = '{"host": "compute-2"}'
    with pytest.raises(AgentError, match="HTTP 502"):
        running.fetch(token)
    running.cobbler.add("compute-1")
    running.fetch(token)


def test_arming_fails_as_a_whole(running: Running) -> None:
    running.cobbler.broken = True
    with pytest.raises(ProvisionerError, match="Cobbler refuses: cobbler is unwell"):
        running.arm()
    with pytest.raises(ProvisionerError, match="compute-1 was never armed"):
        running.state()
    running.cobbler.broken = False
    with pytest.raises(ProvisionerError, match="Cobbler has no system compute-9") as caught:
        running.arm("compute-9")
    assert "cobbler_system" in caught.value.remedy


def test_a_cobbler_that_is_away_is_told(running: Running) -> None:
    running.service._provider._url = "http://127.0.0.1:1"  # type: ignore[attr-defined]
    with pytest.raises(ProvisionerError, match="Cobbler does not answer: ConnectionRefusedError"):
        running.arm()


def test_a_deployed_host_is_reinstalled_only_by_name(running: Running) -> None:
    running.arm()
    install(running)
    with pytest.raises(ProvisionerError, match=r"409.*compute-1 is deployed"):
        running.arm()
    assert running.arm(reinstall=True)
    assert not running.arm()
    # A change of mind: the host is deployed as before.
    assert running.admin("DELETE", "installs", "compute-1") == {"changed": True}
    assert running.state() == "deployed"
    assert running.cobbler.token("compute-1") is None
    assert running.arm(reinstall=True)
    install(running)
    assert running.state() == "deployed"


def test_a_host_whose_disks_were_touched_is_no_longer_deployed(running: Running) -> None:
    running.arm()
    install(running)
    running.arm(reinstall=True)
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    for status in ("started", "done"):
        running.report(session, "specification", status)
    running.report(session, "disks", "started")
    running.report(session, "disks", "failed", detail="broken\x1b[2J\ndisk")
    machine = running.admin("GET", "machines", "compute-1")
    assert (machine["state"], machine["stages"][-1]["detail"]) == ("failed", "broken[2J\ndisk")
    assert running.arm()


@pytest.mark.parametrize("reports", [[], ["specification started"], ["specification started", "specification failed"]])
def test_a_reinstallation_that_ends_before_the_disks_loses_nothing(running: Running, reports: list[str]) -> None:
    running.arm()
    install(running)
    running.arm(reinstall=True)
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    for report in reports:
        running.report(session, *report.split())
    assert running.admin("DELETE", "installs", "compute-1") == {"changed": True}
    machine = running.admin("GET", "machines", "compute-1")
    assert (machine["state"], machine["stages"], machine["host_keys"]) == ("deployed", [], ["ssh-ed25519 AAAA"])
    assert running.cobbler.token("compute-1") is None
    # It would ask before it touches its disks, now as well.
    with pytest.raises(RefusedError, match="this session is not known"):
        running.report(session, "disks", "started")
    with pytest.raises(ProvisionerError, match=r"409.*compute-1 is deployed"):
        running.arm()
    assert running.arm(reinstall=True)


def test_a_reinstallation_that_is_refused_loses_nothing(running: Running) -> None:
    running.arm()
    install(running)
    running.arm(reinstall=True)
    running.arm("compute-2", macs=[OTHER], address="127.0.0.2")
    with pytest.raises(RefusedError, match="belongs to compute-2"):
        running.client.post("/v1/specification", {"token": running.cobbler.token("compute-1"), "macs": [MAC, OTHER]})
    assert running.state() == "failed"
    assert running.admin("DELETE", "installs", "compute-1") == {"changed": True}
    machine = running.admin("GET", "machines", "compute-1")
    assert (machine["state"], machine["host_keys"]) == ("deployed", ["ssh-ed25519 AAAA"])


def test_a_reinstallation_that_touched_the_disks_is_not_deployed(running: Running) -> None:
    running.arm()
    install(running)
    running.arm(reinstall=True)
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    for report in ("specification started", "specification done", "disks started"):
        running.report(session, *report.split())
    assert running.admin("GET", "machines", "compute-1")["host_keys"] == []
    running.admin("DELETE", "installs", "compute-1")
    machine = running.admin("GET", "machines", "compute-1")
    assert (machine["state"], machine["stages"][-1]["stage"], machine["host_keys"]) == ("failed", "disks", [])


def test_two_hosts_with_one_mac_are_refused(running: Running) -> None:
    running.arm()
    with pytest.raises(ProvisionerError, match=f"compute-2 and compute-1 both claim the MAC {MAC}"):
        running.arm("compute-2")


def test_disarming(running: Running) -> None:
    running.arm()
    assert running.admin("DELETE", "installs", "compute-1") == {"changed": True}
    assert running.admin("DELETE", "installs", "compute-1") == {"changed": False}
    assert running.admin("GET", "machines") == {"machines": []}
    running.arm()
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    running.admin("DELETE", "installs", "compute-1")
    assert running.state() == "failed"
    with pytest.raises(RefusedError, match="this session is not known"):
        running.report(session, "specification", "started")
    assert running.admin("DELETE", "installs", "compute-1") == {"changed": True}
    running.arm()
    install(running)
    assert running.admin("DELETE", "installs", "compute-1") == {"changed": False}


def test_forgetting(running: Running) -> None:
    assert running.admin("DELETE", "machines", "compute-1") == {"changed": False}
    identifier, secret = enrol(running)
    running.admin("PUT", "enrolments", identifier, "approval", host="compute-1")
    assert running.admin("DELETE", "machines", "compute-1") == {"changed": True}
    assert running.cobbler.token("compute-1") is None
    assert running.admin("GET", "machines") == {"machines": []}
    assert running.admin("GET", "enrolments") == {"enrolments": []}
    # The machine hears that it is unknown, and introduces itself anew.
    with pytest.raises(RefusedError, match="this enrolment is not known here"):
        ask(running, (identifier, secret))
    assert enrol(running)[0] != identifier


def test_a_machine_is_forgotten_although_cobbler_has_no_system_of_it(running: Running) -> None:
    running.arm()
    running.cobbler.broken = True
    with pytest.raises(ProvisionerError, match="Cobbler refuses"):
        running.admin("DELETE", "machines", "compute-1")
    assert running.state() == "armed"
    running.cobbler.broken = False
    del running.cobbler.systems["compute-1"]
    assert running.admin("DELETE", "machines", "compute-1") == {"changed": True}


def test_an_installation_that_went_silent_can_be_armed_again(running: Running) -> None:
    running.arm()
    running.fetch(running.cobbler.token("compute-1"))
    running.now += 3601
    assert running.arm()


@pytest.mark.parametrize(
    "sequence",
    [
        ["disks started"],
        ["specification done"],
        ["specification started", "disks started"],
        ["specification started", "disks done"],
        ["specification started", "specification failed", "disks started"],
        ["specification started", "specification failed", "specification done"],
        ["specification started", "specification done", "image started"],
    ],
)
def test_reports_come_in_order_only(running: Running, sequence: list[str]) -> None:
    running.arm()
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    for report in sequence[:-1]:
        running.report(session, *report.split())
    with pytest.raises(RefusedError, match=f"409.*{sequence[-1]} is out of order"):
        running.report(session, *sequence[-1].split())


def test_a_report_whose_answer_was_lost_may_come_again(running: Running) -> None:
    running.arm()
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    for stage in STAGES:
        for status in ("started", "started", "done", "done"):
            running.report(session, stage, status)
    assert running.state() == "deployed"
    with pytest.raises(RefusedError, match="out of order"):
        running.report(session, "finish", "started")


def test_the_last_report_waits_for_cobbler(running: Running) -> None:
    running.arm()
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    for stage in STAGES:
        running.report(session, stage, "started")
        if stage != "finish":
            running.report(session, stage, "done")
    running.cobbler.broken = True
    with pytest.raises(AgentError, match="HTTP 502"):
        running.report(session, "finish", "done")
    assert running.state() == "installing"
    running.cobbler.broken = False
    running.report(session, "finish", "done")
    assert running.state() == "deployed"


def test_a_restart_forgets_nothing(running: Running) -> None:
    running.arm()
    running.restart()
    session = running.fetch(running.cobbler.token("compute-1"))["session"]
    running.restart()
    running.report(session, "specification", "started")
    running.restart()
    running.report(session, "specification", "done")
    assert running.state() == "installing"
    made = running.client.post("/v1/enrolments", {"inventory": {"cards": [{"mac": OTHER}]}})
    running.restart()
    assert running.client.get(f"/v1/enrolments/{made['id']}", str(made["secret"])) == {"state": "pending"}


def enrol(running: Running, mac: str = MAC) -> tuple[str, str]:
    made = running.client.post("/v1/enrolments", {"inventory": {"cards": [{"mac": mac}], "system": {"serial": "S"}}})
    return str(made["id"]), str(made["secret"])


def ask(running: Running, stranger: tuple[str, str]) -> dict[str, object]:
    return running.client.get(f"/v1/enrolments/{stranger[0]}", stranger[1])


def test_a_stranger_waits_is_approved_and_goes_on_without_a_restart(running: Running) -> None:
    stranger = enrol(running)
    assert ask(running, stranger) == {"state": "pending"}
    (row,) = running.admin("GET", "enrolments")["enrolments"]
    assert (row["id"], row["state"], row["macs"], row["peer"]) == (stranger[0], "pending", [MAC], "127.0.0.1")
    assert "secret_sha256" not in row
    assert running.admin("PUT", "enrolments", stranger[0], "approval", host="compute-1") == {"changed": True}
    assert running.admin("PUT", "enrolments", stranger[0], "approval", host="compute-1") == {"changed": False}
    first, second = (str(ask(running, stranger)["token"]) for _number in range(2))
    refused(running, first)
    assert running.fetch(second)["specification"]
    assert ask(running, stranger) == {"state": "approved"}
    assert running.admin("GET", "machines", "compute-1")["inventory"]["system"] == {"serial": "S"}


def test_approval_needs_a_free_name(running: Running) -> None:
    running.arm(macs=[OTHER])
    running.fetch(running.cobbler.token("compute-1"), OTHER)
    stranger = enrol(running, OTHER)
    with pytest.raises(ProvisionerError, match="compute-2 and compute-1 both claim"):
        running.admin("PUT", "enrolments", stranger[0], "approval", host="compute-2")
    with pytest.raises(ProvisionerError, match="is no name of a host"):
        running.admin("PUT", "enrolments", stranger[0], "approval", host="../x")
    with pytest.raises(ProvisionerError, match="there is no enrolment e0"):
        running.admin("PUT", "enrolments", "e0", "approval", host="compute-2")
    assert ask(running, stranger) == {"state": "pending"}


def test_a_stranger_is_rejected(running: Running) -> None:
    stranger = enrol(running)
    assert running.admin("DELETE", "enrolments", stranger[0]) == {"changed": True}
    assert running.admin("DELETE", "enrolments", stranger[0]) == {"changed": False}
    assert ask(running, stranger) == {"state": "rejected"}


def test_a_stranger_without_its_secret_learns_nothing(running: Running) -> None:
    identifier, _secret = enrol(running)
    for secret in ("wrong", "x" * 43):
        with pytest.raises(RefusedError, match="this enrolment is not known"):
            ask(running, (identifier, secret))
    with pytest.raises(RefusedError, match="400"):
        ask(running, (identifier, ""))


def test_the_quarantine_is_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(enrolments.LIMIT_PER_PEER):
        enrol(running, f"52:54:00:00:01:{number:02x}")
    with pytest.raises(AgentError, match="HTTP 429"):
        enrol(running, "52:54:00:00:02:00")
    # The same machine again takes the place of its earlier self.
    again = enrol(running, "52:54:00:00:01:00")
    assert len(running.admin("GET", "enrolments")["enrolments"]) == enrolments.LIMIT_PER_PEER
    running.now += enrolments.FORGOTTEN_AFTER - 1
    ask(running, again)
    running.now += 2
    assert [row["id"] for row in running.admin("GET", "enrolments")["enrolments"]] == [again[0]]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/specification", {"token": "t", "macs": []}, 400),
        ("/v1/specification", {"token": "t", "macs": ["x"]}, 400),
        ("/v1/specification", {"token": "t", "macs": [1]}, 400),
        ("/v1/specification", {"token": "t" * 300, "macs": [MAC]}, 400),
        ("/v1/specification", {"macs": [MAC]}, 400),
        ("/v1/specification", {"token": "t", "macs": [MAC], "x": "y" * 600000}, 413),
        ("/v1/reports", {"session": "s", "stage": "x", "status": "done"}, 400),
        ("/v1/reports", {"session": "s", "stage": "disks", "status": "done", "host_keys": ["x"]}, 400),
        ("/v1/reports", {"session": "s", "stage": "disks", "status": "done", "seconds": -1}, 400),
        ("/v1/reports", {"session": "s", "stage": "disks", "status": "done"}, 403),
        ("/v1/enrolments", {"inventory": []}, 400),
        ("/v1/enrolments", {"inventory": {"cards": []}}, 400),
        ("/v1/enrolments", {"inventory": {"cards": [{"mac": MAC}], "x": "y" * 600000}}, 413),
        ("/v1/nothing", {}, 404),
    ],
)
def test_odd_requests_are_refused(running: Running, path: str, body: dict[str, Any], status: int) -> None:
    with pytest.raises(RefusedError) as caught:
        running.client.post(path, body)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "change",
    [{"macs": "x"}, {"address": "here"}, {"lifetime": 5}, {"lifetime": True}, {"reinstall": "yes"}, {"more": 1}],
)
def test_odd_orders_are_refused(running: Running, change: dict[str, Any]) -> None:
    with pytest.raises(ProvisionerError, match="400"):
        running.arm(**change)


def test_a_body_that_is_no_object_is_refused(running: Running) -> None:
    for body in (b"[]", b"{", b"[" * 30000):
        with pytest.raises(RefusedError, match="the body is no JSON"):
            running.client._call("POST", "/v1/reports", body, {}, 0.0)


def test_a_peer_that_asks_too_often_is_held_back(running: Running) -> None:
    running.limiter._burst = 3.0
    for _number in range(3):
        refused(running, "x")
    with pytest.raises(AgentError, match="HTTP 429"):
        running.fetch("x")


def test_the_limiter_forgives_with_time_and_forgets_peers() -> None:
    now = [0.0]
    limiter = Limiter(2, 1, peers=2, clock=lambda: now[0])
    limiter.check("a")
    limiter.check("a")
    with pytest.raises(Exception, match="too many requests"):
        limiter.check("a")
    now[0] = 2.0
    limiter.check("a")
    limiter.check("b")
    limiter.check("c")
    assert len(limiter._levels) == 2


def test_no_secret_is_on_disk_or_in_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    running.arm()
    stranger = enrol(running, OTHER)
    token = str(running.cobbler.token("compute-1"))
    session = str(running.fetch(token)["session"])
    running.report(session, "specification", "started")
    kept = caplog.text + "".join(path.read_text() for path in (running.folder / "state").rglob("*.json"))
    assert "compute-1" in kept
    for secret in (token, session, stranger[1], PASSWORD):
        assert secret not in kept
    for path in (running.folder / "state").rglob("*.json"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_full_disk_is_told_and_nothing_changes(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.arm()
    token = running.cobbler.token("compute-1")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(running.service._machine_store, "save", full)
        with pytest.raises(AgentError, match="HTTP 500"):
            running.fetch(token)
    running.fetch(token)


def test_a_broken_record_stops_the_start(running: Running, tmp_path: Path) -> None:
    running.arm()
    record = tmp_path / "state/machines/compute-1.json"
    (tmp_path / "state/machines/compute-2.new").write_text("half")
    assert running.service._machine_store.load()["compute-1"] == json.loads(record.read_text())
    assert not (tmp_path / "state/machines/compute-2.new").exists()
    for text in ("[]", "{"):
        record.write_text(text)
        with pytest.raises(Exception, match=r"compute-1\.json cannot be read"):
            running.service._machine_store.load()
    with pytest.raises(ValueError, match="cannot name a record"):
        running.service._machine_store.save("../x", {})


def test_an_expired_token_turns_netboot_off(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.arm()
    install(running)
    running.arm(reinstall=True, lifetime=60)
    running.arm("compute-2", macs=[OTHER], lifetime=120)
    running.now += 61
    running.cobbler.broken = True
    running.expire()
    assert running.state() == "armed"
    assert "compute-1 is not disarmed yet: Cobbler refuses" in caplog.text
    running.cobbler.broken = False
    running.expire()
    assert (running.state(), running.state("compute-2")) == ("deployed", "armed")
    assert running.cobbler.token("compute-1") is None
    running.now += 60
    running.expire()
    assert [row["host"] for row in running.admin("GET", "machines")["machines"]] == ["compute-1"]
    assert running.cobbler.token("compute-2") is None
