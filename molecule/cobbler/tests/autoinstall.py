# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Ubuntu's installer wants of the keys that our template uses, and of no others.

The installer (Subiquity) publishes a schema, autoinstall-schema.json. Its licence does not let it be a part of this
collection, and no package of Debian or PyPI has it. So these are its facts, in our words, about the keys that we use:
compared with the schema as it is since 2 November 2025 (commit 48bade6d) and still was on 20 August 2026 (commit
44e42fc6 of canonical/subiquity, between 26.04 and 26.10). Where ours is stricter it says so.

The published schema says of a storage only that it is a mapping; layout and match are by the reference of the format.
Keys that the installer does not know it ignores, which is why an unknown one is an error here.
"""

from __future__ import annotations

from typing import Any


def mapping(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a mapping that has these keys only; "_" stands for "-"."""
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": {name.replace("_", "-"): schema for name, schema in properties.items()},
    }


TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
ANY: dict[str, Any] = {"type": "object"}

AUTOINSTALL = mapping(
    # The installer itself insists on the version only.
    ("version", "user-data"),
    version={"type": "integer", "minimum": 1, "maximum": 1},
    interactive_sections=TEXTS,
    locale=TEXT,
    # The published schema has variant and toggle, too, and forbids any other key.
    keyboard=mapping(("layout",), layout=TEXT),
    # Passwords are never let in by SSH; the installer would take true as well.
    ssh=mapping(install_server={"type": "boolean"}, allow_pw={"const": False}),
    # An item may also be the word country-mirror. Media before February 2023 do not know mirror-selection.
    apt=mapping(
        mirror_selection=mapping(primary={"type": "array", "items": mapping(("uri",), uri=TEXT)}),
    ),
    # A layout without a match would take the largest disk.
    storage=mapping(
        ("layout",),
        layout=mapping(
            ("name", "match"),
            name={"enum": ["lvm", "direct", "zfs"]},
            match=mapping(("path",), path=TEXT),
        ),
    ),
    packages=TEXTS,
    shutdown={"enum": ["reboot", "poweroff"]},
    user_data=ANY,
)
