# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.awx_survey."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_survey
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Surveys of AWX from the argument_specs of roles
description:
  - Makes the survey of a job template from options of roles, and the extra variables that make options of its answers.
  - >-
    AWX has questions for texts, passwords, numbers and choices. Lists are asked for with one value on each line,
    dictionaries as YAML, truth values with C(yes) and C(no).
  - A secret is hidden, and never has a default. Options that hold secrets further down are refused.
positional: _input, specs, title
options:
  _input:
    description:
      - What is asked for, in this order. Each names C(role) and C(option), and if need be C(entry_point), C(required),
        C(min), C(max) and C(multiline).
    type: list
    elements: dict
    required: true
  specs:
    description: By role what its C(meta/argument_specs.yml) holds below C(argument_specs).
    type: dict
    required: true
  title:
    description: Name of the survey.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the survey of a job template that removes computes
  ansible.builtin.debug:
    msg: "{{ [{'role': 'compute', 'option': 'compute_removed'}] | accentos.cloud.awx_survey(specs, 'Computes') }}"
"""

RETURN = r"""
_value:
  description: C(survey_spec), empty if nothing is asked, and C(extra_vars), templates by option.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.awx_survey import SurveyError, survey


def awx_survey(
    asked: Sequence[Mapping[str, Any]], specs: Mapping[str, Mapping[str, Any]], title: str
) -> dict[str, dict[str, Any]]:
    """Return the survey and the extra variables. Raises AnsibleFilterError."""
    try:
        return survey(title, asked, specs)
    except SurveyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, dict[str, Any]]]]:
        """Return the filters of this file by name."""
        return {"awx_survey": awx_survey}
