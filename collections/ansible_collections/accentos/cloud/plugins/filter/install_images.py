# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.install_images."""

from __future__ import annotations

DOCUMENTATION = r"""
name: install_images
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Root images as specifications name them
description:
  - Makes the option C(images) of P(accentos.cloud.install_specifications#filter) from what
    M(accentos.cloud.host_image_build) returned. Images of another kind, such as a ramdisk, are left out.
  - Of an image that a run in check mode would build, sizes and digest are not known, and are 0 and empty.
positional: _input, address
options:
  _input:
    description: What C(image.json) of each image holds.
    type: list
    elements: dict
    required: true
  address:
    description: URL of the folder from which machines fetch images, without a slash at the end.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the images
  ansible.builtin.debug:
    msg: "{{ images | accentos.cloud.install_images('https://192.0.2.10/images') }}"
"""

RETURN = r"""
_value:
  description: Name of the image to C(url), C(sha256), C(size) and C(raw_size).
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

FILE = "root.img.zst"


def install_images(images: Iterable[Mapping[str, Any]], address: str) -> dict[str, dict[str, Any]]:
    """Return the images by name."""
    return {
        image["name"]: {
            "url": f"{address}/{image['name']}/{FILE}",
            # Known when it is built.
            "sha256": image.get("sha256", ""),
            "size": image.get("size", 0),
            "raw_size": image.get("raw_size", 0),
        }
        for image in images
        if FILE in image["files"]
    }


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, dict[str, Any]]]]:
        """Return the filters of this file by name."""
        return {"install_images": install_images}
