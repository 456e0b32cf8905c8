# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Publishes what Cobbler wrote, and mends what a killed Cobbler left.

Cobbler truncates its files and writes them again. So machines are served from a copy of its tree that is replaced in
one step after each change, and each object of Cobbler is kept a second time, as it was when it was last whole.

Machines fetch kernel and ramdisk before they can do TLS. So those that the role host_image built are compared with the
record of their build before they are published.

``publish`` runs after changes, ``mend`` before cobblerd starts, ``synchronize`` once it runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import sys
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

COBBLER = Path("/var/lib/cobbler")
PUBLISHED = Path("/srv/accentos/netboot")
# Cobbler's own files end with this line; one that does not is not written to its end.
END = b"# end"
IPXE = b"#!ipxe"
# Lies beside what the role host_image built; a version of it is a folder NAME@VERSION, the link NAME leads to one.
RECORD = "image.json"
KEPT = "Nothing was published, machines boot what they booted before."
BUILD = "Find out who wrote there; then build it anew: another host_image_edition, and playbooks/provision.yml."
COPY = "run: systemctl restart cobblerd.service, which copies kernel and ramdisk again."
_ENDING = ("pxelinux.cfg/", "grub/system/")
_HOST = re.compile(
    r"set:[a-z0-9_]+,(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
    r"(?:,[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)?(?:,\d{1,3}(?:\.\d{1,3}){3})?(?:,\[[0-9a-f:]+\])?",
    re.IGNORECASE,
)
_KEPT = 2
_CHUNK = 1 << 20
_START_TIMEOUT = 90.0
# For one answer of cobblerd. A sync of many machines takes long; systemd ends it all at TimeoutStartSec.
_CALL_TIMEOUT = 150.0
# Cobbler writes some files outside of a sync, and within milliseconds.
_CHANGE_TIMEOUT = 5.0
_PAUSE = 0.2


class BootFilesError(Exception):
    """Something must not be published; the text says what and why."""


class AlteredError(BootFilesError):
    """A kernel or a ramdisk is not the one that was built."""


def whole(name: str, content: bytes) -> bytes:
    """Return what to publish of Cobbler's file ``name``.

    Cobbler puts a line for a serial console before a script, which only PXELINUX would understand: it is left out.
    Raises BootFilesError for a file that is not written to its end.
    """
    if not name.startswith(_ENDING):
        return content
    if content.rstrip().split(b"\n")[-1] != END:
        raise BootFilesError(f"{name} does not end with {END.decode()!r}: it was not written to its end")
    return content[max(content.find(IPXE), 0) :].rstrip() + b"\n"


def host_lines(content: str) -> str:
    """Return the DHCP hosts that Cobbler rendered, in order and each once. Raises BootFilesError for any other line."""
    lines = sorted({line.strip() for line in content.splitlines() if line.strip() and not line.startswith("#")})
    for line in lines:
        if not _HOST.fullmatch(line):
            raise BootFilesError(f"{line!r} is no DHCP host; mend MAC, address or DNS name of that system in Cobbler")
    return "".join(f"{line}\n" for line in lines)


def tree(folder: Path) -> dict[str, Path]:
    """Return the files and links below ``folder`` by their names relative to it."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".link_cache"]
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]  # noqa: PTH114,PTH118 - fast
        for name in [*files, *links]:
            path = Path(place, name)
            found[str(path.relative_to(folder))] = path
    return found


def stamp(path: Path) -> tuple[object, ...]:
    """Return what differs between two versions of a file or link."""
    if path.is_symlink():
        return (str(path.readlink()),)
    state = path.stat()
    return (state.st_mtime_ns, state.st_size)


def same(new: Path, old: Path | None) -> bool:
    """Tell whether a staged file is the one that was published, by its time; sizes may differ by a line left out."""
    if old is None or not (old.exists() or old.is_symlink()):
        return False
    return stamp(new)[0] == stamp(old)[0]


def write(path: Path, content: bytes, mtime_ns: int | None = None) -> None:
    """Write a file that anybody may read, and wait until it is on the disk."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))


