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
  - The administrator gets the option C(ignore_lockout_failure_attempts), which also ends a lockout. Else anybody who
    reaches the service could lock them out with a few wrong passwords.
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
    description: Shows that the administrator is made, or can no longer be locked out.
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
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

_PAUSES = (0.2, 0.5, 1.0, 2.0)
_EXEMPTION = "ignore_lockout_failure_attempts"


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


def ask(opener: urllib.request.OpenerDirector, wanted: Mapping[str, Any]) -> bool | None:
    """Log in and tell whether the administrator is exempt from lockouts. Returns None if the service lets no such in.

    Raises OSError, HTTPException and ValueError.
    """
    try:
        with opener.open(_login_request(wanted), timeout=30) as answer:
            token = answer.headers["X-Subject-Token"]
    except urllib.error.HTTPError as error:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return None
        raise
    try:
        with opener.open(_users_request(wanted, token), timeout=30) as answer:
            found = json.load(answer)["users"]
    except urllib.error.HTTPError as error:
        # Who may not list users has no role of an administrator. A token that is refused is something else: a new
        # password ends all tokens up to the end of that second, so that one of a moment later is taken.
        if error.code == HTTPStatus.FORBIDDEN:
            return None
        raise
    return any(user.get("options", {}).get(_EXEMPTION) is True for user in found)


def _login_request(wanted: Mapping[str, Any]) -> urllib.request.Request:
    return urllib.request.Request(  # noqa: S310 (the address is the site's own)
        f"{wanted['url']}/auth/tokens",
        data=json.dumps(login(wanted)).encode(),
        headers={"Content-Type": "application/json"},
    )


def _users_request(wanted: Mapping[str, Any], token: str) -> urllib.request.Request:
    # A list comes from the database. A single user comes from the cache of that controller, which may be older.
    query = urllib.parse.urlencode({"domain_id": "default", "name": wanted["username"]})
    return urllib.request.Request(  # noqa: S310 (the address is the site's own)
        f"{wanted['url']}/users?{query}", headers={"X-Auth-Token": token}
    )


def look(wanted: Mapping[str, Any]) -> bool | None:
    """Do what ask() does, once the service answers. Raises BootstrapError."""
    try:
        context = ssl.create_default_context(cafile=wanted["ca_file"])
    except OSError as error:
        raise BootstrapError(
            f"The authorities in {wanted['ca_file']} cannot be read: {error}",
            "Let the role pki write them, or name another file.",
        ) from error
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    end, attempt = time.monotonic() + wanted["timeout"], 0
    reason: object = None
    while True:
        try:
            return ask(opener, wanted)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error
        if time.monotonic() > end:
            raise BootstrapError(
                f"The identity service at {wanted['url']} gives no answer to a login: {reason}",
                "See whether it runs and what it logged: journalctl --unit keystone, /var/log/keystone.",
            )
        time.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
        attempt += 1


def bootstrap(wanted: Mapping[str, Any], *, known: bool) -> None:
    """Make the administrator in the database, exempt from lockouts. One that is ``known`` is only exempted.

    Raises ImportError and whatever keystone raises.
    """
    import keystone.conf  # noqa: PLC0415 (it is on controllers only)
    from keystone import exception  # noqa: PLC0415
    from keystone.cmd.bootstrap import Bootstrapper  # noqa: PLC0415
    from keystone.common import provider_api, sql  # noqa: PLC0415

    keystone.conf.configure()
    sql.initialize()
    keystone.conf.CONF(args=[], project="keystone")
    first = Bootstrapper()
    first.admin_username, first.admin_password = wanted["username"], wanted["password"]
    first.project_name, first.admin_role_name = wanted["project"], "admin"
    first.service_name, first.region_id = "keystone", wanted["region"]
    first.public_url = first.internal_url = wanted["url"]
    first.immutable_roles = True
    users = provider_api.ProviderAPIs.identity_api
    exempt = {"options": {_EXEMPTION: True}}
    # Before the rest, which checks the password and fails where the administrator is locked out.
    try:
        found = users.get_user_by_name(first.admin_username, keystone.conf.CONF.identity.default_domain_id)
        users.update_user(found["id"], exempt)
    except exception.UserNotFound:
        if known:
            raise
        found = None
    if not known:
        first.bootstrap()
    if found is None:
        users.update_user(first.admin_user_id, exempt)


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

    # Who is locked out is refused like one who is not there.
    exempt: bool | None = None
    try:
        exempt = look({**wanted, "timeout": 0} if module.check_mode else wanted)
        if not exempt and not module.check_mode:
            as_user(wanted["user"], lambda: bootstrap(wanted, known=exempt is not None))
            now = look(wanted)
            if not now:
                raise BootstrapError(
                    f"{wanted['username']} was made, but the identity service still refuses the login."
                    if now is None
                    else f"{wanted['username']} was exempted from lockouts, but the identity service does not know.",
                    "See whether the service uses the same database as /etc/keystone/keystone.conf of this host names.",
                )
    except BootstrapError as error:
        if not module.check_mode:
            refuse(*error.args)
    before = after = ""
    if exempt is None:
        after = f"user {wanted['username']}, project {wanted['project']}, region {wanted['region']}\n"
    elif not exempt:
        before, after = (f"user {wanted['username']}: {_EXEMPTION} = {value}\n" for value in (False, True))
    module.exit_json(changed=not exempt, url=wanted["url"], diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
