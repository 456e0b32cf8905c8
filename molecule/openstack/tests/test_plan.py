# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What playbooks/plan.yml says is what playbooks/apply.yml then does: what the site changed, and what others did."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from testinfra.host import Host

from .administrator import Administrator
from .playbooks import succeed

testinfra_hosts = ["ssh://controller-1"]

CONF = "/etc/glance/glance-api.conf"
# Another one each time, so that the test can be repeated on the same cloud.
QUOTA = 1000 + secrets.randbelow(10**6)
LINE = {"openstack_service_overrides": {"glance": {CONF: {"DEFAULT": {"image_member_quota": QUOTA}}}}}
# What somebody changed behind the back of the site.
STRAY = """
service, = cloud.identity.services(type="image")
for one in cloud.identity.endpoints(service_id=service.id, interface="public"):
    cloud.identity.update_endpoint(one, url="https://stranger.example.test")
user = cloud.identity.find_user("glance", domain_id="default")
cloud.identity.update_user(user, password="of-a-test-of-drift")
print("null")
"""
STRAY_ON_THE_HOST = """
set -o errexit
mariadb --execute "alter user 'glance'@'%' identified by 'of-a-test-of-drift'"
systemctl disable --quiet glance-api
echo 'max-requests = 7' >>/etc/glance/glance-api-uwsgi.ini
"""
EXPECTED = {
    # Neither the commands for the database, which read other sections of the file, nor any other unit.
    ("controller-1", "file", "change", CONF, ""),
    # The unit reads it, but it goes back to what the unit was started with, and is no reason.
    ("controller-1", "file", "change", "/etc/glance/glance-api-uwsgi.ini", ""),
    ("controller-1", "unit", "restart", "glance-api.service", CONF),
    ("controller-1", "unit", "enable", "glance-api.service", ""),
    ("controller-1", "catalogue", "update", "user Default / glance", ""),
    ("controller-1", "catalogue", "update", "endpoint RegionOne / image / public", ""),
}


class Cloud:
    def __init__(self, folder: Path) -> None:
        self._changes = folder / "changes.json"

    def run(self, playbook: str, *options: str, variables: dict[str, Any]) -> set[tuple[str, ...]]:
        """Run a playbook for the image service; return host, kind, verb, thing and reason of each change."""
        settings = {"ACCENTOS_STAGES_PLAN_PATH": str(self._changes)}
        succeed(playbook, "--tags=image", *options, variables=variables, callback="accentos.cloud.stages", **settings)
        plan = json.loads(self._changes.read_text(encoding="utf-8"))
        found = [(host, one) for host, known in plan["hosts"].items() for one in known["changes"]]
        found += [(row["host"], row["change"]) for row in plan["cloud"]]
        return {(host, *(one[name] for name in ("kind", "verb", "thing", "why"))) for host, one in found}


def test_a_plan_says_what_the_run_then_does(host: Host, administrator: Administrator, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    saved = tmp_path / "site.plan"
    administrator(STRAY)
    host.check_output(STRAY_ON_THE_HOST)
    try:
        planned = cloud.run("plan", "--check", "--diff", variables={**LINE, "site_plan_file": str(saved)})
        accounts = {change for change in planned if change[1] == "database"}
        assert planned - accounts == EXPECTED
        assert [change[2] for change in accounts] == ["run"]
        assert next(iter(accounts))[3].startswith("ALTER USER 'glance'@'%' IDENTIFIED VIA ")
        # The same, since it is asked again before; and then that is done.
        assert cloud.run("apply", variables={**LINE, "site_plan_file": str(saved)}) == planned
        assert cloud.run("deploy", variables=LINE) == set()
    finally:
        # Other tests need the cloud as it was.
        succeed("deploy", "--tags=image")
