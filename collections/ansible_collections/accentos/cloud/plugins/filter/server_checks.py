# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that decides how the load balancer checks the servers of a service."""

from __future__ import annotations

DOCUMENTATION = r"""
name: server_checks
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: How the load balancer checks the servers of a service
description:
  - Where another server can take over, one that does not answer in time is left quickly, and its connections are cut.
  - >-
    Nothing can take over from an only server. It keeps its connections, and only one that has been failing for long is
    held to be down, since slow checks are what a busy host gives.
  - Of servers that are used one at a time, one that refuses a single connection is left at once.
options:
  _input:
    description: Names of the hosts that run the service.
    type: list
    elements: str
    required: true
  backup:
    description: Whether one host at a time is used.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show how the load balancer checks a database of three servers
  ansible.builtin.debug:
    msg: "{{ groups.controller | accentos.cloud.server_checks(backup=true) }}"
"""

RETURN = r"""
_value:
  description: >-
    C(timeout), how long haproxy waits for the answer to a check once it has a connection; C(servers), options of
    C(default-server). The time to connect for a check is C(inter), or the general one if that is shorter.
  type: dict
  sample: {timeout: 20s, servers: check inter 5s downinter 2s fall 5 rise 1}
"""

from collections.abc import Callable, Sequence


def server_checks(hosts: Sequence[str], *, backup: bool = False) -> dict[str, str]:
    """Return how haproxy checks the servers on HOSTS."""
    others = hosts[1:]
    if not others:
        return {"timeout": "20s", "servers": "check inter 5s downinter 2s fall 5 rise 1"}
    servers = "check inter 2s fastinter 500ms fall 2 rise 2 on-marked-down shutdown-sessions"
    return {
        "timeout": "5s",
        "servers": f"{servers} observe layer4 error-limit 1 on-error mark-down" if backup else servers,
    }


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        """Return the filters of this file by name."""
        return {"server_checks": server_checks}
