# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the option by which a plan knows what earlier tasks would write."""

from __future__ import annotations


class ModuleDocFragment:
    """The option inputs_changed."""

    DOCUMENTATION = r"""
options:
  inputs_changed:
    description:
      - What earlier tasks of this run change, by the name of the input, with its digest after them. Of files, by their
        paths, C(digests) says it that M(accentos.cloud.files), M(accentos.cloud.openstack_config),
        M(accentos.cloud.secret_file) and M(accentos.cloud.certificate_requests) return; of sections of files, by path
        and section, C(sections) of M(accentos.cloud.openstack_config).
      - The digest of a file is its SHA-256, V(missing) for one that is removed. An empty text stands where nobody knows
        before the run what it will be, and counts as different.
      - It matters in check mode only, where the inputs are still the old ones. One that goes back to what was
        remembered calls for nothing, and what is no input is left aside.
    type: dict
    default: {}
"""
