# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The call-back ends a run with tags that its playbook does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.plugins.callback import CallbackBase
from ansible.vars.manager import VariableManager
from ansible_collections.accentos.cloud.plugins.callback import known_tags

PLAYS = """
- hosts: all
  tags: [whole]
  vars: {{known_tags_only: {mark}}}
  pre_tasks: [{{debug: , tags: [before]}}]
  roles: [{{role: inner, tags: [outer]}}]
  tasks:
    - tags: [around]
      block: [{{debug: , tags: [inside]}}]
      rescue: [{{debug: , tags: [mended]}}]
      always: [{{debug: , tags: "last, 7"}}]
"""
Begin = Callable[..., None]
TAGS = ("whole", "before", "outer", "role", "around", "inside", "mended", "last", "7")


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    (tmp_path / "roles/inner/tasks").mkdir(parents=True)
    (tmp_path / "roles/inner/tasks/main.yml").write_text("- {debug: , tags: [role]}\n")

    def run(mark: object = "true", **arguments: object) -> None:
        (tmp_path / "play.yml").write_text(PLAYS.format(mark=mark))
        known = {"tags": ("all",), "skip_tags": (), "args": ("play.yml",)} | arguments
        monkeypatch.setattr(context, "CLIARGS", ImmutableDict(known))
        loader = DataLoader()
        playbook = Playbook.load(str(tmp_path / "play.yml"), variable_manager=VariableManager(loader), loader=loader)
        known_tags.CallbackModule().v2_playbook_on_start(playbook)

    return run


@pytest.mark.parametrize("tag", [*TAGS, "always", "never", "all", "tagged", "untagged"])
def test_tags_of_any_task_pass(begin: Begin, tag: str) -> None:
    begin(tags=(tag,))
    begin(skip_tags=(tag,))


@pytest.mark.parametrize("name", ["tags", "skip_tags"])
def test_a_tag_that_nothing_has_ends_the_run(begin: Begin, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        begin(**{name: ("before", "isnide")})
    assert caught.value.code == 5
    told = capsys.readouterr().err
    assert f'--{name.replace("_", "-")} "isnide", did you mean "inside"?' in told
    assert ", ".join(sorted(TAGS)) in told


def test_other_playbooks_and_several_of_them_are_left_alone(begin: Begin) -> None:
    begin("false", tags=("other",))
    begin("'yes'", tags=("other",))
    begin(tags=("other",), args=("play.yml", "next.yml"))


def test_it_runs_only_where_it_is_enabled() -> None:
    assert issubclass(known_tags.CallbackModule, CallbackBase)
    assert known_tags.CallbackModule.CALLBACK_NEEDS_ENABLED
