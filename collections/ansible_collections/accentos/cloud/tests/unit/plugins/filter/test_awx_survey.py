# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter hands over, and tells Ansible what is wrong."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.awx_survey import FilterModule

awx_survey = FilterModule().filters()["awx_survey"]
SPECS = {"role": {"main": {"options": {"thing": {"description": "Text.", "type": "int", "default": 1}}}}}


def test_a_survey_is_made() -> None:
    made = awx_survey([{"role": "role", "option": "thing"}], SPECS, "Title")
    assert made["survey_spec"]["name"] == "Title"
    assert set(made["extra_vars"]) == {"thing"}


def test_a_mistake_is_told() -> None:
    with pytest.raises(AnsibleFilterError, match="no option other"):
        awx_survey([{"role": "role", "option": "other"}], SPECS, "Title")
