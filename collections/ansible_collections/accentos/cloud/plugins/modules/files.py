#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: several configuration files at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Write several configuration files in one call
description:
  - Writes files and symbolic links, makes the folders that they are in, and removes files, in one call where
    M(ansible.builtin.template) needs two for each file. Render a template with the lookup C(ansible.builtin.template).
  - Each file is written beside its place and renamed. All belong to the user and group that the module runs as.
  - Not for secrets, see M(accentos.cloud.secret_file).
options:
  files:
    description: The files and links.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is. Whatever file or link is there is replaced.
        type: path
        required: true
      content:
        description: Content of a file.
        type: str
      link:
        description: Absolute path to which a link points. It must be there; in check mode an earlier task may make it.
        type: path
      mode:
        description: Mode of a file as four octal digits in quotes.
        type: str
        default: "0644"
      validate:
        description:
          - A command that ends with 0 if the content can be used; C(%s) stands for the path of a copy of it. Otherwise
            the file stays as it is and the module ends with what the command says.
          - It does not run in check mode, where an earlier task may bring what the command or the content needs.
        type: list
        elements: str
        default: []
  absent:
    description: Files and links to remove.
    type: list
    elements: path
    default: []
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows the content before and after.
    support: full
"""

EXAMPLES = r"""
- name: Write the configuration of a service
  accentos.cloud.files:
    files:
      - path: /etc/example.conf
        content: "{{ lookup('ansible.builtin.template', 'example.conf.j2') }}"
      - {path: /etc/localtime, link: /usr/share/zoneinfo/Etc/UTC}
    absent: [/etc/example.d/old.conf]

- name: Write the configuration of a service that can check it
  accentos.cloud.files:
    files:
      - path: /etc/haproxy/haproxy.cfg
        content: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
        validate: [haproxy, -c, -f, "%s"]
"""

RETURN = r"""
paths:
  description: >-
    Files with other content than before, links that point elsewhere, and what is removed; in check mode what would be.
    A file of which only owner or mode is set right is none of them.
  returned: always
  type: list
  elements: str
  sample: [/etc/example.conf]
