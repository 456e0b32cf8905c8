# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the role mariadb begins a cluster: with the server that came farthest, and never while one cannot be asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.playbooks.runs import HERE, LOST, write_play
from tools.playbook_runs import run_playbook

CLUSTER = "6b8b2f0e-c98f-11f0-9b7e-b2a1d3f1c6d1"
SYSTEMCTL = """\
#!/bin/sh
[ "$1" = show ] || exit 9
printf '%s\\n' LoadState=loaded ActiveState=inactive UnitFileState=enabled NeedDaemonReload=no
"""
# The library of the database's client, before a server that refuses root.
REFUSING = """\
class MySQLError(Exception): pass
def connect(**options): raise MySQLError(1698, "Access denied for user 'root'@'localhost'")
"""
POSITIONS = {"controller-1": 7, "controller-2": 9, "controller-3": 8}


PLAY = {
    "hosts": "controller",
    "gather_facts": False,
    "module_defaults": {"accentos.cloud.galera_state": {"folder": "{{ playbook_dir }}/{{ item }}"}},
    "vars": {
        "__mariadb_written": {"digests": {}},
        "pki_result": {"digests": {}},
        "site_networks": {},
        "site_domain": "example.test",
    },
    "tasks": [
        {
            "ansible.builtin.import_role": {
                "name": "accentos.cloud.mariadb",
                "tasks_from": "cluster.yml",
                "rolespec_validate": False,
            }
        }
    ],
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with three stopped servers."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/bin exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    for name, seqno in POSITIONS.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "grastate.dat").write_text(f"uuid: {CLUSTER}\nseqno: {seqno}\nsafe_to_bootstrap: 0\n")
    return tmp_path


def run(site: Path, *arguments: str, lost: str = "") -> tuple[int, str]:
    """Begin the cluster, with one server LOST that nobody reaches; return exit code and output."""
    here = HERE | {"ansible_python_interpreter": f"{site}/bin/python"}
    hosts = {name: LOST if name == lost else here for name in POSITIONS}
    files = write_play(site, PLAY, {"controller": {"hosts": hosts}})
    return run_playbook(*files, *arguments, PATH=f"{site}/bin:{os.environ['PATH']}")


@pytest.mark.parametrize("limit", [(), ("--limit=controller-1",)])
def test_nothing_is_begun_while_a_server_cannot_be_asked(site: Path, limit: tuple[str, ...]) -> None:
    code, output = run(site, *limit, lost="controller-3")
    assert code != 0
    assert "how far controller-3 came cannot be found out" in output
    assert "mariadb_start_from" in output
    assert "TASK [accentos.cloud.mariadb : Begin" not in output


def test_the_server_that_came_farthest_begins_and_the_others_join(site: Path) -> None:
    code, output = run(site, "--check")
    assert code == 0, output
    assert "changed: [controller-1 -> controller-2]" in output
    joined = output.partition("Let the others join")[2]
    assert "changed: [controller-1]" in joined
    assert "changed: [controller-3]" in joined
    assert "skipping: [controller-2]" in joined


def test_an_operator_may_give_up_a_server_that_is_lost(site: Path) -> None:
    _code, output = run(site, "--check", "--extra-vars=mariadb_start_from=controller-1", lost="controller-3")
    assert "changed: [controller-1]" in output.partition("Begin the cluster")[2].partition("TASK")[0], output


@pytest.mark.parametrize("mode", [(), ("--check",), ("--extra-vars=mariadb_start_from=controller-1",)])
def test_servers_that_refuse_root_are_left_alone(site: Path, mode: tuple[str, ...]) -> None:
    program = site / "bin" / "systemctl"
    program.write_text(f"{SYSTEMCTL}echo ActiveState=active\n".replace("exit 9", f'{{ echo "$@" >>{site}/given; }}'))
    (site / "bin" / "pymysql.py").write_text(REFUSING)
    code, output = run(site, *mode)
    assert code != 0
    assert "on controller-1, controller-2, controller-3: Access denied for user 'root'@'localhost' (1698)." in output
    assert "ALTER USER root@localhost IDENTIFIED VIA unix_socket" in output
    assert output.count("fatal:") == 1
    assert "TASK [accentos.cloud.mariadb : Begin" not in output
    assert not (site / "given").exists()
