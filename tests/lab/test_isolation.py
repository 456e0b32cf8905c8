# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab keeps to itself: nothing leaves the machine, the machine keeps its settings, what is not the lab's stays."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import CACHE, CREATE, DESTROY, NAME, NETWORKS, ROOT, SITE, STATE, Lab
from .test_faults import podman

# Asks the package cache for something, as a program on a host would, and prints the status of the answer.
_ASK = """
import http.client, sys
connection = http.client.HTTPConnection("{cache}", 3142, timeout=20)
connection.request("{method}", "{target}")
print(connection.getresponse().status)
"""


def ask(lab: Lab, method: str, target: str) -> int:
    """Return the status of the package cache's answer to a host."""
    program = _ASK.format(cache=CACHE, method=method, target=target)
    return int(lab.sh("compute-1", f"python3 - <<'END'\n{program}END"))


def cache_options() -> dict[str, str]:
    """Return the options of the running package cache."""
    command: list[str] = json.loads(
        podman("container", "inspect", "--format={{json .Config.Cmd}}", f"accentos-{NAME}-cache")
    )
    return {name: value.partition(" ;")[0] for name, _, value in (part.partition("=") for part in command)}


@pytest.fixture(scope="module", autouse=True)
def whole(lab: Lab) -> None:
    """Make the lab whole, whatever the tests of another file left."""
    lab.succeed(CREATE)


def test_package_cache_hands_out_the_two_archives_and_nothing_else(lab: Lab) -> None:
    archive = cache_options()["Remap-archive"]
    suite = "/dists/trixie/InRelease"
    assert ask(lab, "GET", f"{archive}{suite}") == 200
    assert ask(lab, "GET", f"{cache_options()['Remap-security']}/dists/trixie-security/InRelease") == 200
    host = archive.split("/")[2]
    for other in ("http://192.0.2.1/debian", "http://archive.example.test/debian", f"http://{host}/other"):
        assert ask(lab, "GET", f"{other}{suite}") == 403, other
    for other in ("192.0.2.1:443", "archive.example.test:443", f"{host}:22", "x:80"):
        assert ask(lab, "CONNECT", other) == 403, other
    lab.sh("compute-1", f"apt-get -o Acquire::http::Proxy=http://{CACHE}:3142 --error-on=any update")


def test_package_cache_listens_in_the_management_network_only() -> None:
    outside = podman("inspect", "--format={{.NetworkSettings.Networks.podman.IPAddress}}", f"accentos-{NAME}-cache")
    for address, code in ((CACHE, 0), (outside.strip(), 1)):
        done = subprocess.run(["bash", "-c", f": </dev/tcp/{address}/3142"], check=False, capture_output=True)
        assert done.returncode == code, address


def bridge() -> str:
    """Return the machine's interface in the lab's management network."""
    name = f"accentos-{NAME}-management"
    interface: str = json.loads(podman("network", "inspect", name))[0]["network_interface"]
    return interface


@contextmanager
def bridge_without_address() -> Iterator[None]:
    """Take the machine out of the management network, as a reboot does."""
    management = NETWORKS["management"]
    address = f"{management['gateway']}/{management['cidr'].partition('/')[2]}"
    subprocess.run(["ip", "address", "delete", address, "dev", bridge()], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "add", address, "dev", bridge()], check=True)


