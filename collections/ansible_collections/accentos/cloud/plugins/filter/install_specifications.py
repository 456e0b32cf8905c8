# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.install_specifications."""

from __future__ import annotations

DOCUMENTATION = r"""
name: install_specifications
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What bare machines are to become
description:
  - Makes, for each named host, the specification that its deploy ramdisk carries out, from the host's variables, the
    site's and the image.
  - Fails with one line for each host that cannot be installed as it is described, before anything is touched.
positional: _input, hosts, images, options
options:
  _input:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
  images:
    description:
      - The root images that can be installed, as a mapping of their names to mappings with C(url), C(sha256), C(size)
        and C(raw_size).
    type: dict
    required: true
  options:
    description:
      - What holds for hosts that do not say otherwise, as a mapping of the variables C(provision_image),
        C(provision_architecture), C(provision_root_disk), C(provision_disk_layout), C(provision_authorized_keys),
        C(provision_console), C(provision_kernel_options) and C(provision_next).
      - The image of a host is the one with the name of both, C(base-amd64) for instance.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the machines are to become
  ansible.builtin.debug:
    msg: "{{ hostvars | accentos.cloud.install_specifications(['compute-1'], images, options) }}"
"""

RETURN = r"""
_value:
  description: Host name to specification.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.install_specification import (
    SpecificationError,
    install_specification,
)

PREFIX = "provision_"


def _specification(
    name: str, variables: Mapping[str, Any], images: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    chosen = {key.removeprefix(PREFIX): variables.get(key, options[key]) for key in options}
    image = f"{chosen['image']}-{chosen['architecture']}"
    if image not in images:
        known = ", ".join(sorted(images)) or "none"
        raise SpecificationError(
            f"there is no image {image!r}; built are: {known}. See host_image_profiles and host_image_architectures"
        )
    if "host_addresses" not in variables:
        raise SpecificationError("it has no host_addresses")
    host = {
        "name": name,
        "addresses": variables["host_addresses"],
        "interfaces": variables.get("host_interfaces", []),
        "bonds": variables.get("host_bonds", []),
    }
    site = {
        "domain": variables["site_domain"],
        "networks": variables["site_networks"],
        "dns": variables.get("site_dns_servers", []),
    }
    return install_specification(
        host, site, {"name": image, **images[image]}, {**chosen, "layout": chosen["disk_layout"]}
    )


def install_specifications(
    hostvars: Mapping[str, Any], hosts: Iterable[str], images: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return host name -> specification, see install_specification()."""
    made: dict[str, dict[str, Any]] = {}
    refused: list[str] = []
    for name in hosts:
        try:
            made[name] = _specification(name, hostvars[name], images, options)
        except SpecificationError as error:
            refused.append(f"{name}: {error}.")
    if refused:
        raise AnsibleFilterError("These hosts cannot be installed as they are described:\n" + "\n".join(refused))
    return made


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, dict[str, Any]]]]:
        """Return the filters of this file by name."""
        return {"install_specifications": install_specifications}
