#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: all configuration files of the OpenStack services of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: openstack_config
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Write the configuration files of OpenStack services
description:
  - Renders all configuration files of a host's OpenStack services in one call and replaces those that differ.
  - Before any file is replaced, the new content of each that names the namespaces of its options is checked with
    C(oslo-config-validator), and its values against the types, ranges and choices that C(oslo-config-generator) tells.
    What is wrong in one file leaves all files as they are.
  - Values refer to secrets as C({secret:name}), or as C({secret-in-url:name}) within a URL. Secrets are in the files
    only, never in the difference that is shown, and a content with references is what the validator reads.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Path of the file. Folders that are missing are made, readable by all. The folder of a file that its owner
            alone may read belongs to that owner, and is closed to others.
        type: path
        required: true
      sections:
        description:
          - Sections of options. A list is written with commas, C({repeat:\ [a,\ b]}) as an option that stands twice,
            and an option without a value (null) not at all.
        type: dict
      content:
        description: Whole content of a file that has no sections.
        type: str
      namespaces:
        description: Namespaces of C(oslo.config.opts) that hold all options of the file. Without one it is not checked.
        type: list
        elements: str
        default: []
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Mode as four octal digits in quotes. A file with a secret gives nothing to others.
        type: str
        default: "0640"
  secrets:
    description: The secrets by name.
    type: dict
    default: {}
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. There owner and group may be missing, since an
      earlier task would make them, and what is not installed checks nothing.
    support: full
  diff_mode:
    description: Shows options before and after without comments; a reference in the place of a secret.
    support: full
"""

EXAMPLES = r"""
- name: Write the configuration of the image service
  accentos.cloud.openstack_config:
    files:
      - path: /etc/glance/glance-api.conf
        group: glance
        namespaces: [glance.api, oslo.db]
        sections:
          DEFAULT: {enabled_import_methods: [glance-direct, copy-image], debug: false}
          database:
            connection: mysql+pymysql://glance:{secret-in-url:glance_database_password}@db.example.test/glance
    secrets:
      glance_database_password: "{{ lookup('accentos.cloud.secret', 'glance_database_password') }}"
"""

RETURN = r"""
paths:
  description: >-
    Files whose content is another one than before, in check mode those where it would be. A file of which only owner or
    mode is set right is none of them.
  returned: always
  type: list
  elements: str
  sample: [/etc/glance/glance-api.conf]
