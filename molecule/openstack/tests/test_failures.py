# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment that cannot go on says what is wrong, where, and what to do; once that is mended it goes on."""

from __future__ import annotations

from testinfra.host import Host

from .administrator import Administrator
from .playbooks import play, succeed

testinfra_hosts = ["ssh://controller-1"]

# Of a whole deployment, those that have nothing to do included.
TASKS_OF_A_COMPUTE = 60
FOLDER = "/etc/glance"
CONF = f"{FOLDER}/glance-api.conf"
# A folder that nobody can make: the text is valid, as far as anybody can tell without starting the service.
NO_FOLDER = {"openstack_service_overrides": {"glance": {CONF: {"DEFAULT": {"log_dir": "/proc/of-a-test"}}}}}
# Any file that is written anew wants room.
LONG = {"openstack_service_overrides": {"glance": {CONF: {"DEFAULT": {"log_date_format": "%Y" * 4096}}}}}
# A file system of its own in the place of the folder, with what is in it, which has no room left.
FULL = f"""
set -o errexit
cp --archive {FOLDER} /run/of-a-test
mount -t tmpfs -o size=8m of-a-test {FOLDER}
cp --archive /run/of-a-test/. {FOLDER}/
chown --reference=/run/of-a-test {FOLDER}
chmod --reference=/run/of-a-test {FOLDER}
rm --recursive /run/of-a-test
dd if=/dev/zero of={FOLDER}/of-a-test bs=4k status=none || true
"""
# Passwords that somebody changed where the accounts are, and nowhere else.
OTHER_PASSWORDS = """
set -o errexit
for name in keystone nova neutron cinder; do
    mariadb --execute "alter user '$name'@'%' identified by 'of-a-test'"
done
for name in nova neutron cinder; do
    rabbitmqctl change_password $name of-a-test
done
"""
OTHER_ADMINISTRATOR = """
for name in ("nova", "neutron", "admin"):
    cloud.identity.update_user(cloud.identity.find_user(name, domain_id="default"), password="of-a-test")
print("null")
"""


def test_a_full_disk_is_named_and_leaves_the_old_file(host: Host) -> None:
    before = host.file(CONF).sha256sum
    started = host.check_output("systemctl show --property=ActiveEnterTimestampMonotonic glance-api")
    try:
        host.check_output(FULL)
        run = play("deploy", "--tags=image", variables=LONG)
        left = host.check_output(f"ls --almost-all {FOLDER}").split()
        kept = host.file(CONF).sha256sum
    finally:
        host.run(f"umount --lazy {FOLDER}")
    said = " ".join(run.output.split())
    assert run.code == 2, run.output
    assert f"{CONF}: No space left on device" in said
    assert (
        f"Make room in its file system, then run again. These tell what it lacks, blocks or inodes: df {FOLDER}" in said
    )
    assert (kept, [name for name in left if "accentos" in name]) == (before, [])
    assert host.check_output("systemctl show --property=ActiveEnterTimestampMonotonic glance-api") == started


def test_a_service_that_does_not_start_shows_its_journal_and_wrong_passwords_are_put_right(
    host: Host, administrator: Administrator
) -> None:
    try:
        run = play("deploy", "--tags=image", variables=NO_FOLDER)
        said = " ".join(run.output.split())
        administrator(OTHER_ADMINISTRATOR)
        host.check_output(OTHER_PASSWORDS)
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
    # With the passwords that the site has.
    administrator("print(len([*cloud.identity.users()]))")
