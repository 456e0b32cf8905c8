# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that a role documents are the options that it has; the collection tells of all that is in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils import planned

from tests.quality.tree import COLLECTION, PREFIX, ROOT, files, load, roles

KINDS = ("callback", "filter", "inventory", "lookup", "modules")


def options_of(specs: object) -> dict[str, dict[str, object]]:
    """Return the options of all entry points of an argument_specs file."""
    found: dict[str, dict[str, object]] = {}
    if isinstance(specs, dict):
        for entry in specs.get("argument_specs", {}).values():
            found.update(entry.get("options", {}))
    return found


def nested(options: Mapping[str, dict[str, object]], prefix: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    """Give every option with its dotted name, inner ones included."""
    for name, option in options.items():
        yield f"{prefix}{name}", option
        inner = option.get("options")
        if isinstance(inner, dict):
            yield from nested(inner, f"{prefix}{name}.")


def differences(defaults: Mapping[str, object], options: Mapping[str, dict[str, object]]) -> list[str]:
    """Return how the DEFAULTS of a role and the OPTIONS it documents contradict each other."""
    public = {name: value for name, value in defaults.items() if not name.startswith("__")}
    required = {name for name, option in options.items() if option.get("required")}
    told = [f"{name}: has a default but is not documented" for name in public.keys() - options.keys()]
    told += [f"{name}: is documented but has no default" for name in options.keys() - required - public.keys()]
    told += [f"{name}: is required, so its default is never used" for name in required & public.keys()]
    for name in public.keys() & options.keys():
        if "default" in options[name] and options[name]["default"] != public[name]:
            told.append(f"{name}: documented default {options[name]['default']!r}, real default {public[name]!r}")
    told += [f"{name}: has no description" for name, option in nested(options) if not option.get("description")]
    return sorted(told)


def test_the_pages_of_the_reference_can_be_written(tmp_path: Path) -> None:
    """What the documentation lint takes may still be no default of its type to the program that writes the pages."""
    program = Path(sys.executable).with_name("antsibull-docs")
    options = ("--use-current", "--fail-on-error", "--squash-hierarchy", "--output-format", "simplified-rst")
    command = (str(program), "collection", *options, "--dest-dir", str(tmp_path), "accentos.cloud")
    # It starts ansible by name.
    env = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_site_may_say_how_far_clocks_are_off() -> None:
    """The check of a site knows options of roles only, and a play outside of a role sees no defaults."""
    specification: Any = load(COLLECTION / "roles/host_check/meta/argument_specs.yml")
    options = specification["argument_specs"]["main"]["options"]
    plays: Any = load(ROOT / "playbooks/deploy.yml")
    tasks = [task for play in plays for task in play.get("tasks", [])]
    (limit,) = (task["accentos.cloud.clock_check"]["limit"] for task in tasks if "accentos.cloud.clock_check" in task)
    parts = re.fullmatch(r"{{ (\w+) \| default\((.+)\) }}", limit)
    assert parts
    assert options[parts[1]]["default"] == float(parts[2])


def test_there_are_roles() -> None:
    assert roles()


@pytest.mark.parametrize("role", roles())
def test_options_equal_defaults(role: str) -> None:
    folder = COLLECTION / "roles" / role
    defaults = folder / "defaults/main.yml"
    values = load(defaults) if defaults.is_file() else {}
    assert isinstance(values, dict | None)
    assert differences(values or {}, options_of(load(folder / "meta/argument_specs.yml"))) == []


def test_the_table_of_the_collection_names_each_role_and_plugin_once() -> None:
    plugins = [
        (found[1].removesuffix("s"), found[2])
        for name in files()
        if (found := re.fullmatch(rf"{PREFIX}plugins/({'|'.join(KINDS)})/(?!__)(\w+)\.py", name))
    ]
    table = re.findall(r"^\| (\w+) \| (`.*?`) \|", (COLLECTION / "README.md").read_text(), re.MULTILINE)
    told = [(kind, name) for kind, names in table for name in re.findall(r"`(\w+)`", names)]
    assert sorted(told) == sorted([*plugins, *(("role", role) for role in roles())])


def test_a_plan_takes_what_a_site_leaves_out_of_its_machines_as_the_role_that_installs_them() -> None:
    taken = load(COLLECTION / "roles/site_plan/vars/main.yml")["__site_plan_machine_defaults"]  # type: ignore[index]
    defaults = load(COLLECTION / "roles/provision/defaults/main.yml")
    assert taken
    assert taken == {name: defaults[name] for name in taken}  # type: ignore[index]


def test_what_only_a_run_can_make_has_in_roles_the_marks_that_plans_know() -> None:
    # YAML cannot name what Python does; with another text in a role no run would be as the first plan of a site said.
    authority = load(COLLECTION / "roles/pki/vars/main.yml")["__pki_ca_written"]  # type: ignore[index]
    cluster = load(COLLECTION / "roles/ceph/vars/main.yml")["__ceph_fsid"]  # type: ignore[index]
    assert f"'{planned.MADE_BY_RUN}' if ansible_check_mode" in authority
    zeros = re.search(r"or '(0)' \* (\d+)", cluster)
    assert zeros
    assert zeros[1] * int(zeros[2]) == planned.NO_IDENTITY.replace("-", "")


def test_differences_are_found() -> None:
    text: dict[str, object] = {"description": "Text."}
    assert differences({"a": 1, "__b": 2}, {"a": {**text, "default": 1}, "c": {**text, "required": True}}) == []
    assert differences({"a": 1}, {}) == ["a: has a default but is not documented"]
    assert differences({}, {"a": text}) == ["a: is documented but has no default"]
    assert differences({"a": 1}, {"a": {**text, "default": 2}}) == ["a: documented default 2, real default 1"]
    assert differences({"a": 1}, {"a": {**text, "required": True}}) == ["a: is required, so its default is never used"]
    assert differences({"a": {}}, {"a": {**text, "options": {"b": {"type": "str"}}}}) == ["a.b: has no description"]
