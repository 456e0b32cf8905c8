# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the benchmark of many computes decides, with literals; and that its site is one that the check lets through."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import check_site

from tests.benchmark.stand_in import stand_in
from tests.benchmark.thousand_computes import Task, computed_until, descendants, per_host, read_tasks, table, write_site

LOG = """\
2026-01-02T03:04:00.000+00:00 stage start: Clocks
2026-01-02T03:04:01.000+00:00 task: Refuse a clock (wrong) (playbooks/deploy.yml:17)
2026-01-02T03:04:02.000+00:00 ok: compute-1: Refuse a clock (wrong)
2026-01-02T03:04:03.000+00:00 skipped: compute-2: Refuse a clock (wrong)
2026-01-02T03:04:05.500+00:00 task: role : Sign (roles/pki/tasks/certificates.yml:12)
2026-01-02T03:04:06.000+00:00 changed: compute-1 -> localhost: role : Sign
"""
WRAPPER = rb"""
if __name__ == "__main__":
    _ansiballz_main(
ansible_module='accentos.cloud.files',
params='{"ANSIBLE_MODULE_ARGS": {"files": [{"path": "/etc/a", "content": "it\'s\\n"}], "_ansible_check_mode": false}}',
zip_data='UEsDB',
)
"""


def test_tasks_of_a_log_end_where_the_next_one_begins() -> None:
    first, second = read_tasks(LOG, 1767323050.0)
    assert (first.name, first.path) == ("Refuse a clock (wrong)", "playbooks/deploy.yml:17")
    assert (first.seconds, first.states, first.hosts) == (4.5, {"ok": 1, "skipped": 1}, {"compute-1", "compute-2"})
    assert (second.seconds, second.states, second.hosts) == (4.5, {"changed": 1}, {"compute-1"})


def test_a_log_without_tasks_has_none() -> None:
    assert read_tasks("2026-01-02T03:04:00.000+00:00 stage start: Clocks\n", 0.0) == []


def test_the_tasks_of_a_compute_are_those_of_the_one_with_most() -> None:
    tasks = read_tasks(LOG, 1767323050.0)
    assert (per_host(tasks), per_host(tasks, "controller-"), per_host([])) == (2, 0, 0)


def test_a_row_says_seconds_for_100_hosts_only_where_there_are_several() -> None:
    many = Task("A", "", 0.0, 3.0, 2.0, {"ok": 2}, {"a", "b"})
    rows = table([many, Task("B", "", 3.0, 4.0, 0.5, {"ok": 1}, {"a"})])
    assert [row.split() for row in rows[2:]] == [
        ["A", "2", "3.0", "2.0", "150.00", "100.00", "ok", "2"],
        ["B", "1", "1.0", "0.5", "ok", "1"],
    ]


@pytest.mark.parametrize(("at", "seconds"), [(5.0, 0.0), (10.0, 1.0), (11.0, 2.0), (12.0, 3.0), (99.0, 5.0)])
def test_what_was_computed_lies_between_samples(at: float, seconds: float) -> None:
    assert computed_until([(10.0, 1.0), (12.0, 3.0), (20.0, 5.0)], at) == seconds


def test_descendants_are_found_at_any_depth() -> None:
    assert descendants({1: 0, 5: 1, 6: 5, 7: 6, 8: 1}, 5) == {5, 6, 7}


@pytest.mark.parametrize("computes", [1, 300])
def test_the_site_passes_the_check(tmp_path: Path, computes: int) -> None:
    write_site(tmp_path, computes)
    outcome = check_site(tmp_path)
    assert ([str(one) for one in outcome.findings], outcome.hosts) == ([], computes + 6)


def test_a_payload_tells_module_and_arguments() -> None:
    given = {"files": [{"path": "/etc/a", "content": "it's\n"}]}
    assert stand_in.read_module(WRAPPER) == ("accentos.cloud.files", given)


def test_a_payload_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="another form"):
        stand_in.read_module(b"print(1)")


def test_a_host_that_is_done_changes_nothing() -> None:
    given = {"files": [{"path": "/etc/a"}]}
    written = {"changed": True, "paths": ["/etc/a"], "digests": {"/etc/a": ""}}
    assert stand_in.answer("accentos.cloud.files", given, done=False) == written
    assert stand_in.answer("accentos.cloud.files", given, done=True) == {"changed": False, "paths": [], "digests": {}}


def test_facts_of_a_host_stay_when_it_is_done() -> None:
    answer = stand_in.answer("accentos.cloud.guest_acceleration", {}, done=True)
    assert (answer["changed"], answer["virt_type"]) == (False, "kvm")


def test_dpkg_knows_the_packages_of_a_host_that_is_done() -> None:
    question = "LC_ALL=C dpkg-query --show --showformat 'x' -- nova-compute haproxy; ls -d /x 2>/dev/null"
    command = f"/bin/sh -c {shlex.quote(question)}"
    assert stand_in.installed(command, done=True) == "installed nova-compute\ninstalled haproxy\n"
    assert stand_in.installed(command, done=False) == ""
    assert stand_in.installed("/bin/sh -c 'rm -rf /'", done=False) is None


def test_a_cloud_of_computes_has_no_networks_of_another_driver() -> None:
    assert stand_in.answer("ansible.builtin.stat", {"path": "/a"}, done=True) == {
        "changed": False,
        "stat": {"exists": False},
    }
