# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-runner, with which AWX runs jobs, runs the verbs: how they end, their events, no secret in what it keeps."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.playbooks.awx_server import ROOT, TOKEN, Awx
from tests.playbooks.test_awx import STORE_KEY
from tests.playbooks.test_awx import Site as AwxSite
from tests.playbooks.test_doctor import PRIVATE, site  # noqa: F401 - a fixture

Job = Callable[..., "Done"]


@dataclass(frozen=True)
class Done:
    """A job that has ended: its runner, the events in their order, and the folder with all that the runner keeps."""

    runner: ansible_runner.Runner
    events: list[dict[str, Any]]
    kept: Path

    @property
    def output(self) -> str:
        with self.runner.stdout as file:
            return str(file.read())

    def named(self) -> list[str]:
        """Return the names of the events but those for lines of output that belong to no task."""
        return [one["event"] for one in self.events if one["event"] not in ("verbose", "warning")]

    def hosts(self, name: str) -> set[str]:
        """Return the hosts with an event of this NAME."""
        return {one["event_data"]["host"] for one in self.events if one["event"] == name}

    def check_secrecy(self, *secrets: str) -> None:
        """Fail if a file that the runner keeps has a line of one of SECRETS."""
        lines = [line.encode() for secret in secrets for line in secret.splitlines() if not line.startswith("-----")]
        assert lines
        files = [path for path in self.kept.rglob("*") if path.is_file()]
        assert len(files) > len(self.events)
        leaks = [(str(path), line) for path in files for line in lines if line in path.read_bytes()]
        assert leaks == []


@pytest.fixture
def job(site: Path, tmp_path: Path) -> Job:  # noqa: F811 - the same one
    """Return what runs a playbook as AWX would, and searches all that is kept of it for what is in the site's store."""

    def run(verb: str, *arguments: str, inventory: Path = site, **variables: Any) -> Done:
        kept = Path(tempfile.mkdtemp(prefix="job-", dir=tmp_path))
        environment = {name: value for name, value in variables.items() if name.isupper()}
        runner = ansible_runner.run(
            private_data_dir=str(kept),
            project_dir=str(ROOT),
            playbook=f"playbooks/{verb}.yml",
            inventory=str(inventory),
            cmdline=" ".join(arguments),
            extravars={name: value for name, value in variables.items() if not name.isupper()},
            envvars={"PATH": f"{site.parent}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"} | environment,
            quiet=True,
        )
        events = list(runner.events)
        # Each came, in one piece and in its place; what the runner could not put together is left as a partial one.
        assert [one["counter"] for one in events] == list(range(1, len(events) + 1))
        assert list(kept.rglob("*-partial.json*")) == []
        done = Done(runner, events, kept)
        done.check_secrecy(PRIVATE, (site / ".vault_key").read_text())
        return done

    return run


def test_the_check_ends_well_and_tells_its_events(job: Job) -> None:
    done = job("check")
    assert (done.runner.status, done.runner.rc) == ("successful", 0), done.output
    assert done.named() == [
        "playbook_on_start",
        "playbook_on_play_start",
        "playbook_on_task_start",
        "runner_on_start",
        "runner_on_ok",
        "playbook_on_stats",
    ]
    assert done.runner.stats["ok"] == {"localhost": 1}
    # The runner's own callback, not the one that ansible.cfg names.
    assert "PLAY RECAP" in done.output


def test_the_stages_callback_stands_behind_the_one_of_the_runner(job: Job) -> None:
    # That is what the runner makes of the variable.
    done = job("check", ANSIBLE_STDOUT_CALLBACK="accentos.cloud.stages")
    assert (done.runner.status, done.runner.rc) == ("successful", 0), done.output
    assert (done.named()[0], done.named()[-1], len(done.named())) == ("playbook_on_start", "playbook_on_stats", 6)
    assert done.runner.stats["ok"] == {"localhost": 1}
    assert "check.yml: 1 stage" in done.output
    assert "Done: nothing to change on 1 host" in done.output
    assert "PLAY RECAP" not in done.output


def test_a_plan_is_made_in_check_mode_and_refused_without(job: Job) -> None:
    fit: dict[str, Any] = {"host_check_folders": {}, "host_check_kernel": {}}
    done = job("plan", "--check --diff --limit=controller-1 --tags=always --skip-tags=prepare", **fit)
    assert (done.runner.status, done.runner.rc) == ("successful", 0), done.output
    assert done.hosts("runner_on_ok") == {"controller-1"}
    assert done.runner.stats["changed"] == done.runner.stats["failures"] == {}
    plays = [one["event_data"]["name"] for one in done.events if one["event"] == "playbook_on_play_start"]
    assert plays[:3] == ["Plan", "Check", "Basis"]
    assert "Hosts that are fit" in plays
    refused = job("plan")
    assert (refused.runner.status, refused.runner.rc) == ("failed", 2), refused.output
    assert len(refused.hosts("runner_on_failed")) == 1
    assert "Without check mode this would deploy" in refused.output


def test_the_doctor_fails_with_its_findings(job: Job, site: Path) -> None:  # noqa: F811 - the same one
    done = job("doctor", "--check -vvv")
    assert (done.runner.status, done.runner.rc) == ("failed", 2), done.output
    assert done.hosts("runner_on_unreachable") == {"compute-1", "compute-2", "deploy-1", "rack-1", "storage-1"}
    assert done.runner.stats["failures"]
    assert "broken.service: <b>refused</b> (hidden)" in done.output
    assert SecretStore(site).read() == {"example_password": PRIVATE}


def test_the_verbs_come_into_an_awx(job: Job, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with Awx(tuple(f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml"))) as awx:
        settings = home / ".tower_cli.cfg"
        settings.touch(mode=0o600)
        settings.write_text(f"[general]\nhost = {awx.address}\noauth_token = {TOKEN}\n")
        control = AwxSite(tmp_path, awx)
        done = job(
            "awx",
            "-vvv",
            inventory=tmp_path / "site",
            **control.variables,
            ansible_connection="forked",
            ANSIBLE_CONNECTION_PLUGINS=str(Path(__file__).parent / "connections"),
            ACCENTOS_WARM_START_FOLDER=str(Path("~/.cache/accentos/modules").expanduser()),
            HOME=str(home),
            SSL_CERT_FILE=os.devnull,
        )
    assert (done.runner.status, done.runner.rc) == ("successful", 0), done.output
    items = [one["event_data"]["task"] for one in done.events if one["event"] == "runner_item_on_ok"]
    assert items.count("Job templates") == len(awx.objects["job_templates"]) > 0
    assert awx.named("credentials")["lab: key of the store"]["inputs"] == {"store_key": STORE_KEY}
    done.check_secrecy(TOKEN, STORE_KEY, control.ssh_key)
