# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that the role cobbler puts beside Cobbler."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xmlrpc.server import SimpleXMLRPCServer

import pytest

PROGRAMS = Path(__file__).parents[3] / "roles/cobbler/files/libexec"


def load(name: str) -> ModuleType:
    """Load a program of the role as a module."""
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


boot_files = load("boot_files")
boot_medium = load("boot_medium")
authorization = load("authorization")
SCRIPT = b"#!ipxe\nboot\n# end\n"


class Place:
    """Folders as Cobbler and its readers have them."""

    def __init__(self, folder: Path) -> None:
        self.cobbler = folder / "cobbler"
        self.published = folder / "published"
        self.current = self.published / "current/tftp"
        for name in ("tftpboot/pxelinux.cfg", "dhcp", "collections/systems", "kept"):
            (self.cobbler / name).mkdir(parents=True)
        (self.published / "releases").mkdir(parents=True)
        self.hosts("")
        (self.cobbler / "whole").touch()
        self.stage("pxelinux.cfg/01-a", SCRIPT)

    def stage(self, name: str, content: bytes) -> Path:
        path = self.cobbler / "tftpboot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def hosts(self, text: str) -> None:
        (self.cobbler / "dhcp/hosts").write_text(text)

    def publish(self, timeout: float = 0) -> bool:
        return bool(boot_files.publish(self.cobbler, self.published, timeout))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_tree_is_published_in_one_step_and_only_when_it_changed(place: Place) -> None:
    place.stage("images/x/vmlinuz", b"kernel")
    (place.cobbler / "tftpboot/grub").mkdir()
    (place.cobbler / "tftpboot/grub/images").symlink_to("../images")
    assert place.publish()
    assert not place.publish()
    assert (place.current / "grub/images/x/vmlinuz").read_bytes() == b"kernel"
    assert (place.current / "images/x/vmlinuz").stat().st_mode & 0o777 == 0o644

    first = (place.published / "current").readlink()
    place.stage("pxelinux.cfg/01-b", b"serial 0 115200\n" + SCRIPT)
    (place.cobbler / "tftpboot/pxelinux.cfg/01-a").unlink()
    # What a killed run left under the next number.
    (place.published / "releases/2/half").mkdir(parents=True)
    assert place.publish()
    assert (place.published / "current").readlink() != first
    assert [path.name for path in (place.current / "pxelinux.cfg").iterdir()] == ["01-b"]
    assert (place.current / "pxelinux.cfg/01-b").read_bytes() == SCRIPT
    # What did not change is the same file, so nothing is copied.
    kernels = [place.published / f"releases/{number}/tftp/images/x/vmlinuz" for number in (1, 2)]
    assert kernels[0].samefile(kernels[1])

    place.stage("pxelinux.cfg/01-c", SCRIPT)
    assert place.publish()
    assert sorted(path.name for path in (place.published / "releases").iterdir()) == ["2", "3"]


def test_file_that_was_only_written_anew_is_no_change(place: Place) -> None:
    place.publish()
    os.utime(place.stage("pxelinux.cfg/01-a", b"serial 0 9600\n" + SCRIPT), ns=(5, 5))
    assert not place.publish()
    os.utime(place.stage("pxelinux.cfg/01-a", SCRIPT.replace(b"boot", b"exit")), ns=(6, 6))
    assert place.publish()


def test_file_that_is_not_written_to_its_end_is_never_published(place: Place) -> None:
    place.publish()
    torn = place.stage("pxelinux.cfg/01-a", SCRIPT[:-4])
    os.utime(torn, ns=(1, 1))
    with pytest.raises(boot_files.BootFilesError, match="01-a does not end with '# end'"):
        place.publish()
    assert (place.current / "pxelinux.cfg/01-a").read_bytes() == SCRIPT


