# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the power modules that are wrong, and hosts without the libraries. tests/power has what works."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.power import options, runner
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import UnreachableError
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Power
from ansible_collections.accentos.cloud.plugins.modules import power, power_info

BMC = {"driver": "redfish", "address": "192.0.2.1"}


def run(module: Any, capfd: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run MODULE, which is expected to refuse its options."""
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 1
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    return result


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bmc": {**BMC, "address": "; reboot"}}, "bmc: address '; reboot' is no address"),
        ({"bmc": {**BMC, "address": "-oProxyCommand=x"}}, "is no address"),
        ({"bmc": {**BMC, "port": 65536}}, "bmc: port 65536 is no port"),
        ({"bmc": {**BMC, "port": 0}}, "bmc: port 0 is no port"),
        ({"bmc": {**BMC, "system": "1?x"}}, "bmc: system '1?x' is no identity"),
        ({"bmc": BMC, "answer_timeout": 0}, "answer_timeout is 0"),
        ({"bmc": BMC, "at_once": 0}, "at_once is 0"),
        ({"machines": [{"name": "a", "bmc": BMC}] * 2}, "machines names a twice"),
        ({"machines": [{"name": "a", "bmc": {**BMC, "driver": "snmp"}}]}, "bmc of a: driver snmp needs outlets"),
    ],
)
def test_wrong_options(capfd: pytest.CaptureFixture[str], arguments: dict[str, Any], words: str) -> None:
    for module, more in ((power, {"state": "on"}), (power_info, {})):
        result = run(module, capfd, **arguments, **more)
        assert words in result["msg"]
        assert result["remedy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"state": "on"}, "one of the following is required: bmc, machines"),
        ({"bmc": BMC}, "one of the following is required: state, boot_device"),
        ({"bmc": BMC, "machines": [], "state": "on"}, "mutually exclusive"),
        ({"bmc": {**BMC, "driver": "wake_on_lan"}, "state": "on"}, "wake_on_lan"),
    ],
)
def test_options_that_do_not_go_together(
    capfd: pytest.CaptureFixture[str], arguments: dict[str, Any], words: str
) -> None:
    assert words in run(power, capfd, **arguments)["msg"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "state is inserted but all of the following are missing: image"),
        ({"image": "boot.iso"}, "image is no address"),
        ({"image": "nfs://192.0.2.10/boot.iso"}, "image is no address"),
        ({"image": "http://192.0.2.10"}, "image is no address"),
        ({"image": "http://user:canary@192.0.2.10/boot.iso"}, "without a name and password"),
        ({"image": "http://192.0.2.10/a b.iso"}, "image is no address"),
    ],
)
def test_images_that_are_no_address(capfd: pytest.CaptureFixture[str], wanted: dict[str, str], words: str) -> None:
    said = run(power, capfd, bmc=BMC, virtual_media=wanted)
    assert words in said["msg"]
    assert "canary" not in said["msg"]


@pytest.mark.parametrize(
    ("driver", "library"), [("redfish", "sushy"), ("ipmi", "pyghmi"), ("amt", "requests"), ("snmp", "pysnmp")]
)
def test_a_host_without_the_library(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, driver: str, library: str
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(options, "import_module", absent)
    bmc = {**BMC, "driver": driver, "outlets": [{"outlet": "1", "table": "apc"}]}
    result = run(power, capfd, bmc=bmc, state="on")
    assert f"({library})" in result["msg"]
    assert f"for the driver {driver}" in result["msg"]
    assert "accentos.cloud.power_client" in result["remedy"]


def hang() -> dict[str, Any]:
    time.sleep(60)
    return {}


def test_a_job_that_dies_and_a_job_that_hangs() -> None:
    begun = time.monotonic()
    results = runner.run_all(
        {"dies": lambda: os._exit(7), "hangs": hang, "works": lambda: {"power": "on"}},
        deadline=1,
        at_once=2,
    )
    assert list(results) == ["dies", "hangs", "works"]
    assert "ended without a result (exit code 7)" in results["dies"]["msg"]
    assert "no result within 1 s, which says nothing about the machine" in results["hangs"]["msg"]
    assert results["works"] == {"power": "on"}
    assert time.monotonic() - begun < 30


class Sleeper:
    """A driver that never returns, and swallows the first ring of the clock, as some library may."""

    def power_state(self) -> Power:
        try:
            time.sleep(60)
        except UnreachableError:
            time.sleep(60)
        return Power.OFF


def test_no_call_lasts_longer_than_its_limit() -> None:
    begun = time.monotonic()
    driver: Any = Sleeper()
    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
        runner.Timed(driver, 0.2).power_state()
    assert time.monotonic() - begun < 20
