# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an audit found critical, and what it could not look at."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.filter.open_controllers import FilterModule

open_controllers = FilterModule().filters()["open_controllers"]


def test_critical_findings_and_silence_are_told() -> None:
    warning = {"severity": "warning", "problem": "old", "remedy": "Update it."}
    critical = {"severity": "critical", "problem": "open", "remedy": "Shut it."}
    machines = {
        "m1": {"power": "on", "findings": [warning, critical]},
        "m2": {"power": "on", "findings": [warning]},
        "m3": {"power": "unknown", "problem": "no answer", "remedy": "Look.", "findings": []},
    }
    assert open_controllers(machines) == ["m1: open. Shut it.", "m3: not known, no answer. Look."]
    assert open_controllers({}) == []