class Built:
    """An image of the role host_image, and Cobbler's distribution that is copied from it."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.place, self.boot = place, folder / "boot"
        self.link = self.boot / "amd64"
        distros = place.cobbler / "collections/distros"
        distros.mkdir()
        files = {"kernel": str(self.link / "vmlinuz"), "initrd": str(self.link / "ramdisk.img")}
        (distros / "accentos-amd64.json").write_text(json.dumps({"name": "accentos-amd64", **files}))
        self.version("1")
        self.copy()

    def version(self, version: str) -> Path:
        """Build a version, which becomes the present one."""
        home = self.boot / f"amd64@{version}"
        home.mkdir(parents=True)
        known = {}
        for name in ("vmlinuz", "ramdisk.img"):
            content = f"{name} of build {version} ".encode() * 1000
            (home / name).write_bytes(content)
            known[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        (home / "image.json").write_text(json.dumps({"version": version, "files": known}))
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(home.name)
        return home

    def copy(self, *names: str) -> None:
        """Do as Cobbler's sync does."""
        for name in names or ("vmlinuz", "ramdisk.img"):
            self.place.stage(f"images/accentos-amd64/{name}", (self.link / name).read_bytes())

    def published(self, name: str) -> bytes:
        return (self.place.current / "images/accentos-amd64" / name).read_bytes()