digests:
  description: >-
    The SHA-256 of each file that is written, by its path, with those of which only owner or mode is set right;
    V(missing) for what is removed. A link has that of the file which it points to, an empty text where an earlier task
    would make that. It is for O(accentos.cloud.unit#module:inputs_changed) and its like, in check mode as in a run.
  returned: always
  type: dict
  sample: {/etc/example.conf: 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7}
"""

import os
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault
from ansible_collections.accentos.cloud.plugins.module_utils.files import (
    climbing,
    climbs,
    holds,
    replace_file,
    replace_link,
)
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import (
    MISSING,
    UNKNOWN,
    digest_content,
    digest_file,
)

Try = Callable[[list[str]], tuple[int, str, str]]

_MODE = re.compile(r"0[0-7]{3}")


class FilesError(Exception):
    """The files cannot be as wanted. The first argument says why, the second what helps."""


@dataclass(frozen=True)
class Difference:
    """What is done to a path; ``content`` tells whether that is more than to set owner and mode right."""

    path: str
    before: str
    after: str
    content: bool

    def shown(self) -> dict[str, str]:
        """Return it as Ansible shows it."""
        return {"before_header": self.path, "after_header": self.path, "before": self.before, "after": self.after}


def refuse_climbing(paths: Iterable[str]) -> None:
    """Refuse paths from the root that go up again on their way. Raises FilesError."""
    for path in paths:
        if Path(path).is_absolute() and climbs(path):
            raise FilesError(*climbing(path))


def describe(path: Path) -> str | None:
    """Return what is at a path: a line for link or mode, then the content. None for nothing. Raises FilesError."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(state.st_mode):
        return f"link to {path.readlink()}\n"
    if not stat.S_ISREG(state.st_mode):
        raise FilesError(f"{path} is neither file nor link.", "Move away what is there, or use another path.")
    return f"mode {stat.S_IMODE(state.st_mode):04o}\n{path.read_text(encoding='utf-8', errors='replace')}"


def is_right(path: Path, wanted: str, content: str | None) -> bool:
    """Tell whether a path is as wanted, to the last byte and with its owner."""
    if describe(path) != wanted:
        return False
    state = path.lstat()
    owned = (state.st_uid, state.st_gid) == (os.geteuid(), os.getegid())
    return content is None or (owned and path.read_bytes() == content.encode())


def validate(path: Path, content: str, command: list[str], attempt: Try) -> None:
    """Let a command judge the content of a file before it is written. Raises FilesError and OSError."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix=f"{path.name}.") as copy:
        copy.write(content)
        copy.flush()
        code, out, err = attempt([word.replace("%s", copy.name) for word in command])
    if code != 0:
        raise FilesError(
            f"The new content of {path} is refused by {shlex.join(command)}: {(err or out).strip()}",
            "Mend the variables that it is made from. The file is as it was.",
        )


def bring_about(file: dict[str, Any], attempt: Try, *, dry: bool) -> Difference | None:
    """Write a file or link if it differs; return the difference. Raises FilesError and OSError."""
    path, content, link = Path(file["path"]), file["content"], file["link"]
    if not _MODE.fullmatch(file["mode"]):
        raise FilesError(
            f"mode {file['mode']} of {path} is not understood.",
            'Write it as four octal digits in quotes, such as "0644".',
        )
    if link and not dry and not Path(link).exists():
        raise FilesError(
            f"{path} would point to {link}, which does not exist.", "Mend the name, or install what brings it."
        )
    wanted = f"link to {link}\n" if link else f"mode {file['mode']}\n{content}"
    before = describe(path)
    if is_right(path, wanted, content):
        return None
    other = bool(link) or not holds(path, content.encode())
    if not dry:
        if file["validate"] and not link:
            validate(path, content, file["validate"], attempt)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if link:
            replace_link(path, link)
        else:
            replace_file(path, content.encode(), mode=int(file["mode"], 8), owner=(os.geteuid(), os.getegid()))
    return Difference(str(path), before or "", wanted, content=other)


def foresee(differences: Iterable[Difference], files: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return the digest of what is, or would be, at each path that differs. Raises OSError."""
    contents = {str(Path(file["path"])): file["content"] for file in files if file["content"] is not None}
    links = {str(Path(file["path"])): Path(file["link"]) for file in files if file["link"]}
    digests = {
        one.path: digest_content(contents[one.path].encode()) if one.path in contents else MISSING
        for one in differences
        if one.path not in links
    }

    def follow(target: Path) -> str:
        if str(target) in digests:
            return digests[str(target)]
        return digest_file(target) if target.is_file() else UNKNOWN

    return digests | {one.path: follow(links[one.path]) for one in differences if one.path in links}


def remove(path: Path, *, dry: bool) -> Difference | None:
    """Remove a file or link; return the difference. Raises FilesError and OSError."""
    before = describe(path)
    if before is None:
        return None
    if not dry:
        path.unlink()
    return Difference(str(path), before, "", content=True)


def main() -> None:
    """Run the module."""
    file = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "link": {"type": "path"},
        "mode": {"type": "str", "default": "0644"},
        "validate": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": file,
                "mutually_exclusive": [("content", "link")],
                "required_one_of": [("content", "link")],
            },
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    try:
        refuse_climbing(
            [path for wanted in module.params["files"] for path in (wanted["path"], wanted["link"]) if path]
        )
        refuse_climbing(module.params["absent"])
        differences = [
            bring_about(wanted, module.run_command, dry=module.check_mode) for wanted in module.params["files"]
        ]
        differences += [remove(Path(path), dry=module.check_mode) for path in module.params["absent"]]
        found = [difference for difference in differences if difference]
        digests = foresee(found, module.params["files"])
    except FilesError as error:
        refuse(*error.args)
    except OSError as error:
        refuse(*describe_fault(error))
    module.exit_json(
        changed=bool(found),
        paths=[difference.path for difference in found if difference.content],
        digests=digests,
        diff=[difference.shown() for difference in found],
    )


if __name__ == "__main__":
    main()
