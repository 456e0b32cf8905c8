# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files for the installers of Debian, Ubuntu and Red Hat, rendered by the real Cobbler and read by other programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest
import yaml

from .autoinstall import AUTOINSTALL
from .conftest import Site

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBase operator's key"
META = {"authorized_keys": [KEY], "install_disk": "/dev/vda", "mirror": "http://mirror.example.test/debian"}
VERSIONS = [
    ("debian", "bookworm", "accentos-debian.preseed"),
    ("debian", "trixie", "accentos-debian.preseed"),
    ("ubuntu", "jammy", "accentos-ubuntu.autoinstall"),
    ("ubuntu", "noble", "accentos-ubuntu.autoinstall"),
    ("redhat", "rhel9", "accentos-redhat.ks"),
    ("redhat", "rhel10", "accentos-redhat.ks"),
]


def render(site: Site, breed: str, version: str, template: str, meta: Mapping[str, object]) -> str:
    """Let Cobbler render the template for a machine of its own; nothing of that is left."""
    return site.direct(
        f"""
kernel = dict(kernel="/srv/accentos/boot/amd64/vmlinuz", initrd="/srv/accentos/boot/amd64/ramdisk.img")
make("distro", name="test", arch="x86_64", breed={breed!r}, os_version={version!r}, **kernel)
make("profile", name="test", distro="test", autoinstall={template!r}, enable_menu=False)
make("system", name="test", profile="test", hostname="test-1", autoinstall_meta={meta!r},
     modify_interface={{"macaddress-eth0": "02:aa:00:00:00:77"}})
print(server.generate_autoinstall(None, "test"))
for kind in ("system", "profile", "distro"):
    getattr(server, f"remove_{{kind}}")("test", token)
"""
    )


@pytest.mark.parametrize(("breed", "version", "template"), VERSIONS)
def test_installer_files(site: Site, tmp_path: Path, breed: str, version: str, template: str) -> None:
    text = render(site, breed, version, template, META)
    assert "EXCEPTION" not in text
    assert "{{" not in text
    assert KEY.split("'", maxsplit=1)[0] in text
    assert "/dev/vda" in text
    for secret in site.secrets().values():
        assert secret not in text
    # No password hash of any kind: root is locked.
    assert not re.search(r"\$[0-9a-z]+\$", text)
    if breed == "debian":
        assert site.sh("deploy-1", "debconf-set-selections --checkonly 2>&1", f"{text}\n") == ""
        assert "d-i passwd/root-password-crypted password !" in text
        assert f"d-i mirror/suite string {version}" in text
    elif breed == "ubuntu":
        assert text.startswith("#cloud-config\n")
        document = yaml.safe_load(text)
        jsonschema.validate(document["autoinstall"], AUTOINSTALL)
        assert document["autoinstall"]["user-data"]["users"] == [
            {"name": "root", "lock_passwd": True, "ssh_authorized_keys": [KEY]}
        ]
    else:
        file = tmp_path / "test.ks"
        file.write_text(f"{text}\n")
        program = Path(sys.executable).with_name("ksvalidator")
        done = subprocess.run([program, "-v", version.upper(), file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{text}"
        assert "rootpw --lock" in text


@pytest.mark.parametrize(("breed", "version", "template"), VERSIONS[1::2])
def test_no_disk_is_touched_that_is_not_named(site: Site, breed: str, version: str, template: str) -> None:
    text = render(site, breed, version, template, {"authorized_keys": KEY})
    assert KEY.split()[1] in text
    for word in ("partman-auto", "clearpart", "zerombr", "layout: {name"):
        assert word not in text


@pytest.mark.parametrize(
    "hostile", ["$server.login('', '')", "{{ 7 * 191 }}", "#import os", "{% raw %}", "@@server@@x"]
)
def test_text_of_a_field_is_no_template(site: Site, hostile: str) -> None:
    text = render(site, "debian", "trixie", "accentos-debian.preseed", {**META, "timezone": hostile})
    assert "1337" not in text
    line = next(line for line in text.splitlines() if line.startswith("d-i time/zone"))
    shown = hostile.replace("@@server@@", site.address)
    assert line == f"d-i time/zone string {shown}"


def test_signatures_are_ours(site: Site) -> None:
    known = json.loads(site.direct("print(json.dumps(server.get_signatures()['breeds']))"))
    assert {(breed, version) for breed, version, _template in VERSIONS} <= {
        (breed, version) for breed, versions in known.items() for version in versions
    }