def flip(path: Path) -> None:
    """Flip one bit of one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def built(tmp_path: Path, place: Place) -> Built:
    return Built(tmp_path, place)


@pytest.mark.parametrize("name", ["vmlinuz", "ramdisk.img"])
def test_one_flipped_byte_of_kernel_or_ramdisk_is_refused_before_anything_is_replaced(
    built: Built, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = built.place
    assert place.publish()
    before, release = built.published(name), (place.published / "current").readlink()
    # Cobbler's copy; and a change of a machine that would have been published with it.
    copy = place.cobbler / "tftpboot/images/accentos-amd64" / name
    flip(copy)
    place.stage("pxelinux.cfg/01-b", SCRIPT)
    with pytest.raises(boot_files.AlteredError) as told:
        place.publish()
    record = json.loads((built.link / "image.json").read_text())["files"][name]["sha256"]
    for words in (
        f"images/accentos-amd64/{name} is not what was built",
        f"by {built.link}/image.json it must be {record}",
        f"Its source {built.link / name} is whole. Nothing was published",
        # Cobbler has the files of a build until its next sync, and nobody can compare them with one that was removed.
        "or it is of a build that is gone; then run: ",
        "systemctl restart cobblerd.service",
    ):
        assert words in str(told.value)
    assert (place.published / "current").readlink() == release
    assert built.published(name) == before
    assert not (place.current / "pxelinux.cfg/01-b").exists()
    # The source of that copy.
    flip(built.link / name)
    built.copy()
    with pytest.raises(boot_files.AlteredError) as told:
        place.publish()
    assert f"Nor is its source {built.link / name}. Nothing was published" in str(told.value)
    assert "then build it anew: another host_image_edition" in str(told.value)
    assert built.published(name) == before
    # The service fails with that one line; cobblerd starts nevertheless, since it is needed to mend it.
    monkeypatch.setattr(boot_files.publish, "__defaults__", (place.cobbler, place.published, 0))
    monkeypatch.setattr(boot_files, "synchronize", lambda *_arguments: None)
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    assert boot_files.main("publish") == 1
    assert capsys.readouterr().err == f"{told.value}\n"
    assert boot_files.main("synchronize", "http://127.0.0.1:1", "1") == 0
    assert capsys.readouterr().err == f"{told.value}\n"
    # Whole again, all is published.
    flip(built.link / name)
    built.copy()
    assert place.publish()
    assert (place.current / "pxelinux.cfg/01-b").read_bytes() == SCRIPT


def test_the_build_before_the_present_one_is_published_until_cobbler_has_copied_the_new_one(built: Built) -> None:
    place = built.place
    built.version("2")
    assert place.publish()
    assert built.published("vmlinuz").startswith(b"vmlinuz of build 1")
    # Half of it would not start.
    built.copy("vmlinuz")
    with pytest.raises(boot_files.AlteredError, match="in images/accentos-amd64 are of two builds"):
        place.publish()
    assert built.published("vmlinuz").startswith(b"vmlinuz of build 1")
    built.copy()
    assert place.publish()
    assert built.published("ramdisk.img").startswith(b"ramdisk.img of build 2")
    # A record of an old version that is torn is no hindrance.
    (built.boot / "amd64@1/image.json").write_text("{")
    place.stage("pxelinux.cfg/01-b", SCRIPT)
    assert place.publish()


@pytest.mark.parametrize("record", [None, "{", "[]", '{"files": {}}'])
def test_an_image_without_a_usable_record_is_refused(built: Built, record: str | None) -> None:
    path = built.link / "image.json"
    path.unlink()
    if record is not None:
        path.write_text(record)
    with pytest.raises(boot_files.AlteredError, match=r"unusable|none that it names"):
        built.place.publish()
    assert not (built.place.published / "current").exists()


def test_what_has_no_record_is_not_compared(built: Built) -> None:
    # The installer of a distribution in a folder of its own, a distribution that is just written, one without files.
    # One of them has our kernel, which is compared, and a ramdisk of its own, which is not.
    plain = built.boot / "debian"
    plain.mkdir()
    distros = built.place.cobbler / "collections/distros"
    files = {"kernel": str(plain / "linux"), "initrd": str(plain / "initrd.gz")}
    (distros / "debian.json").write_text(json.dumps({"name": "debian", **files}))
    mixed = {"kernel": str(built.link / "vmlinuz"), "initrd": str(plain / "initrd.gz")}
    (distros / "mixed.json").write_text(json.dumps({"name": "mixed", **mixed}))
    (distros / "half.json").write_text('{"name": "ha')
    (distros / "other.json").write_text(json.dumps({"name": "other", "kernel": 1}))
    built.place.stage("images/debian/linux", b"linux")
    built.place.stage("images/debian/initrd.gz", b"ramdisk")
    built.place.stage("images/mixed/initrd.gz", b"ramdisk")
    kernel = built.place.stage("images/mixed/vmlinuz", (built.link / "vmlinuz").read_bytes())
    assert built.place.publish()
    assert (built.place.current / "images/debian/linux").read_bytes() == b"linux"
    flip(kernel)
    with pytest.raises(boot_files.AlteredError, match="images/mixed/vmlinuz is not what was built"):
        built.place.publish()


def test_hosts_are_sorted_and_strict(place: Place) -> None:
    lines = ["set:x86_64,02:AA:00:00:00:02,b.example.test,10.0.0.2", "set:x86_64,02:aa:00:00:00:01,10.0.0.1"]
    place.hosts("\n".join(["", *lines, lines[0], "# note"]))
    assert place.publish()
    assert (place.published / "dhcp-hosts").read_text() == "".join(f"{line}\n" for line in sorted(lines))
    assert (place.published / "dhcp-changed").exists()
    place.hosts("set:x86_64,02:aa:00:00:00:01,10.0.0.1\n")
    assert place.publish()
    for wrong in ("dhcp-script=/bin/sh", "set:x86_64,02:aa:00:00:00:01,a b", "set:x86_64,02:aa,10.0.0.1"):
        place.hosts(wrong)
        with pytest.raises(boot_files.BootFilesError, match="is no DHCP host"):
            place.publish()
    assert "10.0.0.1" in (place.published / "dhcp-hosts").read_text()


def test_torn_object_becomes_as_it_was(place: Place) -> None:
    systems = place.cobbler / "collections/systems"
    (systems / "a.json").write_text('{"name": "a", "comment": "whole"}')
    place.publish()
    (systems / "a.json").write_text('{"name": "a", "comm')
    (systems / "b.json").write_text("")
    (systems / "c.json").write_text('{"name": "other"}')
    # A torn object is not kept in the place of the whole one.
    place.publish()
    done = boot_files.mend(place.cobbler)
    assert (systems / "a.json").read_text() == '{"name": "a", "comment": "whole"}'
    assert sorted(path.name for path in systems.iterdir()) == ["a.json"]
    assert len(done) == 3
    assert "is again as it was before" in done[0]
    assert all("define it again" in line for line in done[1:])
    assert boot_files.mend(place.cobbler) == []
    (systems / "a.json").unlink()
    place.publish()
    assert list((place.cobbler / "kept/systems").iterdir()) == []


def test_torn_file_leaves_the_cache(place: Place) -> None:
    cache = place.cobbler / "tftpboot/images/.link_cache"
    cache.mkdir(parents=True)
    whole = hashlib.sha1(b"kernel", usedforsecurity=False).hexdigest()
    (cache / whole).write_bytes(b"kernel")
    (cache / ("0" * 40)).write_bytes(b"ker")
    (cache / "link_cache.json").write_text("{")
    assert len(boot_files.mend(place.cobbler)) == 2
    assert [path.name for path in cache.iterdir()] == [whole]
    place.publish()
    assert not (place.current / "images/.link_cache").exists()


def test_synchronize_logs_in_and_waits(tmp_path: Path) -> None:
    calls: list[Any] = []
    (tmp_path / "web.ss").write_text("secret")
    with SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as server:

        def login(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == 1:
                raise ValueError("still starting")
            return "token"

        def sync(*arguments: Any) -> Any:
            calls.append(arguments)
            return True

        server.register_function(login)
        server.register_function(sync)
        address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        boot_files.synchronize(tmp_path, address, os.getpid(), 10)
        server.shutdown()
        thread.join()
    assert calls == [("", "secret"), ("", "secret"), ("token",)]
    with pytest.raises(boot_files.BootFilesError, match="does not synchronize within 0 s"):
        boot_files.synchronize(tmp_path, address, os.getpid(), 0)


def test_verbs(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(boot_files, "publish", lambda: True)
    monkeypatch.setattr(boot_files, "mend", lambda: ["x was torn"])
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    assert boot_files.main("publish") == boot_files.main("mend") == 0
    assert capsys.readouterr().out == "x was torn\n"
    monkeypatch.setattr(boot_files, "_START_TIMEOUT", 0.0)
    monkeypatch.setattr(boot_files, "synchronize", lambda *_arguments: boot_files.host_lines("wrong"))
    assert boot_files.main("synchronize", "http://127.0.0.1:1", "1") == 1
    assert "is no DHCP host" in capsys.readouterr().err


OWNED, INHERITED = SimpleNamespace(_owners=["installer"]), SimpleNamespace(_owners="<<inherit>>", owners=["installer"])


@pytest.mark.parametrize(
    ("user", "resource", "item", "field", "allowed"),
    [
        ("<DIRECT>", "remove_distro", None, None, 1),
        ("boss", "remove_distro", None, None, 1),
        ("nobody", "get_settings", None, None, 0),
        ("Installer", "sync", None, None, 0),
        ("installer", "get_settings", None, None, 1),
        ("installer", "sync", None, None, 1),
        ("installer", "modify_system", OWNED, "netboot_enabled", 1),
        ("installer", "save_system", OWNED, None, 1),
        ("installer", "modify_system", OWNED, "owners", 0),
        ("installer", "modify_system", OWNED, "profile", 0),
        ("installer", "modify_system", INHERITED, "netboot_enabled", 0),
        ("installer", "save_system", SimpleNamespace(), None, 0),
        ("installer", "modify_profile", OWNED, "comment", 0),
        ("installer", "remove_system", "machine", None, 0),
        ("installer", "write_autoinstall_template", "x", None, 0),
        ("installer", "modify_setting", None, None, 0),
    ],
)
def test_policy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    resource: str,
    item: object,
    field: str | None,
    allowed: int,
) -> None:
    users = tmp_path / "users.conf"
    users.write_text('[admins]\nboss = ""\n[installers]\ninstaller = ""\n')
    monkeypatch.setattr(authorization, "USERS_FILE", str(users))
    assert authorization.authorize(None, user, resource, item, field) == allowed


class Api:
    """What Cobbler's API knows of logins: when each was made, and by whom."""

    def __init__(self) -> None:
        self.api = SimpleNamespace(settings=lambda: SimpleNamespace(auth_token_expiration=60))
        now = time.time()
        self.token_cache = {"new": (now - 50, "boss"), "old": (now - 70, "boss")}

    def get_user_from_token(self, token: Any) -> str:
        if not isinstance(token, str):
            raise ValueError(token)
        return self.token_cache[token][1]

    def token_check(self, token: str) -> bool:
        # As Cobbler 3.3.10 does, it goes through all of them, and notes for whom one ends.
        for name, (made, _user) in list(self.token_cache.items()):
            if time.time() > made + self.api.settings().auth_token_expiration:
                with contextlib.suppress(KeyError):
                    self.get_user_from_token(name)
                del self.token_cache[name]
        self.token_cache[token] = (time.time(), self.get_user_from_token(token))
        return True


