# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nobody but the deploy hosts reaches management controllers (row S9): real rules in kernels of namespaces.

All hosts are in management, deploy-1 and other-1 in out_of_band, too. Both are routers: other-1 between deploy-2 and
the controller, deploy-1 between all others and it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.playbooks.runs import HERE, lost_lab, write_play
from tools.playbook_runs import ROOT as CHECKOUT
from tools.playbook_runs import run_playbook

DOORS = Path(__file__).with_name("doors.py")
TABLE = "accentos_out_of_band"
NETWORKS = {
    "management": {"cidr": "192.0.2.0/24"},
    "tunnel": {"cidr": "203.0.113.0/25"},
    "out_of_band": {"cidr": "198.51.100.0/24"},
}
ROLE = {"name": "accentos.cloud.bmc_firewall"}
# What systemd says before the first run.
NO_UNIT = """\
#!/bin/sh
[ "$1" = show ] || exit 1
printf 'LoadState=not-found\\nActiveState=inactive\\nUnitFileState=\\nNeedDaemonReload=no\\n'
"""
PORTS = [{"name": "management", "network": "management"}, {"name": "out_of_band", "network": "out_of_band"}]
ROOT = [] if os.geteuid() == 0 else ["--map-root-user"]
NAMESPACES = ["unshare", *ROOT, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
WIRES = """
mount -t tmpfs none /run
for network in management out_of_band; do
    ip link add $network type bridge
    ip link set $network up
done
join() {
    ip link add "p$3" type veth peer name $2 netns $1
    ip link set "p$3" master $2 up
    ip -n $1 link set $2 up
    ip -n $1 address add $3/24 dev $2
}
for host in deploy-1 deploy-2 other-1 far-1 bmc; do ip netns add $host; ip -n $host link set lo up; done
join deploy-1 management 192.0.2.10
join deploy-1 out_of_band 198.51.100.10
join other-1 management 192.0.2.21
join other-1 out_of_band 198.51.100.21
join far-1 management 192.0.2.31
join deploy-2 management 192.0.2.11
join bmc out_of_band 198.51.100.99
ip -n far-1 route add 198.51.100.0/24 via 192.0.2.10
ip -n bmc route add 192.0.2.0/24 via 198.51.100.10
ip -n deploy-2 route add 198.51.100.0/24 via 192.0.2.21
ip -n bmc route add 192.0.2.11 via 198.51.100.21
for host in deploy-1 other-1; do ip netns exec $host sysctl -qw net.ipv4.ip_forward=1; done
# Doors open one after the other, so that what follows finds them open.
serve() {
    ip netns exec "$1" "$PYTHON" "$DOORS" open "${@:2}" >"/run/$1" &
    until grep -qs ready "/run/$1"; do sleep 0.05; done
}
serve bmc tcp/443 udp/623
serve deploy-1 tcp/22 tcp/80
serve other-1 tcp/22
serve far-1 tcp/22
serve deploy-2 tcp/22
knock() { echo "$1 $2 $3 $(ip netns exec $1 "$PYTHON" "$DOORS" knock $2 $3)"; }
load() { for host in deploy-1 other-1; do ip netns exec $host nft --file "$RULES/$host.nft"; done; }
"""
# Who knocks at which door, and whether it opens once the rules are loaded. Without them each does.
KNOCKS = {
    "deploy-1 tcp/443 198.51.100.99": "open",
    "deploy-1 udp/623 198.51.100.99": "open",
    "deploy-2 tcp/443 198.51.100.99": "open",
    "deploy-2 udp/623 198.51.100.99": "open",
    "other-1 tcp/443 198.51.100.99": "shut",
    "other-1 udp/623 198.51.100.99": "shut",
    "far-1 tcp/443 198.51.100.99": "shut",
    "far-1 udp/623 198.51.100.99": "shut",
    "bmc tcp/22 198.51.100.10": "shut",
    "bmc tcp/80 198.51.100.10": "shut",
    "bmc tcp/22 192.0.2.10": "shut",
    "bmc tcp/22 198.51.100.21": "shut",
    "bmc tcp/22 192.0.2.31": "shut",
    "bmc tcp/22 192.0.2.11": "shut",
    # What is no matter of controllers goes on, through the router, too, and with itself.
    "other-1 tcp/22 192.0.2.10": "open",
    "deploy-1 tcp/22 192.0.2.21": "open",
    "deploy-1 tcp/80 198.51.100.10": "open",
    "other-1 tcp/22 198.51.100.21": "open",
}


def written(folder: Path) -> dict[str, str]:
    """Return the variables of the role by which it writes into FOLDER."""
    return {
        "__bmc_firewall_file": f"{folder}/{{{{ inventory_hostname }}}}.nft",
        "__bmc_firewall_unit_file": f"{folder}/{{{{ inventory_hostname }}}}.service",
        "__bmc_firewall_part": f"{folder}/{{{{ inventory_hostname }}}}.conf",
    }


def write_rules(folder: Path, *options: str, **values: Any) -> str:
    """Write the rules of deploy-1 and other-1 into FOLDER, as the role does; return what the run said."""
    hosts = {
        name: {**HERE, "host_addresses": {"management": f"192.0.2.{last}"}, "host_interfaces": PORTS, **values}
        for name, last in (("deploy-1", 10), ("deploy-2", 11), ("other-1", 21))
    }
    other = hosts.pop("other-1")
    groups = {"deploy": {"hosts": hosts}, "compute": {"hosts": {"other-1": other}}}
    role = {**ROLE, "tasks_from": "rules.yml", "rolespec_validate": False}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"site_networks": NETWORKS},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    arguments = (*options, "--extra-vars", json.dumps(written(folder)), *write_play(folder, play, groups))
    code, output = run_playbook(*arguments, before=["unshare", *ROOT, "--net"])
    assert code == 0, output
    return output