def replace_link(link: Path, target: str) -> None:
    """Let ``link`` lead to ``target``, in one step."""
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Publish one at a time: Cobbler runs its triggers from several threads."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def accept_rewritten(staged: dict[str, Path], current: Path) -> None:
    """Give published files the time of staged ones that say the same: Cobbler writes most files anew at each change."""
    for name, path in staged.items():
        old = current / name
        if path.is_symlink() or old.is_symlink() or not old.exists() or same(path, old):
            continue
        if path.stat().st_size <= _CHUNK and whole(name, path.read_bytes()) == old.read_bytes():
            time_ns = path.stat().st_mtime_ns
            os.utime(old, ns=(time_ns, time_ns))


def copy_staged(staged: dict[str, Path], current: Path, target: Path) -> None:
    """Copy the staged files to ``target``; those that did not change are links to the files of ``current``."""
    for name, path in staged.items():
        place = target / name
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_symlink():
            place.symlink_to(path.readlink())
        elif same(path, current / name):
            os.link(current / name, place)
        else:
            write(place, whole(name, path.read_bytes()), path.stat().st_mtime_ns)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def distributions(cobbler: Path) -> Iterator[tuple[str, tuple[Path, Path]]]:
    """Give the name of each distribution of Cobbler, and where its kernel and its ramdisk come from."""
    for path in sorted((cobbler / "collections/distros").glob("*.json")):
        try:
            known = json.loads(path.read_bytes())
            yield known["name"], (Path(known["kernel"]), Path(known["initrd"]))
        except (ValueError, KeyError, TypeError, FileNotFoundError):
            # Half an object is mended at the next start of cobblerd, and what it was is published until then.
            continue


