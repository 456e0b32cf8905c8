# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module in this process, before a volume service and a systemd in memory."""

from __future__ import annotations

import json
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import CloudError
from ansible_collections.accentos.cloud.plugins.modules import volume_services

UNIT = "cinder-volume.service"
# Remembers when the service started, in files beside it.
SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
case "$1" in
    show) cat "$here/shown" ;;
    restart) echo "$@" >>"$here/asked"; cp "$here/shown-anew" "$here/shown" ;;
esac
"""
ERROR = "ERROR cinder.volume.manager x.Error: Volume Group volumes does not exist"
NOT_UP = "WARNING cinder.volume.manager Update driver status failed: (config name ceph) is uninitialized."


def logged(*texts: str) -> str:
    """Lines of a log, as of the next second."""
    moment = (datetime.now() + timedelta(seconds=1)).isoformat(sep=" ", timespec="milliseconds")
    return "".join(f"{moment} 1 {text}\n" for text in texts)


def shown(start: datetime, active: str = "active") -> str:
    return f"ActiveState={active}\nActiveEnterTimestamp={start.strftime('%a %Y-%m-%d %H:%M:%S.%f UTC')}\n"


class VolumeService:
    """What cinder says, as the class Cloud shows it. ``heard`` has when the scheduler heard of a service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: dict[str, datetime] = {}
        # Those that the scheduler hears of once the service is asked so often.
        self.later: dict[str, int] = {}
        self.gone = ""
        self.asked = 0

    def __call__(self, _auth: Any, *, ca_file: str | None, timeout: int) -> VolumeService:
        """Stand for the class."""
        assert (ca_file, timeout > 0) == ("/ca.crt", True)
        if self.gone:
            raise CloudError(self.gone)
        return self

    def get(self, service: str, path: str, **query: Any) -> Any:
        """Tell services or pools."""
        if path == "/os-services":
            assert (service, query) == ("volume", {"binary": "cinder-volume"})
            return {"services": [{"host": "site@ceph", "status": "enabled", "frozen": False}]}
        assert (service, path, query) == ("volume", "/scheduler-stats/get_pools", {"detail": "true"})
        self.asked += 1
        now = datetime.now(UTC)
        self.heard |= {name: now for name, times in self.later.items() if self.asked > times}
        pools = {f"{name}#pool": {"timestamp": moment.isoformat()} for name, moment in self.heard.items()}
        return {"pools": [{"name": name, "capabilities": told} for name, told in pools.items()]}

    def started(self, seconds: float, *, anew: float = -1) -> None:
        """Let the service have been started seconds ago, and a restart begin as many seconds ago."""
        now = datetime.now(UTC)
        (self.folder / "shown").write_text(shown(now - timedelta(seconds=seconds)))
        (self.folder / "shown-anew").write_text(shown(now - timedelta(seconds=anew)))

    def restarts(self) -> list[str]:
        """Return what systemd was told."""
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VolumeService:
    made = VolumeService(tmp_path)
    monkeypatch.setattr(volume_services, "Cloud", made)
    monkeypatch.setattr(volume_services, "_PAUSE", 0.01)
    for name in ("systemctl", "journalctl"):
        (tmp_path / name).write_text(SYSTEMCTL)
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "cinder-volume.log").write_text(logged(ERROR))
    (tmp_path / "cinder.conf").write_text(
        f"[DEFAULT]\nenabled_backends = ceph\nlog_dir = {tmp_path}\n[ceph]\nbackend_host = site\n"
    )
    made.started(10)
    return made


def run(service: VolumeService, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    auth = {"url": "https://api.example.test:5000/v3", "password": "word"}
    conf = str(service.folder / "cinder.conf")
    arguments = {"auth": auth, "ca_file": "/ca.crt", "configuration": conf, "timeout": 1, **options}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        volume_services.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_a_back_end_that_works_is_let_alone(service: VolumeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.started(4000)
    service.heard["site@ceph"] = datetime.now(UTC)
    done = run(service, capsys)
    assert (done["changed"], done["commands"], done["back_ends"]) == (False, [], {"ceph": ["site@ceph"]})
    assert (service.restarts(), service.asked) == ([], 2)


def test_one_that_comes_up_is_waited_for(service: VolumeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.later["site@ceph"] = 5
    done = run(service, capsys)
    assert (done["changed"], service.restarts(), service.asked) == (False, [], 6)


def test_one_that_does_not_is_told_with_the_errors_of_its_driver(
    service: VolumeService, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = run(service, capsys)
    assert failed["msg"].startswith("ceph: no volume can be made there. The scheduler of volumes has heard nothing")
    assert failed["msg"].endswith(f"{service.folder}/cinder-volume.log:\nx.Error: Volume Group volumes does not exist")
    assert failed["remedy"].endswith(
        "once it is disabled: openstack volume service set --disable site@ceph cinder-volume"
    )
    # A restart would have come too soon for drivers that are on their way.
    assert service.restarts() == []
    (service.folder / "cinder-volume.log").unlink()
    assert "The end of the journal of cinder-volume.service" in run(service, capsys)["msg"]


def test_one_that_was_mended_comes_back_with_a_restart(
    service: VolumeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.started(4000, anew=0)
    planned = run(service, capsys, _ansible_check_mode=True)
    assert (planned["changed"], service.restarts()) == (True, [])
    service.later["site@ceph"] = service.asked + 13
    done = run(service, capsys)
    assert done["commands"] == planned["commands"] == [f"restart {UNIT}"]
    assert done["reasons"] == planned["reasons"] == {UNIT: "nothing is heard of ceph"}
    assert (done["changed"], service.restarts()) == (True, [f"restart {UNIT}"])


def test_nobody_waits_for_long_where_the_driver_has_given_up(
    service: VolumeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.heard["site@ceph"] = datetime.now(UTC)
    (service.folder / "cinder-volume.log").write_text(logged(ERROR, NOT_UP))
    begin = time.monotonic()
    assert run(service, capsys, timeout=60)["msg"].startswith("ceph: ")
    assert time.monotonic() - begin < 30


def test_one_that_is_heard_of_a_little_later_is_not_restarted(
    service: VolumeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.started(4000)
    service.later["site@ceph"] = 3
    assert not run(service, capsys)["changed"]
    assert service.restarts() == []


def test_what_cannot_be_asked_is_told(service: VolumeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.gone = "admin cannot log in"
    assert not run(service, capsys, _ansible_check_mode=True)["changed"]
    failed = run(service, capsys, timeout=0)
    assert failed["msg"] == "Nobody can tell whether volumes can be made: admin cannot log in."
    service.gone = ""
    (service.folder / "shown").write_text(shown(datetime.now(UTC), "failed"))
    assert not run(service, capsys, _ansible_check_mode=True)["changed"]
    assert run(service, capsys)["msg"].startswith("ceph: ")


def test_a_configuration_without_back_ends(service: VolumeService, capsys: pytest.CaptureFixture[str]) -> None:
    (service.folder / "cinder.conf").write_text("[DEFAULT]\n")
    assert run(service, capsys)["back_ends"] == {}
    (service.folder / "cinder.conf").write_text("no section")
    assert "cannot be read" in run(service, capsys)["msg"]
    (service.folder / "cinder.conf").unlink()
    assert "is not there" in run(service, capsys)["msg"]
    assert not run(service, capsys, _ansible_check_mode=True)["changed"]
