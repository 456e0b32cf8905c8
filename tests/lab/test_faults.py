# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Killed runs, hosts that lie, wrong keys, half-made labs: each ends well or says why not."""

from __future__ import annotations

import os
import random
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmark.thousand_computes import read_tasks

from .conftest import (
    BASE,
    CERTIFICATES,
    CREATE,
    DESTROY,
    HOSTS,
    NAME,
    NETWORKS,
    ONE,
    PREPARE,
    ROOT,
    SITE,
    STATE,
    Lab,
)
from .kills import difference, kill_points

KILLS = int(os.environ.get("ACCENTOS_TEST_KILLS", "3"))
SEED = int(os.environ.get("ACCENTOS_TEST_SEED", "0")) or secrets.randbelow(10**6) + 1
# Only chooses where to kill; the seed makes a choice repeatable.
CHANCE = random.Random(SEED)  # noqa: S311


def podman(*arguments: str) -> str:
    """Run podman and return what it prints."""
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=True).stdout


def take_apart(host: str) -> None:
    """Leave half of a lab: without one host, with a cache that is off and keys that nobody knows."""
    podman("rm", "--force", "--time=0", f"accentos-{NAME}-{host}")
    podman("stop", "--time=0", f"accentos-{NAME}-cache")
    (STATE / "known_hosts").unlink()


