# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that the power modules share, and what they become."""

from __future__ import annotations

import ipaddress
import re
import traceback
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import Connection
from ansible_collections.accentos.cloud.plugins.module_utils.power.hardening import Login, wrong_login
from ansible_collections.accentos.cloud.plugins.module_utils.power.media import Media
from ansible_collections.accentos.cloud.plugins.module_utils.power.pdu_tables import TABLES, TableError, custom_table
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import LIBRARIES
from ansible_collections.accentos.cloud.plugins.module_utils.power.snmp import Outlet

BMC: dict[str, Any] = {
    "driver": {"type": "str", "required": True, "choices": ["ipmi", "redfish", "amt", "snmp"]},
    "address": {"type": "str", "required": True},
    "port": {"type": "int"},
    "user": {"type": "str", "default": ""},
    "password": {"type": "str", "no_log": True, "default": ""},
    "verify": {"type": "bool", "default": True},
    "ca": {"type": "path"},
    "system": {"type": "str"},
    "cipher_suite": {"type": "int", "choices": [3, 17], "default": 3},
    "outlets": {
        "type": "list",
        "elements": "dict",
        "options": {
            "address": {"type": "str"},
            "outlet": {"type": "str", "required": True},
            "table": {"type": "str", "required": True, "choices": [*TABLES, "custom"]},
            "custom": {
                "type": "dict",
                "options": {
                    "state_oid": {"type": "str", "required": True},
                    "on_oid": {"type": "str", "required": True},
                    "off_oid": {"type": "str", "required": True},
                    "on_value": {"type": "int", "default": 1},
                    "off_value": {"type": "int", "default": 0},
                    "on_reading": {"type": "int", "default": 1},
                    "off_reading": {"type": "int", "default": 0},
                },
            },
        },
    },
    "privacy_password": {"type": "str", "no_log": True},
    "snmp_version": {"type": "str", "choices": ["v3", "v2c"], "default": "v3"},
    "snmp_auth": {"type": "str", "choices": ["sha", "sha256", "sha384", "sha512"], "default": "sha256"},
    "snmp_privacy": {"type": "str", "choices": ["aes", "aes256"], "default": "aes"},
}
SHARED: dict[str, Any] = {
    "bmc": {"type": "dict", "options": BMC},
    "machines": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "bmc": {"type": "dict", "required": True, "options": BMC},
        },
    },
    "answer_timeout": {"type": "float", "default": 10},
    "at_once": {"type": "int", "default": 20},
}
ONE_OF = [["bmc", "machines"]]
VIRTUAL_MEDIA: dict[str, Any] = {
    "type": "dict",
    "options": {
        "image": {"type": "str"},
        "state": {"type": "str", "choices": ["inserted", "ejected"], "default": "inserted"},
    },
    "required_if": [["state", "inserted", ["image"]]],
}
# The name of the only machine, where it is not asked for.
ALONE = ""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SYSTEM = re.compile(r"[A-Za-z0-9._~/:@-]{1,200}")
_LAST_PORT = 65535
_EXTRA = ("system", "cipher_suite", "privacy_password", "snmp_version", "snmp_auth", "snmp_privacy")


# No name or password: the controller shows to its users what is inserted.
_IMAGE = re.compile(r"https?://[^\s/?#@]+/[^\s]*")


