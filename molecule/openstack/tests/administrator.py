# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that ask a cloud as its administrator does."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

DOMAIN = "openstack.example.test"
_LOGIN = """
import sys
import openstack

cloud = openstack.connect(
    auth_url=f"https://api.{sys.argv[1]}:5000/v3", username="admin", password=sys.stdin.read(), project_name="admin",
    user_domain_name="Default", project_domain_name="Default", region_name="RegionOne",
    cacert="/etc/accentos/pki/ca.crt",
)
"""


class Administrator:
    """Runs Python programs on the first controller, logged in to its cloud."""

    def __init__(self, ssh_config: str) -> None:
        self._ssh_config = ssh_config
        self._password = SecretStore(Path(ssh_config).parent).read()["keystone_admin_password"]

    def __call__(self, program: str, *words: str) -> Any:
        """Run PROGRAM, which finds ``cloud`` and, from ``sys.argv[2]`` on, WORDS; return the JSON that it prints.

        The password goes over standard input, so that it is in no argument.
        """
        command = shlex.join(["python3", "-c", _LOGIN + program, DOMAIN, *words])
        argv = ["ssh", "-F", self._ssh_config, "controller-1", command]
        done = subprocess.run(argv, input=self._password, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