digests:
  description: >-
    The SHA-256 of each file that is written, by its path, with those of which only owner or mode is set right; an empty
    text for one that holds nothing but a password, which could be tried out with it. It is for
    O(accentos.cloud.units#module:inputs_changed), in check mode as in a run.
  returned: always
  type: dict
  sample: {/etc/glance/glance-api.conf: 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7}
sections:
  description: >-
    Digests of the sections with other options than before, in check mode of those that would have, by path and section.
    They are for O(accentos.cloud.openstack_sync#module:inputs_changed).
  returned: always
  type: dict
  sample:
    "/etc/glance/glance-api.conf [DEFAULT]": 4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945
"""

import concurrent.futures
import grp
import json
import os
import pwd
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault
from ansible_collections.accentos.cloud.plugins.module_utils.files import leftover_name, make_folder, replace_file
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_commands import SyncError, call
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import (
    ConfigurationError,
    describe_sections,
    digest_changed_sections,
    fill,
    find_references,
    find_unknown,
    find_wrong,
    is_password,
    render_sections,
)
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import UNKNOWN, digest_content

_MODE = re.compile(r"0[0-7]{3}")
_OTHERS = 0o007
# The validator judges names only; what the generator tells of each option is for the values.
_VALIDATOR = "oslo-config-validator"
_GENERATOR = "oslo-config-generator"
_TIMEOUT = 300
_BROKEN = 70
_FIRST_LINE = 256
# Both load all code of the service to know its options, which takes seconds, so one process is both of them in turn. It
# ends as the validator does, or with _BROKEN. Arguments: both programs, a file for options, one to judge, namespaces.
_BOTH = f"""
import runpy, sys, traceback
generator, validator, options, candidate, *names = sys.argv[1:]
asked = [generator, "--format=json", "--output-file=" + options, *names], [validator, "--input-file", candidate, *names]
for sys.argv in asked:
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except Exception:
        traceback.print_exc()
        code = {_BROKEN}
    if code and sys.argv[0] == generator:
        code = {_BROKEN}
    if code:
        raise SystemExit(code)
"""


@dataclass(frozen=True)
class File:
    """A wanted file: its content, and the same with references in the place of secrets."""

    wanted: dict[str, Any]
    content: str
    referring: str

    @property
    def path(self) -> Path:
        """Return where it is."""
        return Path(self.wanted["path"])

    @property
    def mode(self) -> int:
        """Return its mode."""
        return int(self.wanted["mode"], 8)

    @property
    def digest(self) -> str:
        """Return the digest of its content; UNKNOWN where that would let a password be tried out."""
        body = self.wanted["content"]
        return UNKNOWN if body is not None and is_password(body) else digest_content(self.content.encode())


def render(wanted: dict[str, Any], secrets: dict[str, str]) -> File:
    """Render a file. Raises ConfigurationError."""
    path, mode = wanted["path"], wanted["mode"]
    remedy = 'Write it as four octal digits in quotes, such as "0640".'
    if not _MODE.fullmatch(mode):
        raise ConfigurationError(f"mode {mode} of {path} is not understood.", remedy)
    body = wanted["sections"] if wanted["content"] is None else wanted["content"]
    if any(find_references(body)) and int(mode, 8) & _OTHERS:
        raise ConfigurationError(f"mode {mode} of {path} would show its secrets to every user of the host.", remedy)
    if wanted["content"] is not None:
        return File(wanted, fill(body, secrets, dollar="$"), body)
    return File(wanted, render_sections(path, body, secrets), render_sections(path, body))


@dataclass(frozen=True)
class Difference:
    """How a file differs from what is there: as Ansible shows it, in its content at all, and in which sections.

    ``sections`` are the digests of the new ones, by name.
    """

    shown: dict[str, str]
    content: bool
    sections: dict[str, str]


def look_up(wanted: dict[str, Any], *, dry: bool) -> tuple[int, int] | None:
    """Return ids of owner and group; None in check mode if they are still to be made. Raises ConfigurationError."""
    try:
        return pwd.getpwnam(wanted["owner"]).pw_uid, grp.getgrnam(wanted["group"]).gr_gid
    except KeyError as error:
        if dry:
            return None
        raise ConfigurationError(
            f"{wanted['path']} cannot be given to {wanted['owner']}:{wanted['group']}: {error.args[0]}.",
            "Install the package that makes them, or mend the names.",
        ) from error


def compare(file: File, owner: tuple[int, int] | None) -> Difference | None:
    """Return the difference between a file and what is there. Raises ConfigurationError."""
    header = {"before_header": str(file.path), "after_header": str(file.path)}
    attributes = f"# {file.wanted['owner']}:{file.wanted['group']} {file.wanted['mode']}\n"
    secret_text = file.wanted["content"] is not None and file.content != file.referring

    def describe(text: str) -> str:
        if secret_text:
            return "the wanted content\n" if text == file.content else "another content\n"
        if file.wanted["content"] is not None:
            return text
        return describe_sections(text, file.content, file.referring)

    def differ(before: str, text: str) -> Difference:
        shown = {**header, "before": before, "after": attributes + describe(file.content)}
        if file.wanted["content"] is not None:
            return Difference(shown, text != file.content, {})
        return Difference(shown, text != file.content, digest_changed_sections(str(file.path), text, file.content))

    try:
        state = file.path.lstat()
    except FileNotFoundError:
        return differ("", "")
    if not stat.S_ISREG(state.st_mode):
        raise ConfigurationError(f"{file.path} is no file.", "Move away what is there.")
    text = file.path.read_text(encoding="utf-8", errors="replace")
    right = text == file.content and stat.S_IMODE(state.st_mode) == file.mode and (state.st_uid, state.st_gid) == owner
    if right and not file.path.with_name(leftover_name(file.path.name)).exists():
        return None
    before = f"# {name_of(pwd.getpwuid, state.st_uid)}:{name_of(grp.getgrgid, state.st_gid)} "
    before += f"{stat.S_IMODE(state.st_mode):04o}\n{describe(text)}"
    return differ(before, text)


def name_of(find: Any, number: int) -> str:
    """Return the name of a user or group, or the number if it has none."""
    try:
        return str(find(number)[0])
    except KeyError:
        return str(number)


def interpreter_of(program: str) -> list[str]:
    """Return how a program calls its Python in its first line. Raises SyncError."""
    with Path(program).open(encoding="utf-8", errors="replace") as lines:
        words = lines.readline(_FIRST_LINE).removeprefix("#!").split()
    if not words or not words[0].startswith("/"):
        raise SyncError(f"oslo.config cannot be asked: {program} does not name its interpreter")
    return words


def validate(file: File, programs: Mapping[str, str], folder: Path) -> str:
    """Let oslo.config judge names and values of the new content, with references for secrets; return what is wrong.

    ``programs`` are the paths of its two programs, ``folder`` is for what they read and write. Raises SyncError.
    """
    candidate, options = folder / "candidate.conf", folder / "options.json"
    candidate.write_text(file.referring, encoding="utf-8")
    namespaces = [f"--namespace={name}" for name in file.wanted["namespaces"]]
    files = [programs[_GENERATOR], programs[_VALIDATOR], str(options), str(candidate)]
    argv = [*interpreter_of(programs[_GENERATOR]), "-c", _BOTH, *files, *namespaces]
    code, out = call(argv, name_of(pwd.getpwuid, os.geteuid()), timeout=_TIMEOUT)
    if code not in (0, 1):
        raise SyncError(
            f"oslo.config cannot check {file.path}: {(out.strip().splitlines() or ['no reason given'])[-1]}"
        )
    told = json.loads(options.read_text(encoding="utf-8"))
    unknown = find_unknown(out, told, file.wanted["sections"])
    if unknown:
        return f"The service does not know these options of {file.path}: {', '.join(unknown)}."
    wrong = find_wrong(told, file.wanted["sections"])
    return f"The service cannot read these values in {file.path}: {'; '.join(wrong)}." if wrong else ""


def validate_all(module: AnsibleModule, files: Sequence[File]) -> None:
    """Judge several files at the same time. Raises ConfigurationError."""
    checked = [file for file in files if file.wanted["namespaces"] and file.wanted["content"] is None]
    found = {name: module.get_bin_path(name) for name in (_GENERATOR, _VALIDATOR)}
    programs = {name: path for name, path in found.items() if path is not None}
    if checked and len(programs) < len(found):
        if module.check_mode:
            return
        raise ConfigurationError(
            f"{' and '.join(sorted(set(found) - set(programs)))} is not there.",
            "Install the package python3-oslo.config first.",
        )

    def judge(file: File) -> str:
        with tempfile.TemporaryDirectory(dir=module.tmpdir) as folder:
            return validate(file, programs, Path(folder))

    try:
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            wrong = [told for told in pool.map(judge, checked) if told]
    except SyncError as error:
        if module.check_mode:
            return
        raise ConfigurationError(str(error), "Install the packages of the service, or mend the namespaces.") from error
    if wrong:
        raise ConfigurationError(
            f"{' '.join(wrong)} Nothing was written.",
            "Mend names, sections and values, for your own options in openstack_service_overrides.",
        )


def prepare_folder(file: File, owner: tuple[int, int] | None) -> None:
    """Make the folder of a file. Where nobody but its owner may read the file, so it is with the folder."""
    folder = file.path.parent
    if file.mode & 0o077 == 0 and owner is not None and not folder.exists():
        make_folder(folder, mode=0o700, owner=owner)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)


def bring_about(module: AnsibleModule) -> list[tuple[File, Difference]]:
    """Write the files that differ; return the differences. Raises ConfigurationError and OSError."""
    files = [render(wanted, module.params["secrets"]) for wanted in module.params["files"]]
    owners = [look_up(file.wanted, dry=module.check_mode) for file in files]
    found = [
        (file, owner, difference)
        for file, owner in zip(files, owners, strict=True)
        if (difference := compare(file, owner)) is not None
    ]
    validate_all(module, [file for file, _owner, _difference in found])
    if not module.check_mode:
        for file, owner, _difference in found:
            prepare_folder(file, owner)
            replace_file(file.path, file.content.encode(), mode=file.mode, owner=owner)
    return [(file, difference) for file, _owner, difference in found]


def main() -> None:
    """Run the module."""
    file = {
        "path": {"type": "path", "required": True},
        "sections": {"type": "dict"},
        "content": {"type": "str"},
        "namespaces": {"type": "list", "elements": "str", "default": []},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "mode": {"type": "str", "default": "0640"},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": file,
                "mutually_exclusive": [("sections", "content")],
                "required_one_of": [("sections", "content")],
            },
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    os.umask(0o022)
    try:
        found = bring_about(module)
    except ConfigurationError as error:
        refuse(*error.args)
    except OSError as error:
        refuse(*describe_fault(error))
    module.exit_json(
        changed=bool(found),
        paths=[str(file.path) for file, difference in found if difference.content],
        digests={str(file.path): file.digest for file, _difference in found},
        sections={name: digest for _file, difference in found for name, digest in difference.sections.items()},
        diff=[difference.shown for _file, difference in found],
    )


if __name__ == "__main__":
    main()
