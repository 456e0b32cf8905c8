# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan that people read before disks are erased, and the table that it is shown in."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.filter.provision_plan import FilterModule
from ansible_collections.accentos.cloud.plugins.filter.text_table import FilterModule as TableModule

provision_plan = FilterModule().filters()["provision_plan"]
text_table = TableModule().filters()["text_table"]


def test_rows() -> None:
    plain = {
        "image": {"name": "base-amd64"},
        "disks": {"rule": {"serial": "S1", "rotational": False}, "layout": "plain"},
    }
    mirrored = {"image": {"name": "storage-amd64"}, "disks": {"rule": {"size_max_gib": 500}, "layout": "raid1+lvm"}}
    rows = provision_plan(
        [
            {"host": "a", "action": "arm", "reason": "it was never installed"},
            {"host": "b", "action": "arm", "reason": "it is failed"},
            {"host": "c", "action": "nothing", "reason": "it is being installed"},
            {"host": "d", "action": "nothing", "reason": "it is deployed"},
            {"host": "e", "action": "nothing", "reason": "it is armed"},
        ],
        {"a": plain, "b": mirrored, "c": plain, "d": plain, "e": plain},
        {"b": {"state": "failed"}, "c": {"state": "installing"}, "d": {"state": "deployed"}, "e": {"state": "armed"}},
    )
    assert [row["action"] for row in rows] == ["install", "install", "go on", "keep", "go on"]
    assert [row["power"] for row in rows] == ["cycle", "cycle", "", "", "cycle"]
    assert rows[0]["erases"] == "the one disk with serial S1 and rotational False"
    assert rows[1]["erases"] == "the two disks with size_max_gib 500"
    assert rows[1]["image"] == "storage-amd64"
    assert (rows[3]["image"], rows[3]["erases"]) == ("", "")


def test_table() -> None:
    rows = [{"host": "compute-1", "seconds": 7.5, "x": True}, {"host": "b\x1b[31m", "seconds": 120, "more": 1}]
    assert text_table(rows, ["host", "seconds", "x"]) == [
        "host       seconds  x",
        "compute-1      7.5  True",
        r"b\x1b[31m      120",
    ]
    assert "\x1b" not in "".join(text_table(rows))
    assert text_table([]) == []
    assert text_table([{"a": None}]) == ["a", ""]
