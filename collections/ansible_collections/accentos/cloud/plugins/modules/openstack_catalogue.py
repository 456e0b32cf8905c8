#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the whole catalogue of a cloud's identity service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: openstack_catalogue
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Reconcile regions, domains, projects, roles, services, endpoints and users of a cloud
description:
  - Reads what the identity service holds, plans what is missing or different, and does exactly that, in one process.
  - What nobody asked for is left alone.
  - Whether the password of a user is the wanted one is found out by logging in as the user. Who is locked out after
    wrong passwords is refused like one who has another password. Where that may be so the password counts as not known.
    The lockout is ended then, and the password is set if it still does not work.
options:
  timeout:
    description: Seconds to wait for one answer.
    type: int
    default: 30
  regions:
    description: Regions.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the region., type: str, required: true}
      description: {description: What it is., type: str, default: ""}
  domains:
    description: Domains.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the domain., type: str, required: true}
      description: {description: What it is., type: str, default: ""}
  projects:
    description: Projects.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the project., type: str, required: true}
      domain: {description: Its domain., type: str, default: Default}
      description: {description: What it is., type: str, default: ""}
  roles:
    description: Roles.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the role., type: str, required: true}
  services:
    description: Services with their endpoints.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the service., type: str, required: true}
      type: {description: Type of the service such as compute., type: str, required: true}
      description: {description: What it is., type: str, default: ""}
      region: {description: Region of its endpoints., type: str, required: true}
      endpoints:
        description: Addresses by interface, C(public), C(internal) or C(admin).
        type: dict
        default: {}
  users:
    description: Users with their roles.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the user., type: str, required: true}
      domain: {description: Its domain., type: str, default: Default}
      description: {description: What it is., type: str, default: ""}
      password: {description: Its password., type: str, required: true}
      ignore_lockout_failure_attempts:
        description:
          - Whether the user can log in after any number of wrong passwords. Who can be locked out is so by anybody who
            knows the name and reaches the service.
          - By default that is left as it is.
        type: bool
      grants:
        description: Roles of the user, each in a project, a domain or the system.
        type: list
        elements: dict
        default: []
        suboptions:
          role: {description: Name of the role., type: str, required: true}
          scope: {description: Where the role holds., type: str, choices: [project, domain, system], default: project}
          project: {description: Name of the project., type: str}
          domain: {description: The domain or that of the project., type: str, default: Default}
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cloud_login]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. There a service that lets nobody in counts as
      an empty one, since an earlier task would start it and make its administrator.
    support: full
  diff_mode:
    description: Shows each object and property before and after, without passwords.
    support: full
"""

EXAMPLES = r"""
- name: Let the image service be known
  accentos.cloud.openstack_catalogue:
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    projects:
      - name: service
    services:
      - name: glance
        type: image
        region: RegionOne
        endpoints: {public: "https://api.example.test:9292", internal: "https://api.example.test:9292"}
    users:
      - name: glance
        password: "{{ lookup('accentos.cloud.secret', 'glance_identity_password') }}"
        ignore_lockout_failure_attempts: true
        grants:
          - {role: service, project: service}
"""

RETURN = r"""
steps:
  description: What was done, in check mode what would be.
  returned: always
  type: list
  elements: dict
  sample: [{verb: create, kind: user, name: Default / glance}]
"""

from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_catalogue import (
    KINDS,
    CatalogueError,
    UnknownCatalogueError,
    plan,
    wanted_state,
)
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_identity import Identity

_WANTED = ("regions", "domains", "projects", "roles", "services", "users")
_TEXT = {"type": "str", "default": ""}
_NAME = {"type": "str", "required": True}
_DOMAIN = {"type": "str", "default": "Default"}


def _described(**more: object) -> dict[str, object]:
    return {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": _NAME, "description": _TEXT, **more},
    }


def main() -> None:
    """Run the module."""
    grant = {
        "role": _NAME,
        "scope": {"type": "str", "choices": ["project", "domain", "system"], "default": "project"},
        "project": {"type": "str"},
        "domain": _DOMAIN,
    }
    grants = {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": grant,
        "required_if": [("scope", "project", ["project"])],
    }
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            "timeout": {"type": "int", "default": 30},
            "regions": _described(),
            "domains": _described(),
            "projects": _described(domain=_DOMAIN),
            "roles": {"type": "list", "elements": "dict", "default": [], "options": {"name": _NAME}},
            "services": _described(type=_NAME, region=_NAME, endpoints={"type": "dict", "default": {}}),
            "users": _described(
                domain=_DOMAIN,
                password={"type": "str", "required": True, "no_log": True},
                grants=grants,
                ignore_lockout_failure_attempts={"type": "bool"},
            ),
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    steps = []
    try:
        wanted = wanted_state({name: module.params[name] for name in _WANTED})
        try:
            identity = Identity(
                module.params["auth"], ca_file=module.params["ca_file"], timeout=module.params["timeout"]
            )
            found = identity.read(wanted)
        except UnknownCatalogueError:
            if not module.check_mode:
                raise
            found = {kind: {} for kind in KINDS}
        steps = plan(wanted, found)
        if not module.check_mode:
            for step in steps:
                identity.apply(step)
    except CatalogueError as error:
        refuse(*error.args)
    shown = [step.describe() for step in steps]
    module.exit_json(
        changed=bool(steps),
        steps=[{"verb": step.verb, "kind": step.kind, "name": " / ".join(step.key)} for step in steps],
        diff={"before": "".join(pair[0] for pair in shown), "after": "".join(pair[1] for pair in shown)},
    )


if __name__ == "__main__":
    main()
