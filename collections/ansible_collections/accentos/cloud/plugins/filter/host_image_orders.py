# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter from the settings of the role host_image to the images that the module host_image_build is to have."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_image_orders
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: The images that the settings of the role host_image ask for
description:
  - Returns the option O(accentos.cloud.host_image_build#module:images), for each architecture the deploy ramdisk and
    then a root image for each profile.
positional: settings
options:
  _input:
    description: Architectures, as Debian names them.
    type: list
    elements: str
    required: true
  settings:
    description: The settings of the role.
    type: dict
    required: true
    suboptions:
      folder:
        description: Folder for C(boot) and C(images).
        type: path
      profiles:
        description: Profiles to build.
        type: list
        elements: str
      baked:
        description: By profile the packages that a deployment installs, from P(accentos.cloud.image_packages#lookup).
        type: dict
      everybody:
        description: The same for hosts in no group.
        type: list
        elements: str
      profile_packages:
        description: More packages by profile.
        type: dict
      packages:
        description: Packages of every root image.
        type: list
        elements: str
      ramdisk_packages:
        description: Packages of the ramdisk.
        type: list
        elements: str
      firmware:
        description: Packages with firmware, for both.
        type: list
        elements: str
      modules:
        description: Patterns of kernel modules of the ramdisk.
        type: list
        elements: str
      kernel:
        description: Name of the kernel's package without the architecture.
        type: str
      architectures:
        description: By architecture the packages that only it has, C(root) and C(ramdisk).
        type: dict
      environment:
        description: Environment of both programs.
        type: dict
      root_files:
        description: Recipe of root images, with the program C(build-root).
        type: dict
      ramdisk_files:
        description: Recipe of the ramdisk, with the program C(build-ramdisk).
        type: dict
      space_mib:
        description: MiB that a root image needs.
        type: int
"""

EXAMPLES = r"""
- name: Show the images
  ansible.builtin.debug:
    msg: "{{ ['amd64'] | accentos.cloud.host_image_orders(__host_image_settings) | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: The images.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

_RAMDISK_SPACE_MIB = 1024


def joined(*lists: Iterable[str]) -> str:
    """Return the names of all LISTS once, in order, with commas between them."""
    return ",".join(sorted({name for names in lists for name in names}))


def ramdisk(architecture: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order for the deploy ramdisk of ARCHITECTURE."""
    own = settings["architectures"][architecture]["ramdisk"]
    kernel = f"{settings['kernel']}{architecture}"
    return {
        "folder": f"{settings['folder']}/boot",
        "name": architecture,
        "architecture": architecture,
        "program": "build-ramdisk",
        "files": settings["ramdisk_files"],
        "environment": {
            **settings["environment"],
            "PACKAGES": joined(settings["ramdisk_packages"], settings["firmware"], own, [kernel]),
            "MODULES": " ".join(settings["modules"]),
        },
        "outputs": ["ramdisk.img", "vmlinuz"],
        "space_mib": _RAMDISK_SPACE_MIB,
    }


def root_image(profile: str, architecture: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order for the root image of PROFILE for ARCHITECTURE."""
    architectural = settings["architectures"][architecture]["root"]
    kernel = f"{settings['kernel']}{architecture}"
    more = settings["profile_packages"].get(profile, ())
    own = [*settings["packages"], *settings["firmware"], *architectural, *settings["everybody"], *more, kernel]
    # What a deployment comes to, and nobody else: its units wait for that.
    held = set(settings["baked"][profile]) - set(own)
    return {
        "folder": f"{settings['folder']}/images",
        "name": f"{profile}-{architecture}",
        "architecture": architecture,
        "program": "build-root",
        "files": settings["root_files"],
        "environment": {
            **settings["environment"],
            "PACKAGES": joined(own, held),
            "HELD": joined(held),
        },
        "outputs": ["root.img.zst"],
        "space_mib": settings["space_mib"],
        # The packages' scripts.
        "executes": True,
    }


def host_image_orders(architectures: Sequence[str], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the images for ARCHITECTURES: the ramdisk first, since it is quick and nothing boots without it."""
    return [
        order
        for architecture in architectures
        for order in (
            ramdisk(architecture, settings),
            *(root_image(profile, architecture, settings) for profile in settings["profiles"]),
        )
    ]


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"host_image_orders": host_image_orders}
