# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process: openstacksdk against services over TLS, and a program that stands for Tempest."""

from __future__ import annotations

import getpass
import json
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import cloud_api, tempest_program
from ansible_collections.accentos.cloud.plugins.module_utils.tempest_cloud import MARK, NAME, settings
from ansible_collections.accentos.cloud.plugins.modules import tempest_run

from .lock_holder import held
from .tls_server import serving
from .whole_cloud import ADMIN, WholeCloud

A, B, C = "tempest.api.a.Test.test_a[id-1,smoke]", "tempest.api.a.Test.test_b[id-2]", "tempest.api.c.Test.test_c[id-3]"
EXTERNAL = {"cidr": "203.0.113.0/24", "first": "203.0.113.200", "last": "203.0.113.220"}
# Events as lines of JSON take the place of subunit's packets. The configuration is looked at before it is gone.
TEMPEST = """#!/bin/sh
while [ "$1" != tempest ]; do shift; done
for option; do
    case "$option" in
        --config-file=*) cp "${option#*=}" "$HOME/../seen.conf"; stat -c %a "${option#*=}" >"$HOME/../seen.mode" ;;
        --load-list=*) cp "${option#*=}" "$HOME/../seen.tests" ;;
    esac
done
echo "$@" >"$HOME/../seen.argv"
env >"$HOME/../seen.env"
echo 'a warning' >&2
cat "$HOME/../events"
if [ -e "$HOME/../hang" ]; then exec sleep 60; fi
"""


class FakeStream:
    """Stands for subunit.ByteStreamToStreamResult."""

    def __init__(self, source: Any, non_subunit_name: str) -> None:
        self._source = source

    def run(self, result: Any) -> None:
        line = b""
        while byte := self._source.read(1):
            line += byte
            if byte == b"\n":
                result.status(**json.loads(line))
                line = b""


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WholeCloud]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cloud_api, "_PAUSE", 0.01)
    monkeypatch.setitem(sys.modules, "subunit", SimpleNamespace(ByteStreamToStreamResult=FakeStream))
    program = tmp_path / "setpriv"
    program.write_text(TEMPEST)
    program.chmod(stat.S_IRWXU)
    # The jail needs rights of its own; what is behind it is found here.
    monkeypatch.setattr(tempest_program, "_JAIL", (str(program),))
    (tmp_path / "disk.img").write_bytes(b"disk")
    (tmp_path / "results").mkdir()
    events(tmp_path, (A, "success"), (B, "success"))
    made = WholeCloud(tmp_path)
    made.add("roles", name="admin")
    with serving(made):
        yield made


def events(folder: Path, *ended: tuple[str, str]) -> None:
    """Let the program tell of tests that ended."""
    lines = [json.dumps({"test_id": test, "test_status": status}) for test, status in ended]
    (folder / "events").write_text("".join(f"{line}\n" for line in lines))


