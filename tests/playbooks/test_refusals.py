# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What roles refuse before they touch a host, on this machine as the host, in check mode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tests.playbooks.runs import write_play
from tools.playbook_runs import run_playbook


def include(
    folder: Path, role: str, tasks: str, variables: dict[str, Any], *arguments: str, **environment: str
) -> tuple[int, str]:
    """Run one file of tasks of a role; return exit code and output."""
    included = {"name": f"accentos.cloud.{role}", "tasks_from": tasks}
    play = {
        "hosts": "host-1",
        "gather_facts": False,
        "vars": {"ansible_connection": "local", "ansible_facts": {"virtualization_tech_guest": []}, **variables},
        "tasks": [{"name": "Tasks", "ansible.builtin.include_role": included}],
    }
    files = write_play(folder, play, {"all": {"hosts": {"host-1": {}}}})
    environ = {**os.environ, **environment}
    return run_playbook(*files, "--check", *arguments, callback="accentos.cloud.stages", environ=environ)


ARCHIVE = {"name": "../x", "uris": [], "suites": [], "components": [], "key": "", "fingerprint": ""}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a setting that is two": (
        {"base_sysctl_extra": {"net.ipv4.tcp_syncookies": "1\nkernel.x = 1"}},
        "The value of the setting net.ipv4.tcp_syncookies has a line break",
    ),
    "a setting that is a list": ({"base_sysctl": {"vm.swappiness": [1]}}, "setting vm.swappiness is neither text nor"),
    "the name of a setting": ({"base_sysctl": {"vm.swappiness; rm": 1}}, "'vm.swappiness; rm' cannot be the name"),
    "the name of an archive": ({"base_apt_repositories": [ARCHIVE]}, 'no plain file name: ["../x"]'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_become_other_lines_or_files_is_refused(name: str, tmp_path: Path) -> None:
    variables, words = REFUSED[name]
    code, output = include(tmp_path, "base", "refusals.yml", variables)
    assert code == 2, output
    assert words in output


def test_kernel_settings_that_are_some_are_not_refused(tmp_path: Path) -> None:
    code, output = include(tmp_path, "base", "refusals.yml", {"base_sysctl_extra": {"vm.swappiness": 10}})
    assert code == 0, output


PLAIN = "pki_ca_key: a-secret-in-plain-text\n"


def damage(folder: Path, name: str) -> dict[str, str]:
    """Do to the store of a folder, or to its key, what can happen to them; return the environment of the run."""
    store, key = folder / ".secrets.yml", folder / ".vault_key"
    match name:
        case "wrong key":
            key.write_text("0" * 64)
        case "missing key":
            key.unlink()
        case "empty key":
            key.write_text("")
        case "binary key":
            key.write_bytes(b"\xff\0\xfe")
        case "readable key":
            key.chmod(0o644)
        case "elsewhere":
            return {"ACCENTOS_VAULT_KEY_FILE": "/nonexistent"}
        case "truncated store":
            store.write_bytes(store.read_bytes()[:-80])
        case "plain store":
            store.write_text(PLAIN)
        case "empty store":
            store.write_text("")
    return {}


DAMAGES = {
    "wrong key": "Put back the key file",
    "missing key": "Put back the key file",
    "empty key": "Put back the key",
    "binary key": "Put back the key file",
    "readable key": "Run: chmod 600",
    "elsewhere": "Put back the key file",
    "truncated store": "restore the store from a copy",
    "plain store": "restore the store from a copy",
    "empty store": "restore the store from a copy",
}


def authority(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run what the role pki does on the control node, with the site in a folder."""
    site = {"site_secrets_folder": str(folder), "site_name": "test", "ansible_host": "{{ 'a.example.test' }}"}
    return include(folder, "pki", "authority.yml", site, *arguments, **environment)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_store_that_cannot_be_opened_is_told_with_its_remedy(name: str, tmp_path: Path) -> None:
    SecretStore(tmp_path).set("pki_ca_key", "a-secret-in-plain-text")
    code, output = authority(tmp_path, **damage(tmp_path, name))
    assert code == 2, output
    assert DAMAGES[name] in output
    assert str(tmp_path / ".secrets.yml") in output or str(tmp_path / ".vault_key") in output
    assert "no_log" not in output
    assert "a-secret" not in output


def test_a_damaged_certificate_of_the_authority_is_told_by_its_file_and_the_key_by_nobody(tmp_path: Path) -> None:
    key = SecretStore(tmp_path).get("pki_ca_key", "private_key", may_write=True)
    code, output = authority(tmp_path, "-vvvv")
    assert code == 0, output
    assert not {line for line in key.splitlines() if line in output}
    (tmp_path / ".pki").mkdir()
    (tmp_path / ".pki/ca.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    code, output = authority(tmp_path)
    assert code == 2, output
    assert f"{tmp_path}/.pki/ca.crt does not hold one certificate in PEM" in output
    assert "Put it back from a copy" in output
    assert "{{" not in output
