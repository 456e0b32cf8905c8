# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plug-in, run by Ansible itself on the control node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible_collections.accentos.cloud.plugins.action.site_check import ActionModule, inventory_folder
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_check, site_schema
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import SiteReport, failure_message
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Place, report
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import (
    CONTROLLER,
    GOOD_SITE,
    SITE,
    write_site,
)

COLLECTIONS = Path(site_check.__file__).parents[5]


def run_task(folder: Path, *options: str) -> dict[str, Any]:
    """Run the task on the implicit localhost and return its result."""
    result = subprocess.run(
        [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "accentos.cloud.site_check", *options],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder.parent),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_INVENTORY": str(folder),
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline",
        },
        cwd=folder.parent,
    )
    line = result.stdout.strip().splitlines()[-1]
    found: dict[str, Any] = json.loads(line.partition("=>")[2])
    return found


def run_here(task_vars: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Run the action in this process."""
    task = Task()
    task.args = options
    connection = connection_loader.get("ansible.builtin.local", PlayContext())
    action = ActionModule(task, connection, PlayContext(), DataLoader(), None, None)
    return action.run(task_vars=task_vars)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_site(tmp_path / "site", {CONTROLLER: None})


def test_a_good_site_of_the_inventory_in_use(folder: Path) -> None:
    expected = {"changed": False, "path": str(folder), "findings": [], "hosts": 6, "values": 48}
    assert run_task(folder) == expected
    assert run_task(folder, "--check") == expected


def test_mistakes_fail_the_task_and_are_all_in_the_message(folder: Path) -> None:
    other = write_site(
        folder.parent / "other", {CONTROLLER: None, SITE: GOOD_SITE[SITE].replace("vlan: 20", "vlan: 0")}
    )
    result = run_task(folder, "-a", f"path={other}")
    assert result["findings"] == [
        {
            "file": SITE,
            "line": 11,
            "column": 11,
            "key": "site_networks.tunnel.vlan",
            "problem": "is too small",
            "value": "0",
            "expected": "a whole number from 1 to 4094",
            "suggestion": "",
        }
    ]
    assert (result["hosts"], result["values"], result["changed"]) == (6, 48, False)
    assert result["msg"].splitlines()[1:] == [
        f"{SITE}:11:11: site_networks.tunnel.vlan: is too small, found 0; expected a whole number from 1 to 4094",
        "Nothing was changed. Correct these lines, then run the same command again.",
    ]


def test_results(folder: Path) -> None:
    good = run_here({"inventory_dir": str(folder)})
    assert good == {"changed": False, "path": str(folder), "findings": [], "hosts": 6, "values": 48}
    (folder / SITE).unlink()
    bad = run_here({"inventory_dir": "/nowhere"}, path=str(folder))
    assert (bad["failed"], len(bad["findings"]), bad["hosts"]) == (True, 5, 6)
    assert "group_vars/all/site.yml:1:1: site_name: is missing" in bad["msg"]


def test_without_a_folder_or_without_jsonschema_it_says_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        AnsibleActionFail, match=r"There is no inventory folder to check\. Name it with the option path"
    ):
        run_here({})
    monkeypatch.setattr(site_schema, "HAS_JSONSCHEMA", False)
    with pytest.raises(AnsibleActionFail, match="Install it for the Python that runs Ansible: pip install jsonschema"):
        run_here({}, path=str(folder))


def test_a_good_site_without_the_hosts_that_a_playbook_needs_is_refused(folder: Path) -> None:
    known = {"inventory_dir": str(folder), "groups": {"all": ["a", "b"], "controller": ["a"], "compute": ["b"]}}
    needed = {"site_hosts": ["controller"], "run_hosts": ["controller[0]", "b"]}
    assert "failed" not in run_here({**known, "ansible_play_hosts_all": ["a", "b"]}, **needed)
    told = run_here({**known, "ansible_play_hosts_all": ["b"]}, **needed)
    assert told["failed"] is True
    assert told["msg"].startswith("This playbook needs a (controller[0]), and the limit of this run leaves it out.")
    told = run_here({**known, "ansible_play_hosts_all": ["a", "b"]}, site_hosts=["storage"])
    assert told["msg"].startswith("This playbook needs a host in storage, and the site has none.")
    # A mistake in the site may be why a group has no host.
    (folder / SITE).unlink()
    assert "site_name: is missing" in run_here({**known, "ansible_play_hosts_all": ["b"]}, **needed)["msg"]


def test_an_unknown_option_is_refused(folder: Path) -> None:
    assert "Unsupported parameters" in run_task(folder, "-a", "folder=x")["msg"]


def test_the_message_ends_after_fifty_lines() -> None:
    findings = tuple(report(Place("f.yml", line, 1), "is wrong") for line in range(1, 61))
    message = failure_message("/site", SiteReport(findings, 1, 1)).splitlines()
    assert message[0] == "The site in /site has 60 mistakes:"
    assert message[1:51] == [str(finding) for finding in findings[:50]]
    assert message[51:] == ["and 10 more", "Nothing was changed. Correct these lines, then run the same command again."]
    assert (
        failure_message("/site", SiteReport(findings[:1], 1, 1)).splitlines()[0] == "The site in /site has 1 mistake:"
    )
    assert "more" not in failure_message("/site", SiteReport(findings[:50], 1, 1))


def test_the_folder_of_the_inventory(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text("")
    assert inventory_folder({"inventory_dir": "/a"}) == "/a"
    assert inventory_folder({"inventory_dir": "/a", "ansible_inventory_sources": [str(tmp_path)]}) == str(tmp_path)
    assert inventory_folder({"ansible_inventory_sources": [str(file)]}) == str(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    both = [str(other), str(tmp_path), str(file)]
    assert inventory_folder({"inventory_dir": str(other), "ansible_inventory_sources": both}) == str(tmp_path)
    (other / "hosts.yml").write_text("")
    with pytest.raises(AnsibleActionFail, match=f"can be the site: {other}, {tmp_path}. A run is about one site"):
        inventory_folder({"ansible_inventory_sources": [str(other), str(tmp_path)]})
    assert inventory_folder({}) == ""


def test_an_inventory_beside_the_site_is_checked_too(folder: Path) -> None:
    other = folder.parent / "other.yml"
    other.write_text("all: {vars: {site_name: other}}\n")
    found = run_here({"ansible_inventory_sources": [str(folder), str(other)]})
    assert [(finding["file"], finding["line"], finding["column"]) for finding in found["findings"]] == [
        (str(other), 1, 14)
    ]
    assert f"{other}:1:14: all.vars.site_name: is not allowed here" in found["msg"]
    # The inventory in use is a copy then.
    assert run_here({"ansible_inventory_sources": [str(other)]}, path=str(folder))["findings"] == []
