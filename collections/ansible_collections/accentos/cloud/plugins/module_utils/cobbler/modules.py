# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules for Cobbler have in common: connection, planning, answers and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .adapter import open_cobbler
from .apply import apply_objects
from .client import Client, CobblerError, Connection, InvalidError
from .plan import Plan, plan_objects, plan_removal, read_wanted
from .v3_3 import UNIQUE, Cobbler

CONNECTION: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "default": "http://127.0.0.1:25151"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "timeout": {"type": "float", "default": 60},
    "verify": {"type": "bool", "default": True},
    "ca": {"type": "path"},
}


def read_connection(params: dict[str, Any]) -> Connection:
    """Return the connection that the common options describe."""
    return Connection(
        url=params["url"],
        user=params["user"] or "",
        password=params["password"] or "",
        timeout=params["timeout"],
        verify=params["verify"],
        ca=params["ca"],
    )


def run(specification: dict[str, Any], action: Callable[[AnsibleModule, Cobbler], dict[str, Any]]) -> None:
    """Run a module: connect, let ACTION do its work, and hand its result to Ansible; an error ends it with a remedy."""
    module = AnsibleModule(argument_spec={**CONNECTION, **specification}, supports_check_mode=True)
    try:
        client = Client(read_connection(module.params))
        try:
            result = action(module, open_cobbler(client))
        finally:
            client.close()
    except CobblerError as error:
        module.fail_json(msg=str(error), remedy=error.remedy)
    module.exit_json(**result)


def run_objects(what: str) -> None:
    """Run the module that manages all objects of a type."""
    option = f"{what}s"
    specification: dict[str, Any] = {
        option: {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "purge": {"type": "bool", "default": False},
    }
    if what == "system":
        specification["purge_interfaces"] = {"type": "bool", "default": False}

    def action(module: AnsibleModule, cobbler: Cobbler) -> dict[str, Any]:
        params = module.params
        if params["purge"] and params["state"] == "absent":
            raise InvalidError("purge: goes with state=present only.", "Leave one of the two out.")
        wanted = read_wanted(what, params[option])
        there = cobbler.objects(what)
        if params["state"] == "absent":
            plan = plan_removal([one.name for one in wanted], there)
        else:
            plan = plan_objects(
                what,
                wanted,
                there,
                purge=params["purge"],
                purge_interfaces=params.get("purge_interfaces", False),
                shared=_shared_fields(cobbler) if what == "system" else frozenset(),
            )
        if not module.check_mode:
            apply_objects(cobbler, what, plan, there)
        return answer(plan)

    run(specification, action)


def _shared_fields(cobbler: Cobbler) -> frozenset[str]:
    settings = cobbler.settings()
    return frozenset(key for key, setting in UNIQUE.items() if settings.get(setting))


def answer(plan: Plan) -> dict[str, Any]:
    """Return what a module tells of its plan."""
    return {
        "changed": bool(plan.changes),
        "created": plan.names("create"),
        "edited": plan.names("edit"),
        "removed": plan.names("remove"),
        "diff": plan.diff(),
    }
