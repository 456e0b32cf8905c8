# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plug-in that writes the doctor's report on the control node."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible_collections.accentos.cloud.plugins.action.doctor_report import ActionModule
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

FINDING = {
    "layer": "host",
    "check": "memory",
    "host": "a",
    "state": "warn",
    "found": "the words that nobody sees",
    "expected": "some",
    "why": "needed",
    "remedy": "add.",
}
SITE = {
    "name": "example",
    "networks": {"management": {"cidr": "10.0.0.0/24"}},
    "groups": {"controller": ["a"]},
    "controllers": ["a"],
}
RESULTS = {"a": {"findings": [FINDING], "facts": {"addresses": []}}}


def run(folder: Path, **options: Any) -> dict[str, Any]:
    """Run the plug-in in this process."""
    task = Task.load(
        {"accentos.cloud.doctor_report": {"folder": str(folder / "out"), "site": SITE, "hosts": ["a"], **options}}
    )
    connection = connection_loader.get("ansible.builtin.local", PlayContext())
    return ActionModule(task, connection, PlayContext(), DataLoader(), None, None).run(task_vars={})


@pytest.fixture(autouse=True)
def no_key_file_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCENTOS_VAULT_KEY_FILE", raising=False)


def test_a_report_is_written_for_its_owner_without_secrets(tmp_path: Path) -> None:
    SecretStore(tmp_path).set("example_password", "words that nobody sees")
    told = run(tmp_path, secrets_folder=str(tmp_path), results=RESULTS, cloud={"findings": []})
    assert (told["changed"], told["state"], told["counts"]["warn"]) == (False, "warn", 1)
    report, page = Path(told["paths"]["json"]), Path(told["paths"]["html"])
    assert [one["found"] for one in json.loads(report.read_text())["findings"] if one["state"] == "warn"] == [
        "the (hidden)"
    ]
    assert "the (hidden)" in page.read_text()
    assert not any("nobody sees" in line for line in told["problems"])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (report, page, report.parent)] == [0o600, 0o600, 0o700]


def test_hosts_whose_names_are_no_text_are_reported(tmp_path: Path) -> None:
    # As Python reads bytes that are no UTF-8.
    name = "\udc80<script>"
    told = run(tmp_path, hosts=[name], results={name: {"findings": [{**FINDING, "host": name}]}})
    assert "WARN  host: memory, \\udc80<script>" in told["problems"]
    assert json.loads(Path(told["paths"]["json"]).read_text(encoding="ascii"))["hosts"][0]["name"] == name
    assert "\\udc80&lt;script&gt;" in Path(told["paths"]["html"]).read_text(encoding="utf-8")


def test_lost_hosts_machines_and_clouds_are_told(tmp_path: Path) -> None:
    told = run(tmp_path, results={"a": {"unreachable": True, "msg": "no route"}}, machines=["a"])
    assert told["counts"]["fail"] == 3
    assert [line for line in told["problems"] if line.startswith("FAIL")] == [
        "FAIL  power: management controller, the cloud",
        "FAIL  host: host answers, a",
        "FAIL  identity: login, the cloud",
    ]


def test_without_the_key_of_the_secrets_no_report_is_made(tmp_path: Path) -> None:
    SecretStore(tmp_path).set("example_password", "words that nobody sees")
    (tmp_path / ".vault_key").unlink()
    with pytest.raises(AnsibleActionFail, match="No report is made"):
        run(tmp_path, secrets_folder=str(tmp_path), results=RESULTS)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(AnsibleActionFail, match="cannot be written"):
        run(tmp_path, results=RESULTS)
