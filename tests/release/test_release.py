# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release says what it is made of, and ansible-galaxy believes its signatures and no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom

from tests.quality.tree import COLLECTION, ROOT
from tools.steps.release import LOCK, bill_of_materials, build, parts, pinned_packages, sign

EPOCH = 1_700_000_000
SIGNER = "release@example.test"


def test_the_list_of_parts_names_all_of_them_and_their_digests() -> None:
    packages = pinned_packages((ROOT / LOCK).read_text())
    assert {"ansible-core", "cryptography", "pyyaml"} <= set(packages)
    components = parts({"accentos-cloud-1.0.0.tar.gz": "ab" * 32}, packages, {"community.crypto": "3.0.5"})
    text = bill_of_materials(components, EPOCH)
    read = Bom.from_json(json.loads(text))  # type: ignore[attr-defined]
    named = {component.name: component for component in read.components}
    assert set(named) == {"accentos.cloud", "community.crypto", *packages}
    assert [digest.content for digest in named["accentos.cloud"].hashes] == ["ab" * 32]
    assert str(named["ansible-core"].purl) == f"pkg:pypi/ansible-core@{packages['ansible-core']}"
    (ours,) = (row for row in json.loads(text)["dependencies"] if "accentos" in row["ref"])
    assert len(ours["dependsOn"]) == len(named) - 1


def test_the_same_parts_give_the_same_bytes_and_others_give_another_number() -> None:
    def written(digest: str) -> str:
        return bill_of_materials(parts({"accentos-cloud-1.0.0.tar.gz": digest}, {"jsonschema": "4"}, {}), EPOCH)

    assert written("ab" * 32) == written("ab" * 32)
    assert json.loads(written("ab" * 32))["serialNumber"] != json.loads(written("cd" * 32))["serialNumber"]


def test_a_control_node_gets_what_the_tests_had() -> None:
    control, development = (
        pinned_packages((ROOT / LOCK).with_name(name).read_text()) for name in ("control.txt", "development.txt")
    )
    assert control
    assert {name: development.get(name) for name in control} == control
    named = {
        line.partition("==")[0].lower()
        for line in (ROOT / LOCK).with_suffix(".in").read_text().splitlines()
        if line[:1] != "#"
    }
    assert named <= set(control)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give SIGNER a key for these tests only, and return the key ring with its public half."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", str(home))
        made = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", SIGNER, "ed25519", "sign", "1d"]
        subprocess.run(made, check=True, capture_output=True)
        ring = home / "public.kbx"
        shown = subprocess.run(["gpg", "--export", SIGNER], check=True, capture_output=True).stdout
        subprocess.run(
            ["gpg", "--no-default-keyring", "--keyring", str(ring), "--import"],
            input=shown,
            check=True,
            capture_output=True,
        )
        yield ring
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=True)


def galaxy(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Let ansible-galaxy do something with the collections in the folder WHERE, and with no others."""
    argv = [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", *words, "--offline"]
    argv += ["--collections-path", str(where)]
    (where / "ansible.cfg").touch()
    environment = os.environ | {"ANSIBLE_CONFIG": str(where / "ansible.cfg")}
    return subprocess.run(argv, cwd=where, env=environment, check=False, capture_output=True, text=True)


def test_what_was_changed_after_it_was_signed_is_told(keyring: Path, tmp_path: Path) -> None:
    artefact = build(COLLECTION, tmp_path, EPOCH)
    signature = sign(artefact, SIGNER)
    put = galaxy(tmp_path, "install", str(artefact), "--no-deps")
    assert put.returncode == 0, put.stdout + put.stderr
    verify = ("verify", "accentos.cloud", "--signature", signature.as_uri(), "--keyring", str(keyring))
    as_signed = galaxy(tmp_path, *verify)
    assert as_signed.returncode == 0, as_signed.stdout + as_signed.stderr

    here = tmp_path / "ansible_collections/accentos/cloud"
    readme = here / "README.md"
    before = readme.read_bytes()
    readme.write_bytes(before + b"changed")
    told = galaxy(tmp_path, *verify)
    assert (told.returncode, "README.md" in told.stdout) == (1, True)
    readme.write_bytes(before)

    # Who changes a file changes its digest too, and cannot sign that.
    manifest = here / "MANIFEST.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"accentos", b"Accentos", 1))
    refused = galaxy(tmp_path, *verify)
    assert refused.returncode == 1
    assert "signature" in (refused.stdout + refused.stderr).lower()
