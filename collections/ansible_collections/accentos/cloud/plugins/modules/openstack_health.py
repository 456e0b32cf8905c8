#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: services answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: openstack_health
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Wait until services answer
description:
  - Asks all services of a host at the same time, again and again, until each answers as it should.
  - Their certificates are verified.
  - The message about those that do not answer holds the end of the journal of each.
  - A unit that systemd has given up is not waited for any longer, nor one that has ended ten times while it was asked.
options:
  checks:
    description: What to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description: Unit that runs the service.
        type: str
        required: true
      url:
        description: Address to get.
        type: str
        required: true
      status:
        description: Codes of HTTP that mean that the service works.
        type: list
        elements: int
        default: [200]
  ca_file:
    description: Authorities that certificates are checked with. By default those of the system.
    type: path
  timeout:
    description: Seconds to wait.
    type: int
    default: 120
attributes:
  check_mode:
    description: >-
      Can run in check mode. There each service is asked once, and one that does not answer is no failure, since an
      earlier task would start it.
    support: full
  diff_mode:
    description: There is nothing to show, since nothing is changed.
    support: none
  idempotence:
    description: Nothing is changed.
    support: full
"""

EXAMPLES = r"""
- name: Wait for the image service
  accentos.cloud.openstack_health:
    checks:
      - {unit: glance-api.service, url: "https://10.0.0.21:9292/healthcheck"}
"""

RETURN = r"""
seconds:
  description: Seconds after which each address answered as it should.
  returned: always
  type: dict
  sample: {"https://10.0.0.21:9292/healthcheck": 1.4}
"""

import concurrent.futures
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.http_answers import ask
from ansible_collections.accentos.cloud.plugins.module_utils.systemctl import journal_of

_PAUSE = 0.5
# A unit that ended so often while it was asked does not live long enough to answer.
_HOPELESS_RESTARTS = 10
_WORKERS = 8


def hopeless(shown: str, before: str) -> bool:
    """Tell from ``ActiveState`` and ``NRestarts``, as systemctl shows them, whether nobody need wait for a unit.

    ``before`` is what it showed first. systemd counts on until somebody starts the unit, and yesterday's trouble is no
    sign of today's: what counts are its ends since then.
    """
    then, now = (dict(line.partition("=")[::2] for line in text.splitlines()) for text in (before, shown))
    first, last = (int(state.get("NRestarts") or 0) for state in (then, now))
    return now.get("ActiveState") == "failed" or last - first >= _HOPELESS_RESTARTS


def wait(
    check: Mapping[str, Any], context: ssl.SSLContext, timeout: float, given_up: Callable[[str], bool]
) -> tuple[float, str]:
    """Ask until the answer is right; return seconds and what was wrong at last.

    It ends after ``timeout`` seconds, and as soon as the unit is ``given_up``: nothing will answer any more.
    """
    start = time.monotonic()
    while True:
        wrong = ask(check, context, timeout=10)
        seconds = time.monotonic() - start
        if not wrong or seconds >= timeout or given_up(check["unit"]):
            return round(seconds, 1), wrong
        time.sleep(_PAUSE)


def main() -> None:
    """Run the module."""
    check = {
        "unit": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "status": {"type": "list", "elements": "int", "default": [200]},
    }
    module = AnsibleModule(
        argument_spec={
            "checks": {"type": "list", "elements": "dict", "required": True, "options": check},
            "ca_file": {"type": "path"},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    checks = module.params["checks"]
    timeout = 0.0 if module.check_mode else float(module.params["timeout"])
    try:
        context = ssl.create_default_context(cafile=module.params["ca_file"])
    except OSError as error:
        module.fail_json(
            msg=f"The authorities in {module.params['ca_file']} cannot be read: {error}",
            remedy="Let the role pki write them, or name another file.",
        )
        raise SystemExit(1) from error

    shown: dict[str, str] = {}

    def given_up(unit: str) -> bool:
        _code, out, _err = module.run_command(["systemctl", "show", "--property=ActiveState,NRestarts", unit])
        return hopeless(out, shown.setdefault(unit, out))

    with concurrent.futures.ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        answers = list(pool.map(lambda one: wait(one, context, timeout, given_up), checks))
    wrong = [(one, told) for one, (_seconds, told) in zip(checks, answers, strict=True) if told]
    if wrong and not module.check_mode:
        module.fail_json(
            msg="\n".join(
                f"{one['unit']} does not work, {one['url']}: {told}\n{journal_of(module, one['unit'])}"
                for one, told in wrong
            ),
            remedy="Mend what the journals complain about, then run again. The services log to /var/log, too.",
        )
    module.exit_json(
        changed=False,
        seconds={one["url"]: seconds for one, (seconds, told) in zip(checks, answers, strict=True) if not told},
    )


if __name__ == "__main__":
    main()
