# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process: openstacksdk against services over TLS, and programs that stand for ping and SSH."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import cloud_api, cloud_check_steps
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_check_steps import MARK, NAME
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_checks import Row
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_guests import GuestError
from ansible_collections.accentos.cloud.plugins.modules import cloud_checks

from .lock_holder import held
from .tls_server import serving
from .whole_cloud import ADMIN, WholeCloud

EXTERNAL = {"cidr": "203.0.113.0/24", "first": "203.0.113.200", "last": "203.0.113.220"}
PING = """#!/bin/sh
told() { echo '5 packets transmitted, 5 received, 0% packet loss'; echo 'rtt min/avg/max/mdev = 1.0/2.0/3.0/0.5 ms'; }
case "$*" in
    *" -c "*) told ;;
    *) trap 'told; exit 0' INT; while :; do sleep 0.1; done ;;
esac
"""
# The last argument is the command. What a guest writes to a volume the other one reads.
SSH = """#!/bin/sh
for command; do :; done
echo "$@" >>"$SSH_LOG"
case "$command" in
    hostname) echo accentos-check-1 ;;
    ping*) echo '5 packets transmitted, 5 packets received'; echo 'round-trip min/avg/max = 1.0/2.0/3.0 ms' ;;
    *sha256sum*) echo 'abc  -' ;;
esac
"""
KEYGEN = """#!/bin/sh
for file; do :; done
echo private >"$file"
echo 'ssh-ed25519 AAAA' >"$file.pub"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {"ping": PING, "ssh": SSH, "ssh-keygen": KEYGEN}.items():
        write(folder / name, text)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("SSH_LOG", str(tmp_path / "ssh.log"))
    return folder


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(stat.S_IRWXU)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Path) -> Iterator[WholeCloud]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cloud_api, "_PAUSE", 0.01)
    monkeypatch.setattr(cloud_check_steps, "greet_console", lambda _url, _ca_file: "RFB 003.008")
    (tmp_path / "disk.img").write_bytes(b"disk")
    made = WholeCloud(tmp_path)
    with serving(made):
        yield made


def run(cloud: WholeCloud, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    folder = cloud.certificate.parent
    args = {
        "auth": {"url": cloud.url("/v3"), "password": ADMIN},
        "ca_file": str(cloud.certificate),
        "image": str(folder / "disk.img"),
        "folder": str(folder / "keys"),
        "external": EXTERNAL,
        "timeout": 1,
        **options,
    }
    with patch_module_args(args), pytest.raises(SystemExit):
        cloud_checks.main()
    out = capsys.readouterr().out
    assert ADMIN not in out
    assert not (folder / "keys").exists()
    result: dict[str, Any] = json.loads(out)
    return result


def results(result: dict[str, Any]) -> dict[str, str]:
    return {row["check"]: row["result"] for row in result["checks"]}


def details(result: dict[str, Any]) -> dict[str, str]:
    return {row["check"]: row["detail"] for row in result["checks"]}


def test_a_cloud_that_works_passes_and_is_left_as_it_was(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    result = run(cloud, capsys)
    assert set(results(result).values()) == {"ok"}, details(result)
    assert (result["changed"], result["leftovers"], cloud.left()) == (False, 0, {})
    assert details(result)["guests"] == "on compute-1 and compute-2"
    assert details(result)["live migration"].startswith("compute-1 to compute-2 in ")
    assert details(result)["volume"] == "4 MiB written by one guest, read by the other"
    log = (tmp_path / "ssh.log").read_text()
    assert "StrictHostKeyChecking=yes" in log
    assert "-W %h:%p root@203.0.113.200" in log


def test_nothing_is_made_in_check_mode(cloud: WholeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(cloud, capsys, _ansible_check_mode=True)
    assert results(result) == {"services": "ok"}
    cloud.alive, cloud.volumes = False, False
    result = run(cloud, capsys, _ansible_check_mode=True)
    assert details(result)["services"] == "These do not report: nova-compute@compute-1, nova-compute@compute-2."
    cloud.computes = []
    assert details(run(cloud, capsys, _ansible_check_mode=True))["services"] == "No compute takes guests."
    assert cloud.left() == {}


def test_agents_that_a_driver_needs_are_missed(cloud: WholeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = run(cloud, capsys, network_driver="openvswitch", _ansible_check_mode=True)["checks"]
    assert row["result"] == "failed"
    assert "does not know these: DHCP agent@any host, L3 agent@compute-1, " in row["detail"]


def test_another_run_is_not_waited_for_for_ever(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_checks, "_OTHER_RUN", 0)
    with held(tmp_path / "keys.lock") as other:
        result = run(cloud, capsys)
        assert run(cloud, capsys, _ansible_check_mode=True)["changed"] is False
    assert result["msg"] == f"Another run checks the cloud on this host, process {other.pid}."
    assert f"kill {other.pid}" in result["remedy"]


def test_what_a_cloud_has_not_is_left_out(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    # What other tests in this process warned of would be told, too.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: told.append(text))
    cloud.volumes, cloud.computes = False, ["compute-1"]
    result = run(cloud, capsys)
    assert (results(result)["volume"], details(result)["volume"]) == ("left out", "the cloud has no volume service")
    assert details(result)["live migration"] == "there is one compute only"
    assert told == ["Not proved, since it was left out: volume, live migration. The table of the checks says why."]
    result = run(cloud, capsys, external=None)
    assert details(result)["floating address"].startswith("there is no external network")
    assert "failed" not in results(result).values()
    assert cloud.left() == {}


def test_each_back_end_of_volumes_is_tried(cloud: WholeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ceph", "files"):
        cloud.add("types", name=name, extra_specs={"volume_backend_name": name})
    result = run(cloud, capsys)
    told = "4 MiB written by one guest, read by the other, of each of the types ceph, files"
    assert details(result)["volume"] == told
    assert cloud.types_of_volumes == ["ceph", "files"]
    cloud.stuck = {"volumes of files"}
    assert details(run(cloud, capsys))["volume"].startswith("A volume of type files: ")
    assert cloud.left() == {"types": ["ceph", "files"]}


def test_an_attachment_that_was_given_up_is_told_at_once(cloud: WholeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.stuck = {"attachments"}
    result = run(cloud, capsys)
    assert details(result)["volume"] == "The compute service gave up attaching it."
    assert cloud.left() == {}


def test_what_a_killed_run_left_is_removed_and_nothing_else(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    project = cloud.add("projects", name=NAME, description=MARK)["id"]
    cloud.add("users", name=NAME, description=MARK)
    for collection in ("servers", "volumes", "floatingips", "networks", "os-server-groups"):
        cloud.add(collection, name=NAME, project_id=project)
    cloud.add("servers", name="theirs", project_id="other")
    cloud.add("flavors", name="theirs")
    cloud.add("flavors", name=NAME, description=MARK)
    cloud.add("networks", name=NAME, description=MARK, project_id="admin")
    cloud.add("os-keypairs", name=NAME)
    result = run(cloud, capsys, _ansible_check_mode=False)
    assert (result["changed"], result["leftovers"]) == (True, 10)
    assert cloud.left() == {"servers": ["theirs"], "flavors": ["theirs"]}


def test_a_project_of_somebody_else_is_not_touched(cloud: WholeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.add("projects", name=NAME, description="Mine")
    assert "that the checks did not make" in run(cloud, capsys)["msg"]
    assert cloud.left() == {"projects": [NAME]}


@pytest.mark.parametrize(
    ("request_", "check", "detail"),
    [
        (("POST", "images"), "image", "the image service refuses POST /images: 400 told to"),
        (("POST", "routers"), "network", "the network service refuses POST /routers: 400 told to"),
        (("POST", "flavors"), "guests", "the compute service refuses POST /flavors: 400 told to"),
        (("POST", "volumes"), "volume", "the volume service refuses POST /volumes: 400 told to"),
    ],
)
def test_a_refusal_fails_its_check_and_is_told(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], request_: tuple[str, str], check: str, detail: str
) -> None:
    cloud.fail = {request_: 400}
    result = run(cloud, capsys)
    assert (results(result)[check], details(result)[check]) == ("failed", detail)
    assert all(row["remedy"] for row in result["checks"] if row["result"] == "failed")
    assert cloud.left() == {}


def test_guests_that_do_not_work_are_told(cloud: WholeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.stuck = {"guests"}
    assert details(run(cloud, capsys))["guests"].endswith("is in state ERROR: No valid host was found.")
    cloud.stuck, cloud.console = set(), "accentos-guest: 2.0 start\naccentos-guest: 9.0 FAILED no address from DHCP\n"
    assert "has no address; no address from DHCP" in details(run(cloud, capsys))["address by DHCP"]
    lease = "accentos-guest: 3.0 lease eth0 {address}/24\n"
    cloud.console = f"accentos-guest: 2.0 start\n{lease}accentos-guest: 9.0 FAILED no metadata\n"
    assert details(run(cloud, capsys))["metadata"].endswith("no metadata.")
    assert cloud.left() == {}


def test_a_compute_that_is_late_with_consoles_is_asked_again(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.late_consoles = 3
    assert set(results(run(cloud, capsys, timeout=60)).values()) == {"ok"}
    cloud.late_consoles = 10**6
    result = run(cloud, capsys)
    assert results(result)["address by DHCP"] == "failed"
    assert details(result)["address by DHCP"].endswith("500 MessagingTimeout")


def test_the_second_guest_is_asked_for_once_the_first_one_runs(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.starting = 3
    result = run(cloud, capsys, timeout=60)
    assert (results(result)["guests"], details(result)["guests"]) == ("ok", "on compute-1 and compute-2")
    assert cloud.hasty == 0


def test_guests_do_not_move_between_computes_that_run_them_in_two_ways(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.kinds = {"compute-1": "kvm", "compute-2": "qemu"}
    result = run(cloud, capsys)
    assert (results(result)["live migration"], "failed" in results(result).values()) == ("left out", False)
    assert details(result)["live migration"].startswith("guests run by kvm on compute-1 and on compute-2 by qemu")
    cloud.fail["GET", "servers/diagnostics"] = 403
    assert results(run(cloud, capsys))["live migration"] == "ok"


def test_what_programs_say_is_believed(cloud: WholeCloud, capsys: pytest.CaptureFixture[str], programs: Path) -> None:
    write(programs / "ssh", SSH.replace("echo accentos-check-1", "echo another"))
    assert details(run(cloud, capsys))["ssh"] == "203.0.113.200 is another."
    write(programs / "ssh", SSH.replace("5 packets received", "2 packets received"))
    assert "2 of 5 answered" in details(run(cloud, capsys))["guest to guest"]
    write(programs / "ssh", SSH.replace("echo 'abc  -'", 'echo "$command"'))
    assert details(run(cloud, capsys))["volume"] == "What one guest wrote is not what the other one read."
    write(programs / "ssh", "#!/bin/sh\necho no route; exit 255\n")
    assert details(run(cloud, capsys))["ssh"].endswith("ends with 255: no route")
    write(programs / "ping", "#!/bin/sh\necho '5 packets transmitted, 0 received'; exit 1\n")
    assert details(run(cloud, capsys))["floating address"] == "203.0.113.200: 0 of 5 answered."
    assert cloud.left() == {}


def test_a_guest_that_does_not_move_is_told(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_url: str, _ca_file: str) -> str:
        raise GuestError("the console does not answer")

    monkeypatch.setattr(cloud_check_steps, "greet_console", silent)
    cloud.stuck = {"migration"}
    told = details(run(cloud, capsys))
    assert told["live migration"].startswith("The guest is still on compute-1 after ")
    assert told["console"] == "the console does not answer."


def test_what_cannot_be_removed_and_who_cannot_log_in_is_told(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refused = run(cloud, capsys, auth={"url": cloud.url("/v3"), "password": "older"})
    assert refused["msg"].startswith("The cloud cannot be checked: admin cannot log in at ")
    assert "cannot be read" in details(run(cloud, capsys, image=str(tmp_path / "none")))["image"]
    assert run(cloud, capsys, external_network="none")["checks"][2]["result"] == "failed"
    cloud.stuck = {"servers"}
    project = cloud.add("projects", name=NAME, description=MARK)["id"]
    cloud.add("servers", name="stuck", project_id=project, starting=0, **{"OS-EXT-SRV-ATTR:host": "compute-1"})
    assert "did not remove /servers/" in run(cloud, capsys)["msg"]


def test_what_stays_does_not_hide_what_the_checks_found(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], programs: Path
) -> None:
    write(programs / "ssh", "#!/bin/sh\necho no route; exit 255\n")
    cloud.stuck = {"servers"}
    result = run(cloud, capsys)
    assert {name for name, said in results(result).items() if said == "failed"} == {"ssh", "cleaning up"}
    assert "did not remove /servers/" in details(result)["cleaning up"]
    assert next(row["remedy"] for row in result["checks"] if row["check"] == "cleaning up").startswith("See whether")
    # The next run begins with it.
    cloud.stuck = set()
    write(programs / "ssh", SSH)
    result = run(cloud, capsys)
    assert (result["changed"], set(results(result).values()), cloud.left()) == (True, {"ok"}, {})


def test_a_run_that_cannot_begin_and_not_clean_up_tells_why_it_did_not_begin(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.fail = {("POST", "users"): 400, ("DELETE", "projects"): 403}
    assert "refuses POST /users" in run(cloud, capsys)["msg"]


def test_things_of_others_that_have_the_name_of_the_checks_stay(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.add("networks", name=NAME, description="Mine", project_id="other", **{"router:external": False})
    cloud.add("networks", name=NAME, project_id="other", **{"router:external": True})
    cloud.add("flavors", name=NAME)
    theirs = cloud.left()
    assert (run(cloud, capsys)["leftovers"], cloud.left()) == (0, theirs)


def test_what_a_killed_run_left_outside_of_its_project_is_removed(
    cloud: WholeCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that is killed is one of this module, so its things have the marks that it makes."""
    with monkeypatch.context() as killed:
        killed.setattr(cloud_checks, "clean_up", lambda _project: Row("cleaning up", "failed", 0, "killed"))
        run(cloud, capsys)
    assert {"flavors", "networks", "projects", "users"} <= set(cloud.left())
    assert run(cloud, capsys)["changed"] is True
    assert cloud.left() == {}


def test_a_host_without_programs_is_told(cloud: WholeCloud, capsys: pytest.CaptureFixture[str], programs: Path) -> None:
    write(programs / "ssh-keygen", "#!/bin/sh\necho full; exit 1\n")
    assert run(cloud, capsys)["msg"] == "The host cannot check the cloud: ssh-keygen makes no key: full."
