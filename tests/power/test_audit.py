# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit against OpenIPMI's simulator, which is open to all, and against controllers that are not."""

from __future__ import annotations

import socket
from typing import Any

import bcrypt
import pytest

from tests.power.conftest import PASSWORD, USER, Certificates, RunModule, Server, Starter, free_port


def bmc(server: Server, **options: Any) -> dict[str, Any]:
    return {
        "driver": "ipmi",
        "address": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        **options,
    }


def problems(result: dict[str, Any], severity: str) -> list[str]:
    """Return the problems found of that severity."""
    return [finding["problem"] for finding in result["findings"] if finding["severity"] == severity]


@pytest.fixture(scope="module")
def vulnerable(start: Starter) -> Server:
    return start("ipmi_sim_server.py", kind=socket.SOCK_DGRAM)


@pytest.fixture(scope="module")
def hardened(start: Starter, tmp_path_factory: pytest.TempPathFactory) -> Server:
    secret = tmp_path_factory.mktemp("ipmi") / "password"
    secret.write_text(PASSWORD)
    return start("ipmi_server.py", USER, secret, kind=socket.SOCK_DGRAM)


def test_a_controller_that_is_open_to_all_is_flagged(vulnerable: Server, run_module: RunModule) -> None:
    found = run_module(
        "power_info", machines=[{"name": "open", "bmc": bmc(vulnerable)}], audit=True, default_passwords=True
    )["machines"]["open"]
    critical = " ".join(problems(found, "critical"))
    assert "cipher suite 0" in critical
    assert "a user without a name" in critical
    assert "IPMI 1.5" in critical
    assert "the user root still has the password of the factory" in critical


def test_passwords_of_the_factory_are_tried_only_when_that_is_asked_for(
    vulnerable: Server, run_module: RunModule
) -> None:
    found = run_module("power_info", machines=[{"name": "open", "bmc": bmc(vulnerable)}], audit=True)
    assert not [problem for problem in problems(found["machines"]["open"], "critical") if "factory" in problem]


def test_a_hardened_controller_passes(hardened: Server, run_module: RunModule) -> None:
    hardened.renew().fault(suites=[17])
    found = run_module("power_info", bmc=bmc(hardened), audit=True)
    assert (found["findings"], found["power"]) == ([], "on")
    assert found["connection"]["protection"] == "cipher suite 17"


def test_a_controller_without_suite_17_is_warned_of(hardened: Server, run_module: RunModule) -> None:
    hardened.renew()
    found = run_module("power_info", bmc=bmc(hardened), audit=True)
    assert problems(found, "critical") == []
    assert any("does not offer cipher suite 17" in problem for problem in problems(found, "warning"))


def test_a_controller_that_is_not_there(run_module: RunModule) -> None:
    connection = {"driver": "ipmi", "address": "127.0.0.1", "port": free_port(socket.SOCK_DGRAM)}
    found = run_module(
        "power_info", machines=[{"name": "gone", "bmc": connection}], audit=True, answer_timeout=1, timeout=20
    )["machines"]["gone"]
    assert (found["power"], found["boot"]) == ("unknown", None)
    assert "no answer" in found["problem"]
    assert any("does not tell how it can be entered" in problem for problem in problems(found, "warning"))
    assert run_module("power_info", bmc=connection, answer_timeout=1, timeout=20)["failed"] is True


@pytest.fixture(scope="module")
def secure(start: Starter, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Server]:
    """Controllers with TLS by driver and certificate: one to trust, and two that are not."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "password").write_text(PASSWORD)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "users").write_text(f"{USER}:{hashed}\n")
    found = {}
    for name in ("good", "self_signed", "wrong_name"):
        file = getattr(certificates, name)
        found[f"redfish-{name}"] = start("redfish_server.py", file, folder / "users")
        found[f"amt-{name}"] = start("amt_server.py", USER, folder / "password", file)
    return found


@pytest.mark.parametrize("driver", ["redfish", "amt"])
@pytest.mark.parametrize("certificate", ["self_signed", "wrong_name"])
def test_a_host_whose_certificate_is_not_verified_shows_in_the_audit(
    secure: dict[str, Server], run_module: RunModule, certificates: Certificates, driver: str, certificate: str
) -> None:
    bad, good = secure[f"{driver}-{certificate}"].renew(), secure[f"{driver}-good"].renew()
    trusting = {"driver": driver, "ca": str(certificates.ca)}
    machines = {
        "refused": bmc(bad, **trusting),
        "opted-out": bmc(bad, **trusting, verify=False),
        "verified": bmc(good, **trusting),
        # Nothing is wrong with its certificate, and nobody would see it if there were.
        "blind": bmc(good, **trusting, verify=False),
    }
    rows = [{"name": name, "bmc": one} for name, one in machines.items()]
    done = run_module("power_info", machines=rows, audit=True)
    found = done["machines"]
    assert "is not to be trusted" in found["refused"]["problem"]
    told = "the certificate is not verified: whoever answers gets the password"
    for name in ("opted-out", "blind"):
        assert (problems(found[name], "warning"), found[name]["power"]) == ([told], "on")
        assert found[name]["connection"]["protection"] == "TLS, not verified"
        assert f"{name}: {told}" in done["warnings"]
    assert (found["verified"]["findings"], found["verified"]["connection"]["protection"]) == ([], "TLS, verified")
