# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service that the role does not know is deployed from its description alone, as the documentation has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

from tools.playbook_runs import ROOT

from .administrator import Administrator
from .playbooks import play, succeed

testinfra_hosts = ["ssh://controller-1"]

UNIT = "barbican-api.service"
CA = "/etc/accentos/pki/ca.crt"
# Keeps a secret, reads it, and removes it.
PROGRAM = """
import json

made = cloud.key_manager.create_secret(name="of-a-test", payload="precious", payload_content_type="text/plain")
number = made.secret_ref.rpartition("/")[2]
read = cloud.session.get(made.secret_ref + "/payload", headers={"Accept": "text/plain"}).text
cloud.key_manager.delete_secret(number)
left = [one.name for one in cloud.key_manager.secrets()]
print(json.dumps({"reference": made.secret_ref, "read": read, "left": left}))
"""
# Makes a type of volumes as the documentation does, and a volume of it.
ENCRYPTED = """
import json, time

kind = cloud.block_storage.create_type(name="of-a-test", extra_specs={"volume_backend_name": "ceph"})
cloud.block_storage.create_type_encryption(
    kind, provider="luks", cipher="aes-xts-plain64", key_size=256, control_location="front-end")
made = cloud.block_storage.create_volume(name="of-a-test", size=1, volume_type="of-a-test")
made = cloud.block_storage.wait_for_status(made, "available", failures=["error"], interval=1, wait=120)
keys = [one.name for one in cloud.key_manager.secrets()]
print(json.dumps({"volume": made.id, "encrypted": made.is_encrypted, "keys": len(keys)}))
"""
UNENCRYPTED = """
import json

for one in cloud.block_storage.volumes():
    if one.name == "of-a-test":
        cloud.block_storage.delete_volume(one)
        cloud.block_storage.wait_for_delete(one, interval=1, wait=120)
for one in cloud.block_storage.types():
    if one.name == "of-a-test":
        cloud.block_storage.delete_type(one)
print(json.dumps([one.name for one in cloud.key_manager.secrets()]))
"""
TAGS = "--tags=compute,storage"


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, host: Host) -> Iterator[str]:
    """A file with the description in the documentation; the service is gone again after the tests."""
    text = (ROOT / "docs/services.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?s)```yaml\n(openstack_service_extra:.*?)```", text)
    assert list(yaml.safe_load(block)["openstack_service_extra"]) == ["barbican"]
    path: Path = tmp_path_factory.mktemp("site") / "own.yml"
    path.write_text(block, encoding="utf-8")
    yield str(path)
    host.check_output(f"systemctl disable --now {UNIT}; systemctl reset-failed {UNIT}")
    succeed("deploy", TAGS)


def test_a_service_is_deployed_from_its_description(described: str, host: Host, administrator: Administrator) -> None:
    succeed("deploy", TAGS, f"--extra-vars=@{described}")
    found: dict[str, Any] = administrator(PROGRAM)
    assert found["reference"].startswith("https://api.openstack.example.test:9311/v1/secrets/")
    assert (found["read"], found["left"]) == ("precious", [])
    assert host.service(UNIT).is_enabled


def test_who_has_no_token_is_refused(described: str, host: Host) -> None:
    url = "https://api.openstack.example.test:9311/v1/secrets"
    code = host.check_output(f"curl --silent --cacert {CA} --output /dev/null --write-out %{{http_code}} {url}")
    assert code == "401"


def test_volumes_are_encrypted_with_its_keys(described: str, host: Host, administrator: Administrator) -> None:
    try:
        made = administrator(ENCRYPTED)
        assert (made["encrypted"], made["keys"]) == (True, 1)
        # The magic number of LUKS.
        kept = host.check_output(
            f"timeout 60 rbd --id cinder --pool volumes export --no-progress volume-{made['volume']} - | head --bytes=4"
        )
        assert kept == "LUKS"
    finally:
        keys_left = administrator(UNENCRYPTED)
    assert keys_left == []


def test_it_is_let_alone_by_the_next_run(described: str) -> None:
    run = succeed("deploy", TAGS, f"--extra-vars=@{described}")
    assert set(run.changed().values()) == {0}


def test_the_doctor_looks_at_it(described: str, host: Host) -> None:
    host.check_output(f"systemctl stop {UNIT}")
    run = play("doctor", f"--extra-vars=@{described}", callback="accentos.cloud.stages")
    host.check_output(f"systemctl start {UNIT}")
    assert run.code == 2, run.output
    assert UNIT in run.output
