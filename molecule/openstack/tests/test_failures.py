# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment that cannot go on says what is wrong, where, and what to do; once that is mended it goes on."""

from __future__ import annotations

from testinfra.host import Host

from .playbooks import play, succeed

testinfra_hosts = ["ssh://controller-1"]

# Of a whole deployment, those that have nothing to do included.
TASKS_OF_A_COMPUTE = 60
CONF = "/etc/glance/glance-api.conf"
# A folder that nobody can make: the text is valid, as far as anybody can tell without starting the service.
NO_FOLDER = {"openstack_service_overrides": {"glance": {CONF: {"DEFAULT": {"log_dir": "/proc/of-a-test"}}}}}


def test_a_service_that_does_not_start_shows_its_journal(host: Host) -> None:
    try:
        run = play("deploy", "--tags=image", variables=NO_FOLDER)
        said = " ".join(run.output.split())
    finally:
        mended = succeed("deploy")
    assert run.code == 2, run.output
    assert "glance-api.service does not work, https://" in said
    assert "The end of the journal of glance-api.service" in said
    assert "/proc/of-a-test" in said
    assert "Mend what the journals complain about, then run again." in said
    changed = mended.changed()
    assert changed.pop("controller-1") > 0
    assert changed == {"compute-1": 0, "compute-2": 0}
    assert 20 < mended.tasks()["compute-2"] <= TASKS_OF_A_COMPUTE
    assert host.service("glance-api").is_running