def records(folder: Path) -> list[dict[str, str]]:
    """Return the SHA-256 of each file of the image in FOLDER: of its present version first, then of others kept.

    Those count, too: Cobbler has their files until its next sync. Empty for a folder that is none of an image.
    Raises AlteredError if nobody can know what the present version was.
    """
    present = folder.resolve()
    if "@" not in present.name and not (present / RECORD).exists():
        return []
    found = []
    for version in dict.fromkeys([present, *sorted(present.parent.glob(f"{folder.name}@*"))]):
        try:
            files = json.loads((version / RECORD).read_bytes())["files"]
            found.append({name: str(known["sha256"]) for name, known in files.items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if version == present:
                raise AlteredError(f"The record {version / RECORD} is unusable: {error!r}. {KEPT} {BUILD}") from None
    return found


def altered(name: str, found: str, source: Path, wanted: str) -> str:
    """Return what is to be said of the file NAME whose digest is FOUND and not the one WANTED, and who is at fault."""
    record = source.parent / RECORD
    said = f"{name} is not what was built: its SHA-256 is {found}, by {record} it must be {wanted}. "
    try:
        whole_source = sha256(source) == wanted
    except OSError:
        whole_source = False
    if not whole_source:
        return f"{said}Nor is its source {source}. {KEPT} {BUILD}"
    causes = "Find out who wrote to Cobbler's copy, or it is of a build that is gone"
    return f"{said}Its source {source} is whole. {KEPT} {causes}; then {COPY}"


def check_built(cobbler: Path, tftp: Path) -> None:
    """Raise AlteredError unless kernels and ramdisks below TFTP are those that were built, and both of one build.

    What has no record of a build, such as the installer of a distribution, is not compared.
    """
    for name, sources in distributions(cobbler):
        place = tftp / "images" / name
        for folder in dict.fromkeys(source.parent for source in sources):
            known = records(folder)
            files = [source.name for source in sources if source.parent == folder and (place / source.name).is_file()]
            found = {file: sha256(place / file) for file in files if known}
            if not known or any(found.items() <= row.items() for row in known):
                continue
            for file, digest_ in found.items():
                if all(row.get(file) != digest_ for row in known):
                    wanted = known[0].get(file, "none that it names")
                    raise AlteredError(altered(f"images/{name}/{file}", digest_, folder / file, wanted))
            raise AlteredError(f"Kernel and ramdisk in images/{name} are of two builds. {KEPT} To mend it, {COPY}")


def stamps(cobbler: Path, staged: Mapping[str, Path]) -> dict[str, tuple[object, ...]]:
    """Return what differs if anything is written meanwhile to tree, DHCP hosts or mark. Raises OSError."""
    watched = {"hosts": cobbler / "dhcp/hosts", "mark": cobbler / "whole"}
    return {name: stamp(path) for name, path in {**watched, **staged}.items()}


def publish_once(cobbler: Path, published: Path) -> bool:
    """Publish the staged tree if it is whole and changed; tell whether it did.

    Raises BootFilesError and FileNotFoundError if it changes meanwhile.
    """
    if not (cobbler / "whole").exists():
        # Cut off it stays so until cobblerd, at its start, has done a whole one.
        print("not published now: a sync of Cobbler goes on or was cut off", file=sys.stderr)  # noqa: T201 - journal
        return False
    link, releases = published / "current", published / "releases"
    current = link / "tftp"
    there, staged = tree(current), tree(cobbler / "tftpboot")
    before = stamps(cobbler, staged)
    hosts = host_lines((cobbler / "dhcp/hosts").read_text(encoding="utf-8")).encode()
    hosts_file = published / "dhcp-hosts"
    accept_rewritten(staged, current)
    changed = staged.keys() != there.keys() or any(not same(path, there[name]) for name, path in staged.items())
    number = int(link.readlink().name) + 1 if link.is_symlink() else 1
    release = releases / str(number)
    if changed:
        # A killed run may have left one of this number; nobody was ever led to it.
        shutil.rmtree(release, ignore_errors=True)
        copy_staged(staged, current, release / "tftp")
    if stamps(cobbler, tree(cobbler / "tftpboot")) != before:
        raise BootFilesError(f"Cobbler's files in {cobbler} keep changing")
    if changed:
        # What will be served, byte for byte, and not what it was copied from.
        check_built(cobbler, release / "tftp")
        replace_link(link, f"releases/{number}")
        for old in releases.iterdir():
            if int(old.name) <= number - _KEPT:
                shutil.rmtree(old)
    if not hosts_file.exists() or hosts_file.read_bytes() != hosts:
        fresh = hosts_file.with_name("dhcp-hosts.new")
        write(fresh, hosts)
        fresh.replace(hosts_file)
        # By this mark DHCP is told, see accentos-dhcp-hosts.path.
        (published / "dhcp-changed").touch()
        changed = True
    keep_objects(cobbler / "collections", cobbler / "kept")
    return changed


def publish(cobbler: Path = COBBLER, published: Path = PUBLISHED, timeout: float = _CHANGE_TIMEOUT) -> bool:
    """Publish the staged tree if it is whole and changed; tell whether it did. Raises BootFilesError and OSError.

    What goes on changing for ``timeout`` seconds is left to the run that the last change starts.
    """
    end = time.monotonic() + timeout
    with locked(published):
        while True:
            try:
                return publish_once(cobbler, published)
            except (BootFilesError, FileNotFoundError):
                if time.monotonic() > end:
                    raise
            time.sleep(_PAUSE)


def is_whole(path: Path) -> bool:
    """Tell whether a file holds an object of Cobbler, written to its end."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and value.get("name") == path.stem


def is_number(path: Path) -> bool:
    """Tell whether a file holds a number, or is not there."""
    try:
        float(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


def keep_objects(collections: Path, kept: Path) -> None:
    """Keep a copy of each object that is whole, and none of those that are gone."""
    for path in collections.glob("*/*.json"):
        copy = kept / path.relative_to(collections)
        if not same(path, copy if copy.exists() else None) and is_whole(path):
            write(copy.with_suffix(".new"), path.read_bytes(), path.stat().st_mtime_ns)
            copy.with_suffix(".new").chmod(0o640)
            copy.with_suffix(".new").replace(copy)
    for copy in kept.glob("*/*.json"):
        if not (collections / copy.relative_to(kept)).exists():
            copy.unlink()


def mend(cobbler: Path = COBBLER) -> list[str]:
    """Put whole objects in the place of torn ones, remove torn files of the cache and marks; return what was done."""
    done = []
    # A cobblerd that was killed during a sync of single systems has a whole tree again after a full one.
    (cobbler / "whole.before").unlink(missing_ok=True)
    if not is_number(cobbler / ".mtime"):
        # cobblerd would not start with half of it, ever again. Without it the time of the last change is unknown.
        (cobbler / ".mtime").unlink()
        done.append(f"{cobbler / '.mtime'} was torn and is gone")
    for path in sorted((cobbler / "collections").glob("*/*.json")):
        if is_whole(path):
            continue
        copy = cobbler / "kept" / path.relative_to(cobbler / "collections")
        torn = cobbler / "torn" / f"{path.parent.name}-{path.name}"
        torn.parent.mkdir(mode=0o750, exist_ok=True)
        path.replace(torn)
        if is_whole(copy):
            fresh = path.with_suffix(".new")
            shutil.copy2(copy, fresh)
            fresh.replace(path)
            done.append(f"{path} was torn and is again as it was before; the torn one is {torn}")
        else:
            done.append(f"{path} was torn and is gone; define it again. The torn one is {torn}")
    for cache in (cobbler / "tftpboot/images/.link_cache", cobbler / "web/images/.link_cache"):
        for path in sorted(cache.glob("*")):
            # Cobbler names a cached file by its digest, and would serve a torn one for ever.
            if path.name == "link_cache.json" or digest(path) != path.name:
                path.unlink()
                done.append(f"{path} was removed from the cache")
    return done


def digest(path: Path) -> str:
    """Return the SHA-1 digest by which Cobbler names files of its cache; nobody's safety depends on it."""
    total = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


class Transport(xmlrpc.client.Transport):
    """HTTP that waits for an answer for a limited time."""

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """Connect as the base class does, and limit the time."""
        connection = super().make_connection(host)
        connection.timeout = _CALL_TIMEOUT
        return connection


def is_alive(process: int) -> bool:
    """Tell whether a process of this user is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def synchronize(cobbler: Path, address: str, process: int, timeout: float = _START_TIMEOUT) -> None:
    """Wait until the cobblerd of number ``process`` answers at ``address`` and let it write all its files anew.

    Raises BootFilesError, at once if that process is gone: systemd starts another only after this one has ended.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            server = xmlrpc.client.ServerProxy(address, transport=Transport())
            # Made anew at each start of cobblerd, and readable to its user only.
            token = server.login("", (cobbler / "web.ss").read_text(encoding="utf-8"))
            server.sync(token)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
            # The last two: an answer that was cut off.
            if not is_alive(process):
                raise BootFilesError(f"cobblerd ended before it had synchronized: {error}") from None
            if time.monotonic() > end:
                raise BootFilesError(f"cobblerd does not synchronize within {timeout:.0f} s: {error}") from None
            time.sleep(_PAUSE)
        else:
            return


def main(verb: str, *arguments: str) -> int:
    """Do what ``verb`` says and return the exit code."""
    # Files are published for the web server and the TFTP server, which run as other users.
    os.umask(0o022 if verb == "publish" else 0o027)
    try:
        if verb == "mend":
            for line in mend():
                print(line)  # noqa: T201 - goes to the journal
        elif verb == "synchronize":
            synchronize(COBBLER, arguments[0], int(arguments[1]))
            os.umask(0o022)
            try:
                publish()
            except AlteredError as error:
                # Nobody could mend it without cobblerd. Who installs machines is told by accentos-boot-files.service.
                print(error, file=sys.stderr)  # noqa: T201 - goes to the journal
        else:
            publish()
    except (BootFilesError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - goes to the log of cobblerd and to the journal
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["publish"])))