def run(cloud: WholeCloud, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    folder = cloud.certificate.parent
    args = {
        "auth": {"url": cloud.url("/v3"), "password": ADMIN},
        "ca_file": str(cloud.certificate),
        "image": str(folder / "disk.img"),
        "folder": str(folder / "configuration"),
        "results": str(folder / "results"),
        "external": EXTERNAL,
        "timeout": 1,
        "user": getpass.getuser(),
        "tests": [A, B],
        **options,
    }
    with patch_module_args(args), pytest.raises(SystemExit):
        tempest_run.main()
    out = capsys.readouterr().out
    assert ADMIN not in out
    assert not (folder / "configuration").exists()
    result: dict[str, Any] = json.loads(out)
    return result


def test_a_run_passes_and_leaves_nothing(cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(cloud, capsys, tests=[A, "", "# comment", B], settings={"network": {"public_network_id": "theirs"}})
    assert (result["wanted"], result["passed"], result["failures"], result["skips"]) == (2, 2, [], [])
    assert (result["changed"], result["leftovers"], cloud.left()) == (False, 0, {})
    assert set(result["seconds"]) == {"making", "tests", "removing"}
    assert [one["test"] for one in result["slowest"]] == ["tempest.api.a.Test.test_a", "tempest.api.a.Test.test_b"]
    assert (tmp_path / "seen.mode").read_text() == "600\n"
    assert (tmp_path / "seen.tests").read_text() == f"{A}\n{B}\n"
    configuration = (tmp_path / "seen.conf").read_text()
    (password,) = [line for line in configuration.splitlines() if line.startswith("admin_password = ")]
    assert "public_network_id = theirs" in configuration
    assert "catalog_type = volumev3" in configuration
    assert "default_domain_id = " in configuration
    assert ADMIN not in configuration
    for seen in ("seen.argv", "seen.env"):
        text = (tmp_path / seen).read_text()
        assert password.partition(" = ")[2] not in text
        assert ADMIN not in text
    progress = (tmp_path / "results/progress.log").read_text().splitlines()
    assert [line.split()[2:5] for line in progress] == [
        ["1/2", "passed", "tempest.api.a.Test.test_a"],
        ["2/2", "passed", "tempest.api.a.Test.test_b"],
    ]
    assert (tmp_path / "results/results.subunit").read_bytes() == (tmp_path / "events").read_bytes()
    assert (tmp_path / "results/tempest.log").read_text() == "a warning\n"


def test_failures_are_told_and_nothing_is_left(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    events(tmp_path, (A, "fail"), (B, "skip"))
    result = run(cloud, capsys, tests=[A, B, C], expected_skips={"tempest.api.a.Test.test_b": "we know"})
    assert result["passed"] == 0
    assert [one["test"] for one in result["failures"]] == ["tempest.api.a.Test.test_a", "tempest.api.c.Test.test_c"]
    assert [(one["test"], one["reason"]) for one in result["skips"]] == [("tempest.api.a.Test.test_b", "we know")]
    assert cloud.left() == {}


def test_nothing_happens_in_check_mode(cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(cloud, capsys, _ansible_check_mode=True)
    assert (result["changed"], result["wanted"], result["passed"]) == (False, 2, 0)
    assert result["msg"] == "2 tests would run, 2 at a time."
    assert not (tmp_path / "seen.argv").exists()
    assert cloud.left() == {}


def test_what_a_killed_run_left_is_removed_and_nothing_else(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    domain = cloud.add("domains", name=NAME, description=MARK)["id"]
    cloud.add("domains", name=f"{NAME}-test_domain-1")
    project = cloud.add("projects", name="tempest-Test-1", domain_id=domain)["id"]
    user = cloud.add("users", name="tempest-Test-1-project", domain_id=domain)["id"]
    cloud.add("os-keypairs", name="key", user_id=user)
    outside = cloud.add("projects", name=f"{NAME}-project-1", domain_id="default")["id"]
    for kind in ("flavors", "types", "policies", "services", "groups", "users"):
        cloud.add(kind, name=f"{NAME}-1", domain_id="default")
        cloud.add(kind, name="theirs", domain_id="default")
    for kind in ("servers", "snapshots", "volumes", "subnetpools"):
        cloud.add(kind, name="any", project_id=project)
        cloud.add(kind, name="theirs", project_id="other")
    cloud.add("ports", name="any", project_id=outside, device_owner="")
    cloud.add("regions", description=f"{NAME}-region-1")
    cloud.add("regions", description="")
    (tmp_path / "configuration").mkdir()
    result = run(cloud, capsys)
    assert (result["changed"], result["leftovers"]) == (True, 16)
    left = cloud.left()
    assert {name for names in left.values() for name in names if not name.startswith("id-")} == {"theirs"}
    assert len(left["regions"]) == 1


def test_a_domain_of_somebody_else_is_not_touched(cloud: WholeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.add("domains", name=NAME, description="mine")
    result = run(cloud, capsys)
    assert "a domain accentos-tempest is there that no run of Tempest made" in result["msg"]
    assert cloud.left() == {"domains": [NAME]}


def test_a_run_that_takes_too_long_is_ended(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    events(tmp_path, (A, "success"))
    (tmp_path / "hang").touch()
    result = run(cloud, capsys, run_timeout=1)
    assert result["passed"] == 1
    assert "did not run" in result["failures"][0]["reason"]
    assert cloud.left() == {}


def test_what_the_host_lacks_is_told(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is no user nobody-of-this-name" in run(cloud, capsys, user="nobody-of-this-name")["msg"]
    assert run(cloud, capsys, external_network="missing")["remedy"].startswith("Name one that is there")
    events(tmp_path)
    assert "no test ran; it said: a warning" in run(cloud, capsys)["msg"]
    assert "cannot run Tempest" in run(cloud, capsys, image="/nonexistent/disk.img")["msg"]
    monkeypatch.setitem(sys.modules, "subunit", None)
    assert "python3-subunit is not installed" in run(cloud, capsys)["msg"]
    assert cloud.left() == {}


def test_tests_of_what_the_cloud_lacks_are_skipped(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    reason = "The public_network_id option must be specified."
    skipped = {"test_id": B, "test_status": "skip", "file_name": "reason"}
    events(tmp_path, (A, "success"))
    with (tmp_path / "events").open("a") as stream:
        stream.write(f"{json.dumps({**skipped, 'file_bytes': list(reason.encode())})}\n")
    result = run(cloud, capsys, external=None)
    assert [(one["test"], one["reason"]) for one in result["skips"]] == [
        (B.partition("[")[0], "The cloud has no external network.")
    ]
    assert (result["passed"], result["failures"]) == (1, [])
    (failure,) = run(cloud, capsys)["failures"]
    assert failure["reason"] == f"It was skipped, which is not expected: {reason}"


def test_a_run_ends_the_one_before_it(cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with held(tmp_path / "configuration.lock") as before:
        assert run(cloud, capsys)["passed"] == 2
        assert before.wait() == -signal.SIGKILL


def test_a_cloud_without_volumes_or_external_network() -> None:
    options = {
        "auth": {"url": "https://cloud.test/v3"},
        "ca_file": "/ca.crt",
        "timeout": 9,
        "logins": True,
        "settings": {"image": {"build_interval": None}, "compute": {"min_compute_nodes": 2}},
    }
    found = settings(options, Path("/run/x"), {"service_available": {"cinder": False}})
    assert found["service_available"] == {"cinder": False}
    assert found["image"] == {}
    assert found["compute"] == {"build_interval": 1, "build_timeout": 9, "min_compute_nodes": 2}
    assert found["oslo_concurrency"] == {"lock_path": "/run/x/locks"}
    assert found["validation"] == {"run_validation": False}
    outside = {"network": {"public_network_id": "1"}}
    assert settings(options, Path("/run/x"), outside)["validation"]["run_validation"]
    assert not settings({**options, "logins": False}, Path("/run/x"), outside)["validation"]["run_validation"]
