# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of the packages that roles install on hosts of some groups."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_packages
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Packages that roles install on hosts of some groups
description:
  - A role that installs packages tells them in its variable C(__<role>_image_packages), a mapping of groups to lists;
    those of the group V(all) are for every host. The lookup collects them, so that an image holds what a deployment
    would install and no list is written twice.
  - The variable is worked out as for the first host of the group, with the defaults and variables of the role, so that
    what C(group_vars) says of the group holds for its image, too. In a group without hosts, what holds for the host of
    the task does.
options:
  _terms:
    description: Lists of groups. An empty list stands for a host in no group.
    type: list
    elements: list
    required: true
  roles:
    description: Names of the roles that are asked. They are in this collection.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the packages of computes
  ansible.builtin.debug:
    msg: "{{ lookup('accentos.cloud.image_packages', ['compute'], roles=['base', 'libvirt', 'openvswitch']) }}"
"""

RETURN = r"""
_raw:
  description: For each list of groups one list of packages, sorted.
  type: list
  elements: list
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[2] / "roles"
EVERYBODY = "all"


class LookupModule(LookupBase):
    """Returns packages of groups."""

    def run(
        self, terms: list[Sequence[str]], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[list[str]]:
        """Look the packages up."""
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        roles = {name: self._role(name) for name in self.get_option("roles")}
        found = []
        for groups in terms:
            if isinstance(groups, str):
                raise AnsibleLookupError(f"{groups!r} is no list of groups. Give a list, such as [{groups}].")
            packages: set[str] = set()
            for group in groups or [EVERYBODY]:
                host = member(known, group) if groups else known
                for name, (defaults, fixed) in roles.items():
                    packages.update(self._told(name, group, {**defaults, **host, **fixed}))
            found.append(sorted(packages))
        return found

    def _role(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the defaults and the variables of a role. Raises AnsibleLookupError."""
        folder = ROLES / name
        defaults, fixed = (self._files(folder / kind) for kind in ("defaults", "vars"))
        if told(name) not in fixed:
            raise AnsibleLookupError(f"The role {name} does not tell its packages: it has no {told(name)}.")
        return defaults, fixed

    def _files(self, folder: Path) -> dict[str, Any]:
        """Return what Ansible loads of a folder of variables: the file main.yml, or the files in the folder main."""
        variables: dict[str, Any] = {}
        for path in (folder / "main.yml", *sorted((folder / "main").glob("*.yml"))):
            if path.is_file():
                variables |= self._loader.load_from_file(str(path), trusted_as_template=True)
        return variables

    def _told(self, role: str, group: str, variables: Mapping[str, Any]) -> list[str]:
        templar = Templar(loader=self._loader, variables=dict(variables))
        parts = (f"{told(role)}.get('{name}', [])" for name in sorted({group, EVERYBODY}))
        packages: list[str] = templar.template(trust_as_template("{{ " + " + ".join(parts) + " }}"))
        return packages


def told(role: str) -> str:
    """Return the name of the variable in which ROLE tells its packages."""
    return f"__{role}_image_packages"


def member(known: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    """Return the variables of the first host of GROUP, or those that are KNOWN where it has none."""
    hosts = (known.get("groups") or {}).get(group) or []
    if not hosts:
        return known
    hostvars = known["hostvars"]
    return {"hostvars": hostvars, **hostvars.raw_get(hosts[0])}
