# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.certificate_signatures; its documentation is in plugins/modules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import (
    load_authority,
    parse_name,
    sign_request,
)
from ansible_collections.accentos.cloud.plugins.module_utils.planned import MADE_BY_RUN

_SPEC: dict[str, Any] = {
    "requests": {"type": "list", "elements": "dict", "required": True},
    "authority": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": True},
    "valid_days": {"type": "int", "required": True},
    "common_name": {"type": "str", "required": True},
    "certificates": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "common_name": {"type": "str"},
            "subject_alternative_names": {"type": "list", "elements": "str", "required": True},
            # Not used here: one list serves all that deal with certificates.
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "units": {"type": "list", "elements": "str"},
        },
    },
}
_REMEDY = (
    "If it asks for other names, the host is not to be trusted: find out who was on it. Else see whether the site's"
    " authority and its key belong together, and ask the host anew."
)


def sign(given: dict[str, Any], now: datetime) -> dict[str, str]:
    """Return the certificates that GIVEN arguments ask for, in PEM and by their path. Raises ValueError."""
    known = {one["name"]: one for one in given["certificates"]}
    authority = load_authority(given["authority"], given["key"], timedelta(days=given["valid_days"]))
    signed = {}
    for request in given["requests"]:
        name = request["name"]
        try:
            if name not in known:
                raise ValueError("the site has no such certificate for this host")
            names = [parse_name(text) for text in known[name]["subject_alternative_names"]]
            common_name = known[name]["common_name"] or given["common_name"]
            signed[request["path"]] = sign_request(request["csr"], common_name, names, authority, now=now)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return signed


class ActionModule(ActionBase):
    """Signs on the control node; no connection to a host is made."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the files; in check mode with the authority alone, since the next run would sign others."""
        super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(_SPEC)
        try:
            signed = {} if self._task.check_mode else sign(given, datetime.now(UTC))
        except ValueError as error:
            return {"failed": True, "msg": f"The authority does not sign the certificate {error}", "remedy": _REMEDY}
        authority = given["authority"].strip()
        files = [
            {"path": path, "content": f"{signed.get(path, MADE_BY_RUN).strip()}\n{authority}\n"}
            for path in (request["path"] for request in given["requests"])
        ]
        return {"changed": bool(files), "files": files}
