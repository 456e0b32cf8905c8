# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program behind tools/set-secret."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils import set_secret
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ACCENTOS_VAULT_KEY_FILE", raising=False)
    (tmp_path / "hosts.yml").write_text("all: {hosts: {one: {}}}\n")
    return tmp_path


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_standard_input(site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, "pass word\n")
    assert set_secret.main([str(site), "bmc_password"]) == 0
    assert SecretStore(site).read() == {"bmc_password": "pass word"}
    give(monkeypatch, "pass word")
    assert set_secret.main([str(site), "bmc_password"]) == 0
    out = capsys.readouterr().out
    assert out == f"bmc_password is stored in {site}/.secrets.yml\nbmc_password is as it was in {site}/.secrets.yml\n"


@pytest.mark.parametrize(("second", "code"), [("typed", 0), ("tpyed", 1)])
def test_prompt(site: Path, monkeypatch: pytest.MonkeyPatch, second: str, code: int) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    typed = iter(["typed", second])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))
    assert set_secret.main([str(site), "bmc_user"]) == code
    assert SecretStore(site).read() == ({"bmc_user": "typed"} if code == 0 else {})


def test_the_site_names_the_folder(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "group_vars").mkdir()
    (site / "group_vars" / "all.yml").write_text('site_secrets_folder: "{{ inventory_dir }}/deep"\n')
    give(monkeypatch, "x")
    assert set_secret.main([str(site), "bmc_user"]) == 0
    assert SecretStore(site / "deep").read() == {"bmc_user": "x"}
    assert not (site / ".secrets.yml").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Wrong", "x", "is no name for a secret"),
        ("bmc_user", "", "is empty"),
        ("bmc_user", "a\nb\n", "cannot be typed"),
    ],
)
def test_what_is_refused(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, words: str
) -> None:
    give(monkeypatch, value)
    assert set_secret.main([str(site), name]) == 1
    assert words in capsys.readouterr().err
    assert not (site / ".secrets.yml").exists()


def test_a_folder_that_is_no_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set_secret.main([str(tmp_path), "bmc_user"]) == 1
    assert "has no hosts.yml" in capsys.readouterr().err


def test_a_relative_folder_of_the_site_is_refused(
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    (site / "group_vars").mkdir()
    (site / "group_vars" / "all.yml").write_text("site_secrets_folder: relative/x\n")
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    give(monkeypatch, "x")
    assert set_secret.main([str(site), "bmc_user"]) == 1
    assert "relative/x, is no absolute path" in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("hosts.yml", "", "names no host"),
        ("hosts.yml", "all: {hosts: {}}\n", "names no host"),
        ("hosts.yml", "all:\n  hosts: {one: {}}\n bad: [\n", "YAML"),
        ("group_vars/all/x.yml", "x: 1\n y: [\n", "YAML"),
        ("host_vars/one.yml", "x: 1\n y: [\n", "YAML"),
    ],
)
def test_a_file_that_is_wrong_is_named_in_one_message(
    site: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, text: str, words: str
) -> None:
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text(text)
    give(monkeypatch, "x")
    assert set_secret.main([str(site), "bmc_user"]) == 1
    told = capfd.readouterr().err
    assert told.startswith(f"set-secret: {site / name}")
    assert words in told
    assert len(told.splitlines()) == 1
    assert not (site / ".secrets.yml").exists()
