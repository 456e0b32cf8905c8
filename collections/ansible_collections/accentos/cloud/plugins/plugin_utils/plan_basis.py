# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan is made from, as names with digests, so that a later run can name what differs. Reads files only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# What never counts: compiled Python, and what the site itself makes beside its files.
_COMPILED = "__pycache__"
# Variables that say which plan is meant, and no more; AWX gives what one job of a workflow hands on to the next.
OWN_VARIABLES = re.compile(r"site_plan(?:_\w+)?")
# What AWX says of a job to the job itself: they differ from a job that plans to one that applies. The role awx has
# options of the same prefix, so they are named one by one.
_PERSON = "user_(?:id|name|email|first_name|last_name)"
_OF_JOB = re.compile(
    rf"(?:awx|tower)_(?:job_(?:id|launch_type|template_id|template_name)|{_PERSON}|schedule_(?:id|name)"
    rf"|inventory_(?:id|name)|project_(?:revision|scm_branch)|execution_node"
    rf"|workflow_job_(?:id|name|launch_type|template_id|template_name|{_PERSON}|schedule_(?:id|name))"
    r"|parent_job_(?:id|name|schedule_id|schedule_name))"
)
_SALT_BYTES = 16
# Half a second for a guesser with a list of passwords is too little to be worth it; for the few variables of a run it
# is a few hundredths of one.
_COST = {"n": 2**14, "r": 8, "p": 1}


def _files(folder: Path) -> Iterator[Path]:
    """Give the files below a folder in their order, without hidden ones; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != _COMPILED)
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _content(path: Path) -> bytes:
    # A link that leads nowhere, or a socket, has a content that is equal to itself.
    return path.read_bytes() if path.is_file() else b""


def file_digests(sources: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file of inventory sources, folders or files. Raises OSError.

    Names are relative to the folder of the source; with several sources they begin with the name of that.
    """
    known = list(sources)
    found = {}
    for source in known:
        prefix = f"{source.name}/" if len(known) > 1 and source.is_dir() else ""
        for path in _files(source) if source.is_dir() else [source]:
            name = str(path.relative_to(source)) if source.is_dir() else source.name
            found[f"{prefix}{name}"] = hashlib.sha256(_content(path)).hexdigest()
    return found


def _tree_digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in _files(folder):
        content = _content(path)
        whole.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def code_digests(collection: Path, playbooks: Path, engine: str) -> dict[str, str]:
    """Return a digest of each part of the code: the plug-ins, the agents, each role, the playbooks; and the ENGINE.

    Raises OSError.
    """
    parts = {"plug-ins": collection / "plugins", "agents": collection / "agents", "playbooks": playbooks}
    parts |= {f"role {path.name}": path for path in sorted((collection / "roles").iterdir()) if path.is_dir()}
    return {"ansible-core": engine, **{name: _tree_digest(folder) for name, folder in parts.items()}}


def secret_versions(secrets: Mapping[str, str], key: bytes) -> dict[str, str]:
    """Return what tells one value of each secret from another; without the key of the store it says nothing of it."""
    return {
        name: hmac.new(key, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()
        for name, value in sorted(secrets.items())
    }


def _sealed(value: Any, salt: bytes) -> str:
    text = json.dumps(value, sort_keys=True, default=str).encode()
    made = hashlib.scrypt(text, salt=salt, dklen=32, **_COST)
    return base64.b64encode(salt + made).decode("ascii")


def variable_versions(variables: Mapping[str, Any], like: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what tells one value of each extra variable from another.

    A variable may be a password, so the digests are slow and salted, and equal only where they have one salt: ``like``
    are digests of another run whose salts are taken. What says which plan is meant does not count, nor what AWX says of
    a job.
    """
    found = {}
    for name, value in sorted(variables.items()):
        if OWN_VARIABLES.fullmatch(name) or _OF_JOB.fullmatch(name):
            continue
        try:
            salt = base64.b64decode((like or {})[name], validate=True)[:_SALT_BYTES]
        except (KeyError, ValueError):
            salt = b""
        found[name] = _sealed(value, salt if len(salt) == _SALT_BYTES else os.urandom(_SALT_BYTES))
    return found


# Options of ansible-playbook that a second run of it needs to reach the same hosts: their names in Ansible and on the
# command line.
_VALUES = {
    "subset": "--limit",
    "forks": "--forks",
    "private_key_file": "--private-key",
    "remote_user": "--user",
    "connection": "--connection",
    "timeout": "--timeout",
    "ssh_common_args": "--ssh-common-args",
    "ssh_extra_args": "--ssh-extra-args",
    "sftp_extra_args": "--sftp-extra-args",
    "scp_extra_args": "--scp-extra-args",
    "become_method": "--become-method",
    "become_user": "--become-user",
    "become_password_file": "--become-password-file",
    "connection_password_file": "--connection-password-file",
}
_LISTS = {
    "inventory": "--inventory",
    "tags": "--tags",
    "skip_tags": "--skip-tags",
    "extra_vars": "--extra-vars",
    "vault_ids": "--vault-id",
    "vault_password_files": "--vault-password-file",
}
_ASKED = {
    "ask_pass": "--ask-pass",
    "become_ask_pass": "--ask-become-pass",
    "ask_vault_pass": "--ask-vault-pass",
}
_PARTIAL = {"start_at_task": "--start-at-task", "step": "--step"}


def refused_options(options: Mapping[str, Any]) -> list[str]:
    """Return the options of a run with which no saved plan is applied: passwords typed in, parts of a playbook."""
    return [flag for known in (_ASKED, _PARTIAL) for name, flag in known.items() if options.get(name)]


def skipping_options(options: Mapping[str, Any]) -> list[str]:
    """Return the options of a run by which tasks are left out that are tagged always, such as those that refuse."""
    found = [flag for name, flag in _PARTIAL.items() if options.get(name)]
    return [*found, *(["--skip-tags always"] if "always" in (options.get("skip_tags") or ()) else [])]


def same_options(options: Mapping[str, Any]) -> list[str]:
    """Return the command line on which ansible-playbook reaches the same hosts, from the OPTIONS of a run as Ansible
    has them."""
    argv: list[str] = []
    for name, flag in _LISTS.items():
        argv += [f"{flag}={value}" for value in options.get(name) or ()]
    for name, flag in _VALUES.items():
        if options.get(name) is not None:
            argv.append(f"{flag}={options[name]}")
    return [*argv, *(["--become"] if options.get("become") else [])]
