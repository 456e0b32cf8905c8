# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The secrets of a site: generated once, kept in one file in ansible-vault format, opened by a key file of mode 0600.

Nothing here writes a value in plain text. What a task does with it is the task's own affair: ansible.builtin.copy, for
one, passes content through a temporary file of mode 0600 on the control node.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import secrets
import stat
import string
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret

STORE_NAME = ".secrets.yml"
KEY_NAME = ".vault_key"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}[a-z0-9]")
_KEY_BYTES = 32
_UNFINISHED = ".unfinished-"
_ANYONE_ELSE = stat.S_IRWXG | stat.S_IRWXO
_VAULT_ID = "accentos"


class SecretStoreError(Exception):
    """The store or its key cannot be used; the text says why and what to do."""


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SecretStoreError(
            f"{name!r} is no name for a secret: use 2 to 64 lower-case letters, digits and underscores."
        )


def _private_key() -> str:
    # Only a certificate authority asks for one, so hosts without the library can still use passwords.
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _bmc_password() -> str:
    # Many controllers ask for small and capital letters and digits; few take the same punctuation.
    while True:
        made = "".join(secrets.choice(string.ascii_letters + string.digits) for _number in range(20))
        if all(set(made) & set(kind) for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)):
            return made


# 32 characters out of 62 carry 190 bits; without punctuation a password needs no quoting in any configuration file.
GENERATORS: Mapping[str, Callable[[], str]] = {
    "password": lambda: "".join(secrets.choice(string.ascii_letters + string.digits) for _number in range(32)),
    # IPMI takes 16 bytes of user name and 20 of password; some controllers keep 16 of them.
    "bmc_password": _bmc_password,
    "short_password": lambda: "".join(secrets.choice(string.ascii_letters + string.digits) for _number in range(16)),
    "hex": lambda: secrets.token_hex(32),
    "fernet": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
    "private_key": _private_key,
}


class SecretStore:
    """The secrets of one site folder.

    ``folder`` holds the store; ``key_file`` opens it and is made, with mode 0600, when the first secret is stored.
    """

    def __init__(self, folder: Path, key_file: Path | None = None) -> None:
        self.path = folder / STORE_NAME
        self.key_file = key_file or folder / KEY_NAME

    def get(self, name: str, kind: str, *, may_write: bool) -> str:
        """Return the secret ``name``; generate it (see GENERATORS for ``kind``) and store it if it is not there yet.

        With ``may_write`` false (check mode) a missing secret is generated for this call only and nothing is stored.
        Raises SecretStoreError if the name or kind is wrong, or the store cannot be read or written.
        """
        _check_name(name)
        if kind not in GENERATORS:
            raise SecretStoreError(f"{kind!r} is no kind of secret: expected one of {', '.join(sorted(GENERATORS))}.")
        # Readers need no lock: the file is replaced in one step.
        known = self.read()
        if name in known:
            return known[name]
        if not may_write:
            return GENERATORS[kind]()
        with self._locked():
            known = self.read()
            if name not in known:
                known[name] = GENERATORS[kind]()
                self._write(known)
        return known[name]

    def set(self, name: str, value: str) -> bool:
        """Store a secret that the site did not make itself, such as the password of a machine, and tell if it is new.

        Raises SecretStoreError.
        """
        _check_name(name)
        if not value or not value.isprintable():
            raise SecretStoreError(f"The value for {name} is empty or has characters that cannot be typed.")
        with self._locked():
            known = self.read()
            if known.get(name) == value:
                return False
            self._write({**known, name: value})
        return True

    def read(self) -> dict[str, str]:
        """Return all secrets by name; empty if there is no store yet."""
        if not _is_there(self.path):
            return {}
        try:
            plain = self._vault(create_key=False).decrypt(self.path.read_bytes())
        except AnsibleError as error:
            raise SecretStoreError(
                f"{self.path} cannot be opened with the key in {self.key_file}: {error.message.rstrip('.')}. "
                "Put back the key file that the store was made with, or restore the store from a copy."
            ) from None
        except OSError as error:
            raise SecretStoreError(f"{error.filename} cannot be read: {error.strerror}.") from None
        try:
            known = yaml.safe_load(plain)
        except yaml.YAMLError:
            # The parser's own message quotes the text, which is secret.
            known = None
        if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
            raise SecretStoreError(f"{self.path} opens but holds no mapping of names to texts. Restore it from a copy.")
        return known

    def _write(self, known: Mapping[str, str]) -> None:
        sealed = self._vault(create_key=True).encrypt(yaml.safe_dump(dict(known)), vault_id=_VAULT_ID)
        _write_in_one_step(self.path, sealed)

    def _vault(self, *, create_key: bool) -> VaultLib:
        if create_key:
            _remove_abandoned(self.key_file)
        if not _is_there(self.key_file):
            if not create_key or self.path.exists():
                raise SecretStoreError(
                    f"{self.path} is there but its key file {self.key_file} is not. Put back the key file; "
                    "without it the secrets are lost and would have to be replaced on every host."
                )
            # Stores of several sites may share the key, and the lock is on the folder of one. Who comes second takes
            # the key of the first.
            with contextlib.suppress(FileExistsError):
                _create_in_one_step(self.key_file, secrets.token_hex(_KEY_BYTES).encode("ascii") + b"\n")
        try:
            mode, content = self.key_file.stat().st_mode, self.key_file.read_bytes()
        except OSError as error:
            raise SecretStoreError(f"{self.key_file} cannot be read: {error.strerror}.") from None
        if mode & _ANYONE_ELSE:
            raise SecretStoreError(
                f"{self.key_file} may be read by others (mode {stat.S_IMODE(mode):04o}). Run: chmod 600 {self.key_file}"
            )
        key = content.strip()
        if not key:
            raise SecretStoreError(f"{self.key_file} is empty. Put back the key that the store was made with.")
        return VaultLib([(_VAULT_ID, VaultSecret(key))])

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from storing meanwhile: the lock is on the folder, so it leaves no file behind."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise SecretStoreError(f"The folder {folder} of the secrets cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def open_store(folder: str | None, key_file: str | None) -> SecretStore:
    """Return the store in FOLDER, which the site names, opened by KEY_FILE or its own key. Raises SecretStoreError."""
    if not folder:
        raise SecretStoreError(
            "The inventory has no folder that could hold secrets. "
            "Name the site folder with -i, or set site_secrets_folder to an absolute path."
        )
    if not Path(folder).is_absolute():
        raise SecretStoreError(
            f"The folder of the secrets, {folder}, is no absolute path: start site_secrets_folder with a slash."
        )
    return SecretStore(Path(folder), Path(key_file) if key_file else None)


