# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files of an inventory folder Ansible reads. The rules are those of ansible-core; the check runs without it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import nearest

# Suffixes of files with variables, in the order in which Ansible looks for them: YAML_FILENAME_EXTENSIONS.
SUFFIXES = (".yml", ".yaml", ".json")
# At the top of the folder: what Ansible's inventory never reads, its INVENTORY_IGNORE_EXTS, and the patterns that
# ansible.cfg of the checkout gives it.
NEVER_AT_THE_TOP = (r"\.", "host_vars$", "group_vars$", "vars_plugins$")
IGNORED_SUFFIXES = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
IGNORED_PATTERNS = ("^README", "^secrets", "^pki", "^ssh$")
_IGNORED_AT_THE_TOP = re.compile("|".join((*NEVER_AT_THE_TOP, *(f".*{re.escape(end)}$" for end in IGNORED_SUFFIXES))))
_IGNORED_BY_PATTERN = re.compile("|".join(IGNORED_PATTERNS))


# The store of the site, and files in which people keep secrets beside it.
STORE_FILE = ".secrets.yml"
SECRET_FILES = frozenset({STORE_FILE, "secrets", *(f"secrets{suffix}" for suffix in SUFFIXES)})


def is_ignored_at_the_top(name: str) -> bool:
    """Tell whether Ansible leaves alone what has this name at the top of an inventory folder."""
    return bool(_IGNORED_AT_THE_TOP.match(name) or _IGNORED_BY_PATTERN.match(name))


@dataclasses.dataclass(frozen=True, slots=True)
class VariableName:
    """The name of a file or folder in group_vars, host_vars or below.

    owner is the group or host that it would belong to, suffix what comes after it. ignored says that Ansible does not
    read it whatever groups and hosts there are; meant is then the suffix that was probably meant, if any.
    """

    owner: str
    suffix: str
    ignored: bool = False
    meant: str = ""


def read_variable_name(name: str, *, directory: bool) -> VariableName:
    """Take apart the name of an entry in group_vars, host_vars or below."""
    owner, dot, end = name.rpartition(".") if "." in name else (name, "", "")
    suffix = f"{dot}{end}"
    if name.startswith(".") or name.endswith("~"):
        return VariableName(owner, suffix, ignored=True)
    if suffix and suffix not in SUFFIXES:
        misspelt = suffix[1:].isalpha() and suffix[1].lower() == "y" and not directory
        return VariableName(owner, suffix, ignored=True, meant=nearest(suffix, SUFFIXES) if misspelt else "")
    return VariableName(owner, suffix)


def first_of(owner: str, names: Iterable[str]) -> str:
    """Return the only entry that Ansible reads of those for one group or host; an empty string when there is none."""
    there = set(names)
    return next((owner + suffix for suffix in ("", *SUFFIXES) if owner + suffix in there), "")
