# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says who may do what at Cobbler; a module of its category "authorization".

Cobbler's own module "ownership" lets every user in its file write templates, and change what has inherited its owners.
Here administrators may do everything. All others may read, and may change those fields of a system that an installation
needs, if the system itself names them as owner.

Cobbler 3.3.10 ends old logins only when somebody asks it whether a login is still good (``token_check``), and who asks
prolongs it, without end. Here each use of one looks at its age, and nothing prolongs it.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Mapping
from configparser import ConfigParser
from types import SimpleNamespace
from typing import Any

USERS_FILE = "/etc/cobbler/users.conf"
# Of the fields of a system, those that decide whether and how it is installed next.
FIELDS = frozenset({"autoinstall_meta", "comment", "kernel_options", "netboot_enabled", "status"})
# These change nothing by themselves: what they lead to is asked for again, field by field.
HARMLESS = frozenset({"sync", "syncsystems", "xedit_system"})


def register() -> str:
    """Return the category of this module, once logins end."""
    end_logins(importlib.import_module("cobbler.remote").CobblerXMLRPCInterface)
    return "authz"


def end_logins(interface: Any) -> None:
    """Let the class of Cobbler's API refuse a login that is older than ``auth_token_expiration`` seconds.

    Every call that needs a login asks for its user first, that of cobblerd's own secret included.
    """
    user_of = interface.get_user_from_token
    first: dict[str, float] = {}
    lock = threading.Lock()
    # An old login is refused like one that is not there. It stays in Cobbler's memory: Cobbler deletes it itself, and
    # would trip over one that has gone meanwhile.
    nobody = SimpleNamespace(token_cache={})

    def get_user_from_token(api: Any, token: object) -> Any:
        with lock:
            made = first_time(first, api.token_cache, token) if isinstance(token, str) else None
        old = made is not None and time.time() > made + api.api.settings().auth_token_expiration
        return user_of(nobody if old else api, token)

    interface.get_user_from_token = get_user_from_token


def first_time(first: dict[str, float], logins: Mapping[str, tuple[float, str]], token: str) -> float | None:
    """Return the time that ``token`` had among Cobbler's ``logins`` when it was seen first; None if it is not there.

    Cobbler puts the present time in its place, but asks for the user before. ``first`` keeps the times, seconds since
    1970, and forgets logins that Cobbler has forgotten, so that it does not grow beyond them.
    """
    login = logins.get(token)
    if login is None:
        return None
    made = first.setdefault(token, login[0])
    if len(first) > len(logins):
        for gone in set(first).difference(list(logins)):
            del first[gone]
    return made


def groups_of(user: str) -> set[str]:
    """Return the groups of the users' file that name ``user``."""
    parser = ConfigParser()
    # Names of users are compared as they are written.
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(USERS_FILE)
    return {group for group in parser.sections() if user in parser.options(group)}


def authorize(_api_handle: object, user: str, resource: str, arg1: object = None, arg2: object = None) -> int:
    """Return 1 if ``user`` may do what ``resource`` names, else 0.

    For ``modify_system`` the arguments are the system and the name of a field, for ``save_system`` the system.
    """
    if user == "<DIRECT>":
        # Somebody who can read the secret that cobblerd makes at its start: its own user, and root.
        return 1
    groups = groups_of(user)
    if "admins" in groups:
        return 1
    if not groups:
        return 0
    if resource.startswith(("get", "read")) or resource in HARMLESS:
        return 1
    if resource == "save_system" or (resource == "modify_system" and arg2 in FIELDS):
        # Not the resolved value: Cobbler 3.3.10 adds the owners of every object to the default that others inherit.
        owners = getattr(arg1, "_owners", None)
        return int(isinstance(owners, list) and user in owners)
    return 0