class OptionError(Exception):
    """An option does not have the right form."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def media(wanted: Mapping[str, Any] | None) -> Media | None:
    """Return what option ``virtual_media`` asks for. Raises OptionError."""
    if wanted is None:
        return None
    image = wanted["image"]
    if image is not None and not _IMAGE.fullmatch(image):
        raise OptionError(
            "virtual_media: image is no address of a file with http or https, without a name and password.",
            "Give an address such as http://192.0.2.10/netboot/boot.iso",
        )
    return Media(image, wanted["state"] == "inserted")


def connections(params: Mapping[str, Any]) -> dict[str, Connection]:
    """Return the connections by name of the machine. Raises OptionError."""
    rows = params["machines"]
    if rows is None:
        rows = [{"name": ALONE, "bmc": params["bmc"]}]
    found: dict[str, Connection] = {}
    for row in rows:
        if row["name"] in found:
            raise OptionError(f"machines names {row['name']} twice.", "Name each machine once.")
        where = f"bmc of {row['name']}" if row["name"] else "bmc"
        found[row["name"]] = read_connection(where, row["bmc"], params["answer_timeout"])
    return found


def read_connection(where: str, bmc: Mapping[str, Any], answer_timeout: float) -> Connection:
    """Return the connection that an option with the fields of BMC describes; WHERE names it. Raises OptionError."""
    if not _is_host(bmc["address"]):
        raise OptionError(f"{where}: address {bmc['address']!r} is no address.", "Give a host name or an IP address.")
    if bmc["port"] is not None and not 0 < bmc["port"] <= _LAST_PORT:
        raise OptionError(f"{where}: port {bmc['port']} is no port.", f"Give a number from 1 to {_LAST_PORT}.")
    if bmc["system"] and not _SYSTEM.fullmatch(bmc["system"]):
        raise OptionError(
            f"{where}: system {bmc['system']!r} is no identity of a Redfish system.",
            "Give the last part of its address below /redfish/v1/Systems, or the whole path.",
        )
    return Connection(
        driver=bmc["driver"],
        address=bmc["address"],
        port=bmc["port"],
        user=bmc["user"],
        password=bmc["password"],
        verify=bmc["verify"],
        ca=bmc["ca"],
        answer_timeout=answer_timeout,
        extra={
            **{key: bmc[key] for key in _EXTRA if bmc[key] is not None},
            "outlets": _outlets(where, bmc) if bmc["driver"] == "snmp" else (),
        },
    )


def _outlets(where: str, bmc: Mapping[str, Any]) -> tuple[Outlet, ...]:
    if not bmc["outlets"]:
        raise OptionError(
            f"{where}: driver snmp needs outlets.", "Name the outlets that feed the machine, all of them."
        )
    found = []
    for number, row in enumerate(bmc["outlets"]):
        address = row["address"] or bmc["address"]
        place = f"{where}: outlets.{number}"
        if not _is_host(address):
            raise OptionError(f"{place}: address {address!r} is no address.", "Give a host name or an IP address.")
        if (row["table"] == "custom") != (row["custom"] is not None):
            raise OptionError(
                f"{place}: table is {row['table']} and custom is {'there' if row['custom'] else 'not there'}.",
                "Describe the unit in custom where its table is custom, and only there.",
            )
        try:
            table = custom_table(row["custom"]) if row["custom"] else TABLES[row["table"]]
            found.append(Outlet(address, table.index(row["outlet"]), table))
        except TableError as error:
            raise OptionError(f"{place}: {error}.", "Mend the outlet or its table.") from None
    return tuple(found)


def refuse_closing(found: Mapping[str, Connection], names: Iterable[str]) -> None:
    """Raise OptionError unless each of the NAMES is a machine that is reached by Redfish, with no need of IPMI."""
    for name in names:
        if name not in found:
            raise OptionError(f"close_ipmi names {name}, which machines does not.", "Name it in machines, too.")
        driver = found[name].driver
        if driver != "redfish":
            raise OptionError(
                f"close_ipmi names {name}, whose controller is reached with the driver {driver}: without IPMI over LAN "
                "nothing might reach it any more.",
                "Give its host_bmc the driver redfish, or take it out of close_ipmi.",
            )


def refuse_weak_logins(found: Mapping[str, Connection]) -> None:
    """Raise OptionError unless each controller is to have a strong login of its own."""
    owners: dict[str, str] = {}
    for name, connection in found.items():
        if connection.driver not in ("ipmi", "redfish"):
            continue
        where = f"bmc of {name}" if name else "bmc"
        wrong = wrong_login(connection.driver, Login(connection.user, connection.password))
        if wrong:
            raise OptionError(
                f"{where} {wrong}.",
                "Let lookup accentos.cloud.bmc generate the password with own_password: true, or store one of 16 to 20 "
                "characters with tools/set-secret.",
            )
        owner = owners.setdefault(connection.password, name)
        if owner != name:
            raise OptionError(
                f"{where} has the same password as {owner}.",
                "Give each controller a password of its own: lookup accentos.cloud.bmc does with own_password: true.",
            )


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_HOST.fullmatch(text))
    return True


def connections_or_fail(module: AnsibleModule) -> dict[str, Connection]:
    """Return the connections; a wrong option or a missing library ends the module."""
    need_positive(module, ("answer_timeout", "at_once"))
    try:
        found = connections(module.params)
    except OptionError as error:
        module.fail_json(msg=error.problem, remedy=error.remedy)
    need_libraries(module, found.values())
    return found


def need_positive(module: AnsibleModule, names: Iterable[str]) -> None:
    """End the module if one of these options is not above 0."""
    for name in names:
        if module.params[name] <= 0:
            module.fail_json(msg=f"{name} is {module.params[name]}.", remedy=f"Give {name} a number above 0.")


def need_libraries(module: AnsibleModule, found: Iterable[Connection]) -> None:
    """End the module if the library of a driver is missing."""
    for driver in sorted({connection.driver for connection in found}):
        try:
            import_module(LIBRARIES[driver])
        except ImportError:
            module.fail_json(
                msg=missing_required_lib(LIBRARIES[driver], reason=f"for the driver {driver}"),
                remedy="Let role accentos.cloud.power_client prepare the host that reaches the controllers, and give "
                "the task the variable ansible_python_interpreter: /opt/accentos/power/bin/python",
                exception=traceback.format_exc(),
            )


def finish(module: AnsibleModule, results: Mapping[str, dict[str, Any]], *, alone: bool) -> None:
    """End the module with the results by machine, in failure if one failed. ALONE: there is but one, unnamed."""
    diffs = []
    for name, result in results.items():
        for warning in result.pop("warnings", ()):
            module.warn(f"{name}: {warning}" if name else warning)
        diff = result.pop("diff", None)
        if diff is not None:
            headers = {"before_header": name, "after_header": name} if name else {}
            diffs.append({**diff, **headers})
    failed = {name: result for name, result in results.items() if result.get("failed")}
    changed = any(result.get("changed") for result in results.values())
    if alone:
        (result,) = results.values()
        if failed:
            module.fail_json(**{key: value for key, value in result.items() if key != "failed"})
        module.exit_json(**result, diff=diffs[0] if diffs else {})
    if failed:
        told = "; ".join(f"{name}: {result['msg']}" for name, result in failed.items())
        module.fail_json(
            msg=f"{len(failed)} of {len(results)} machines failed. {told}",
            remedy="; ".join(dict.fromkeys(result["remedy"] for result in failed.values())),
            changed=changed,
            machines=results,
            diff=diffs,
        )
    module.exit_json(changed=changed, machines=results, diff=diffs)
