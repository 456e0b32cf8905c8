#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a cloud passes tests of Tempest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tempest_run
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Run tests of Tempest against a cloud
description:
  - >-
    Makes a domain with an administrator of its own, an image, flavors and, where there is none, an external network;
    runs the tests, and removes everything. A password of the site is neither in Tempest's configuration nor anywhere
    else that Tempest reads.
  - >-
    A test that fails does not end the module. It returns what came of the run, and the caller decides. A test on the
    list that did not run has failed, and so has one that was skipped unexpectedly.
  - Whatever a run that was killed left behind is removed by the next one. Only one runs at a time, and it ends the one
    before it; on the host a run may outlive the playbook that began it.
  - Tests end with the module, however that ends.
  - Tests have a second, larger flavor with twice the memory of O(memory_mib).
  - The host that it runs on needs C(tempest), C(python3-subunit) and C(python3-openstacksdk).
options:
  tests:
    description:
      - Tests that must pass, with what C(tempest run --list-tests) writes in brackets behind their names.
      - A test that Tempest skips since the cloud has no volume service or no external network, or since no test logs in
        to guests, is told as skipped.
      - An element may be a whole list, with a test in each line, empty lines, and comments behind C(#).
    type: list
    elements: str
    required: true
  expected_skips:
    description: Tests on the list, or classes of them, that may be skipped, with the reason.
    type: dict
    default: {}
  settings:
    description: Options of C(tempest.conf) by section, which win over those of the module. Null takes one away.
    type: dict
    default: {}
  logins:
    description: >-
      Let tests log in to guests by floating addresses, where there is an external network. Some are skipped otherwise,
      and all take longer, since each class of tests makes a network of its own for that.
    type: bool
    default: true
  concurrency:
    description: How many tests run at the same time.
    type: int
    default: 2
  run_timeout:
    description: Seconds after which the run is ended; tests that have not run by then have failed.
    type: int
    default: 3600
  user:
    description: User of the host that runs the tests.
    type: str
    default: accentos-tempest
  results:
    description: >-
      Folder for what is kept of a run, replaced by the next one. C(progress.log) has a line for each test as it ends,
      C(results.subunit) is the whole stream, C(tempest.log) what the program said. It must be there.
    type: path
    default: /var/lib/accentos/tempest
  folder:
    description: Folder for the configuration while the tests run; it ought to be in memory.
    type: path
    default: /run/accentos-tempest
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cloud_login, accentos.cloud.cloud_trial]
attributes:
  check_mode:
    description: In check mode nothing is run or made, and no service is asked.
    support: full
  diff_mode:
    description: There is nothing to show, since nothing stays in the cloud.
    support: none
  idempotence:
    description: Nothing stays. RV(ignore:changed) tells whether something of a killed run was removed.
    support: full
"""

EXAMPLES = r"""
- name: Let the cloud pass a test
  accentos.cloud.tempest_run:
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    ca_file: /etc/accentos/pki/ca.crt
    image: /var/lib/accentos/images/guest/disk.img
    tests:
      - tempest.api.network.test_versions.NetworksApiDiscovery.test_show_api_v2_details[id-64deb9b1,smoke]
"""

RETURN = r"""
wanted:
  description: How many tests are on the list.
  returned: success
  type: int
passed:
  description: How many of them passed.
  returned: success
  type: int
failures:
  description: Those that failed, did not run or were skipped unexpectedly, and what classes failed to do after tests.
  returned: success
  type: list
  elements: dict
  contains:
    test: {description: Name of the test., type: str}
    result: {description: "V(passed), V(failed) or V(skipped).", type: str}
    seconds: {description: Seconds that it took., type: float}
    reason: {description: Why it failed or was skipped., type: str}
skips:
  description: Those that were skipped, with the expected reason.
  returned: success
  type: list
  elements: dict
  contains:
    test: {description: Name of the test., type: str}
    result: {description: "V(passed), V(failed) or V(skipped).", type: str}
    seconds: {description: Seconds that it took., type: float}
    reason: {description: Why it failed or was skipped., type: str}
slowest:
  description: The twenty tests that took the most time.
  returned: success
  type: list
  elements: dict
  contains:
    test: {description: Name of the test., type: str}
    result: {description: "V(passed), V(failed) or V(skipped).", type: str}
    seconds: {description: Seconds that it took., type: float}
    reason: {description: Why it failed or was skipped., type: str}
