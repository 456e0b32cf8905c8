# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.certificate_signatures; its documentation is in plugins/modules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import sign_request

_SPEC: dict[str, Any] = {
    "requests": {"type": "list", "elements": "dict", "required": True},
    "authority": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": True},
    "valid_days": {"type": "int", "required": True},
}


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
        now, lasts = datetime.now(UTC), timedelta(days=given["valid_days"])
        files = []
        for request in given["requests"]:
            text = ""
            if not self._task.check_mode:
                try:
                    text = sign_request(request["csr"], given["authority"], given["key"], now=now, lasts=lasts)
                except ValueError as error:
                    message = f"The authority cannot sign the certificate {request['name']}: {error}"
                    remedy = "See whether the site's authority and its key belong together, and ask the host anew."
                    return {"failed": True, "msg": message, "remedy": remedy}
            files.append({"path": request["path"], "content": f"{text.strip()}\n{given['authority'].strip()}\n"})
        return {"changed": bool(files), "files": files}
