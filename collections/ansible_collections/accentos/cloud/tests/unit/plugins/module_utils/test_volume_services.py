# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether back ends of volumes work, on what cinder says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.volume_services import (
    Look,
    VolumeHost,
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


HOST = VolumeHost({"ceph": [CEPH], "disks": [DISKS]}, "/var/log/x")


def look(*pools: dict[str, Any], after: float = 20, log: str = "", **statuses: str) -> Look:
    names = {"ceph": CEPH, "disks": DISKS}
    services = [{"host": names[name], "status": status, "frozen": False} for name, status in statuses.items()]
    return Look(STARTED + timedelta(seconds=after), STARTED, services, pools, log)


def line(after: float, text: str) -> str:
    """A line of a log, seconds after the start, in the time of this host."""
    moment = (STARTED + timedelta(seconds=after)).astimezone().replace(tzinfo=None)
    return f"{moment.isoformat(sep=' ', timespec='milliseconds')} 1234 {text}"


def test_the_configuration_tells_what_cinder_calls_the_back_ends() -> None:
    found = read_configuration(CONF, "one")
    assert found.services == {"ceph": [CEPH], "disks": [DISKS], "files": ["one@files"]}
    assert (found.log, found.stale) == ("/var/log/of-cinder/cinder-volume.log", timedelta(minutes=5))
    more = CONF.replace("[ceph]", "host = other\ncluster = us\nbackend_stats_polling_interval = 600\n[ceph]")
    changed = read_configuration(more, "one")
    assert changed.services["files"] == ["other@files", "us@files"]
    assert changed.stale == timedelta(minutes=30)
    assert read_configuration("[DEFAULT]\nlog_file = /tmp/x.log\n", "one").log == "/tmp/x.log"
    assert read_configuration("[DEFAULT]\nenabled_backends =\n", "one").services == {}


def test_a_back_end_is_proved_by_what_the_scheduler_heard_since_the_start() -> None:
    heard = (pool(f"{CEPH}#ceph", 5), pool(f"{DISKS}#a", -5), pool(f"{DISKS}#b", 9))
    assert look(*heard).silent(HOST) == []
    # Of the driver that ran before.
    assert look(heard[0], pool(f"{DISKS}#a", -0.1)).silent(HOST) == ["disks"]
    assert look(heard[0]).silent(HOST) == ["disks"]
    assert look({"name": CEPH, "capabilities": None}, pool(DISKS, 1)).silent(HOST) == ["ceph"]
    down = pool(CEPH, 5)
    down["capabilities"]["backend_state"] = "down"
    assert look(down, pool(DISKS, 1)).silent(HOST) == ["ceph"]


def test_one_that_services_of_a_cluster_have_is_heard_under_its_name() -> None:
    cluster = VolumeHost({"ceph": [CEPH, "us@ceph"]}, "/var/log/x")
    assert look(pool("us@ceph#ceph", 5)).silent(cluster) == []
    assert look(pool("others@ceph#ceph", 5)).silent(cluster) == ["ceph"]


def test_a_back_end_that_has_fallen_silent_does_not_work() -> None:
    heard = (pool(CEPH, 4000), pool(DISKS, 3600))
    assert look(*heard, after=4000).silent(HOST) == ["disks"]
    assert look(*heard, after=3890).silent(HOST) == []
    patient = VolumeHost(HOST.services, HOST.log, timedelta(minutes=30))
    assert look(*heard, after=4000).silent(patient) == []


def test_who_disabled_or_froze_a_back_end_knows_of_it() -> None:
    assert look(ceph="enabled", disks="disabled").silent(HOST) == ["ceph"]
    frozen = Look(STARTED, STARTED, [{"host": CEPH, "status": "enabled", "frozen": True}], [], "")
    assert frozen.silent(HOST) == ["disks"]


def test_the_log_tells_of_a_driver_of_this_host_for_which_others_speak() -> None:
    warning = "WARNING cinder.volume.manager [-] Update driver status failed: (config name {}) is uninitialized."
    log = "\n".join([line(-60, warning.format("ceph")), line(60, warning.format("disks"))])
    seen = look(pool(CEPH, 5), pool(DISKS, 5), after=70, log=log)
    assert (seen.failed(), seen.silent(HOST)) == ({"disks"}, ["disks"])


def test_moments() -> None:
    assert parse_start("Fri 2026-01-02 03:04:05.600000 UTC\n") == STARTED
    assert parse_moment("2026-01-02T03:04:05.600000") == parse_moment("2026-01-02T04:04:05.600000+01:00") == STARTED
    assert parse_moment(None) == parse_moment("never") < STARTED
    with pytest.raises(ValueError, match="does not match"):
        parse_start("")


def test_the_name_of_the_day_is_in_any_language() -> None:
    assert parse_start("Fr 2026-01-02 03:04:05.600000 UTC") == STARTED


def test_complaints_are_what_people_can_read() -> None:
    start = "ERROR cinder.volume.manager"
    log = [
        line(-1, f"{start} an error of yesterday"),
        line(0, "INFO cinder.volume.manager [req-1 - - -] Starting volume driver"),
        line(1, f"{start} [None req-1 - - - - - -] Failed to initialize driver.: x.Exception: Volume Group gone"),
        line(1, f"{start} Traceback (most recent call last):"),
        line(1, f'{start}   File "/usr/lib/python3/dist-packages/cinder/volume/manager.py", line 524, in _init_host'),
        line(1, f"{start}     self.driver.check_for_setup_error()"),
        line(1, f"{start} cinder.exception.VolumeBackendAPIException: Volume Group gone does not exist"),
        line(1, f"{start} "),
        line(2, f"{start} cinder.exception.VolumeBackendAPIException: Volume Group gone does not exist"),
    ]
    assert look(log="\n".join(log)).complaints() == [
        "Failed to initialize driver.: x.Exception: Volume Group gone",
        "cinder.exception.VolumeBackendAPIException: Volume Group gone does not exist",
    ]
