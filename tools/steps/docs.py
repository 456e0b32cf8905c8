# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds the commands in the documentation and runs them, in order, as a reader would."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .report import Stopwatch, plain

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[^`\s]*)")
PROMPT = "$ "
CONTINUATION = "> "
KEPT_OUTPUT = 4000


@dataclass(frozen=True)
class Block:
    """A fenced block: its LANGUAGE, the number of the line after the fence, and its lines without indentation."""

    language: str
    line: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """One command of a document, and where it stands."""

    file: str
    line: int
    text: str


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of the Markdown TEXT; one that is never closed ends with the file."""
    found: list[Block] = []
    opening: re.Match[str] | None = None
    start = 0
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = FENCE.match(line)
        if opening is None:
            if match:
                opening, start, lines = match, number + 1, []
        elif match and match["fence"].startswith(opening["fence"]) and not match["language"]:
            found.append(Block(opening["language"], start, tuple(lines)))
            opening = None
        else:
            lines.append(line.removeprefix(opening["indent"]))
    if opening is not None:
        found.append(Block(opening["language"], start, tuple(lines)))
    return found


def commands(name: str, text: str) -> list[Command]:
    """Return the commands in the console blocks of document NAME with Markdown TEXT.

    A command starts with "$ "; a line that ends with a backslash goes on in the next one, with or without "> ".
    """
    found: list[Command] = []
    for block in blocks(text):
        if block.language != "console":
            continue
        parts: list[str] = []
        first = 0
        for number, line in enumerate(block.lines, start=block.line):
            if parts:
                parts.append(line.removeprefix(CONTINUATION))
            elif line.startswith(PROMPT):
                parts, first = [line.removeprefix(PROMPT)], number
            else:
                continue
            if not parts[-1].endswith("\\"):
                found.append(Command(name, first, "\n".join(parts)))
                parts = []
        if parts:
            found.append(Command(name, first, "\n".join(parts)))
    return found


def starts(command: Command, verbs: Sequence[str]) -> bool:
    """Tell whether COMMAND is one of these VERBS of the Makefile and nothing more."""
    return command.text.split() in [["make", verb] for verb in verbs if verb]


def is_this_run(command: Command, running: str, contained: Sequence[str] = ()) -> bool:
    """Tell whether COMMAND is proved by the run that this is a part of.

    It is the verb RUNNING, or one of those CONTAINED in it: all their steps are steps of that run and judged by it.
    """
    return bool(running) and starts(command, (running, *contained))


def execute(command: Command, root: Path) -> tuple[int, str]:
    """Run COMMAND from ROOT; return its exit code and output."""
    print(f"{command.file}:{command.line}: $ {command.text}", flush=True)
    output: list[str] = []
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command.text],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            print(f"    {line}", end="", flush=True)
            output.append(plain(line))
    return process.returncode, "\n".join(output)


def run(found: Sequence[Command], root: Path, running: str, result: Path | None, contained: Sequence[str] = ()) -> int:
    """Run the commands FOUND from ROOT, all of them even when one fails, and write RESULT as JUnit XML.

    Those that the run of verb RUNNING proves, with the verbs CONTAINED in it, are left out. Return 0 when each ended
    with 0 and there was one.
    """
    suite = ET.Element("testsuite", name="documentation")
    failed = 0
    for command in found:
        if is_this_run(command, running, contained):
            print(f"{command.file}:{command.line}: $ {command.text}\n    is proved by this run", flush=True)
            continue
        watch = Stopwatch()
        code, output = execute(command, root)
        seconds = watch.seconds
        print(f"    exit code {code} after {seconds:.1f} s", flush=True)
        case = ET.SubElement(
            suite, "testcase", classname=command.file, name=f"{command.line}: {command.text}", time=f"{seconds:.3f}"
        )
        if code:
            failed += 1
            ET.SubElement(case, "failure", message=f"exit code {code}").text = output[-KEPT_OUTPUT:]
    if result:
        result.parent.mkdir(parents=True, exist_ok=True)
        ET.ElementTree(suite).write(result, encoding="utf-8", xml_declaration=True)
    print(f"{len(suite) - failed} commands worked, {failed} failed")
    return 1 if failed or not len(suite) else 0


def main(arguments: Sequence[str], root: Path) -> int:
    """Run with the ARGUMENTS of the command line in checkout ROOT and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="run-docs", description="Run every `$ ` command in the console blocks of Markdown files, in order."
    )
    parser.add_argument("--junit", type=Path, help="file to write the results to, as JUnit XML")
    parser.add_argument(
        "--contained", action="append", default=[], metavar="VERB", help="verb all of whose steps the run around has"
    )
    parser.add_argument(
        "--later", action="append", default=[], metavar="VERB", help="verb that another run of this program runs"
    )
    parser.add_argument("--only", action="append", default=[], metavar="VERB", help="run this verb and nothing else")
    parser.add_argument("--list", action="store_true", help="only list the commands")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        found = [command for path in options.files for command in commands(str(path), path.read_text(encoding="utf-8"))]
    except OSError as error:
        print(error)
        return 1
    found = [command for command in found if not starts(command, options.later)]
    if options.only:
        found = [command for command in found if starts(command, options.only)]
    if options.list:
        for command in found:
            print(f"{command.file}:{command.line}: {command.text}")
        return 0
    return run(found, root, os.environ.get("ACCENTOS_VERB", ""), options.junit, options.contained)
