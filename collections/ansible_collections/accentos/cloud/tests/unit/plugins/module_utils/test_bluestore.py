# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels of OSDs, a real one and damaged ones."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.bluestore import Label, parse_label

from .ceph_samples import CLUSTER, LABEL, UUID, make_label


def test_a_real_label() -> None:
    assert parse_label(LABEL.ljust(4096, b"\0")) == Label(UUID, CLUSTER, 1, complete=True)


@pytest.mark.parametrize("data", [b"", bytes(4096), b"LABELONE", LABEL[:22]])
def test_no_label(data: bytes) -> None:
    assert parse_label(data) is None


@pytest.mark.parametrize("length", [59, 62, 100, 120, 400])
def test_a_damaged_label_still_says_whose_disk_it_is(length: int) -> None:
    assert parse_label(LABEL[:length]) == Label(UUID[: max(0, length - 23)])


def test_a_label_of_the_first_version_has_no_mapping() -> None:
    old = LABEL[:60] + b"\x01" + LABEL[61:]
    assert parse_label(old) == Label(UUID)


@pytest.mark.parametrize(
    ("values", "number", "complete"),
    [
        ({}, None, False),
        ({"whoami": "7", "mkfs_done": "yes"}, 7, False),
        ({"whoami": "seven", "ready": "ready", "mkfs_done": "yes"}, None, True),
        ({"whoami": "0", "ready": "ready"}, 0, False),
    ],
)
def test_an_osd_is_complete_when_both_marks_are_there(
    values: dict[str, str], number: int | None, complete: bool
) -> None:
    assert parse_label(make_label(UUID, **values)) == Label(UUID, "", number, complete)
