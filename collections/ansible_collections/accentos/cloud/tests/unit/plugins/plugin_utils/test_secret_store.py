# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The store of a site's secrets: real files, real ansible-vault, real processes."""

from __future__ import annotations

import base64
import errno
import fcntl
import multiprocessing
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted
from ansible_collections.accentos.cloud.plugins.plugin_utils import secret_store
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore, SecretStoreError
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

KEY = "0123456789abcdef" * 4
PROCESSES = 8

# The children inherit the collection's loader, which a fresh interpreter would have to set up first.
fork = multiprocessing.get_context("fork")


def make_key(folder: Path, key: str = KEY) -> Path:
    """Put a key file beside the store."""
    path = folder / ".vault_key"
    path.touch(mode=0o600)
    path.write_text(f"{key}\n", encoding="ascii")
    return path


def seal(folder: Path, text: str, key: str = KEY) -> None:
    """Write a store the way the ansible-vault command does."""
    vault = VaultLib([("default", VaultSecret(key.encode("ascii")))])
    (folder / ".secrets.yml").write_bytes(vault.encrypt(text))


def unseal(folder: Path) -> object:
    """Open a store the way the ansible-vault command does."""
    key = (folder / ".vault_key").read_bytes().strip()
    return yaml.safe_load(VaultLib([("default", VaultSecret(key))]).decrypt((folder / ".secrets.yml").read_bytes()))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Let new files be open to everybody, unless their maker takes care."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_secret_is_generated_once(tmp_path: Path) -> None:
    first = SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert SecretStore(tmp_path).get("nova_password", "password", may_write=True) == first
    assert SecretStore(tmp_path).get("nova_password", "password", may_write=False) == first
    assert SecretStore(tmp_path).get("glance_password", "password", may_write=True) != first
    assert unseal(tmp_path) == SecretStore(tmp_path).read()
    assert sorted(SecretStore(tmp_path).read()) == ["glance_password", "nova_password"]


def test_a_known_secret_keeps_its_kind(tmp_path: Path) -> None:
    make_key(tmp_path)
    seal(tmp_path, "nova_password: chosen by hand\n")
    assert SecretStore(tmp_path).get("nova_password", "hex", may_write=True) == "chosen by hand"


