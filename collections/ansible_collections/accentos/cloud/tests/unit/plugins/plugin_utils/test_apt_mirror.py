# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mirror that apt sources name; for their formats see sources.list(5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.apt_mirror import (
    AptMirror,
    AptSource,
    choose_mirror,
    machine_mirror,
    name_mirror,
    read_sources,
)

ARCHIVE = "http://mirror.example.test/debian"
SECURITY = "http://mirror.example.test/debian-security"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (f"deb {ARCHIVE} trixie main\n", [ARCHIVE]),
        (f"deb {ARCHIVE}/ trixie main contrib non-free-firmware", [f"{ARCHIVE}/"]),
        (f"  deb\t{ARCHIVE}   trixie  main\n", [ARCHIVE]),
        (f"deb {ARCHIVE} trixie main\ndeb {SECURITY} trixie-security main\n", [ARCHIVE, SECURITY]),
        # Options in brackets.
        (f"deb [arch=amd64 signed-by=/usr/share/keyrings/example.gpg] {ARCHIVE} trixie main\n", [ARCHIVE]),
        (f"deb [ arch=amd64,arm64 ] {ARCHIVE} trixie main\n", [ARCHIVE]),
        # Comments, sources that are switched off, source packages.
        (f"# deb {ARCHIVE} trixie main\n#deb {ARCHIVE} trixie main\n", []),
        (f"deb {ARCHIVE} trixie main # the nearest\n", [ARCHIVE]),
        (f"deb-src {ARCHIVE} trixie main\n", []),
        (f"deb-src {SECURITY} trixie main\ndeb {ARCHIVE} trixie main\n", [ARCHIVE]),
        # Exact paths have no components; a line without a suite is none.
        (f"deb {ARCHIVE} ./\n", [ARCHIVE]),
        (f"deb {ARCHIVE}\n", []),
        ("deb\n", []),
    ],
)
def test_one_line_sources(text: str, expected: list[str]) -> None:
    assert [source.uri for source in read_sources(text, deb822=False)] == expected


STANZA = f"Types: deb\nURIs: {ARCHIVE}\nSuites: trixie\nComponents: main\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (STANZA, [ARCHIVE]),
        (STANZA.rstrip("\n"), [ARCHIVE]),
        (STANZA.lower(), [ARCHIVE]),
        (STANZA.replace(": ", ":"), [ARCHIVE]),
        (STANZA.replace("Types: deb", "Types: deb deb-src"), [ARCHIVE]),
        (STANZA.replace("Types: deb", "Types: deb-src deb"), [ARCHIVE]),
        (STANZA.replace("Types: deb", "Types: deb-src"), []),
        (STANZA.replace("Types: deb\n", ""), []),
        ("Types: deb\nSuites: trixie\n", []),
        # Stanzas are parted by empty lines, which may hold blanks.
        (f"{STANZA}\n{STANZA.replace(ARCHIVE, SECURITY)}", [ARCHIVE, SECURITY]),
        (f"\n\n{STANZA} \t\n\n{STANZA.replace(ARCHIVE, SECURITY)}\n", [ARCHIVE, SECURITY]),
        # Several URIs, and lines that go on.
        (STANZA.replace(ARCHIVE, f"{ARCHIVE} {SECURITY}"), [ARCHIVE, SECURITY]),
        (STANZA.replace(f" {ARCHIVE}", f"\n {ARCHIVE}\n\t{SECURITY}"), [ARCHIVE, SECURITY]),
        (STANZA.replace("Types: deb", "Types:\n deb-src\n deb"), [ARCHIVE]),
        # Comments do not end a stanza, nor a value.
        (f"# The mirror\n{STANZA}# deb-src\n", [ARCHIVE]),
        (STANZA.replace("Suites", "# Types: none\nSuites"), [ARCHIVE]),
        (STANZA.replace(ARCHIVE, f"{ARCHIVE}\n# another\n {SECURITY}"), [ARCHIVE, SECURITY]),
        (f"{STANZA}#\n{STANZA.replace('deb', 'deb-src', 1)}", []),
        (f"#{STANZA}", []),
        ("nonsense\n", []),
        (f" {STANZA}", []),
        # Keys in the source itself, with colons in them.
        (f"{STANZA}Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n Comment: x\n .\n mDMEaw\n", [ARCHIVE]),
        # Switched off, in all words that apt knows.
        (f"{STANZA}Enabled: yes\n", [ARCHIVE]),
        (f"{STANZA}Enabled: true\n", [ARCHIVE]),
        (f"{STANZA}Enabled: no\n", []),
        (f"Enabled: No\n{STANZA}", []),
        (f"{STANZA}enabled: false\n", []),
        (f"{STANZA}Enabled: off\n", []),
        (f"{STANZA}Enabled: disable\n", []),
        (f"{STANZA}Enabled: without\n", []),
        (f"{STANZA}Enabled: 0\n", []),
        (f"{STANZA}Enabled: no\n\n{STANZA.replace(ARCHIVE, SECURITY)}", [SECURITY]),
    ],
)
def test_deb822_sources(text: str, expected: list[str]) -> None:
    assert [source.uri for source in read_sources(text, deb822=True)] == expected


