# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plug-in: it refuses what is no site, what is there, and names that Ansible cannot read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible_collections.accentos.cloud.plugins.action.site_folder import ActionModule, tell
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Place, report
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import (
    COMPUTE,
    GOOD_SITE,
    HOSTS,
    SITE,
)

FILES = {name: GOOD_SITE[name] for name in (HOSTS, SITE, COMPUTE)}
NAMES = {"site_name": "init_name", "site_networks": "init_networks"}


def make(path: object, files: dict[str, str] | None = None, *, check: bool = False) -> dict[str, Any]:
    """Run the action in this process."""
    task = Task()
    task.args = {"path": str(path), "files": FILES if files is None else files, "answers": NAMES}
    task.check_mode = check
    connection = connection_loader.get("ansible.builtin.local", PlayContext())
    return ActionModule(task, connection, PlayContext(), DataLoader(), None, None).run(task_vars={})


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_made_unchanged_and_never_changed(tmp_path: Path) -> None:
    folder = tmp_path / "sites/site"
    planned = make(folder, check=True)
    assert list(tmp_path.iterdir()) == []
    done = make(folder)
    assert done == planned == {"changed": True, "path": str(folder), "files": list(FILES), "diff": done["diff"]}
    assert {one["after_header"]: one["after"] for one in done["diff"]} == {
        f"{folder}/{name}": content for name, content in FILES.items()
    }
    assert contents(folder) == FILES
    assert make(folder) == make(folder, check=True) == {"changed": False, "path": str(folder), "files": list(FILES)}
    for check in (True, False):
        with pytest.raises(AnsibleActionFail, match=r"is there already, and not .*: README is missing"):
            make(folder, {**FILES, "README": ""}, check=check)
    assert contents(folder) == FILES


def test_a_link_leads_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "site")
    assert make(tmp_path / "link")["path"] == str(tmp_path / "site")
    assert contents(tmp_path / "site") == FILES


def test_what_is_no_site_is_not_written(tmp_path: Path) -> None:
    bad = FILES[SITE].replace("site_name: test", "site_name: Te st").replace("vlan: 20", "vlan: 0")
    with pytest.raises(AnsibleActionFail) as caught:
        make(tmp_path / "site", {**FILES, SITE: bad, "group_vars/storage.yml": "ceph_osd_disk: []\n"})
    told = str(caught.value).splitlines()
    assert told[0] == "The site would have 3 mistakes:"
    assert told[1].startswith('init_name: does not have the right form, found "Te st"; expected at most 32 ')
    assert told[2].startswith("init_networks.tunnel.vlan: is too small, found 0; expected ")
    assert told[3].startswith("group_vars/storage.yml: ceph_osd_disk: unknown key; ")
    assert told[4] == "Nothing was written. Correct the answers, then run the same command again."
    assert list(tmp_path.iterdir()) == []


def test_other_names_in_a_mistake_are_those_of_the_answers_too() -> None:
    finding = report(Place("hosts.yml", 2, 3, "a.tagged"), "has no vlan", expected="site_networks.tunnel.vlan")
    assert tell(finding, NAMES) == "hosts.yml: a.tagged: has no vlan; expected init_networks.tunnel.vlan"
    assert tell(finding, {}) == "hosts.yml: a.tagged: has no vlan; expected site_networks.tunnel.vlan"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "No folder is named. Name one that is not there yet, such as -e site_folder="),
        ("/nowhere/a,b", "The name /nowhere/a,b has a comma or a control character"),
        ("/nowhere/a\nb", r"The name /nowhere/a\\nb has a comma or a control character"),
        ("/dev/null/site", "The site folder /dev/null/site cannot be made: .*; *then run"),
        ("/dev/null", "The site folder /dev/null cannot be made: "),
        ("/", "/ is there already, and not what"),
    ],
)
def test_a_folder_that_cannot_be_one_is_refused(path: str, told: str) -> None:
    with pytest.raises(AnsibleActionFail, match=told):
        make(path)


@pytest.mark.parametrize("name", ["../outside", "group_vars/../../outside", "/outside"])
def test_no_file_leaves_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="may leave the folder"):
        make(tmp_path / "site", {**FILES, str(tmp_path) + name if name.startswith("/") else name: "x"})
    assert list(tmp_path.iterdir()) == []