def play_out(folder: Path, script: str) -> list[str]:
    """Run SCRIPT of bash between the hosts, and return the lines that it said."""
    done = subprocess.run(
        [*NAMESPACES, "bash", "-euc", f"{WIRES}\n{script}"],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHON": sys.executable,
            "DOORS": str(DOORS),
            "RULES": str(folder),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    write_rules(folder)
    return folder


def test_controllers_are_reached_from_the_deploy_host_alone_and_reach_nobody(rules: Path) -> None:
    knocks = "\n".join(f"knock {knock}" for knock in KNOCKS)
    said = play_out(rules, f"{knocks}\nload\necho loaded\n{knocks}")
    middle = said.index("loaded")
    assert said[:middle] == [f"{knock} open" for knock in KNOCKS]
    assert said[middle + 1 :] == [f"{knock} {opens}" for knock, opens in KNOCKS.items()]


def test_the_rules_are_a_table_of_their_own_that_is_loaded_again_in_its_place(rules: Path) -> None:
    script = """
    ip netns exec deploy-1 nft add table inet others
    load
    ip netns exec deploy-1 nft --stateless list ruleset >/run/once
    load
    ip netns exec deploy-1 nft --stateless list ruleset | cmp - /run/once && cat /run/once
    """
    said = play_out(rules, script)
    assert [line for line in said if line.startswith("table")] == ["table inet others {", f"table inet {TABLE} {{"]


@pytest.mark.parametrize("moment", ["ExecStartPost", "ExecReload", "ExecStopPost"])
def test_the_rules_come_back_once_nftables_has_flushed_all(rules: Path, moment: str) -> None:
    commands = [line.partition("=")[2] for line in (rules / "deploy-1.conf").read_text().splitlines() if moment in line]
    script = f"""
    load
    ip netns exec deploy-1 nft flush ruleset
    ip netns exec deploy-1 {commands[0].removeprefix("-")}
    ip netns exec deploy-1 nft list tables
    """
    assert (len(commands), play_out(rules, script)) == (1, [f"table inet {TABLE}"])


def test_a_controller_fetches_a_boot_medium_where_that_is_wanted(tmp_path: Path) -> None:
    write_rules(tmp_path, provision_boot="virtual_media")
    said = play_out(tmp_path, "load\nknock bmc tcp/80 198.51.100.10\nknock bmc tcp/22 198.51.100.10\n")
    assert [line.split()[-1] for line in said] == ["open", "shut"]


def test_controllers_reach_the_services_that_are_named(tmp_path: Path) -> None:
    write_rules(tmp_path, bmc_firewall_services=[{"protocol": "tcp", "port": 22}])
    said = play_out(tmp_path, "load\nknock bmc tcp/80 198.51.100.10\nknock bmc tcp/22 198.51.100.10\n")
    assert [line.split()[-1] for line in said] == ["shut", "open"]


def test_writing_the_rules_can_be_planned_and_repeated(tmp_path: Path) -> None:
    planned = write_rules(tmp_path, "--check", "--diff")
    assert ("changed=1" in planned, f"+table inet {TABLE} {{" in planned) == (True, True), planned
    assert not (tmp_path / "deploy-1.nft").exists()
    assert "changed=1" in write_rules(tmp_path)
    again = write_rules(tmp_path)
    assert "changed=0" in again
    assert "changed=1" not in again


def plan_first_run(folder: Path, services: Sequence[dict[str, Any]] = (), session: str = "") -> tuple[int, str]:
    """Plan the role on a host of which systemd knows nothing yet, from an SSH_CONNECTION of SESSION."""
    program = folder / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(NO_UNIT)
    program.chmod(0o755)
    host = {**HERE, "host_addresses": {"management": "192.0.2.10"}, "host_interfaces": PORTS}
    values = {"site_networks": NETWORKS, "bmc_firewall_services": [*services]}
    play = {"hosts": "all", "gather_facts": False, "vars": values}
    files = write_play(folder, {**play, "roles": [ROLE]}, {"deploy": {"hosts": {"deploy-1": host}}})
    return run_playbook(
        *files,
        *("--check", "--diff", "--extra-vars", json.dumps(written(folder))),
        before=["unshare", *ROOT, "--net"],
        PATH=f"{program.parent}:{os.environ['PATH']}",
        SSH_CONNECTION=session,
    )


def test_the_first_run_can_be_planned(tmp_path: Path) -> None:
    code, output = plan_first_run(tmp_path)
    assert (code, "+systemctl start accentos-out-of-band.service" in output) == (0, True), output
    assert "changed=2" in output, output


def test_rules_that_are_none_are_not_written(tmp_path: Path) -> None:
    write_rules(tmp_path)
    before = (tmp_path / "deploy-1.nft").read_text()
    with pytest.raises(AssertionError, match="syntax error"):
        write_rules(tmp_path, bmc_firewall_services=[{"protocol": "tcp", "port": "no port"}])
    assert (tmp_path / "deploy-1.nft").read_text() == before


def test_the_verb_asks_the_hosts_that_are_in_the_network_and_no_others(tmp_path: Path) -> None:
    _code, output = run_playbook("--check", "--inventory", lost_lab(tmp_path / "site"), "playbooks/harden_bmcs.yml")
    _before, _name, ours = output.partition("PLAY [Network of the controllers]")
    play, _name, recap = ours.partition("PLAY RECAP")
    assert "fatal: [deploy-1]: UNREACHABLE!" in play, output
    # rack-1, which is what controllers are elsewhere, is in the network, too.
    assert not [host for host in ("rack-1", "controller-1", "compute-1", "storage-1") if host in play]
    assert recap.count("unreachable=1") == 1
    assert "changed=1" not in recap


def test_the_verb_takes_hosts_without_addresses_of_their_own(tmp_path: Path) -> None:
    """Without ports, too, such a host is a stranger to the network of the controllers, unless it deploys."""
    plays = {play["name"]: play for play in yaml.safe_load((CHECKOUT / "playbooks/harden_bmcs.yml").read_text())}
    play = plays["Hosts beside the controllers"]
    shown = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} is in {{ group_names | join('+') }}."}}
    hosts: dict[str, Any] = {
        "stranger-1": HERE,
        "port-1": {**HERE, "host_interfaces": PORTS},
        "address-1": {**HERE, "host_addresses": {"out_of_band": "198.51.100.22"}},
    }
    files = write_play(
        tmp_path,
        {**play, "vars": {"site_networks": NETWORKS}, "tasks": [*play["tasks"], shown]},
        {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": hosts}},
    )
    code, output = run_playbook(*files)
    wanted = [
        "deploy-1 is in deploy+out_of_band_hosts.",
        "stranger-1 is in compute+out_of_band_strangers.",
        "port-1 is in compute+out_of_band_hosts.",
        "address-1 is in compute+out_of_band_hosts.",
    ]
    assert (code, [line for line in wanted if line in output]) == (0, wanted), output


@pytest.mark.parametrize("services", [[], [{"protocol": "tcp", "port": 22}]])
@pytest.mark.parametrize(
    ("address", "told"),
    [("198.51.100.10", {"host_addresses": {"management": "192.0.2.10"}}), ("198.51.100.44", {})],
    ids=["its own", "another"],
)
def test_a_host_that_would_lock_ansible_out_is_refused(
    tmp_path: Path, services: list[dict[str, Any]], address: str, told: dict[str, Any]
) -> None:
    own = {"ansible_connection": "ssh", "ansible_host": address, **told}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"site_networks": NETWORKS, "bmc_firewall_services": services},
        "roles": [ROLE],
    }
    # Nobody is at that address: what is not refused ends there.
    arguments = write_play(tmp_path, play, {"deploy": {"hosts": {"deploy-1": own}}})
    code, output = run_playbook(*arguments, before=["unshare", *ROOT, "--net"])
    said = " ".join(output.split())
    refused = f"Ansible reaches deploy-1 at {address}, in the network of the management controllers" in said
    assert (code != 0, refused, "UNREACHABLE" in said) == (True, not services, bool(services)), output


