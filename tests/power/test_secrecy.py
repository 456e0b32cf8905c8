# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The password of a controller shows in no process list, no environment and no output, whatever happens (row S10)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.power.conftest import PASSWORD, ROOT, USER, Certificates, Starter, free_port

PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  vars_files: [secrets.json]
  tasks:
    - name: Each driver works, one after the other
      accentos.cloud.power: {bmc: "{{ machines[item].bmc }}", state: cycle, interval: 0.2}
      # Ansible shows what it loops over, so that is never a connection.
      loop: [0, 1, 2, 3]
    - name: All of them together
      accentos.cloud.power: {machines: "{{ machines }}", state: "off", interval: 0.2}
    - name: Fencing
      accentos.cloud.fence: {machines: "{{ machines[:1] }}", expect_silent: false, interval: 0.2}
    - name: Nothing that fails tells more
      accentos.cloud.power: {bmc: "{{ broken }}", state: "off", timeout: 1, answer_timeout: 1}
      ignore_errors: true
    - name: Nor does a wrong option
      accentos.cloud.power: {bmc: "{{ machines[0].bmc | combine({'address': 'a b'}) }}", state: "off"}
      ignore_errors: true
    - name: Nor does an audit
      accentos.cloud.power_info: {machines: "{{ machines }}", audit: true}
"""


class Watch(threading.Thread):
    """Reads the command lines and environments of all processes again and again."""

    def __init__(self, words: list[str]) -> None:
        super().__init__(daemon=True)
        self.words = [word.encode() for word in words]
        self.found: set[str] = set()
        self.modules = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        data = (process / name).read_bytes()
                    except OSError:
                        continue
                    self.modules += b"AnsiballZ_power" in data
                    if any(word in data for word in self.words):
                        self.found.add(f"{name} of {data[:60]!r}")


@pytest.fixture
def machines(start: Starter, certificates: Certificates, auth_file: Path, tmp_path: Path) -> list[dict[str, Any]]:
    """One machine for each driver."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    redfish = start("redfish_server.py", certificates.good, auth_file)
    amt = start("amt_server.py", USER, secret, certificates.good)
    ipmi = start("ipmi_server.py", USER, secret, kind=socket.SOCK_DGRAM)
    snmp = start("snmp_server.py", USER, secret, "other-community", kind=socket.SOCK_DGRAM)
    (snmp.folder / "outlet-apc-3").write_text("on")
    common = {"address": "127.0.0.1", "user": USER, "password": PASSWORD, "ca": str(certificates.ca)}
    return [
        {"name": "redfish", "bmc": {**common, "driver": "redfish", "port": redfish.port}},
        {"name": "amt", "bmc": {**common, "driver": "amt", "port": amt.port}},
        {"name": "ipmi", "bmc": {**common, "driver": "ipmi", "port": ipmi.port}},
        {
            "name": "snmp",
            "bmc": {
                **common,
                "driver": "snmp",
                "port": snmp.port,
                "privacy_password": f"{PASSWORD}x",
                "outlets": [{"outlet": "3", "table": "apc"}],
            },
        },
    ]


def test_the_password_shows_nowhere(machines: list[dict[str, Any]], tmp_path: Path) -> None:
    broken = {**machines[0]["bmc"], "port": free_port()}
    (tmp_path / "secrets.json").write_text(json.dumps({"machines": machines, "broken": broken}))
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    watch = Watch([PASSWORD])
    watch.start()
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "--inventory=localhost,",
            "--connection=local",
            f"--extra-vars=ansible_python_interpreter={sys.executable}",
            "-vvv",
            "--diff",
            tmp_path / "play.yml",
        ],
        cwd=ROOT,
        env={**environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_PIPELINING": "false"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    watch.done.set()
    watch.join()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    # The words around the password are there, the password is not.
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert "Connection refused" in done.stdout
    assert "'a b' is no address" in done.stdout
    assert watch.modules > 0
    assert watch.found == set()