seconds:
  description: Seconds that making, running and removing took.
  returned: success
  type: dict
  sample: {making: 7.1, tests: 171.2, removing: 3.4}
leftovers:
  description: How many things of a former run were removed.
  returned: success
  type: int
"""

import dataclasses
import itertools
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_checks import CheckFailedError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_trial import TRIAL_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import (
    ConfigurationError,
    render_sections,
)
from ansible_collections.accentos.cloud.plugins.module_utils.process_locks import HeldError, Speaker, only_one
from ansible_collections.accentos.cloud.plugins.module_utils.tempest_cloud import TempestCloud, settings
from ansible_collections.accentos.cloud.plugins.module_utils.tempest_program import RunError, run_tests
from ansible_collections.accentos.cloud.plugins.module_utils.tempest_results import (
    judge,
    lacks_of,
    name_of,
    read_list,
    slowest,
)

_SLOWEST = 20
# A process that is killed may take long to go, if it waits for a disk.
_KILLED = 60


def run(module: Speaker, options: Mapping[str, Any]) -> dict[str, Any]:
    """Run all tests of the list and return the result of the module. Raises what its parts do."""
    tests = read_list(options["tests"])
    admin = Cloud(options["auth"], ca_file=options["ca_file"], timeout=options["timeout"])
    cloud = TempestCloud(admin, options)
    folder = Path(options["folder"])
    lock = folder.with_name(f"{folder.name}.lock")
    with only_one(module, lock, "runs Tempest", timeout=_KILLED, end_other=True):
        times = [time.monotonic()]
        leftovers = cloud.remove()
        shutil.rmtree(folder, ignore_errors=True)
        try:
            given = settings(options, folder, cloud.make())
            configuration = render_sections("tempest.conf", given)
            times.append(time.monotonic())
            outcomes = run_tests(options, tests, configuration)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            times.append(time.monotonic())
            cloud.remove()
        times.append(time.monotonic())
    verdict = judge(tests, outcomes, options["expected_skips"], lacks_of(given))
    seconds = [round(after - before, 1) for before, after in itertools.pairwise(times)]
    return {
        "changed": bool(leftovers),
        "leftovers": leftovers,
        "wanted": len(tests),
        "passed": verdict.passed,
        "failures": [dataclasses.asdict(one) for one in verdict.failed],
        "skips": [dataclasses.asdict(one) for one in verdict.skipped],
        "slowest": [
            dataclasses.asdict(dataclasses.replace(one, test=name_of(one.test))) for one in slowest(outcomes, _SLOWEST)
        ],
        "seconds": dict(zip(("making", "tests", "removing"), seconds, strict=True)),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            **TRIAL_OPTIONS,
            "tests": {"type": "list", "elements": "str", "required": True},
            "expected_skips": {"type": "dict", "default": {}},
            "settings": {"type": "dict", "default": {}},
            "logins": {"type": "bool", "default": True},
            "concurrency": {"type": "int", "default": 2},
            "run_timeout": {"type": "int", "default": 3600},
            "user": {"type": "str", "default": "accentos-tempest"},
            "results": {"type": "path", "default": "/var/lib/accentos/tempest"},
            "folder": {"type": "path", "default": "/run/accentos-tempest"},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    if module.check_mode:
        wanted = len(read_list(module.params["tests"]))
        nothing: dict[str, Any] = {"failures": [], "skips": [], "slowest": [], "seconds": {}}
        module.exit_json(
            changed=False,
            leftovers=0,
            wanted=wanted,
            passed=0,
            msg=f"{wanted} tests would run, {module.params['concurrency']} at a time.",
            **nothing,
        )
    result: dict[str, Any] = {}
    try:
        result = run(module, module.params)
    except CloudError as error:
        refuse(
            f"The cloud cannot be tested: {error}.",
            "See whether the service runs and what it logged, then run again; what is left is removed first.",
        )
    except (CheckFailedError, RunError, ConfigurationError) as error:
        refuse(f"Tempest cannot run: {error.args[0]}", error.args[1])
    except HeldError as error:
        refuse(str(error), error.remedy)
    except OSError as error:
        refuse(f"The host cannot run Tempest: {error}.", "Mend that, then run again; what is left is removed first.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
