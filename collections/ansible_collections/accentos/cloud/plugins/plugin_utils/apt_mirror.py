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
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")
# Debian's keyring is installed under this name, whole or by release.
_DEBIAN_KEYRING = "debian-archive-"
_DEBIAN_SUITE = re.compile(
    r"(buster|bullseye|bookworm|trixie|forky|duke|sid|(?:old)*stable|testing|unstable|experimental)([-/].*)?"
)


@dataclass(frozen=True)
class AptMirror:
    """The two archives of one Debian mirror, as URIs without a slash at the end."""

    archive: str
    security: str


@dataclass(frozen=True)
class AptSource:
    """One archive of the apt sources: its URI, its suites, and what must have signed it if that is said."""

    uri: str
    suites: tuple[str, ...] = ()
    signed_by: str = ""

    @property
    def trust(self) -> int:
        """Tell how sure it is that this is Debian's archive: 0 signed by Debian's keyring, 1 by its suites, 2 not."""
        if self.signed_by:
            return 0 if _DEBIAN_KEYRING in self.signed_by else 2
        return 1 if any(_DEBIAN_SUITE.fullmatch(suite) for suite in self.suites) else 2


def read_sources(text: str, *, deb822: bool) -> Iterator[AptSource]:
    """Yield all enabled binary sources in the text of one apt source file, in its order.

    ``deb822`` tells the format: stanzas (``*.sources``) or one line for each source (``*.list``). See sources.list(5).
    """
    if not deb822:
        for line in text.splitlines():
            if match := _ONE_LINE.match(line.strip()):
                signed_by = re.search(r"signed-by=(\S+)", match["options"] or "")
                yield AptSource(match["uri"], (match["suite"],), signed_by[1] if signed_by else "")
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
            for uri in fields.get("uris", "").split():
                yield AptSource(uri, tuple(fields.get("suites", "").split()), fields.get("signed-by", ""))


def is_web(uri: str) -> bool:
    """Tell whether other machines can reach a URI."""
    return uri.startswith(("http://", "https://"))


def choose_mirror(sources: Iterable[AptSource]) -> AptMirror | None:
    """Pick the archive among a machine's sources that is most surely Debian's, and the security archive likewise.

    Of equally sure ones the first wins. A mirror that carries no security archive in the sources is taken to carry it
    beside the main one. Returns None if no source is a Debian archive.
    """
    known = sorted((source for source in sources if is_web(source.uri)), key=lambda source: source.trust)
    uris = [source.uri.rstrip("/") for source in known]
    archive = next((uri for uri in uris if _ARCHIVE.search(uri)), None)
    if archive is None:
        return None
    return AptMirror(archive, next((uri for uri in uris if _SECURITY.search(uri)), f"{archive}-security"))


def name_mirror(archive: str, security: str, own: AptMirror | None) -> AptMirror | None:
    """Return the mirror that a site names, with what it leaves out (an empty text) from the machine's own.

    The security archive is beside a main archive that is named. Returns None if nothing fitting is named.
    """
    archive, security = archive.rstrip("/"), security.rstrip("/")
    if (archive and not (is_web(archive) and _ARCHIVE.search(archive))) or (security and not is_web(security)):
        return None
    if archive:
        return AptMirror(archive, security or f"{archive}-security")
    return own and AptMirror(own.archive, security or own.security)


def machine_mirror(etc_apt: Path) -> AptMirror | None:
    """Read the apt sources below ``etc_apt`` (usually ``/etc/apt``) and pick the mirror that they name."""
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    return choose_mirror(
        source
        for file in files
        if file.suffix in (".list", ".sources") and file.is_file()
        for source in read_sources(file.read_text(encoding="utf-8", errors="replace"), deb822=file.suffix == ".sources")
    )