@pytest.mark.parametrize(
    ("uris", "expected"),
    [
        ([ARCHIVE], AptMirror(ARCHIVE, SECURITY)),
        ([f"{ARCHIVE}/"], AptMirror(ARCHIVE, SECURITY)),
        ([ARCHIVE, f"{SECURITY}/"], AptMirror(ARCHIVE, SECURITY)),
        (
            ["https://mirror.example.test/debian"],
            AptMirror("https://mirror.example.test/debian", "https://mirror.example.test/debian-security"),
        ),
        # The security archive is elsewhere, and stands first.
        (
            ["http://security.example.test/debian-security", ARCHIVE],
            AptMirror(ARCHIVE, "http://security.example.test/debian-security"),
        ),
        # The first one of each wins.
        (
            [ARCHIVE, "http://other.example.test/debian", SECURITY, "http://other.example.test/debian-security"],
            AptMirror(ARCHIVE, SECURITY),
        ),
        (
            ["http://mirror.example.test:3142/pub/debian"],
            AptMirror(
                "http://mirror.example.test:3142/pub/debian", "http://mirror.example.test:3142/pub/debian-security"
            ),
        ),
        # Only a mirror that other machines reach, too.
        (["cdrom:[Debian", "file:///srv/debian", "copy:/srv/debian", ARCHIVE], AptMirror(ARCHIVE, SECURITY)),
        (["file:///srv/debian"], None),
        (["mirror+file:/etc/apt/mirrors/debian.list"], None),
        ([SECURITY], None),
        (["http://mirror.example.test/ubuntu", "http://mirror.example.test/debian/pool"], None),
        (["http://mirror.example.test/not-debian"], None),
        ([], None),
    ],
)
def test_choose_mirror(uris: list[str], expected: AptMirror | None) -> None:
    assert choose_mirror(AptSource(uri, ("trixie",)) for uri in uris) == expected


OTHER = "https://download.example.test/linux/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.mark.parametrize(
    "text",
    [
        f"deb [arch=amd64 signed-by=/etc/apt/keyrings/other.asc] {OTHER} trixie stable\ndeb {ARCHIVE} trixie main\n",
        f"deb {OTHER} stable-of-others main\ndeb {ARCHIVE} trixie-updates main\n",
        f"deb {OTHER} trixie main\ndeb [signed-by={KEYRING}] {ARCHIVE} trixie main\n",
    ],
)
def test_the_archive_of_others_is_not_taken_for_debians(text: str) -> None:
    text = text.replace("stable-of-others", "nodistro")
    assert choose_mirror(read_sources(text, deb822=False)) == AptMirror(ARCHIVE, SECURITY)