def _is_there(path: Path) -> bool:
    """Tell whether there is a file at PATH. Raises SecretStoreError for anything else that has the name."""
    try:
        # Asked once, since another process may make the file meanwhile.
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise SecretStoreError(
                f"{path} is a link to {path.readlink()}, which is not there. Put back that file, or remove the link."
            ) from None
        return False
    except OSError as error:
        raise SecretStoreError(f"{path} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        raise SecretStoreError(f"{path} is not a file. Move it away, or put back the file that belongs there.")
    return True


def _fill(handle: int, content: bytes) -> None:
    """Write CONTENT to the open file HANDLE, down to the disk, and close it."""
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _create_in_one_step(path: Path, content: bytes) -> None:
    """Make a file of mode 0600 that is not there yet and is whole from its first moment on.

    Raises FileExistsError if another process was faster, and SecretStoreError.
    """
    try:
        try:
            _create_nameless(path, content)
        except FileExistsError:
            raise
        except OSError:
            # Not every file system can do that. If there is another reason, this way tells it.
            _create_renamed(path, content)
    except FileExistsError:
        raise
    except OSError as error:
        raise SecretStoreError(f"{path} cannot be written: {error.strerror}. No secret was stored.") from None


def _create_nameless(path: Path, content: bytes) -> None:
    """Make a file that gets its name last: nothing is left of it if this process is killed. Raises OSError."""
    handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o600)
    try:
        _fill(os.dup(handle), content)
        # os.link follows the link in /proc only when it is given a folder, although the path is absolute.
        os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle, follow_symlinks=True)
    finally:
        os.close(handle)


def _create_renamed(path: Path, content: bytes) -> None:
    """Make a file under another name first, which _remove_abandoned knows. Raises OSError."""
    handle, temporary = _begin_file(path.parent, path.name + _UNFINISHED)
    try:
        _fill(os.dup(handle), content)
        os.link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
        os.close(handle)


def _begin_file(folder: Path, prefix: str) -> tuple[int, str]:
    """Return handle and path of a new empty file in FOLDER, locked until this process ends or closes it."""
    while True:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=prefix)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, temporary
        # Another process took it for abandoned before it was locked.
        os.close(handle)


def _remove_abandoned(path: Path) -> None:
    """Remove what killed processes left of their way to make the file PATH, but nothing that a process is still at."""
    # The folder may not be there or be closed to us; what is in it may be gone by now, of another user, or locked.
    with contextlib.suppress(OSError):
        for left in list(path.parent.iterdir()):
            if left.name.startswith(path.name + _UNFINISHED):
                with contextlib.suppress(OSError), left.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()


def _write_in_one_step(path: Path, content: bytes) -> None:
    """Replace a file as a whole, mode 0600: after a crash it is either the old one or the new one."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        try:
            _fill(handle, content)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SecretStoreError(f"{path} cannot be written: {error.strerror}. No secret was stored.") from None
