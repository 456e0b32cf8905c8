# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connection to a host that is not there: everything up to the module's start is real, and its result is made up.

The control node's own part of a task is what tests/benchmark/thousand_computes.py measures. Since no command is run at
all, nothing that a role does to a host can reach the machine. A module without an answer here makes its task fail.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from ansible_collections.accentos.cloud.plugins.module_utils import certificates

DOCUMENTATION = r"""
name: stand_in
author: AccentOS contributors (@accentos)
short_description: A host that is not there
description:
  - Answers modules with made up results. Runs no command and transfers no file.
  - With the environment variable C(ACCENTOS_STAND_IN_DONE) every host says that nothing is left to do.
extends_documentation_fragment: [connection_pipelining]
"""

# apt returns all that it prints: about as much as this for libvirt, Nova and what they need.
APT_LINES = 600
_ARGUMENT = re.compile(rb"(?m)^(ansible_module|params)=(.*),$")


def read_module(payload: bytes) -> tuple[str, dict[str, Any]]:
    """Return name and arguments of the module in a PAYLOAD, as Ansible sends it to a host. Raises ValueError."""
    found = {key.decode(): ast.literal_eval(value.decode()) for key, value in _ARGUMENT.findall(payload)}
    if set(found) != {"ansible_module", "params"}:
        raise ValueError("this release of Ansible sends modules in another form")
    arguments = json.loads(found["params"])["ANSIBLE_MODULE_ARGS"]
    return found["ansible_module"], {key: value for key, value in arguments.items() if not key.startswith("_ansible")}


def _written(paths: Sequence[str]) -> dict[str, Any]:
    return {"paths": list(paths), "digests": dict.fromkeys(paths, "")}


def _certificate_requests(given: Mapping[str, Any]) -> dict[str, Any]:
    requests, folder = [], given["folder"]
    for wanted in given["certificates"]:
        names = [certificates.parse_name(text) for text in wanted["subject_alternative_names"]]
        common_name = wanted.get("common_name") or given["common_name"]
        request = certificates.make_request(certificates.make_key(), common_name, names)
        reason = "there is none that can be read"
        requests.append(
            {"name": wanted["name"], "path": f"{folder}/{wanted['name']}.crt", "csr": request, "reason": reason}
        )
    paths = [f"{folder}/{wanted['name']}.{suffix}" for wanted in given["certificates"] for suffix in ("key", "crt")]
    return {"requests": requests, **_written(paths)}


def _restart(given: Mapping[str, Any]) -> dict[str, Any]:
    names = [given["name"]] if "name" in given else [unit["name"] for unit in given["units"]]
    return {"commands": [f"restart {' '.join(names)}"], "reasons": dict.fromkeys(names, "this is its first start")}


def _capabilities(_given: Mapping[str, Any]) -> dict[str, Any]:
    kernel = dict.fromkeys(("dm_thin_pool", "geneve", "kvm", "nbd", "openvswitch", "rbd", "vhost_net"), True)
    return {"host_capabilities": {"architecture": "x86_64", "cpus": 64, "memory_mib": 524288, "kernel": kernel}}


# What a module returns on a host where everything is left to do.
FIRST: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "accentos.cloud.certificate_requests": _certificate_requests,
    "accentos.cloud.clock_check": lambda _given: {"changed": False, "time": time.time()},
    "accentos.cloud.command_on_change": lambda given: {"stdout": "", "reason": ", ".join(given["inputs"])},
    "accentos.cloud.compute_hosts": lambda given: {
        "steps": [{"host": host, "verb": "map", "thing": f"{host} to its cell", "why": ""} for host in given["hosts"]]
    },
    "accentos.cloud.files": lambda given: _written([file["path"] for file in given["files"]]),
    "accentos.cloud.guest_acceleration": lambda _given: {
        "changed": False,
        "virt_type": "kvm",
        "reason": "a Linux kernel boots under KVM",
    },
    "accentos.cloud.host_capabilities": lambda given: {"changed": False, **_capabilities(given)},
    "accentos.cloud.host_check": lambda _given: {"changed": False, "rooms": {}, "missing": []},
    "accentos.cloud.openstack_config": lambda given: {
        **_written([file["path"] for file in given["files"]]),
        "sections": {f"{file['path']} [{name}]": "" for file in given["files"] for name in file.get("sections") or ()},
    },
    "accentos.cloud.openvswitch_settings": lambda given: {
        "commands": [f"add-br {one['name']}" for one in given["bridges"]]
    },
    "accentos.cloud.secret_file": lambda given: {"path": given["path"], **_written([given["path"]])},
    "accentos.cloud.unit": _restart,
    "accentos.cloud.units": _restart,
    "ansible.builtin.apt": lambda _given: {
        "stdout": "".join(f"Setting up package-{number} (2025.1-1) and its files ...\n" for number in range(APT_LINES)),
        "stderr": "",
    },
    # Files that are asked for mark a cloud with images or of the other driver of networks, and there is none.
    "ansible.builtin.stat": lambda _given: {"changed": False, "stat": {"exists": False}},
}
_NOTHING = {
    "requests": [],
    "paths": [],
    "digests": {},
    "sections": {},
    "commands": [],
    "reasons": {},
    "steps": [],
    "stdout": "",
    "reason": "",
}


def answer(module: str, given: Mapping[str, Any], *, done: bool) -> dict[str, Any]:
    """Return what a module would; DONE on a host where nothing is left to do. Raises KeyError for an unknown one."""
    result = {"changed": True, **FIRST[module](given)}
    if done and result["changed"]:
        # The same fields, without anything in them.
        result = {
            "changed": False,
            **{key: _NOTHING.get(key, value) for key, value in result.items() if key != "changed"},
        }
    return result


def installed(command: str, *, done: bool) -> str | None:
    """Return what dpkg would say to the question of the module packages; None if COMMAND is another one."""
    words = shlex.split(command)
    for word in words:
        if word.startswith("LC_ALL=C dpkg-query --show "):
            # After it comes the question whether units of an image are held back, of which there are none.
            question = shlex.split(word.partition("; ls ")[0])
            return "".join(f"installed {name}\n" for name in question[question.index("--") + 1 :] if done)
    return None


class Connection(ConnectionBase):  # type: ignore[misc]
    """Answers for the host."""

    transport = "stand_in"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Return what the host would answer."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = bool(os.environ.get("ACCENTOS_STAND_IN_DONE"))
        if in_data:
            module, given = read_module(in_data)
            try:
                return 0, json.dumps(answer(module, given, done=done)).encode(), b""
            except KeyError as error:
                raise AnsibleConnectionFailure(
                    f"tests/benchmark/stand_in knows no answer of {module}: {error}"
                ) from error
        told = installed(cmd, done=done)
        if told is None:
            raise AnsibleConnectionFailure(f"tests/benchmark/stand_in runs no commands: {cmd}")
        return 0, told.encode(), b""

    def put_file(self, in_path: str, out_path: str) -> None:
        """Refuse."""
        raise AnsibleConnectionFailure(f"tests/benchmark/stand_in transfers no files: {out_path}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Refuse."""
        raise AnsibleConnectionFailure(f"tests/benchmark/stand_in transfers no files: {in_path}")

    def close(self) -> None:
        """There is nothing to close."""
        self._connected = False
