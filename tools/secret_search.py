# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Searches hosts and the control node for secrets where none belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

# The texts come over standard input, so that they are in no argument, and are in memory meanwhile. Looked at are places
# where nobody keeps a secret, then files that everybody may read.
_SEARCH = """
umask 077
texts=$(mktemp --tmpdir=/run)
trap 'rm --force "$texts"' EXIT
cat >"$texts"
{
    grep --recursive --text --files-with-matches --no-messages --fixed-strings --file="$texts" \
        /tmp /var/tmp /root /home /var/log /var/crash /dev/shm
    find /etc /opt /run /usr/local /var/cache /var/lib -xdev -type f -perm /o=r -size -4M -print0 |
        xargs --null --no-run-if-empty grep --text --files-with-matches --no-messages --fixed-strings --file="$texts"
} | sort --unique
"""

# Characters of a line of a secret that is no accident where it is found.
_LONG = 21


def needles(secrets: Mapping[str, str]) -> set[bytes]:
    """Return what must not be found: every secret, every long line of one, and keys in the letter case of chrony."""
    found: set[bytes] = set()
    for value in secrets.values():
        lines = [line for line in value.splitlines() if len(line) >= _LONG and not line.startswith("-----")]
        found |= {text.encode() for line in lines for text in (line, line.upper())}
    return found


def places_on(run: Callable[[str, str], str], wanted: Iterable[bytes]) -> list[str]:
    """Return the files of a host that have something WANTED and should not.

    RUN runs a shell script there as root, with a text over its standard input, and returns what it prints.
    Raises ValueError.
    """
    texts = "".join(f"{text.decode()}\n" for text in wanted)
    if not texts:
        raise ValueError("There is no secret to search for, and without any the search would find everything.")
    return run(_SEARCH, texts).splitlines()


def places_here(trees: Iterable[Path], wanted: Iterable[bytes]) -> list[str]:
    """Return the files below TREES on the control node that have something WANTED. Some may go while they are read."""
    texts = [*wanted]
    found = []
    for file in (path for tree in trees for path in tree.rglob("*")):
        try:
            content = file.read_bytes() if file.is_file() else b""
        except FileNotFoundError:
            continue
        if any(text in content for text in texts):
            found.append(str(file))
    return sorted(found)