@pytest.mark.parametrize(
    ("session", "services", "end"),
    [
        ("198.51.100.7 50000 192.0.2.10 22", [], "198.51.100.7"),
        ("203.0.113.7 50000 198.51.100.10 22", [], "198.51.100.10"),
        ("198.51.100.7 50000 198.51.100.10 22", [], "198.51.100.7 and 198.51.100.10"),
        ("198.51.100.7 50000 192.0.2.10 2222", [{"protocol": "tcp", "port": 22}], "198.51.100.7"),
        ("198.51.100.7 50000 192.0.2.10 22", [{"protocol": "udp", "port": 22}], "198.51.100.7"),
        ("198.51.100.7 50000 192.0.2.10 22", [{"protocol": "tcp", "port": 22}], ""),
        ("203.0.113.7 50000 192.0.2.10 22", [], ""),
    ],
)
def test_a_session_that_would_be_cut_off_is_refused(
    tmp_path: Path, session: str, services: list[dict[str, Any]], end: str
) -> None:
    code, output = plan_first_run(tmp_path, services, session)
    told = f"Ansible's session with deploy-1 ({session}) ends at {end}, in the network of the management controllers"
    found = (code != 0, told in " ".join(output.split()), "changed=0" in output)
    assert found == ((True, True, True) if end else (False, False, False)), output
