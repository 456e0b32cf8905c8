# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the names of a site: full names that no certificate can have, or that two things have.

Pure functions over values that are well-formed on their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, report, short_value
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import Located

# RFC 5280, appendix A.1: ub-common-name-length.
LONGEST_COMMON_NAME = 64
# What the role libvirt puts before the full name of a compute.
LIBVIRT_PREFIX = "libvirt."


def find_long_names(
    domain: Located, hosts: Mapping[str, Place], computes: Collection[str], api: Located | None = None
) -> list[Finding]:
    """Return a finding for the longest common name of a certificate, if it is too long. The others follow from it.

    :param hosts: where each host is written.
    :param computes: those of them that run guests.
    :param api: site_api_name, where it is written.
    """
    names = [
        (len(full), full, f"host {host} in the domain {domain.text}", place)
        for host, place in hosts.items()
        for full in [f"{LIBVIRT_PREFIX if host in computes else ''}{host}.{domain.text}"]
    ]
    full = full_api_name(domain, api)
    names.append((len(full), full, "the API", api.place if api else domain.place))
    length, longest, owner, place = max(names, key=lambda entry: entry[0])
    if length <= LONGEST_COMMON_NAME:
        return []
    problem = f"the certificate of {owner} would have a common name of {length} characters"
    expected = f"at most {LONGEST_COMMON_NAME} characters: a shorter name or a shorter site_domain"
    return [report(place, problem, value=short_value(longest), expected=expected)]


def find_names_of_the_api(domain: Located, hosts: Mapping[str, Place], api: Located | None = None) -> list[Finding]:
    """Return a finding if a host has the full name at which the cloud's services are reached."""
    name = full_api_name(domain, api)
    host = name.removesuffix(f".{domain.text}")
    if host == name or host not in hosts:
        return []
    expected = "each full name once"
    if api is None:
        problem = f"the host and site_api_address, by default api.<site_domain>, have the same full name {name}"
        return [report(hosts[host], problem, expected=f"{expected}: another name of the host, or site_api_name")]
    where = hosts[host]
    problem = f"is the full name of host {host} in {where.file}:{where.line} too"
    return [report(api.place, problem, value=short_value(api.text), expected=expected)]


def full_api_name(domain: Located, api: Located | None) -> str:
    """Return the name at which the cloud's services are reached."""
    return api.text if api else f"api.{domain.text}"
