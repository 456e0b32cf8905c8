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

GLANCE, NOVA, HEAT = "/etc/glance/glance-api.conf", "/etc/nova/nova.conf", "/etc/heat/heat.conf"
# Another one each time, so that the test can be repeated on the same cloud.
NUMBER = 1000 + secrets.randbelow(10**6)
SITE = {
    "memcached_memory_mib": 257 + NUMBER % 100,
    "openstack_service_overrides": {
        # As the site has it, since the variables of a run replace it.
        "keystone": {"/etc/keystone/keystone.conf": {"identity": {"password_hash_rounds": 4}}},
        "glance": {GLANCE: {"DEFAULT": {"image_member_quota": NUMBER}}},
        "nova": {NOVA: {"DEFAULT": {"reclaim_instance_interval": NUMBER}}},
        "heat": {HEAT: {"DEFAULT": {"max_resources_per_stack": NUMBER}}},
    },
}
# What somebody changed behind the back of the site.
STRAY = """
service, = cloud.identity.services(type="image")
for one in cloud.identity.endpoints(service_id=service.id, interface="public"):
    cloud.identity.update_endpoint(one, url="https://stranger.example.test")
user = cloud.identity.find_user("glance", domain_id="default")
cloud.identity.update_user(user, password="of-a-test-of-drift")
cloud.identity.update_user(cloud.identity.find_user("cinder", domain_id="default"), is_enabled=False)
# Its endpoints go with it.
cloud.identity.delete_service(cloud.identity.find_service("heat"))
print("null")
"""
STRAY_ON_THE_CONTROLLER = """
set -o errexit
mariadb --execute "alter user 'glance'@'%' identified by 'of-a-test-of-drift'"
rabbitmqctl --quiet clear_permissions heat
systemctl disable --quiet glance-api
echo 'max-requests = 7' >>/etc/glance/glance-api-uwsgi.ini
echo '# of a test of drift' >>/etc/haproxy/haproxy.cfg
"""
STRAY_ON_A_COMPUTE = """
set -o errexit
ovs-vsctl set open_vswitch . external_ids:hostname=stranger
systemctl disable --quiet nova-compute
rm /etc/sysctl.d/60-accentos.conf
"""
RESTARTED = {
    "/etc/memcached.conf": ["memcached"],
    # Neither the commands for the databases, which read other sections of the files, nor any other unit.
    GLANCE: ["glance-api"],
    NOVA: ["nova-api", "nova-api-metadata", "nova-conductor", "nova-novncproxy", "nova-scheduler"],
    HEAT: ["heat-api", "heat-engine"],
}
EXPECTED = {
    *(("controller-1", "file", "change", file, "") for file in RESTARTED),
    *(
        ("controller-1", "unit", "restart", f"{unit}.service", file)
        for file, units in RESTARTED.items()
        for unit in units
    ),
    # Units read these, but they go back to what the units were started with, and are no reason.
    ("controller-1", "file", "change", "/etc/glance/glance-api-uwsgi.ini", ""),
    ("controller-1", "file", "change", "/etc/haproxy/haproxy.cfg", ""),
    ("controller-1", "unit", "enable", "glance-api.service", ""),
    ("controller-1", "messaging", "set", "rights of heat on /: configure .*, write .*, read .*", ""),
    ("controller-1", "catalogue", "update", "user Default / glance", ""),
    ("controller-1", "catalogue", "update", "user Default / cinder", ""),
    ("controller-1", "catalogue", "update", "endpoint RegionOne / image / public", ""),
    ("controller-1", "catalogue", "create", "service orchestration / heat", ""),
    ("controller-1", "catalogue", "create", "endpoint RegionOne / orchestration / public", ""),
    ("controller-1", "catalogue", "create", "endpoint RegionOne / orchestration / internal", ""),
    *((host, "file", "change", NOVA, "") for host in ("compute-1", "compute-2")),
    *((host, "unit", "restart", "nova-compute.service", NOVA) for host in ("compute-1", "compute-2")),
    ("compute-2", "unit", "enable", "nova-compute.service", ""),
    ("compute-2", "command", "run", 'ovs-vsctl set Open_vSwitch . external_ids:hostname="compute-2"', ""),
    # Of the preparation of hosts; the kernel still has what it says.
    ("compute-2", "file", "create", "/etc/sysctl.d/60-accentos.conf", ""),
}


class Cloud:
    def __init__(self, folder: Path) -> None:
        self._changes = folder / "changes.json"

    def run(self, playbook: str, *options: str, variables: dict[str, Any]) -> set[tuple[str, ...]]:
        """Run a playbook over the whole site; return host, kind, verb, thing and reason of each change."""
        settings = {"ACCENTOS_STAGES_PLAN_PATH": str(self._changes)}
        succeed(playbook, *options, variables=variables, callback="accentos.cloud.stages", **settings)
        plan = json.loads(self._changes.read_text(encoding="utf-8"))
        found = [(host, one) for host, known in plan["hosts"].items() for one in known["changes"]]
        found += [(row["host"], row["change"]) for row in plan["cloud"]]
        return {(host, *(one[name] for name in ("kind", "verb", "thing", "why"))) for host, one in found}


def test_a_plan_says_what_the_run_then_does(host: Host, administrator: Administrator, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    saved = {**SITE, "site_plan_file": str(tmp_path / "site.plan")}
    administrator(STRAY)
    host.check_output(STRAY_ON_THE_CONTROLLER)
    host.get_host("ssh://compute-2", ssh_config=host.backend.ssh_config).check_output(STRAY_ON_A_COMPUTE)
    try:
        planned = cloud.run("plan", "--check", "--diff", variables=saved)
        accounts = {change for change in planned if change[1] == "database"}
        assert planned - accounts == EXPECTED
        assert [change[2] for change in accounts] == ["run"]
        assert next(iter(accounts))[3].startswith("ALTER USER 'glance'@'%' IDENTIFIED VIA ")
        # The same, since it is asked again before; and then that is done.
        assert cloud.run("apply", variables=saved) == planned
        assert cloud.run("deploy", variables=SITE) == set()
    finally:
        # Other tests need the cloud as it was.
        succeed("deploy")