def test_a_read_leaves_the_files_alone(tmp_path: Path) -> None:
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    before = (tmp_path / ".secrets.yml").stat()
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    after = (tmp_path / ".secrets.yml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_formats_of_the_kinds(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    assert re.fullmatch(r"[A-Za-z0-9]{32}", store.get("of_kind_password", "password", may_write=True))
    assert re.fullmatch(r"[A-Za-z0-9]{16}", store.get("of_kind_short", "short_password", may_write=True))
    for number in range(200):
        made = store.get(f"of_kind_bmc_{number}", "bmc_password", may_write=False)
        assert re.fullmatch(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9]{20}", made)
    assert re.fullmatch(r"[0-9a-f]{64}", store.get("of_kind_hex", "hex", may_write=True))
    assert len(base64.urlsafe_b64decode(store.get("of_kind_fernet", "fernet", may_write=True))) == 32
    pem = store.get("of_kind_private_key", "private_key", may_write=True)
    key = load_pem_private_key(pem.encode("ascii"), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp384r1"
    # The text of several lines comes back from the file as it was.
    assert SecretStore(tmp_path).get("of_kind_private_key", "private_key", may_write=True) == pem


@pytest.mark.parametrize("kind", ["password", "bmc_password", "short_password", "hex", "fernet", "private_key"])
def test_no_two_secrets_are_equal(tmp_path: Path, kind: str) -> None:
    assert len({SecretStore(tmp_path).get("some_secret", kind, may_write=False) for _number in range(20)}) == 20


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    store = SecretStore(folder)
    store.get("nova_password", "password", may_write=True)
    assert names_in(folder) == [".secrets.yml", ".vault_key"]
    assert (mode_of(folder / ".secrets.yml"), mode_of(folder / ".vault_key")) == (0o600, 0o600)
    # A second secret replaces the file.
    store.get("glance_password", "password", may_write=True)
    assert mode_of(folder / ".secrets.yml") == 0o600


def test_the_store_is_in_vault_format_and_nothing_is_in_plain_text(tmp_path: Path) -> None:
    secret = SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    sealed = (tmp_path / ".secrets.yml").read_bytes()
    assert is_encrypted(sealed)
    assert sealed.startswith(b"$ANSIBLE_VAULT;1.2;AES256;accentos\n")
    assert unseal(tmp_path) == {"nova_password": secret}
    assert names_in(tmp_path) == [".secrets.yml", ".vault_key"]
    for file in tmp_path.iterdir():
        assert secret.encode("ascii") not in file.read_bytes()
    assert re.fullmatch(rb"[0-9a-f]{64}\n", (tmp_path / ".vault_key").read_bytes())


def test_the_key_file_can_be_elsewhere(tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "keys"
    elsewhere.mkdir()
    secret = SecretStore(site, elsewhere / "site.key").get("nova_password", "password", may_write=True)
    assert names_in(site) == [".secrets.yml"]
    assert mode_of(elsewhere / "site.key") == 0o600
    assert SecretStore(site, elsewhere / "site.key").read() == {"nova_password": secret}


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    first = SecretStore(folder).get("nova_password", "password", may_write=False)
    assert SecretStore(folder).get("nova_password", "password", may_write=False) != first
    assert not folder.exists()


def test_check_mode_leaves_a_store_as_it_is(tmp_path: Path) -> None:
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    before = (tmp_path / ".secrets.yml").read_bytes()
    SecretStore(tmp_path).get("glance_password", "password", may_write=False)
    assert (tmp_path / ".secrets.yml").read_bytes() == before


@pytest.mark.parametrize("name", ["a1", "nova_password", "a" * 64])
def test_names(tmp_path: Path, name: str) -> None:
    assert SecretStore(tmp_path).get(name, "hex", may_write=False)


@pytest.mark.parametrize(
    "name", ["", "a", "Nova", "1nova", "_nova", "nova_", "nova-password", "nova password", "../x", "a" * 65, "ab\n"]
)
def test_wrong_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(SecretStoreError, match="is no name for a secret: use 2 to 64 lower-case letters"):
        SecretStore(tmp_path / "site").get(name, "password", may_write=True)
    assert not (tmp_path / "site").exists()


def test_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(
        SecretStoreError,
        match="'pin' is no kind of secret: expected one of bmc_password, fernet, hex, password, private_key, ",
    ):
        SecretStore(tmp_path / "site").get("nova_password", "pin", may_write=True)
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    key = tmp_path / ".vault_key"
    key.chmod(mode)
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert f"(mode {mode:04o}). Run: chmod 600 {key}" in str(caught.value)
    key.chmod(0o600)
    assert SecretStore(tmp_path).read()


def test_a_store_whose_key_is_missing_is_refused_and_kept(tmp_path: Path) -> None:
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    before = (tmp_path / ".secrets.yml").read_bytes()
    (tmp_path / ".vault_key").unlink()
    for may_write in (True, False):
        with pytest.raises(SecretStoreError, match=r"is not\. Put back the key file"):
            SecretStore(tmp_path).get("glance_password", "password", may_write=may_write)
    assert names_in(tmp_path) == [".secrets.yml"]
    assert (tmp_path / ".secrets.yml").read_bytes() == before


def test_a_wrong_key_is_refused_and_the_store_kept(tmp_path: Path) -> None:
    make_key(tmp_path)
    seal(tmp_path, "nova_password: abc\n", key="another key")
    before = (tmp_path / ".secrets.yml").read_bytes()
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert str(caught.value).startswith(
        f"{tmp_path}/.secrets.yml cannot be opened with the key in {tmp_path}/.vault_key:"
    )
    assert ". Put back the key file that the store was made with, or restore the store from a copy." in str(
        caught.value
    )
    assert (tmp_path / ".secrets.yml").read_bytes() == before


@pytest.mark.parametrize("content", ["", "\n", " \n"])
def test_an_empty_key_is_refused(tmp_path: Path, content: str) -> None:
    make_key(tmp_path).write_text(content, encoding="ascii")
    with pytest.raises(SecretStoreError, match=r"is empty\. Put back the key"):
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert names_in(tmp_path) == [".vault_key"]


def cut_off(sealed: bytes) -> bytes:
    return sealed[: len(sealed) // 2 * 2 - 7]


def without_header(sealed: bytes) -> bytes:
    return sealed.partition(b"\n")[2]


def one_digit_changed(sealed: bytes) -> bytes:
    at = sealed.index(b"\n") + 40
    return sealed[:at] + (b"1" if sealed[at : at + 1] != b"1" else b"2") + sealed[at + 1 :]


def of_zeros(sealed: bytes) -> bytes:
    return bytes(len(sealed))


def emptied(sealed: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [cut_off, without_header, one_digit_changed, of_zeros, emptied])
def test_a_damaged_store_is_refused_and_kept(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    make_key(tmp_path)
    seal(tmp_path, "nova_password: abc\n")
    store = tmp_path / ".secrets.yml"
    damaged = damage(store.read_bytes())
    store.write_bytes(damaged)
    with pytest.raises(SecretStoreError, match="cannot be opened with the key in"):
        SecretStore(tmp_path).get("glance_password", "password", may_write=True)
    assert store.read_bytes() == damaged


@pytest.mark.parametrize(
    "text",
    [
        "- sesame\n",
        "sesame\n",
        "",
        "nova_password: 12345\n",
        "nova_password: {a: sesame}\n",
        # Not YAML at all; the parser would quote the line.
        "nova_password: [sesame\nglance_password: sesame\n",
        "nova_password: '\x01sesame'\n",
    ],
)
def test_a_store_that_is_no_mapping_of_texts_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    make_key(tmp_path)
    seal(tmp_path, text)
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    expected = f"{tmp_path}/.secrets.yml opens but holds no mapping of names to texts. Restore it from a copy."
    assert str(caught.value) == expected
    assert caught.value.__cause__ is None
    assert unseal_text(tmp_path) == text


def unseal_text(folder: Path) -> str:
    vault = VaultLib([("default", VaultSecret(KEY.encode("ascii")))])
    text: str = vault.decrypt((folder / ".secrets.yml").read_bytes()).decode()
    return text


@pytest.mark.parametrize("name", [".secrets.yml", ".vault_key"])
@pytest.mark.parametrize("with_the_other", [True, False])
def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path, name: str, with_the_other: bool) -> None:
    if with_the_other:
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
        (tmp_path / name).unlink()
    (tmp_path / name).mkdir(mode=0o755)
    before = names_in(tmp_path)
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert str(caught.value).startswith(f"{tmp_path / name} is not a file.")
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("name", [".secrets.yml", ".vault_key"])
def test_a_link_that_leads_nowhere_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    target = tmp_path / "mount" / name
    (tmp_path / name).symlink_to(target)
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert str(caught.value).startswith(f"{tmp_path / name} is a link to {target}, which is not there.")
    assert (names_in(tmp_path), (tmp_path / name).readlink()) == ([name], target)


def test_a_link_to_a_key_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    key = make_key(tmp_path / "elsewhere")
    (tmp_path / ".vault_key").symlink_to(key)
    secret = SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert SecretStore(tmp_path, key).read() == {"nova_password": secret}


@pytest.mark.parametrize("name", [".secrets.yml", ".vault_key"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    real = Path.read_bytes

    def forbidden(path: Path) -> bytes:
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    # Root may read everything, so the mode of the file would not do.
    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert str(caught.value) == f"{tmp_path / name} cannot be read: Permission denied."


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "site"
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(folder).get("nova_password", "password", may_write=True)
    assert str(caught.value) == f"The folder {folder} of the secrets cannot be used: Not a directory."
    # Check mode needs no folder.
    assert SecretStore(folder).get("nova_password", "password", may_write=False)


def test_a_key_that_cannot_be_written(tmp_path: Path) -> None:
    key = tmp_path / "missing" / "site.key"
    with pytest.raises(SecretStoreError) as caught:
        SecretStore(tmp_path / "site", key).get("nova_password", "password", may_write=True)
    assert str(caught.value) == f"{key} cannot be written: No such file or directory. No secret was stored."
    assert names_in(tmp_path / "site") == []


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SecretStore(tmp_path)
    store.get("nova_password", "password", may_write=True)
    before = (tmp_path / ".secrets.yml").read_bytes()

    def disk_full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(SecretStoreError, match=r"No space left on device\. No secret was stored"):
        store.get("glance_password", "password", may_write=True)
    assert names_in(tmp_path) == [".secrets.yml", ".vault_key"]
    assert (tmp_path / ".secrets.yml").read_bytes() == before


def ask(folder: Path, number: int, together: Barrier, answers: Queue[dict[str, str]]) -> None:
    """Ask for one secret that all processes want and two of this process's own, then for those of a neighbour."""
    names = ["shared_by_all", f"own{number}_a1", f"own{number}_a2", f"own{(number + 1) % PROCESSES}_a1"]
    together.wait()
    answers.put({name: SecretStore(folder).get(name, "password", may_write=True) for name in names})


def test_concurrent_processes_agree_and_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    together, answers = fork.Barrier(PROCESSES), fork.Queue()
    processes = [fork.Process(target=ask, args=(folder, number, together, answers)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _process in processes]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    stored = SecretStore(folder).read()
    expected = {"shared_by_all"} | {f"own{number}_a{n}" for number in range(PROCESSES) for n in (1, 2)}
    assert set(stored) == expected
    assert len(set(stored.values())) == len(expected)
    for answer in found:
        assert answer.items() <= stored.items()
    assert names_in(folder) == [".secrets.yml", ".vault_key"]


def die_in_a_write(folder: Path, which: int) -> None:
    """Ask for a secret; the process is killed when it has written the file number ``which``, before it is in place."""
    written = []

    def killed(handle: int) -> None:
        written.append(handle)
        if len(written) == which:
            os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(os, "fsync", killed)
    SecretStore(folder).get("glance_password", "password", may_write=True)


def run_and_die(folder: Path, which: int) -> None:
    process = fork.Process(target=die_in_a_write, args=(folder, which))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL


def test_a_process_killed_in_a_write_leaves_the_old_store_and_no_lock(tmp_path: Path) -> None:
    old = SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    run_and_die(tmp_path, 1)
    left = [path for path in tmp_path.iterdir() if path.name not in (".secrets.yml", ".vault_key")]
    # The rest of it is sealed, too, and closed to others.
    assert len(left) == 1
    assert is_encrypted(left[0].read_bytes())
    assert mode_of(left[0]) == 0o600
    assert SecretStore(tmp_path).read() == {"nova_password": old}
    new = SecretStore(tmp_path).get("glance_password", "password", may_write=True)
    assert SecretStore(tmp_path).read() == {"nova_password": old, "glance_password": new}


@pytest.mark.parametrize(("which", "key_is_there"), [(1, False), (2, True)])
def test_a_process_killed_at_the_first_secret_leaves_a_usable_folder(
    tmp_path: Path, which: int, key_is_there: bool
) -> None:
    run_and_die(tmp_path, which)
    assert (tmp_path / ".vault_key").exists() is key_is_there
    # A key that never got into its place is not left in another.
    assert len(names_in(tmp_path)) == (2 if key_is_there else 0)
    assert not (tmp_path / ".secrets.yml").exists()
    assert SecretStore(tmp_path).read() == {}
    secret = SecretStore(tmp_path).get("glance_password", "password", may_write=True)
    assert SecretStore(tmp_path).read() == {"glance_password": secret}


ROUNDS = 5
SHARERS = 4


def refuse_nameless_files(patch: pytest.MonkeyPatch) -> None:
    """Make every file system one that has no files without a name."""
    real = os.open

    def opened(path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), str(path))
        return real(path, flags, mode, **more)

    patch.setattr(os, "open", opened)


@pytest.fixture(params=["nameless", "renamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a key be made in each of the two ways; child processes inherit it."""
    if request.param == "renamed":
        refuse_nameless_files(monkeypatch)
    return str(request.param)


def first_use(folder: Path, key: Path, together: Barrier) -> None:
    """Store the first secret of a site when all others do, after each has seen that there is no key yet."""
    real = secret_store._create_in_one_step

    def at_once(path: Path, content: bytes) -> None:
        together.wait(timeout=60)
        real(path, content)

    pytest.MonkeyPatch().setattr(secret_store, "_create_in_one_step", at_once)
    SecretStore(folder, key).get("nova_password", "password", may_write=True)


@pytest.mark.usefixtures("way")
def test_sites_that_share_a_key_agree_on_it_at_their_first_use(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        place = tmp_path / str(number)
        place.mkdir()
        key, sites = place / "site.key", [place / f"site{site}" for site in range(SHARERS)]
        together = fork.Barrier(SHARERS)
        processes = [fork.Process(target=first_use, args=(site, key, together)) for site in sites]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=60)
        assert [process.exitcode for process in processes] == [0] * SHARERS
        for site in sites:
            assert list(SecretStore(site, key).read()) == ["nova_password"]
        assert names_in(place) == sorted(["site.key", *(site.name for site in sites)])
        assert mode_of(key) == 0o600


def test_a_key_that_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, way: str) -> None:
    run_and_die(tmp_path, 1)
    left = names_in(tmp_path)
    assert [name.partition("-")[0] for name in left] == ([] if way == "nameless" else [".vault_key.unfinished"])
    assert all(mode_of(tmp_path / name) == 0o600 for name in left)
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert names_in(tmp_path) == [".secrets.yml", ".vault_key"]


def die_after_the_link(folder: Path) -> None:
    """Store a first secret; the process is killed when the key has its name and is about to lose the other one."""
    real = os.link

    def linked(source: str, target: Path, *, src_dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
        real(source, target, src_dir_fd=src_dir_fd, follow_symlinks=follow_symlinks)
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(os, "link", linked)
    SecretStore(folder).get("nova_password", "password", may_write=True)


def test_a_second_name_of_the_key_that_a_killed_process_left_is_removed(tmp_path: Path, way: str) -> None:
    process = fork.Process(target=die_after_the_link, args=(tmp_path,))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    assert len(names_in(tmp_path)) == (1 if way == "nameless" else 2)
    key = (tmp_path / ".vault_key").read_bytes()
    SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert names_in(tmp_path) == [".secrets.yml", ".vault_key"]
    assert (tmp_path / ".vault_key").read_bytes() == key


def test_a_key_that_comes_while_it_is_looked_for_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.stat

    def made_just_after(path: Path, **more: bool) -> os.stat_result:
        try:
            return real(path, **more)
        except FileNotFoundError:
            if path.name == ".vault_key":
                make_key(tmp_path)
            raise

    monkeypatch.setattr(Path, "stat", made_just_after)
    secret = SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert unseal(tmp_path) == {"nova_password": secret}
    assert (tmp_path / ".vault_key").read_text() == f"{KEY}\n"


def test_a_key_that_another_process_is_writing_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_nameless_files(monkeypatch)
    others = tmp_path / ".vault_key.unfinished-other"
    with others.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        SecretStore(tmp_path).get("nova_password", "password", may_write=True)
    assert names_in(tmp_path) == [".secrets.yml", ".vault_key", others.name]