def test_old_logins_end(monkeypatch: pytest.MonkeyPatch) -> None:
    interface = type("Api", (Api,), {})
    monkeypatch.setitem(sys.modules, "cobbler.remote", SimpleNamespace(CobblerXMLRPCInterface=interface))
    assert authorization.register() == "authz"
    api = interface()
    assert api.get_user_from_token("new") == "boss"
    for token, error in (("old", KeyError), ("unknown", KeyError), ([], ValueError), (None, ValueError)):
        with pytest.raises(error):
            api.get_user_from_token(token)
    # Who asks whether one is still good does not prolong it.
    assert api.token_check("new")
    assert list(api.token_cache) == ["new"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 20)
    with pytest.raises(KeyError):
        api.get_user_from_token("new")
    with pytest.raises(KeyError):
        api.token_check("new")


def test_of_logins_that_are_gone_nothing_is_kept() -> None:
    first: dict[str, float] = {}
    logins = {str(number): (float(number), "boss") for number in range(100)}
    for token, (made, _user) in logins.items():
        assert authorization.first_time(first, logins, token) == made
    for number in range(1, 100):
        del logins[str(number)]
    logins |= {"0": (200.0, "boss"), "new": (300.0, "boss")}
    assert [authorization.first_time(first, logins, token) for token in ("new", "0", "9")] == [300.0, 0.0, None]
    assert first == {"0": 0.0, "new": 300.0}


