# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plug-in accentos.cloud.packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Install packages of Debian that are missing
description:
  - Installs those packages that are not installed yet, without the ones that they only recommend, by
    M(ansible.builtin.apt).
  - >-
    Asks dpkg first. apt reads all that it knows of all packages before it finds that nothing is to be done, which takes
    seconds on each host and for each role; a second run consists of little else.
  - Packages that are there are not upgraded.
  - On a host whose image already has packages of a deployment, units of these are held back. They are let go here, see
    M(accentos.cloud.baked_units).
options:
  name:
    description: Names of packages, without versions.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Can run in check mode and tells what it would do without doing it.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
  action:
    description: Has a corresponding action plug-in, which runs another module only if it has to.
    support: full
  async:
    description: Can be used with C(async).
    support: none
"""

EXAMPLES = r"""
- name: Install the cache
  accentos.cloud.packages:
    name: [memcached]
"""

RETURN = r"""
missing:
  description: Packages that were not installed. Everything else is what M(ansible.builtin.apt) returns.
  returned: always
  type: list
  elements: str
  sample: [memcached]
commands:
  description: Units that the image of the host held back and that are let go, C(release) before each.
  returned: when there are any
  type: list
  elements: str
  sample: [release libvirtd.service]
"""
