# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The commands of the documentation: found as written, run in order, failures kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.steps.docs import Block, Command, blocks, commands, is_this_run, main, run
from tools.steps.results import count_files

TEXT = """\
# Title

```console
$ echo one
one
$ printf '%s\\n' \\
>   two
two
```

```yaml
$ not: a command
```

1. In a list:

   ````console
   $ echo ```
   $ echo three
   ````
"""


def test_finds_commands_of_console_blocks_only() -> None:
    assert commands("a.md", TEXT) == [
        Command("a.md", 4, "echo one"),
        Command("a.md", 6, "printf '%s\\n' \\\n  two"),
        Command("a.md", 18, "echo ```"),
        Command("a.md", 19, "echo three"),
    ]


def test_block_that_is_never_closed_is_not_lost() -> None:
    assert blocks("```sh\nrm x") == [Block("sh", 2, ("rm x",))]
    assert commands("a.md", "```console\n$ true \\") == [Command("a.md", 2, "true \\")]


def test_the_verb_that_runs_the_documentation_is_not_started_again() -> None:
    assert is_this_run(Command("a", 1, "make test"), "test")
    assert not is_this_run(Command("a", 1, "make test-quick"), "test")
    assert not is_this_run(Command("a", 1, "make test"), "")
    # All steps of this one are steps of the run.
    assert is_this_run(Command("a", 1, "make test-quick"), "test", ["test-quick"])
    assert not is_this_run(Command("a", 1, "make test-quick"), "", ["test-quick"])
    assert not is_this_run(Command("a", 1, "make lab"), "test", ["test-quick"])


def test_runs_all_in_order_and_records_failures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = [
        Command("a.md", 1, "echo made > file"),
        Command("a.md", 2, "false | cat"),
        Command("a.md", 3, "cat file; echo $UNSET_NAME"),
        Command("a.md", 4, "make test"),
        Command("a.md", 5, "cat file"),
    ]
    result = tmp_path / "out/docs.xml"
    assert run(found, tmp_path, "test", result) == 1
    counts = count_files([result])
    failed = ("a.md::2: false | cat: exit code 1", "a.md::3: cat file; echo $UNSET_NAME: exit code 1")
    assert (counts.passed, counts.failed) == (2, failed)
    output = capfd.readouterr().out
    assert "2 commands worked, 2 failed" in output
    assert "a.md:5: $ cat file\n    made\n    exit code 0 after" in output


def test_no_command_at_all_is_a_failure(tmp_path: Path) -> None:
    assert run([], tmp_path, "", None) == 1


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.md").write_text(TEXT)
    assert main(["--list", str(tmp_path / "a.md")], tmp_path) == 0
    assert capsys.readouterr().out.count("\n") == 5
    assert main([str(tmp_path / "missing.md")], tmp_path) == 1


def test_a_verb_is_left_to_a_later_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "a.md"
    page.write_text("```console\n$ true\n$ make lab\n$ make lab-down\n$ make lab-down SITE=x\n```\n")

    def listed(*options: str) -> list[str]:
        assert main(["--list", *options, str(page)], tmp_path) == 0
        return [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()]

    first, second = listed("--later=lab-down"), listed("--only=lab-down")
    assert (first, second) == (["true", "make lab", "make lab-down SITE=x"], ["make lab-down"])
    assert listed("--only=lab-down", "--only=lab") == ["make lab", "make lab-down"]
    # Nothing to run is a failure, so a verb that the guide no longer has cannot pass.
    assert main(["--only=lab-up", str(page)], tmp_path) == 1
