#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the identity service has an administrator."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_bootstrap
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let the identity service have its first administrator
description:
  - Logs in as the administrator. If the identity service refuses that, the user, the default domain, project and roles
    are made, and the password is set, directly in the database, as C(keystone-manage bootstrap) does.
  - That happens in a child of the module's process, which imports keystone, since C(keystone-manage) takes the password
    from its arguments or environment only. Run it on a host with the configuration of the service.
options:
  url:
    description: Address of version 3 of the identity service. The endpoints of the service are made with it.
    type: str
    required: true
  ca_file:
    description: Authorities that the certificate of the service is checked with. By default those of the system.
    type: path
  username:
    description: Name of the administrator.
    type: str
    default: admin
  password:
    description: Password of the administrator.
    type: str
    required: true
  project:
    description: Project of the administrator.
    type: str
    default: admin
  region:
    description: Region of the endpoints.
    type: str
    required: true
  user:
    description: User of the service.
    type: str
    default: keystone
  timeout:
    description: Seconds to wait until the service answers.
    type: int
    default: 60
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. A service that does not answer counts there as
      one without an administrator.
    support: full
  diff_mode:
    description: Shows that the administrator is made.
    support: full
"""

EXAMPLES = r"""
- name: Let the identity service have an administrator
  accentos.cloud.keystone_bootstrap:
    url: https://api.example.test:5000/v3
    password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    region: RegionOne
"""

RETURN = r"""
url:
  description: Address of the identity service.
  returned: always
  type: str
  sample: https://api.example.test:5000/v3
"""

import http.client
import json
import os
import pwd
import ssl
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

_PAUSES = (0.2, 0.5, 1.0, 2.0)


class BootstrapError(Exception):
    """There is no administrator and none can be made. The first argument says why, the second what helps."""


def login(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a login as the administrator in the project."""
    domain = {"domain": {"id": "default"}}
    user = {"name": wanted["username"], "password": wanted["password"], **domain}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": wanted["project"], **domain}},
        }
    }


def works(wanted: Mapping[str, Any]) -> bool:
    """Tell whether the administrator can log in, once the service answers. Raises BootstrapError."""
    try:
        context = ssl.create_default_context(cafile=wanted["ca_file"])
    except OSError as error:
        raise BootstrapError(
            f"The authorities in {wanted['ca_file']} cannot be read: {error}",
            "Let the role pki write them, or name another file.",
        ) from error
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(  # noqa: S310 (the address is the site's own)
        f"{wanted['url']}/auth/tokens",
        data=json.dumps(login(wanted)).encode(),
        headers={"Content-Type": "application/json"},
    )
    end, attempt = time.monotonic() + wanted["timeout"], 0
    reason: object = None
    while True:
        try:
            with opener.open(request, timeout=30):
                return True
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.UNAUTHORIZED:
                return False
            reason = error
        except (OSError, http.client.HTTPException) as error:
            reason = error
        if time.monotonic() > end:
            raise BootstrapError(
                f"The identity service at {wanted['url']} gives no answer to a login: {reason}",
                "See whether it runs and what it logged: journalctl --unit keystone, /var/log/keystone.",
            )
        time.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
        attempt += 1


def bootstrap(wanted: Mapping[str, Any]) -> None:
    """Make the administrator in the database. Raises ImportError and whatever keystone raises."""
    import keystone.conf  # noqa: PLC0415 (it is on controllers only)
    from keystone.cmd.bootstrap import Bootstrapper  # noqa: PLC0415
    from keystone.common import sql  # noqa: PLC0415

    keystone.conf.configure()
    sql.initialize()
    keystone.conf.CONF(args=[], project="keystone")
    first = Bootstrapper()
    first.admin_username, first.admin_password = wanted["username"], wanted["password"]
    first.project_name, first.admin_role_name = wanted["project"], "admin"
    first.service_name, first.region_id = "keystone", wanted["region"]
    first.public_url = first.internal_url = wanted["url"]
    first.immutable_roles = True
    first.bootstrap()


def as_user(name: str, do: Callable[[], None]) -> None:
    """Do something in a child that is another user and gets no new environment. Raises BootstrapError."""
    try:
        account = pwd.getpwnam(name)
    except KeyError as error:
        raise BootstrapError(f"There is no user {name}.", "Install the package keystone, or mend the name.") from error
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told = b""
        try:
            if os.geteuid() != account.pw_uid:
                os.initgroups(account.pw_name, account.pw_gid)
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            # Ansible's own archive of the module is closed to this user, and an import that meets it fails.
            sys.path[:] = [entry for entry in sys.path if os.access(entry, os.R_OK)]
            do()
        except BaseException as error:
            # Whatever it is must reach the parent, and the child must end here.
            told = traceback.format_exception_only(error)[-1].strip().encode()
        finally:
            os.write(writer, told or b"done")
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        told = stream.read()
    os.waitpid(child, 0)
    if told != b"done":
        raise BootstrapError(
            f"keystone cannot make its administrator: {told.decode(errors='replace') or 'its process was killed'}",
            "See /var/log/keystone, and whether the tables are up to date: keystone-manage db_version",
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ca_file": {"type": "path"},
            "username": {"type": "str", "default": "admin"},
            "password": {"type": "str", "required": True, "no_log": True},
            "project": {"type": "str", "default": "admin"},
            "region": {"type": "str", "required": True},
            "user": {"type": "str", "default": "keystone"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    changed = True
    try:
        changed = not works({**wanted, "timeout": 0} if module.check_mode else wanted)
        if changed and not module.check_mode:
            as_user(wanted["user"], lambda: bootstrap(wanted))
            if not works(wanted):
                raise BootstrapError(
                    f"{wanted['username']} was made, but the identity service still refuses the login.",
                    "See whether the service uses the same database as /etc/keystone/keystone.conf of this host names.",
                )
    except BootstrapError as error:
        if not module.check_mode:
            refuse(*error.args)
    after = f"user {wanted['username']}, project {wanted['project']}, region {wanted['region']}\n" if changed else ""
    module.exit_json(changed=changed, url=wanted["url"], diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
