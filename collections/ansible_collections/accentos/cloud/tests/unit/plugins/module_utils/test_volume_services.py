# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether back ends of volumes work, on what cinder says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.volume_services import (
    Look,
    complaints,
    parse_moment,
    parse_start,
    read_configuration,
)

STARTED = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
CEPH, DISKS = "example@ceph", "controller-1@disks"
CONF = """
[DEFAULT]
enabled_backends = ceph,disks, files
log_dir = /var/log/of-cinder
transport_url = rabbit://u:100%@host
repeated = 1
repeated = 2
[ceph]
backend_host = example
[disks]
backend_host = controller-1
[files]
volume_driver = some
"""


def pool(name: str, after: float) -> dict[str, Any]:
    """What the scheduler heard of a pool, seconds after the start."""
    moment = STARTED + timedelta(seconds=after)
    # Cinder leaves out the zone.
    return {"name": name, "capabilities": {"timestamp": moment.replace(tzinfo=None).isoformat()}}


def look(*pools: dict[str, Any], after: float = 20, **states: str) -> Look:
    services = [
        {"host": {"ceph": CEPH, "disks": DISKS}[name], "status": "enabled", "state": state}
        if state in ("up", "down")
        else {"host": {"ceph": CEPH, "disks": DISKS}[name], "status": state, "state": "up"}
        for name, state in states.items()
    ]
    return Look(STARTED + timedelta(seconds=after), STARTED, services, pools)


def test_the_configuration_tells_what_cinder_calls_the_back_ends() -> None:
    found = read_configuration(CONF, "one")
    assert found.services == {"ceph": CEPH, "disks": DISKS, "files": "one@files"}
    assert found.log == "/var/log/of-cinder/cinder-volume.log"
    assert read_configuration(CONF.replace("[ceph]", "host = other\n[ceph]"), "one").services["files"] == "other@files"
    assert read_configuration("[DEFAULT]\nlog_file = /tmp/x.log\n", "one").log == "/tmp/x.log"
    assert read_configuration("[DEFAULT]\nenabled_backends =\n", "one").services == {}


def test_a_back_end_is_proved_by_what_the_scheduler_heard_since_the_start() -> None:
    heard = (pool(f"{CEPH}#ceph", 5), pool(f"{DISKS}#a", -5), pool(f"{DISKS}#b", 9))
    assert look(*heard).silent([CEPH, DISKS]) == []
    # Of the driver that ran before.
    assert look(heard[0], pool(f"{DISKS}#a", -0.1)).silent([CEPH, DISKS]) == [DISKS]
    assert look(heard[0]).silent([CEPH, DISKS]) == [DISKS]
    assert look({"name": CEPH, "capabilities": None}, pool(DISKS, 1)).silent([CEPH, DISKS]) == [CEPH]


def test_a_back_end_that_has_fallen_silent_does_not_work() -> None:
    heard = (pool(CEPH, 4000), pool(DISKS, 3600))
    assert look(*heard, after=4000).silent([CEPH, DISKS]) == [DISKS]
    assert look(*heard, after=3890).silent([CEPH, DISKS]) == []


def test_who_disabled_a_back_end_knows_of_it() -> None:
    assert look(ceph="up", disks="disabled").silent([CEPH, DISKS]) == [CEPH]


@pytest.mark.parametrize(("after", "state", "hopeless"), [(120, "down", True), (120, "up", False), (60, "down", False)])
def test_nobody_waits_for_what_cinder_counts_as_down(after: float, state: str, *, hopeless: bool) -> None:
    assert look(after=after, ceph="up", disks=state).hopeless([DISKS]) == hopeless
    assert not look(after=after, ceph="up", disks=state).hopeless([CEPH])


def test_moments() -> None:
    assert parse_start("Fri 2026-01-02 03:04:05.600000 UTC\n") == STARTED
    assert parse_moment("2026-01-02T03:04:05.600000") == parse_moment("2026-01-02T04:04:05.600000+01:00") == STARTED
    assert parse_moment(None) == parse_moment("never") < STARTED
    with pytest.raises(ValueError, match="does not match"):
        parse_start("")


def test_complaints_are_what_people_can_read() -> None:
    start = "2026-01-02 03:04:05.678 1234 ERROR cinder.volume.manager"
    log = [
        "2026-01-02 03:04:05.600 1234 INFO cinder.volume.manager [req-1 - - -] Starting volume driver",
        f"{start} [None req-1 - - - - - -] Failed to initialize driver.: x.Exception: Volume Group gone does not exist",
        f"{start} Traceback (most recent call last):",
        f'{start}   File "/usr/lib/python3/dist-packages/cinder/volume/manager.py", line 524, in _init_host',
        f"{start}     self.driver.check_for_setup_error()",
        f"{start} cinder.exception.VolumeBackendAPIException: Volume Group gone does not exist",
        f"{start} ",
        f"{start} cinder.exception.VolumeBackendAPIException: Volume Group gone does not exist",
    ]
    assert complaints("\n".join(log)) == [
        "Failed to initialize driver.: x.Exception: Volume Group gone does not exist",
        "cinder.exception.VolumeBackendAPIException: Volume Group gone does not exist",
    ]
