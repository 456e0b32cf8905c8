# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No secret of the site is where everybody can read it, on any host."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from testinfra.host import Host

from tools.secret_search import needles, places_on

testinfra_hosts = ["ssh://controller-1", "ssh://compute-1", "ssh://compute-2"]


def test_no_secret_is_where_others_read(host: Host) -> None:
    def run(script: str, given: str) -> str:
        argv = ["ssh", "-F", host.backend.ssh_config, host.backend.hostname, script]
        return subprocess.run(argv, input=given, capture_output=True, text=True, check=True).stdout

    wanted = needles(SecretStore(Path(host.backend.ssh_config).parent).read())
    # The search finds what is there.
    host.check_output("install --mode=0644 /dev/null /var/lib/of-a-test")
    subprocess.run(
        ["ssh", "-F", host.backend.ssh_config, host.backend.hostname, "cat >/var/lib/of-a-test"],
        input=min(wanted),
        check=True,
    )
    try:
        assert places_on(run, wanted) == ["/var/lib/of-a-test"]
    finally:
        host.check_output("rm /var/lib/of-a-test")
