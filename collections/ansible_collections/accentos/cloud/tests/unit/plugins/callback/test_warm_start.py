# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The call-back loads plug-ins before processes need them, and takes and keeps packed modules."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.vars.manager import VariableManager
from ansible_collections.accentos.cloud.plugins.callback import warm_start

NAME = "ansible_collections.accentos.cloud.plugins.modules.files-ZIP_DEFLATED-none"


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> warm_start.CallbackModule:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    monkeypatch.setattr(constants, "DEFAULT_MODULE_UTILS_PATH", [str(tmp_path / "none")])
    callback = warm_start.CallbackModule()
    monkeypatch.setattr(callback, "get_option", {"folder": str(tmp_path / "kept")}.__getitem__)
    return callback


def test_a_run_leaves_its_modules_to_the_next(
    begin: warm_start.CallbackModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin.v2_playbook_on_start(None)
    warm_start.packed().mkdir(parents=True)
    (warm_start.packed() / NAME).write_text("packed")
    begin.v2_playbook_on_stats(None)
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "next"))
    begin.v2_playbook_on_start(None)
    assert (warm_start.packed() / NAME).read_text() == "packed"


def test_nothing_is_kept_where_other_code_may_stand_for_ansibles_own(
    begin: warm_start.CallbackModule, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    begin.v2_playbook_on_start(None)
    warm_start.packed().mkdir(parents=True)
    (warm_start.packed() / NAME).write_text("packed")
    begin.v2_playbook_on_stats(None)
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_stops_nothing(begin: warm_start.CallbackModule, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    begin.v2_playbook_on_start(None)
    warm_start.packed().mkdir(parents=True)
    (warm_start.packed() / NAME).write_text("packed")
    begin.v2_playbook_on_stats(None)
    assert (tmp_path / "kept").read_text() == "no folder"


def test_modules_of_ansible_and_of_used_collections_are_known_with_all_that_they_are_made_of() -> None:
    found = {source.package: source for source in warm_start.sources()}
    assert list(found) == [
        "ansible.modules",
        *(f"ansible_collections.{name}.plugins.modules" for name in ("accentos.cloud", *warm_start.USED)),
    ]
    made = [str(path) for source in found.values() for path in source.files()]
    for end in (
        "modules/setup.py",
        "module_utils/basic.py",
        "cloud/plugins/modules/files.py",
        "modules/podman_container.py",
    ):
        assert [path for path in made if path.endswith(f"/{end}")], end


def test_no_module_is_made_of_files_that_are_not_looked_at() -> None:
    for source in warm_start.sources():
        own = source.package.removesuffix(".plugins.modules")
        for path in source.files():
            named = re.findall(
                r"^\s*(?:from|import) (ansible_collections\.\w+\.\w+)", path.read_text("utf-8"), re.MULTILINE
            )
            assert set(named) <= {own}, path


TASK = {"ansible.builtin.debug": {"msg": "one"}}


@pytest.mark.parametrize(
    ("content", "loads"),
    [
        ({"tasks": [TASK]}, 0),
        ({"tasks": []}, 0),
        ({"tasks": [TASK, TASK]}, 1),
        ({"tasks": [{"block": [TASK, TASK]}]}, 1),
        ({"tasks": [TASK], "post_tasks": [TASK]}, 1),
        ({"roles": ["accentos.cloud.memcached"]}, 1),
    ],
)
def test_plug_ins_are_loaded_once_and_not_for_a_single_task(
    begin: warm_start.CallbackModule, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any], loads: int
) -> None:
    loaded = []
    monkeypatch.setattr(warm_start, "load_plugins", lambda: loaded.append(True))
    loader = DataLoader()
    variables = VariableManager(loader=loader)
    play = Play.load({"hosts": "all", **content}, variable_manager=variables, loader=loader)
    for _time in range(2):
        begin.v2_playbook_on_play_start(play)
    assert len(loaded) == loads


def test_every_plug_in_is_loaded_once_for_all() -> None:
    warm_start.load_plugins()
    collection = "ansible_collections.accentos.cloud.plugins"
    for folder in ("filter", "lookup", "action"):
        for path in (warm_start.COLLECTION / "plugins" / folder).glob("[a-z]*.py"):
            assert f"{collection}.{folder}.{path.stem}" in sys.modules