def test_nothing_is_published_that_is_not_whole(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.publish()
    (place.cobbler / "whole").rename(place.cobbler / "whole.before")
    (place.cobbler / "tftpboot/pxelinux.cfg/01-a").unlink()
    place.hosts("set:x,02:aa:00:00:00:01,m,10.2.0.11\n")
    assert not place.publish()
    assert "a sync of Cobbler goes on or was cut off" in capsys.readouterr().err
    assert (place.current / "pxelinux.cfg/01-a").read_bytes() == SCRIPT
    assert (place.published / "dhcp-hosts").read_text() == ""
    # What was cut off is whole again only after a full sync, which makes the mark anew.
    assert boot_files.mend(place.cobbler) == []
    assert not (place.cobbler / "whole.before").exists()


def test_what_changes_meanwhile_is_not_published_but_looked_at_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.publish()
    copy, looks = boot_files.copy_staged, []

    def copy_and_change(staged: Any, current: Path, target: Path) -> None:
        copy(staged, current, target)
        looks.append(sorted(staged))
        assert (place.current / "pxelinux.cfg/01-a").read_bytes() == SCRIPT
        if len(looks) == 1:
            place.stage("pxelinux.cfg/01-c", SCRIPT)

    monkeypatch.setattr(boot_files, "copy_staged", copy_and_change)
    monkeypatch.setattr(boot_files, "_PAUSE", 0.0)
    place.stage("pxelinux.cfg/01-b", SCRIPT)
    assert place.publish(timeout=10)
    assert [len(names) for names in looks] == [2, 3]
    assert (place.current / "pxelinux.cfg/01-c").read_bytes() == SCRIPT
    place.stage("pxelinux.cfg/01-c", SCRIPT.replace(b"boot", b"exit"))
    looks.clear()
    with pytest.raises(boot_files.BootFilesError, match="keep changing"):
        place.publish()
    assert (place.current / "pxelinux.cfg/01-c").read_bytes() == SCRIPT


def test_file_without_which_cobbler_would_never_start_again_is_mended(place: Place) -> None:
    mark = place.cobbler / ".mtime"
    for content, done in (("1700000000.5", 0), ("", 1), ("17000.00.5", 1)):
        mark.write_text(content)
        assert len(boot_files.mend(place.cobbler)) == done
        assert mark.exists() == (not done)
    assert boot_files.mend(place.cobbler) == []


def test_cobblerd_that_never_answers_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web.ss").write_text("secret")
    monkeypatch.setattr(boot_files, "_CALL_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(boot_files.BootFilesError, match="does not synchronize within 0 s: timed out"):
            boot_files.synchronize(tmp_path, address, os.getpid(), 0.1)


def test_nobody_waits_for_a_cobblerd_that_is_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    began = time.monotonic()
    with pytest.raises(boot_files.BootFilesError, match="ended before it had synchronized"):
        boot_files.synchronize(tmp_path, "http://127.0.0.1:1", gone.pid, 60)
    assert time.monotonic() - began < 10


@pytest.fixture
def turns(place: Place, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("turns")
    monkeypatch.setattr(module, "COBBLER", place.cobbler)
    return module


def clean(place: Place) -> None:
    """Do what Cobbler does at the begin of a full sync."""
    shutil.rmtree(place.cobbler / "tftpboot/pxelinux.cfg")
    (place.cobbler / "tftpboot/pxelinux.cfg").mkdir()


def end_sync(place: Place, full: bool) -> list[str]:
    """Do what Cobbler does in a sync, and return the marks that are there at its end."""
    if full:
        clean(place)
    script = (PROGRAMS / "synced").read_text().replace("/var/lib/cobbler", str(place.cobbler))
    subprocess.run(["sh", "-c", script], check=True)
    assert not (place.cobbler / "tftpboot/pxelinux.cfg/accentos-sync").exists()
    return sorted(path.name for path in place.cobbler.glob("whole*"))


def test_only_a_full_sync_makes_whole_what_was_not(place: Place, turns: ModuleType) -> None:
    assert turns.register() == "/var/lib/cobbler/triggers/sync/pre/*"
    marks = []
    for full in (False, True):
        assert turns.run(None, []) == 0
        assert [path.name for path in place.cobbler.glob("whole*")] == ["whole.before"]
        marks.append(end_sync(place, full))
    # One fails, and the next does not.
    assert turns.run(None, []) == turns.run(None, []) == 0
    marks.append(end_sync(place, False))
    assert marks == [["whole"]] * 3
    # A full one fails.
    turns.run(None, [])
    clean(place)
    turns.run(None, [])
    assert end_sync(place, False) == []
    turns.run(None, [])
    assert end_sync(place, True) == ["whole"]
    # One was cut off together with cobblerd.
    turns.run(None, [])
    boot_files.mend(place.cobbler)
    turns.run(None, [])
    assert end_sync(place, False) == []
    turns.run(None, [])
    assert end_sync(place, True) == ["whole"]


def test_syncs_come_one_after_the_other(place: Place, turns: ModuleType) -> None:
    order: list[str] = []

    def sync(name: str) -> None:
        assert turns.run(None, []) == turns.run(None, []) == 0
        order.append(name)
        time.sleep(0.05)
        order.append(name)

    threads = [threading.Thread(target=sync, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[::2] == order[1::2]
    assert sorted(order[::2]) == ["a", "b", "c"]


def test_sync_fails_before_it_removes_anything_if_another_never_ends(
    place: Place, turns: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "TURNS", turns.Turns(0.1))
    taken, ended = threading.Event(), threading.Event()

    def hang() -> None:
        turns.TURNS.take()
        taken.set()
        ended.wait()

    other = threading.Thread(target=hang)
    other.start()
    taken.wait()
    assert turns.run(None, []) == 1
    assert "does not end" in caplog.text
    assert (place.cobbler / "whole").exists()
    ended.set()
    other.join()
    assert turns.run(None, []) == 0


def test_object_is_written_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = dict.fromkeys(["serialize_delete", "deserialize_raw", "deserialize", "deserialize_item"], print)
    plain = SimpleNamespace(libpath=str(tmp_path), register=lambda: "serializer", **left)
    monkeypatch.setitem(sys.modules, "cobbler.modules.serializers.file", plain)
    serializer = load("serializer")
    assert serializer.register() == "serializer"
    assert serializer.what() == "serializer/accentos"
    (tmp_path / "systems").mkdir()

    class Systems(list[Any]):
        def collection_types(self) -> str:
            return "systems"

    def item(value: object) -> SimpleNamespace:
        return SimpleNamespace(name="m.1", serialize=lambda: {"name": "m.1", "comment": value})

    serializer.serialize(Systems([item("ä")]))
    path = tmp_path / "systems/m.1.json"
    with path.open() as reader:
        serializer.serialize_item(Systems(), item("new"))
        # Who reads the old one reads it to its end.
        assert json.load(reader) == {"name": "m.1", "comment": "ä"}
    assert boot_files.is_whole(path)
    assert path.read_text() == json.dumps({"comment": "new", "name": "m.1"}, indent=4)
    with pytest.raises(TypeError):
        serializer.serialize_item(Systems(), item({1, 2}))
    assert "new" in path.read_text()
    assert len(list(path.parent.glob("*.json"))) == 1


# Stand for the programs of Debian: what they are given becomes a listing, so a test sees what would be in the image.
MEDIUM_PROGRAMS = {
    "mformat": 'image=$2; shift 2; echo "$@" >"$image"',
    "mcopy": 'image=$2; cd "${5%/*}"; find * -type f >>"$image"',
    "xorrisofs": 'while [ "$1" != -o ]; do shift; done; cd "$3"; (find . -type f | sort; cat *.cfg efi.img) >"$2"',
}


@pytest.fixture
def medium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the image is to be; boot programs and a script are in the folder above."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in MEDIUM_PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh -e\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for table in ("BIOS", "UEFI"):
        sources = {name: tmp_path / source.name for name, source in getattr(boot_medium, table).items()}
        for source in sources.values():
            source.write_bytes(bytes(300_000))
        monkeypatch.setattr(boot_medium, table, sources)
    (tmp_path / "script").write_text("#!ipxe\n")
    (tmp_path / "loaders").mkdir()
    return tmp_path / "loaders/boot.iso"


def build_medium(image: Path) -> int:
    code: int = boot_medium.main(str(image), str(image.parent.parent / "script"))
    return code


def test_the_boot_medium_has_what_bios_and_uefi_start(medium: Path) -> None:
    assert build_medium(medium) == 0
    lines = medium.read_text().splitlines()
    assert lines[:6] == [
        "./autoexec.ipxe",
        "./efi.img",
        "./ipxe.lkrn",
        "./isolinux.bin",
        "./isolinux.cfg",
        "./ldlinux.c32",
    ]
    assert "  INITRD autoexec.ipxe" in lines
    assert {"EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI", "autoexec.ipxe"} <= set(lines)
    assert medium.stat().st_mode & 0o777 == 0o644
    # Nothing else is where boot programs are copied from, and nothing is left beside it.
    assert list(medium.parent.iterdir()) == [medium]
    assert not (medium.parent.parent / "boot-medium").exists()


def test_a_boot_medium_that_cannot_be_built_leaves_the_old_one(
    medium: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_medium(medium) == 0
    before = medium.read_bytes()
    (medium.parent.parent / "bin/xorrisofs").write_text("#!/bin/sh\necho no space left >&2\nexit 5\n")
    assert build_medium(medium) == 1
    assert "xorrisofs: no space left" in capsys.readouterr().err
    boot_medium.UEFI["BOOTX64.EFI"].unlink()
    assert build_medium(medium) == 1
    assert "ipxe-amd64.efi" in capsys.readouterr().err
    assert medium.read_bytes() == before
    assert list(medium.parent.iterdir()) == [medium]


def test_a_boot_medium_that_a_killed_run_left_half_built_is_no_hindrance(medium: Path) -> None:
    left = medium.parent.parent / "boot-medium/cd"
    left.mkdir(parents=True)
    (left / "junk").touch()
    assert build_medium(medium) == 0
    assert "junk" not in medium.read_text()


@pytest.mark.parametrize(("sizes", "cylinders"), [([0], 1), ([2_000_000], 5), ([10 * 516096], 11)])
def test_the_file_system_of_the_boot_medium_has_room(sizes: list[int], cylinders: int) -> None:
    found: int = boot_medium.fat_cylinders(sizes)
    assert found == cylinders
    assert found * boot_medium.CYLINDER > sum(sizes)
