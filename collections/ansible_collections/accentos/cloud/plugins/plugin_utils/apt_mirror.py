# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds the Debian mirror that a machine's own apt sources name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# The archives differ from their last path component on: .../debian and .../debian-security.
_ARCHIVE = re.compile(r"/debian/?$")
_SECURITY = re.compile(r"/debian-security/?$")
# What apt takes for "no".
_NO = ("no", "false", "without", "off", "disable", "0")
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")


@dataclass(frozen=True)
class AptMirror:
    """The two archives of one Debian mirror, as URIs without a slash at the end."""

    archive: str
    security: str


def source_uris(text: str, *, deb822: bool) -> Iterator[str]:
    """Yield the URIs of all enabled binary sources in the text of one apt source file, in its order.

    ``deb822`` tells the format: stanzas (``*.sources``) or one line for each source (``*.list``). See sources.list(5).
    """
    if not deb822:
        for line in text.splitlines():
            if match := _ONE_LINE.match(line.strip()):
                yield match["uri"]
        return
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            elif ":" in line:
                name, _colon, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in _NO:
            yield from fields.get("uris", "").split()


def choose_mirror(uris: Iterable[str]) -> AptMirror | None:
    """Pick the first archive among the URIs of a machine's sources and the security archive that goes with it.

    A mirror that carries no security archive in the sources is taken to carry it beside the main one.
    Returns None if no source is a Debian archive.
    """
    known = [uri.rstrip("/") for uri in uris if uri.startswith(("http://", "https://"))]
    archive = next((uri for uri in known if _ARCHIVE.search(uri)), None)
    if archive is None:
        return None
    security = next((uri for uri in known if _SECURITY.search(uri)), f"{archive}-security")
    return AptMirror(archive, security)


def machine_mirror(etc_apt: Path) -> AptMirror | None:
    """Read the apt sources below ``etc_apt`` (usually ``/etc/apt``) and pick the mirror that they name."""
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    return choose_mirror(
        uri
        for file in files
        if file.suffix in (".list", ".sources") and file.is_file()
        for uri in source_uris(file.read_text(encoding="utf-8", errors="replace"), deb822=file.suffix == ".sources")
    )
