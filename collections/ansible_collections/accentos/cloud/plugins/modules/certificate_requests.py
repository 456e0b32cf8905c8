#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: private keys of a host, and requests for the certificates that it needs anew."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_requests
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Make the private keys of a host and ask for the certificates that it needs anew
description:
  - Makes the folder, writes the authority's certificate into it as C(ca.crt), and makes the private keys that are
    missing or cannot be read, on the elliptic curve P-256. A private key never leaves the host.
  - Returns a request for each certificate that is missing, cannot be read, ends soon, or is not for this key, these
    names and this authority. Whoever signs them writes the certificate, followed by the authority's, to C(path).
options:
  folder:
    description: Folder of keys and certificates.
    type: path
    required: true
  authority:
    description: Certificate of the authority in PEM.
    type: str
    required: true
  renew_before:
    description: Days before its end from which on a certificate is asked for anew.
    type: int
    default: 30
  certificates:
    description: The certificates of the host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the files without their suffix, a plain file name.
        type: str
        required: true
      common_name:
        description: Common name of the subject. By default O(common_name).
        type: str
      subject_alternative_names:
        description: Names and addresses, each with its kind (V(DNS), V(IP), V(URI)) before a colon.
        type: list
        elements: str
        required: true
      owner:
        description: Owner of the private key.
        type: str
        default: root
      group:
        description: Group that may read the private key.
        type: str
        default: root
      units:
        description: Not used here, so that one list serves both this module and M(accentos.cloud.unit).
        type: list
        elements: str
        default: []
  common_name:
    description: Common name of certificates that have none of their own.
    type: str
    required: true
requirements:
  - cryptography (on the host)
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. For a key that is not made yet there is no
      request. There the library, owner and group may be missing, since an earlier task would install them.
    support: full
  diff_mode:
    description: Shows the files that it writes, without their content, and why a certificate is asked for.
    support: full
  idempotence:
    description: Once the certificates are written, a second run changes nothing and asks for nothing.
    support: full
"""

EXAMPLES = r"""
- name: Make keys, and ask for certificates
  accentos.cloud.certificate_requests:
    folder: /etc/accentos/pki
    authority: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
    common_name: api.example.test
    certificates:
      - name: api
        subject_alternative_names: [DNS:api.example.test, IP:192.0.2.5]
  register: result
"""

RETURN = r"""
requests:
  description: What is to be signed.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Name of the certificate, type: str, sample: api}
    path: {description: Where the certificate belongs, type: str, sample: /etc/accentos/pki/api.crt}
    csr: {description: The request in PEM, type: str}
    reason: {description: Why it is needed, type: str, sample: there is none that can be read}
paths:
  description: >-
    Keys and certificates that are others than before once what is to be signed is written, in check mode those that
    would be.
  returned: always
  type: list
  elements: str
  sample: [/etc/accentos/pki/api.key, /etc/accentos/pki/api.crt]
