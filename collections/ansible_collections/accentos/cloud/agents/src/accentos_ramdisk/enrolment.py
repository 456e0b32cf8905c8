# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A machine that nobody knows: it shows its inventory and waits until a person, or a profile, takes it in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from .client import Client, RefusedError
from .errors import AgentError

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
_GONE = (403, 404, 410)


def enrol(client: Client, inventory: Mapping[str, object], sleep: Callable[[float], None] = time.sleep) -> str:
    """Send INVENTORY, wait for approval and return the token for the installation. Raises AgentError when rejected."""
    identifier, bearer = _introduce(client, inventory)
    pause = FIRST_PAUSE
    while True:
        sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
        try:
            answer = client.get(f"/v1/enrolments/{identifier}", bearer)
        except RefusedError as error:
            if error.status not in _GONE:
                raise
            log.warning("the service has forgotten this machine; it introduces itself again")
            identifier, bearer = _introduce(client, inventory)
            pause = FIRST_PAUSE
            continue
        except AgentError as error:
            # A service that is away for long is no reason to give up: a person will come.
            log.warning("%s", error)
            continue
        match answer.get("state"), answer.get("token"):
            case "approved", str(token):
                return token
            case "rejected", _:
                raise AgentError(
                    "this machine was rejected", "Approve it on the deploy host, then start the agent again or reboot."
                )
            case state, _:
                log.info("enrolment %s: %s", identifier, state)


def _introduce(client: Client, inventory: Mapping[str, object]) -> tuple[str, str]:
    answer = client.post("/v1/enrolments", {"inventory": inventory})
    log.info("enrolled as %s, waiting for approval", answer.get("id"))
    return str(answer.get("id")), str(answer.get("secret"))
