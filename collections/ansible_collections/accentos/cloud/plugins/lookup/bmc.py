# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of the connections to management controllers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bmc
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: How the management controllers of hosts are reached
description:
  - Returns what option O(accentos.cloud.power#module:bmc) of the power modules takes, from C(host_bmc) of a host and
    the secrets of the site.
  - User and password are those named C(bmc_<host>_user) and C(bmc_<host>_password), with an underscore for every dash
    of the host's name, otherwise C(bmc_user) and C(bmc_password). They are given by the operator, with
    C(tools/set-secret), and not generated, but for O(own_password).
options:
  _terms:
    description:
      - Names of hosts. With them the result is what option O(accentos.cloud.power#module:machines) takes. Without, it
        is the connection of the host that the task is for.
    type: list
    elements: str
  own_password:
    description:
      - Give each controller a password of its own, for module M(accentos.cloud.bmc_hardening). C(bmc_<host>_password)
        is generated and stored where it is missing. Not for the drivers C(amt) and C(snmp).
      - In check mode a missing password is generated for the call and nothing is stored.
    type: bool
    default: false
  fencing:
    description:
      - Return what option O(accentos.cloud.fence#module:machines) takes instead, with all that the site says of how
        each host is fenced - C(host_bmc), C(host_power_outlets), C(host_watchdog) and the addresses of the host. What
        it does not say is left out.
      - User and password of power distribution units are those named C(pdu_<host>_user) and C(pdu_<host>_password),
        otherwise C(pdu_user) and C(pdu_password).
    type: bool
    default: false
extends_documentation_fragment: [accentos.cloud.secret_store]
"""

EXAMPLES = r"""
- name: Turn the host on
  accentos.cloud.power:
    bmc: "{{ lookup('accentos.cloud.bmc') }}"
    state: "on"
  delegate_to: deploy-1

- name: Prove that a lost host is dead
  accentos.cloud.fence:
    machines: "{{ query('accentos.cloud.bmc', 'compute-7', fencing=true) }}"
  delegate_to: deploy-1
  run_once: true

- name: Turn all computes on
  accentos.cloud.power:
    machines: "{{ query('accentos.cloud.bmc', *groups['compute']) }}"
    state: "on"
  delegate_to: deploy-1
  run_once: true
"""

RETURN = r"""
_raw:
  description: The connection of the host, or name and connection (C(bmc)) of each host named, or how each is fenced.
  type: list
  elements: dict
"""

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.bmc import (
    FENCING,
    BmcError,
    connection,
    fencing,
    password_is_set,
    secret_names,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store


class LookupModule(LookupBase):
    """Returns connections to management controllers."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Look the connections up."""
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        # Variables that stand for an option come as they were written.
        folder = self._templar.template(self.get_option("folder")) or known.get("inventory_dir")
        try:
            store = open_store(folder, self.get_option("key_file"))
            if self.get_option("fencing"):
                secrets = store.read()
                return [fencing(host, self._of(host, known, FENCING), secrets) for host in terms]
            alone = str(known.get("inventory_hostname"))
            controllers = {host: self._of(host, known, ["host_bmc"])["host_bmc"] for host in terms} or {
                alone: self._templar.template(known.get("host_bmc"))
            }
            own: dict[str, str] = {}
            if self.get_option("own_password"):
                may_write = not known.get("ansible_check_mode", False)
                names = [secret_names(host, "password")[0] for host, bmc in controllers.items() if password_is_set(bmc)]
                own = {name: store.get(name, "bmc_password", may_write=may_write) for name in names}
            secrets = {**store.read(), **own}
            found = {host: connection(host, bmc, secrets) for host, bmc in controllers.items()}
            return [{"name": host, "bmc": bmc} for host, bmc in found.items()] if terms else [found[alone]]
        except (BmcError, SecretStoreError) as error:
            raise AnsibleLookupError(str(error)) from None

    def _of(self, host: str, known: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
        hosts = known.get("hostvars") or {}
        if host not in hosts:
            raise BmcError(f"The inventory has no host {host}. Name hosts as hosts.yml does.")
        return {name: self._templar.template(hosts[host].get(name)) for name in names}
