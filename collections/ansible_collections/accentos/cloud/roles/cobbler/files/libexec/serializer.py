# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes each object of Cobbler in one step; a module of its category "serializer".

Cobbler's own truncates the file first, so a kill leaves half an object. All but writing is left to it.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

_PLAIN: Any = importlib.import_module("cobbler.modules.serializers.file")
serialize_delete = _PLAIN.serialize_delete
deserialize_raw = _PLAIN.deserialize_raw
deserialize = _PLAIN.deserialize
deserialize_item = _PLAIN.deserialize_item
register = _PLAIN.register


def what() -> str:
    """Return the name of this module."""
    return "serializer/accentos"


def serialize_item(collection: Any, item: Any) -> None:
    """Write ``item`` of ``collection`` to its file, as it was or as it is now but never in between."""
    path = Path(_PLAIN.libpath, collection.collection_types(), f"{item.name}.json")
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(item.serialize(), sort_keys=True, indent=4), encoding="utf-8")
    fresh.replace(path)


def serialize(collection: Any) -> None:
    """Write all objects of ``collection``."""
    for item in collection:
        serialize_item(collection, item)