@contextmanager
def counted_packets() -> Iterator[list[int]]:
    """Count what the machine sends to the lab's management network by other interfaces; the number comes at the end."""
    table = f"accentos_test_{NAME}"
    rules = f"""
table inet {table} {{
    chain out {{
        type filter hook output priority 0;
        ip daddr {NETWORKS["management"]["cidr"]} oifname != "{bridge()}" counter drop
    }}
}}
"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    counts: list[int] = []
    try:
        yield counts
        listed = subprocess.run(["nft", "-j", "list", "table", "inet", table], capture_output=True, check=True)
        for row in json.loads(listed.stdout)["nftables"]:
            counts += [part["counter"]["packets"] for part in row.get("rule", {}).get("expr", []) if "counter" in part]
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


def test_no_connection_leaves_the_machine_when_the_bridge_is_gone(lab: Lab) -> None:
    reach = ["-m", "ansible.builtin.ping", "deploy-1"]
    ping = [*lab.command("")[:3], "adhoc", f"--inventory={SITE}", *reach]
    # A connection that is still open would be used again.
    environment = lab.environment() | {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ConnectTimeout=3"}
    ssh = ["ssh", "-F", str(STATE / "ssh_config"), "-o", "ConnectTimeout=3", "deploy-1", "true"]
    with counted_packets() as counts, bridge_without_address():
        for command in (ssh, ping):
            done = subprocess.run(
                command,
                env=environment,
                cwd=ROOT,
                text=True,
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode != 0
            assert "Cannot assign requested address" in done.stdout + done.stderr
    assert counts == [0]
    lab.sh("deploy-1", "true")


def test_lab_hosts_set_only_their_own_kernel_settings(lab: Lab) -> None:
    setting = Path("/proc/sys/vm/stat_interval")
    before = setting.read_text()
    drop_in = "/etc/sysctl.d/99-lab-test.conf"
    try:
        lab.sh(
            "compute-1",
            f"printf 'vm.stat_interval = {int(before) + 1}\\nnet.ipv4.conf.lo.log_martians = 1\\n' >{drop_in};"
            " systemctl restart systemd-sysctl",
        )
        assert lab.sh("compute-1", "cat /proc/sys/net/ipv4/conf/lo/log_martians") == "1\n"
        assert setting.read_text() == before
    finally:
        setting.write_text(before)
        lab.sh("compute-1", f"rm {drop_in}")


@pytest.mark.long
def test_container_that_only_has_a_name_of_the_lab_is_told_and_stays(lab: Lab) -> None:
    image = podman("container", "inspect", "--format={{.ImageName}}", f"accentos-{NAME}-cache").strip()
    foreign = f"accentos-{NAME}-foreign"
    podman("create", f"--name={foreign}", image, "true")
    try:
        refused = lab.run(CREATE)
        assert refused.code != 0
        assert f"podman rm --force {foreign}" in " ".join(refused.output.split())
        removed = lab.succeed(DESTROY)
        assert f"podman rm --force {foreign}" in " ".join(removed.output.split())
        left = podman("ps", "--all", f"--filter=name=accentos-{NAME}-", "--format={{.Names}}").split()
        assert left == [foreign]
        assert not STATE.exists()
    finally:
        podman("rm", "--force", "--time=0", foreign)
    lab.succeed(CREATE)


@pytest.mark.long
def test_network_of_another_lab_stays(lab: Lab, tmp_path: Path) -> None:
    label = '--format={{.Name}} {{index .Labels "accentos_owner"}}'
    names = [f"accentos-{NAME}-{name}" for name in NETWORKS]
    listed = [podman("network", "inspect", label, name).strip() for name in names]
    assert listed == [f"{name} {SITE}" for name in names]
    lab.succeed(DESTROY)
    other = tmp_path / "site"
    shutil.copytree(SITE, other)
    # What an interrupted run of the other lab leaves: a network, and no container yet.
    taken = f"accentos-{NAME}-tunnel"
    podman("network", "create", "--internal", f"--label=accentos_owner={other}", taken)
    try:
        lab.succeed(DESTROY)
        refused = lab.run(CREATE)
        assert refused.code != 0
        assert f"a network {taken} belongs to the lab of {other}" in " ".join(refused.output.split())
        lab.succeed(DESTROY)
        assert subprocess.run(["podman", "network", "exists", taken], check=False).returncode == 0
        shutil.rmtree(other)
        # Nobody could remove it any more.
        lab.succeed(CREATE)
    finally:
        if other.exists():
            podman("network", "rm", "--force", taken)
    assert lab.succeed(CREATE).changed == 0


@pytest.mark.long
def test_lab_is_removed_by_the_note_in_its_folder(lab: Lab) -> None:
    note = STATE / "lab.json"
    known = json.loads(note.read_text())
    assert known == {"lab_name": NAME, "lab_owner": str(SITE)}
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    nowhere = "localhost,"
    lab.succeed(DESTROY, "--extra-vars", json.dumps(known | {"lab_state_dir": str(STATE)}), site=Path(nowhere))
    assert podman("ps", "--all", f"--filter=name=accentos-{NAME}-", "--format={{.Names}}") == ""
    assert podman("network", "ls", f"--filter=name=accentos-{NAME}-", "--format={{.Name}}") == ""
    assert not STATE.exists()
    assert os.path.lexists(SITE)
    lab.succeed(CREATE)