digests:
  description: >-
    The same with the SHA-256 of the authority's certificate, and with an empty text for keys and certificates, which
    only a run makes. It is for O(accentos.cloud.unit#module:inputs_changed) and its like.
  returned: always
  type: dict
  sample: {/etc/accentos/pki/api.key: "", /etc/accentos/pki/api.crt: ""}
"""

import grp
import pwd
import stat
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import (
    LIBRARY_ERROR,
    dump_key,
    load_certificates,
    load_key,
    make_key,
    make_request,
    parse_name,
    why_new,
)
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault
from ansible_collections.accentos.cloud.plugins.module_utils.files import (
    PLAIN_NAME,
    holds,
    is_plain_name,
    replace_file,
)
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import UNKNOWN, digest_content

_FOLDER_MODE = 0o755
_PUBLIC_MODE = 0o644
_KEY_MODE = 0o640


class CertificateError(Exception):
    """The keys cannot be made. The first argument says why, the second what helps."""


class Work:
    """Files and requests of one call. In check mode nothing is written."""

    def __init__(self, *, dry: bool) -> None:
        self.dry = dry
        self.lines: list[str] = []
        self.requests: list[dict[str, str]] = []
        self.digests: dict[str, str] = {}
        self.changed = False

    def note(self, line: str) -> None:
        """Say that something changes."""
        self.changed = True
        self.lines.append(line)

    def folder(self, path: Path) -> None:
        """Make the folder, or mend its mode."""
        if path.is_dir() and stat.S_IMODE(path.stat().st_mode) == _FOLDER_MODE:
            return
        self.note(f"{path}: folder, mode {_FOLDER_MODE:04o}")
        if not self.dry:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(_FOLDER_MODE)

    def file(self, path: Path, content: bytes, mode: int, owner: tuple[int, int] | None, digest: str = UNKNOWN) -> None:
        """Write a file if its content, mode or owner differs; DIGEST is what is told of another content."""
        if path.is_file():
            state = path.stat()
            same_owner = owner in (None, (state.st_uid, state.st_gid))
            if same_owner and stat.S_IMODE(state.st_mode) == mode and path.read_bytes() == content:
                return
        self.note(f"{path}: mode {mode:04o}")
        if not holds(path, content):
            self.digests[str(path)] = digest
        if not self.dry:
            replace_file(path, content, mode=mode, owner=owner)


def refuse_paths(names: Iterable[str]) -> None:
    """Refuse names of certificates that are no plain file names. Raises CertificateError."""
    for name in names:
        if not is_plain_name(name):
            raise CertificateError(
                f"The certificate {name!r} has a name that is no plain file name.",
                f"Give it another name in pki_certificates: {PLAIN_NAME}. Nothing was written.",
            )


def read(path: Path) -> bytes:
    """Return the content of a file; empty if there is none."""
    return path.read_bytes() if path.is_file() else b""


def owner_of(wanted: dict[str, Any], *, dry: bool) -> tuple[int, int] | None:
    """Return the ids of owner and group of a key; None if an earlier task would make them. Raises CertificateError."""
    try:
        return pwd.getpwnam(wanted["owner"]).pw_uid, grp.getgrnam(wanted["group"]).gr_gid
    except KeyError as error:
        if dry:
            return None
        raise CertificateError(
            f"The key of {wanted['name']} cannot belong to {wanted['owner']}:{wanted['group']}: {error}",
            "Install what brings user and group in an earlier task, or mend the names.",
        ) from error


def ask(work: Work, options: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Make the key of one certificate, and ask for the certificate if it is needed anew."""
    folder, name = Path(options["folder"]), wanted["name"]
    try:
        names = [parse_name(text) for text in wanted["subject_alternative_names"]]
    except ValueError as error:
        raise CertificateError(
            f"The certificate {name} cannot be asked for: {error}.",
            "Write subject_alternative_names such as DNS:api.example.test and IP:192.0.2.5.",
        ) from error
    authority = load_certificates(options["authority"].encode())
    if len(authority) != 1:
        raise CertificateError("authority is not one certificate in PEM.", "Give the content of the site's ca.crt.")
    pem = read(folder / f"{name}.key")
    present_key = load_key(pem)
    key = present_key or make_key()
    if present_key is None:
        pem = dump_key(key)
    work.file(folder / f"{name}.key", pem, _KEY_MODE, owner_of(wanted, dry=work.dry))
    if present_key is None and work.dry:
        work.note(f"{folder}/{name}.crt: there is no key yet")
        work.digests[f"{folder}/{name}.crt"] = UNKNOWN
        return
    common_name = wanted["common_name"] or options["common_name"]
    present = load_certificates(read(folder / f"{name}.crt"))
    renew_before = timedelta(days=options["renew_before"])
    reason = why_new(present, authority[0], key, common_name, names, now=datetime.now(UTC), renew_before=renew_before)
    if reason:
        work.lines.append(f"{folder}/{name}.crt: {reason}")
        work.digests[f"{folder}/{name}.crt"] = UNKNOWN
        csr = make_request(key, common_name, names)
        work.requests.append({"name": name, "path": f"{folder}/{name}.crt", "csr": csr, "reason": reason})


def run(options: dict[str, Any], *, dry: bool) -> Work:
    """Do all the work. Raises CertificateError and OSError."""
    work = Work(dry=dry)
    folder = Path(options["folder"])
    work.folder(folder)
    authority = f"{options['authority'].strip()}\n".encode()
    work.file(folder / "ca.crt", authority, _PUBLIC_MODE, None, digest_content(authority))
    for wanted in options["certificates"]:
        ask(work, options, wanted)
    return work


def main() -> None:
    """Run the module."""
    certificate = {
        "name": {"type": "str", "required": True},
        "common_name": {"type": "str"},
        "subject_alternative_names": {"type": "list", "elements": "str", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "units": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "authority": {"type": "str", "required": True},
            "renew_before": {"type": "int", "default": 30},
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": certificate},
            "common_name": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    names = [wanted["name"] for wanted in module.params["certificates"]]
    try:
        refuse_paths(names)
    except CertificateError as error:
        refuse(*error.args)
    if LIBRARY_ERROR and module.check_mode:
        shown = f"{module.params['folder']}: keys and certificates, once the library cryptography is installed\n"
        paths = [f"{module.params['folder']}/{name}.{suffix}" for name in names for suffix in ("key", "crt")]
        digests = dict.fromkeys(paths, UNKNOWN)
        module.exit_json(changed=True, requests=[], paths=paths, digests=digests, diff={"before": "", "after": shown})
    if LIBRARY_ERROR:
        module.fail_json(
            msg=missing_required_lib("cryptography"),
            remedy="Install python3-cryptography on the host; the role base does.",
            exception=LIBRARY_ERROR,
        )
    try:
        work = run(module.params, dry=module.check_mode)
    except CertificateError as error:
        refuse(*error.args)
    except OSError as error:
        refuse(*describe_fault(error))
    diff = {"before": "", "after": "".join(f"{line}\n" for line in work.lines)}
    module.exit_json(
        changed=work.changed, requests=work.requests, paths=list(work.digests), digests=work.digests, diff=diff
    )


if __name__ == "__main__":
    main()
