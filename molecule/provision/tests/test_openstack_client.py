# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of a cloud on a deploy host, which can be there before the cloud is."""

from __future__ import annotations

import re

import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from testinfra.host import Host

from .machines import STATE, playbook

CLIENT = "playbooks/client.yml"


def test_an_administrator_gets_the_command_line(host: Host) -> None:
    file = host.file("/etc/openstack/clouds.yaml")
    assert not file.exists
    assert re.search(r"changed=[1-9]", playbook(CLIENT, "--check"))
    assert not file.exists
    assert not host.package("python3-openstackclient").is_installed

    playbook(CLIENT)
    assert (file.user, file.group, file.mode) == ("root", "root", 0o600)
    (cloud,) = yaml.safe_load(file.content_string)["clouds"].values()
    assert cloud["auth"] == {
        "auth_url": "https://api.provision.example.test:5000/v3",
        "username": "admin",
        "password": SecretStore(STATE).read()["keystone_admin_password"],
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    assert host.file(cloud["cacert"]).exists
    assert host.check_output("openstack --version").startswith("openstack ")

    again = playbook(CLIENT)
    assert "changed=" in again
    assert not re.search(r"changed=[1-9]", again), again
