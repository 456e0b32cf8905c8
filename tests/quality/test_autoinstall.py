# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The template for Ubuntu's installer uses keys that the installer knows, each as it wants it.

Compared with the facts of Subiquity's published schema, autoinstall-schema.json as of commit 48bade6d (2 November 2025,
the last change until 20 August 2026). They are in molecule/cobbler/tests/autoinstall.py, which says why the schema
itself is not here; there the same is asked of what the real Cobbler renders.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import jsonschema
import pytest
import yaml

from tests.quality.tree import COLLECTION, ROOT

TEMPLATE = COLLECTION / "roles/cobbler/files/templates/accentos-ubuntu.autoinstall"
FACTS = ROOT / "molecule/cobbler/tests/autoinstall.py"
KEYS = {"authorized_keys": ["ssh-ed25519 AAAA operator's key"]}
USES: list[dict[str, Any]] = [
    {},
    KEYS,
    {**KEYS, "install_disk": "/dev/disk/by-id/x: y"},
    {**KEYS, "mirror": "http://mirror.example.test/ubuntu"},
    {**KEYS, "mirror": "http://mirror.example.test/ubuntu", "install_disk": "/dev/vda", "timezone": "Europe/Berlin"},
]


def facts() -> dict[str, Any]:
    """Return what the installer wants."""
    spec = importlib.util.spec_from_file_location("autoinstall", FACTS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wanted: dict[str, Any] = module.AUTOINSTALL
    return wanted


def render(variables: Mapping[str, Any], text: str = "") -> dict[str, Any]:
    """Return the document that the template, or TEXT, makes of VARIABLES."""
    template = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)  # noqa: S701 - YAML, no HTML
    made = template.from_string(text or TEMPLATE.read_text(encoding="utf-8")).render(variables)
    assert made.startswith("#cloud-config\n")
    document: dict[str, Any] = yaml.safe_load(made)
    # Another key beside this one is an error of the installer.
    assert list(document) == ["autoinstall"]
    return document


def paths(schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Give the paths of all keys that SCHEMA describes."""
    for name, below in schema.get("properties", {}).items():
        yield f"{above}/{name}"
        yield from paths(below.get("items", below), f"{above}/{name}")


def used(value: object, above: str = "") -> Iterator[str]:
    """Give the paths of all keys in VALUE."""
    for item in value if isinstance(value, list) else [value]:
        for name, below in item.items() if isinstance(item, dict) else ():
            yield f"{above}/{name}"
            yield from used(below, f"{above}/{name}")


@pytest.mark.parametrize("variables", USES)
def test_the_installer_takes_what_the_template_makes(variables: dict[str, Any]) -> None:
    document = render(variables)["autoinstall"]
    jsonschema.Draft202012Validator(facts()).validate(document)
    # A disk is touched only if it is named; otherwise the installer asks.
    assert ("storage" in document) == ("install_disk" in variables)
    assert document.get("interactive-sections") == (None if "install_disk" in variables else ["storage"])


def test_the_facts_are_about_the_keys_that_the_template_uses() -> None:
    keys = {path for variables in USES for path in used(render(variables)["autoinstall"])}
    assert {path for path in keys if not path.startswith("/user-data/")} == set(paths(facts()))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("version: 1", "version: 2"),
        ("shutdown: reboot", "shutdown: halt"),
        ("install-server", "install_server"),
        ("allow-pw: false", "allow-pw: true"),
        ("{layout: us}", "{layout: us, model: pc105}"),
        ("{layout: us}", "{}"),
        ("[{uri:", "[{url:"),
        ("mirror-selection", "mirror_selection"),
        ("name: direct, match", "name: direct, disk"),
        ("name: direct", "name: plain"),
        ("packages: [python3]", "packages: python3"),
        ("  locale:", "  locales:"),
    ],
)
def test_a_mistake_in_the_template_is_found(right: str, wrong: str) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert text.count(right) == 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(facts()).validate(render(USES[-1], text.replace(right, wrong))["autoinstall"])