def test_the_archive_of_others_in_stanzas() -> None:
    other = STANZA.replace(ARCHIVE, OTHER) + "Signed-By: /etc/apt/keyrings/other.asc\n"
    assert choose_mirror(read_sources(f"{other}\n{STANZA}", deb822=True)) == AptMirror(ARCHIVE, SECURITY)
    assert choose_mirror(read_sources(f"{STANZA}Signed-By: {KEYRING}\n\n{other}", deb822=True)) == AptMirror(
        ARCHIVE, SECURITY
    )
    # Better than none.
    assert choose_mirror(read_sources(other, deb822=True)) == AptMirror(OTHER, f"{OTHER}-security")


OWN = AptMirror("http://own.example.test/debian", "http://security.example.test/debian-security")


@pytest.mark.parametrize(
    ("archive", "security", "expected"),
    [
        ("", "", OWN),
        (ARCHIVE, "", AptMirror(ARCHIVE, SECURITY)),
        (f"{ARCHIVE}/", "http://s.example.test/updates/", AptMirror(ARCHIVE, "http://s.example.test/updates")),
        ("", "http://s.example.test/updates", AptMirror(OWN.archive, "http://s.example.test/updates")),
        ("http://mirror.example.test/", "", None),
        ("file:///srv/debian", "", None),
        (ARCHIVE, "file:///srv/debian-security", None),
    ],
)
def test_name_mirror(archive: str, security: str, expected: AptMirror | None) -> None:
    assert name_mirror(archive, security, OWN) == expected


def test_nothing_named_and_nothing_there() -> None:
    assert name_mirror("", "", None) is None
    assert name_mirror("", "http://s.example.test/updates", None) is None


def make_etc_apt(folder: Path, files: dict[str, str]) -> Path:
    """Write apt sources below a folder."""
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sources.list": f"deb {ARCHIVE} trixie main\n"}, AptMirror(ARCHIVE, SECURITY)),
        ({"sources.list.d/debian.sources": STANZA}, AptMirror(ARCHIVE, SECURITY)),
        ({"sources.list.d/debian.list": f"deb {ARCHIVE} trixie main\n"}, AptMirror(ARCHIVE, SECURITY)),
        # sources.list goes first, then the other files by name, as apt reads them.
        (
            {
                "sources.list": f"deb {ARCHIVE} trixie main\n",
                "sources.list.d/a.sources": STANZA.replace("mirror", "other"),
            },
            AptMirror(ARCHIVE, SECURITY),
        ),
        (
            {
                "sources.list": "# See sources.list.d\n",
                "sources.list.d/b.sources": STANZA.replace("mirror", "other"),
                "sources.list.d/a.list": f"deb {ARCHIVE} trixie main\n",
            },
            AptMirror(ARCHIVE, SECURITY),
        ),
        # Security in a file of its own.
        (
            {
                "sources.list.d/debian.sources": STANZA,
                "sources.list.d/security.list": "deb http://security.example.test/debian-security trixie main\n",
            },
            AptMirror(ARCHIVE, "http://security.example.test/debian-security"),
        ),
        # Files that apt does not read, and files in the format of the other kind.
        ({"sources.list.d/debian.sources.save": STANZA, "sources.list.d/README": STANZA}, None),
        ({"sources.list.d/debian.list": STANZA}, None),
        ({"sources.list.d/debian.sources": f"deb {ARCHIVE} trixie main\n"}, None),
        ({}, None),
    ],
)
def test_machine_mirror(tmp_path: Path, files: dict[str, str], expected: AptMirror | None) -> None:
    assert machine_mirror(make_etc_apt(tmp_path, files)) == expected


def test_a_machine_without_apt_names_none(tmp_path: Path) -> None:
    assert machine_mirror(tmp_path / "missing") is None


def test_odd_files_do_no_harm(tmp_path: Path) -> None:
    etc_apt = make_etc_apt(tmp_path, {"sources.list.d/z.sources": STANZA})
    (etc_apt / "sources.list.d" / "a.list").mkdir()
    (etc_apt / "sources.list.d" / "b.list").symlink_to("missing")
    (etc_apt / "sources.list").write_bytes(b"# caf\xe9\n")
    assert machine_mirror(etc_apt) == AptMirror(ARCHIVE, SECURITY)