def test_half_made_lab_is_repaired_and_a_killed_run_ends_in_the_same_state(
    lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    lab.succeed(PREPARE)
    undisturbed = lab.manifest()
    seconds = [task.seconds for task in read_tasks(lab.log(), time.time())]

    for host in HOSTS:
        take_apart(host)
        lab.succeed(CREATE)
    assert lab.succeed(CREATE).changed == 0
    for host in HOSTS:
        assert lab.sh(host, "systemctl is-system-running --wait || true") == "running\n"

    chosen = kill_points(seconds, KILLS, CHANCE)
    record_property("killed", f"seed {SEED}: {len(chosen)} times, tasks and seconds {chosen} of {len(seconds)} tasks")
    for count, delay in chosen:
        record_property("killed at", lab.kill_at_task(PREPARE, count, delay=delay))
    lab.succeed(PREPARE)
    assert difference(undisturbed, lab.manifest()) == {}
    again = lab.succeed(PREPARE)
    assert again.changed == 0, again.output
    # What a killed run wrote but did not restart was restarted by the next one.
    for host in HOSTS:
        assert lab.sh(host, "chronyc -n authdata 2>&1 || true; systemctl is-active chrony").endswith("active\n")
        assert lab.sh(host, "systemctl --failed --no-legend --plain") == ""


@pytest.mark.long
def test_package_lists_that_a_killed_run_owed_are_read(lab: Lab) -> None:
    lab.prepare()
    lists = "ls /var/lib/apt/lists | grep -c contrib_binary || true"
    assert lab.sh("compute-1", lists) == "0\n"
    more = (*ONE, *BASE, "--extra-vars", "{'base_apt_components': ['main', 'contrib']}")
    # The sources are written, the lists are not read yet.
    lab.kill_at_task(PREPARE, "Ask whether an earlier package transaction", *more)
    lab.succeed(PREPARE, *more)
    assert lab.sh("compute-1", lists) != "0\n"
    assert lab.succeed(PREPARE, *more).changed == 0


def test_check_mode_writes_nothing(lab: Lab) -> None:
    lab.prepare()
    before = lab.manifest()
    store = (STATE / ".secrets.yml").read_bytes()
    plan = lab.succeed(
        PREPARE, "--check", "--diff", "--extra-vars", "{'base_sysctl_extra': {'net.ipv4.tcp_syncookies': 2}}"
    )
    assert "+net.ipv4.tcp_syncookies = 2" in plan.output
    assert "systemctl restart systemd-sysctl.service" in plan.output
    assert lab.manifest() == before
    assert (STATE / ".secrets.yml").read_bytes() == store


def test_certificates_are_renewed_before_their_end(lab: Lab) -> None:
    lab.prepare()
    serial = "openssl x509 -in /etc/accentos/pki/host.crt -noout -serial"
    before = {host: lab.sh(host, serial) for host in HOSTS}
    lab.succeed(
        PREPARE, *ONE, *CERTIFICATES, "--extra-vars", "{'pki_validity_days': 500, 'pki_renew_before_days': 450}"
    )
    renewed = {host: lab.sh(host, serial) for host in HOSTS}
    assert [host for host in HOSTS if renewed[host] != before[host]] == ["compute-1"]
    assert lab.succeed(PREPARE, *CERTIFICATES).changed == 0
    assert {host: lab.sh(host, serial) for host in HOSTS} == renewed


def test_certificate_that_a_killed_write_left_empty_is_made_anew(lab: Lab) -> None:
    lab.prepare()
    lab.sh("compute-1", ": >/etc/accentos/pki/host.crt; : >/etc/accentos/pki/host.key")
    lab.succeed(PREPARE, *ONE, *CERTIFICATES)
    assert lab.sh("compute-1", "openssl verify /etc/accentos/pki/host.crt").endswith(": OK\n")
    assert lab.succeed(PREPARE, *ONE, *CERTIFICATES).changed == 0


@pytest.mark.long
def test_authority_is_renewed_before_its_end_and_trusted_all_the_while(lab: Lab) -> None:
    lab.prepare()
    serial = "openssl x509 -in /etc/accentos/pki/ca.crt -noout -serial"
    old = lab.sh("compute-1", serial)
    # What is signed now would outlive the authority's present certificate of ten years.
    longer = "{'pki_validity_days': 3640, 'pki_ca_validity_days': 4000}"
    lab.succeed(PREPARE, *ONE, *CERTIFICATES, "--extra-vars", longer)
    assert (lab.sh("compute-1", serial) == old, lab.sh("deploy-1", serial) == old) == (False, True)
    for here, there in (("compute-1", "deploy-1"), ("deploy-1", "compute-1")):
        certificate = lab.sh(there, "cat /etc/accentos/pki/host.crt")
        assert lab.sh(here, f"openssl verify <<'END'\n{certificate}END\n").endswith(": OK\n")
    lab.succeed(PREPARE, *CERTIFICATES, "--extra-vars", longer)
    assert lab.sh("deploy-1", serial) == lab.sh("compute-1", serial)
    assert lab.succeed(PREPARE, *CERTIFICATES).changed == 0


def test_times_of_certificates_that_cannot_work_are_refused(lab: Lab) -> None:
    lab.prepare()
    before = lab.manifest()
    refused = lab.run(PREPARE, *ONE, *CERTIFICATES, "--extra-vars", "pki_renew_before_days=397")
    assert refused.code != 0
    assert "pki_validity_days" in refused.output
    assert lab.manifest() == before


@pytest.mark.long
def test_unit_with_a_certificate_and_a_role_of_its_own_is_left_alone(lab: Lab) -> None:
    certificate = {"name": "time", "subject_alternative_names": ["DNS:time.example.test"], "units": ["chrony.service"]}
    more = (*ONE, *CERTIFICATES, "--extra-vars", f"{{'pki_certificates': [{certificate!r}]}}")
    lab.succeed(PREPARE, *more)
    again = lab.succeed(PREPARE, *more)
    assert again.changed == 0, again.output
    lab.sh("compute-1", "rm /etc/accentos/pki/time.*")


@pytest.mark.long
def test_time_zone_that_is_a_file_is_planned_as_it_is_done(lab: Lab) -> None:
    lab.prepare()
    lab.sh("compute-1", "cp --remove-destination /usr/share/zoneinfo/Europe/Berlin /etc/localtime")
    assert lab.succeed(PREPARE, *ONE, *BASE, "--check").changed == 1
    assert lab.succeed(PREPARE, *ONE, *BASE).changed == 1
    assert lab.sh("compute-1", "readlink /etc/localtime") == "/usr/share/zoneinfo/Etc/UTC\n"
    refused = lab.run(PREPARE, *ONE, *BASE, "--extra-vars", "base_timezone=Europe/Atlantis")
    assert refused.code != 0
    assert "zoneinfo/Europe/Atlantis" in refused.output


def test_who_is_taken_off_the_list_is_locked_out(lab: Lab) -> None:
    lab.prepare()
    person = f"ssh -F {STATE}/ssh_config -o BatchMode=yes -l second compute-1 id --user --name"
    key = (STATE / "id_ed25519.pub").read_text().strip()
    operator = {"name": "operator", "sudo": True, "ssh_keys": [key]}
    both = (*ONE, *BASE, "--extra-vars", f"{{'base_admins': [{operator!r}, { ({**operator, 'name': 'second'})!r}]}}")
    lab.kill_at_task(PREPARE, "Let exactly the administrators in", *both, delay=0.5)
    lab.succeed(PREPARE, *both)
    assert lab.succeed(PREPARE, *both).changed == 0
    assert subprocess.run(shlex.split(person), capture_output=True, text=True, check=True).stdout == "second\n"
    assert lab.sh("compute-1", "su second -c 'touch ~/kept && sudo --non-interactive id --user'") == "0\n"

    plan = lab.succeed(PREPARE, *ONE, *BASE, "--check", "--diff")
    assert "+second: lets nobody in" in plan.output
    assert plan.changed == 1
    lab.succeed(PREPARE, *ONE, *BASE)
    assert lab.succeed(PREPARE, *ONE, *BASE).changed == 0
    refused = subprocess.run(shlex.split(person), capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (255, "")
    assert lab.sh("compute-1", "cat /etc/sudoers.d/* | grep -c second || true") == "0\n"
    assert lab.sh("compute-1", "ls -A /home/second/.ssh; ls /home/second") == "kept\n"
    assert lab.sh("compute-1", "su operator -c 'sudo --non-interactive id --user'") == "0\n"


def test_root_is_no_administrator(lab: Lab) -> None:
    before = lab.manifest()
    refused = lab.run(
        PREPARE, *ONE, *BASE, "--extra-vars", "{'base_admins': [{'name': 'root', 'ssh_keys': ['ssh-ed25519 AAAA']}]}"
    )
    assert refused.code != 0
    assert "The administrator root would take over" in refused.output
    assert lab.manifest() == before


def test_archive_with_another_key_is_refused(lab: Lab) -> None:
    key = lab.sh("deploy-1", "cat /usr/share/keyrings/debian-archive-trixie-stable.asc 2>/dev/null || true")
    archive = {
        "name": "wrong",
        "uris": ["http://archive.example.test/debian"],
        "suites": ["trixie"],
        "components": ["main"],
        "key": key or "no key at all",
        "fingerprint": "0123456789ABCDEF0123456789ABCDEF01234567",
    }
    before = lab.manifest()
    refused = lab.run(PREPARE, *ONE, *BASE, "--extra-vars", f"{{'base_apt_repositories': [{archive!r}]}}")
    assert refused.code != 0
    assert "0123456789ABCDEF0123456789ABCDEF01234567" in refused.output
    assert "base_apt_repositories" in refused.output
    assert lab.manifest() == before


def test_text_from_a_host_is_never_a_program(lab: Lab) -> None:
    witness = lab.scratch / "witness"
    hostile = f"13{{{{ lookup('ansible.builtin.pipe', 'touch {witness}') }}}}\x1b[31m"
    original = lab.sh("compute-1", "cat /etc/os-release")
    lab.sh(
        "compute-1",
        f"cp -L /etc/os-release /root/os-release && cat >>/etc/os-release <<'END'\nVERSION_ID=\"{hostile}\"\nEND",
    )
    try:
        refused = lab.run(PREPARE, *ONE)
    finally:
        lab.sh("compute-1", "cat /root/os-release >/etc/os-release && rm /root/os-release")
    assert lab.sh("compute-1", "cat /etc/os-release") == original
    assert refused.code != 0
    assert "hosts must run Debian 13" in refused.output
    assert "touch" in refused.output
    assert "\x1b[31m" not in refused.output
    assert not witness.exists()


def test_service_that_does_not_start_shows_its_journal(lab: Lab) -> None:
    broken = lab.run(PREPARE, *ONE, *BASE, "--extra-vars", "{'base_ntp_servers': ['192.0.2.1 nonsense']}")
    assert broken.code != 0
    assert "chrony.service does not restart" in broken.output
    assert "Could not parse" in broken.output
    assert "journalctl --unit chrony.service" in broken.output
    lab.succeed(PREPARE, *ONE, *BASE)
    assert lab.succeed(PREPARE, *ONE, *BASE).changed == 0


@pytest.mark.long
def test_lab_that_was_killed_while_it_was_made_is_repaired(
    lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    lab.succeed(DESTROY)
    record_property("killed at", lab.kill_at_task(CREATE, CHANCE.randrange(8, 16)))
    lab.succeed(CREATE)
    assert lab.succeed(CREATE).changed == 0


@pytest.mark.long
def test_network_that_is_taken_is_named(lab: Lab) -> None:
    lab.succeed(DESTROY)
    podman("network", "create", "--internal", "--subnet", NETWORKS["tunnel"]["cidr"], "accentos-test-taken")
    try:
        refused = lab.run(CREATE)
    finally:
        podman("network", "rm", "accentos-test-taken")
    assert refused.code != 0
    assert f"{NETWORKS['tunnel']['cidr']} (tunnel)" in refused.output
    assert "podman network ls" in refused.output
    lab.succeed(CREATE)


@pytest.mark.long
def test_lab_of_another_checkout_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "site"
    shutil.copytree(SITE, other)
    # Other labs come and go meanwhile.
    containers = ("ps", f"--filter=name=accentos-{NAME}-", "--format={{.ID}} {{.Names}}")
    before = podman(*containers)
    assert before
    refused = lab.run(CREATE, site=other)
    assert refused.code != 0
    assert "belong to the lab of another site folder" in " ".join(refused.output.split())
    lab.succeed(DESTROY, site=other)
    assert podman(*containers) == before

    lab.succeed(DESTROY)
    lab.succeed(CREATE, site=other)
    shutil.rmtree(other)
    # Now nobody could remove it any more, so it is taken over.
    lab.succeed(CREATE)
    assert lab.succeed(CREATE).changed == 0


@pytest.mark.long
def test_guest_kernel_is_fetched_when_the_package_lists_are_missing_or_old(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    settings = tmp_path / "apt.conf"
    settings.write_text(
        f'Dir::State::Lists "{lists}/"; Dir::Cache "{tmp_path}/"; Dir::Cache::pkgcache "";'
        ' APT::Sandbox::User "root"; Acquire::Languages "none";'
    )
    environment = os.environ | {"APT_CONFIG": str(settings)}
    program = str(ROOT / "molecule/shared/files/fetch-guest-kernel")
    subprocess.run([program, str(tmp_path / "first")], env=environment, check=True)
    assert len(list((tmp_path / "first").glob("vmlinuz-*"))) == 1
    # A list that is older than the mirror: it names a package file that is not there.
    renamed = 0
    for file in lists.glob("*_Packages*"):
        # Some machines keep the lists compressed.
        content = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(file)], capture_output=True, check=True)
        text, count = re.subn(rb"(?m)^(Filename: .*/linux-image-.*)$", rb"\1.old", content.stdout)
        file.unlink()
        (lists / f"{file.name.partition('_Packages')[0]}_Packages").write_bytes(text)
        renamed += count
    assert renamed
    # With these apt would hold the lists for the mirror's present ones.
    for file in lists.glob("*InRelease"):
        file.unlink()
    subprocess.run([program, str(tmp_path / "second")], env=environment, check=True)
    assert len(list((tmp_path / "second").glob("vmlinuz-*"))) == 1
    assert [path.name for path in tmp_path.glob("*/fetch.*")] == []


def test_interrupted_image_build_leaves_nothing_behind(tmp_path: Path) -> None:
    image = "localhost/accentos-lab:interrupted"
    label = '--format={{index .Labels "accentos_mirror"}}'
    mirror = podman("image", "inspect", label, "localhost/accentos-lab:trixie").strip()
    command = [
        str(ROOT / "molecule/shared/files/build-image"),
        "trixie",
        image,
        "digest",
        mirror,
        f"{mirror}-security",
        str(tmp_path),
    ]
    left: set[Path] = set()
    for ending in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as build:
            # Podman may be busy with the hosts of another lab.
            end = time.monotonic() + 120
            while set(tmp_path.glob("build.*")) <= left and build.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            begun = set(tmp_path.glob("build.*")) - left
            # Past the start and well before the end of a build that takes half a minute.
            time.sleep(3)
            os.killpg(build.pid, ending)
        assert begun
        left = set(tmp_path.glob("build.*"))
        assert build.returncode != 0
        assert f" {tmp_path}/" not in Path("/proc/self/mounts").read_text()
        assert subprocess.run(["podman", "image", "exists", image], check=False).returncode == 1
    # The killed build could not tidy up; the next one did, and tidied up after itself.
    assert list(tmp_path.glob("build.*")) == []
