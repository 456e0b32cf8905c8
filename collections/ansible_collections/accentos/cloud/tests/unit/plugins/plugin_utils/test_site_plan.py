# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The document of a plan on literals: made, read, compared, shown, without secrets."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.run_changes import Change
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_plan import (
    PlanError,
    Run,
    beyond_plan,
    changes_of,
    compare_basis,
    compare_changes,
    compared_lines,
    hidden,
    machines_of_site,
    make_plan,
    plan_lines,
    read_plan,
    refusal_of,
    saved_lines,
)

BASIS = {
    "site": {"hosts.yml": "1", "group_vars/all/site.yml": "1"},
    "code": {"role nova": "1"},
    "secrets": {"nova_password": "1"},
    "variables": {"x_size": "1"},
}
MACHINE = {
    "host": "compute-9",
    "action": "install",
    "power": "cycle",
    "image": "base-amd64",
    "erases": "the one disk with serial S1",
    "why": "it was never installed",
}
CHANGES = [
    Change("file", "change", "/etc/a", "", ("@@ -1 +1 @@", "-old", "+new"), "c1", "nova", "Files"),
    Change("unit", "restart", "a.service", "/etc/a", (), "c1", "nova", "Units"),
    Change("database", "run", "CREATE USER 'nova'", "", (), "c1", "nova", "Databases"),
]
NEW = {"compute-9": {"state": "new", "why": "it is not installed yet"}}
RUN = Run(
    check=True,
    outcome="ok",
    made="2026-01-01T00:00:00+00:00",
    hosts=("c1", "c2"),
    states=NEW,
    basis=BASIS,
    run={"tags": ["image"], "skip_tags": [], "limit": ""},
    machines=[MACHINE],
)


def plan(changes: Sequence[Change] = tuple(CHANGES), **of_run: Any) -> dict[str, Any]:
    """Return a document of CHANGES, with other values for fields of the run."""
    return make_plan(changes, Run(**{**vars(RUN), **of_run}))


def test_a_plan_has_machines_hosts_and_the_cloud() -> None:
    document = plan()
    assert document["complete"] is True
    assert document["machines"] == [MACHINE]
    assert list(document["hosts"]) == ["c1", "c2", "compute-9"]
    assert [one["thing"] for one in document["hosts"]["c1"]["changes"]] == ["/etc/a", "a.service"]
    assert document["hosts"]["c2"] == {"state": "asked", "why": "", "changes": []}
    assert document["hosts"]["compute-9"]["state"] == "new"
    (row,) = document["cloud"]
    assert (row["host"], row["change"]["kind"], row["change"]["service"]) == ("c1", "database", "nova")
    assert refusal_of(document) == []


def test_what_is_written_is_read_again_and_fits_the_schema() -> None:
    document = plan()
    assert read_plan(json.dumps(document), "p") == document
    assert changes_of(document) == [CHANGES[0], CHANGES[2], CHANGES[1]]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in plan().items() if key != name}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is no JSON"),
        ("[]", "it does not have the format accentos.cloud.plan"),
        (json.dumps({"changes": []}), "it does not have the format"),
        (json.dumps(plan() | {"version": 2}), "version 2; this code knows version 1"),
        (json.dumps(without("machines")), "at its top, 'machines' is a required property"),
        (json.dumps(plan() | {"machines": [MACHINE | {"action": "erase"}]}), "at machines.0.action, 'erase' is not"),
        (json.dumps(plan() | {"more": 1}), "'more' was unexpected"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_place_and_a_remedy(text: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        read_plan(text, "my.plan")
    assert words in str(caught.value)
    assert str(caught.value).startswith("my.plan is ")
    assert "plan.yml --check --diff" in caught.value.remedy


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (plan(check=False), "tells what a run did"),
        (plan(basis={}), "another playbook than plan.yml"),
        (plan(outcome="failed", failed={"c2": "Packages: no room"}), "c2 could not be asked: Packages: no room"),
        (plan(outcome="interrupted"), "ended as interrupted"),
    ],
)
def test_what_cannot_be_applied_says_why(document: dict[str, Any], words: str) -> None:
    (line,) = refusal_of(document)
    assert words in line
    assert f"It cannot be applied: {line}" in [one.text for one in saved_lines(document, 100, full=False)]


def other(part: str, name: str, value: str | None) -> dict[str, Any]:
    basis = copy.deepcopy(BASIS)
    if value is None:
        del basis[part][name]
    else:
        basis[part][name] = value
    return {**plan(), "basis": basis}


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (other("site", "hosts.yml", "2"), "file of the site hosts.yml: it is not what it was"),
        (other("site", "host_vars/c1.yml", "1"), "file of the site host_vars/c1.yml: it is new"),
        (other("site", "hosts.yml", None), "file of the site hosts.yml: it is gone"),
        (other("code", "role nova", "2"), "code role nova: it is another version"),
        (other("secrets", "nova_password", "2"), "secret nova_password: it has another value"),
        (other("secrets", "more_password", "1"), "secret more_password: it is new"),
        (other("variables", "x_size", "2"), "extra variable x_size: it has another value"),
        (
            {**plan(), "run": {"tags": [], "skip_tags": [], "limit": ""}},
            "options of the run: the plan was made with --tags image, this run has no --tags",
        ),
        (
            {**plan(), "run": {"tags": ["image"], "skip_tags": [], "limit": "c1"}},
            "options of the run: the plan was made with no --limit, this run has --limit c1",
        ),
    ],
)
def test_each_difference_of_the_basis_is_named_once(now: dict[str, Any], line: str) -> None:
    assert compare_basis(plan(), now) == [line]
    # What a killed run has made is no reason not to go on; all else is.
    assert compare_basis(plan(), now, rest=True) == ([] if "more_password" in line else [line])


def test_the_same_differs_in_nothing() -> None:
    assert compare_basis(plan(), plan()) == []
    assert compare_changes(plan(), plan()) == []
    assert compare_changes(plan(), plan(check=False), done=True) == []


OTHER_LINES = [Change(**{**vars(CHANGES[0]), "diff": ("-old", "+newer")}), *CHANGES[1:]]
MORE = [*CHANGES, Change("package", "install", "b", "", (), "c2", "nova", "Packages")]
CHANGED = [
    (plan(MORE), "c2: install package b: it is not in the plan", True),
    (plan(CHANGES[:2]), "c1: run database CREATE USER 'nova': it was planned, and nothing is to be done now", False),
    (plan(OTHER_LINES), "c1: write file /etc/a: other lines than planned", True),
    (plan(machines=[]), "machine compute-9: it is gone", True),
    (
        plan(machines=[MACHINE | {"action": "keep", "image": "", "erases": "", "why": "it is deployed"}]),
        "machine compute-9: planned was install, now it is keep: it is deployed",
        False,
    ),
    (
        plan(machines=[MACHINE | {"erases": "the one disk with serial S2"}]),
        "machine compute-9: erases: planned was the one disk with serial S1, now it is the one disk with serial S2",
        True,
    ),
    (plan(states={}, hosts=("c1", "c2", "compute-9")), "compute-9: new in the plan, asked now", False),
    (plan(failed={"c2": "Ping: lost"}), "c2: it could not be asked: Ping: lost", True),
]


@pytest.mark.parametrize(("now", "line", "beyond"), CHANGED)
def test_each_difference_of_what_would_be_done_is_named_once(now: dict[str, Any], line: str, beyond: bool) -> None:
    assert compare_changes(plan(), now) == [line]
    assert compare_changes(plan(), now, rest=True) == ([line] if beyond else [])


@pytest.mark.parametrize(
    ("planned", "left", "beyond"),
    [
        (("-old", "+new", "+more"), ("-old", "+new"), False),
        (("-old", "+new"), ("-older", "+new"), True),
        (("-old", "+new"), ("-old", "+newer"), True),
        # What is around them is no change, and a secret that the killed run made is hidden since.
        ((" near", "-old", "+key = made in check mode"), (" other", "-old", "+key = (hidden)"), False),
        (("+make   /dev/sdb: empty",), ("+resume /dev/sdb: an earlier run was cut off here",), False),
        (("+make   /dev/sdb: empty",), ("+make   /dev/sdc: empty",), True),
    ],
)
def test_what_is_left_of_a_change_has_no_lines_that_the_plan_never_showed(
    planned: tuple[str, ...], left: tuple[str, ...], beyond: bool
) -> None:
    old, new = (plan([Change(**{**vars(CHANGES[0]), "diff": lines})]) for lines in (planned, left))
    told = compare_changes(old, new, rest=True)
    assert told == (["c1: write file /etc/a: other lines than planned"] if beyond else [])


@pytest.mark.parametrize("mark", ["(made by the run)", "fsid = 00000000-0000-0000-0000-000000000000"])
def test_what_only_the_run_can_make_is_not_compared_with_what_it_became(mark: str) -> None:
    foretold = plan([Change(**{**vars(CHANGES[0]), "diff": ("-old", f"+{mark}")}), *CHANGES[1:]])
    assert compare_changes(foretold, plan(OTHER_LINES), done=True) == []
    assert compare_changes(foretold, plan(OTHER_LINES), rest=True) == []
    # What was known is not given up for what is open.
    assert compare_changes(plan(), foretold) == ["c1: write file /etc/a: other lines than planned"]


def test_a_file_that_was_to_be_made_may_have_come_with_a_package_of_the_killed_run() -> None:
    old = plan([Change(**{**vars(CHANGES[0]), "verb": "create", "diff": ("+new",)})])
    for line, beyond in (("+new", False), ("+newer", True)):
        new = plan([Change(**{**vars(CHANGES[0]), "diff": ("-# of the package", line)})])
        assert bool(compare_changes(old, new, rest=True)) is beyond


def test_another_disk_than_the_planned_one_is_not_wiped() -> None:
    def osds(*disks: str) -> dict[str, Any]:
        diff = tuple(f"+wipe /dev/{disk}" for disk in disks)
        return plan([Change("other", "do", "Make OSDs", "", diff, "c1", "ceph", "Make OSDs")])

    assert compare_changes(osds("sdb", "sdc"), osds("sdc", "sdb")) == []
    assert compare_changes(osds("sdb"), osds("sdc")) == ["c1: do task Make OSDs: other lines than planned"]


MAKE_OSDS = Change("other", "do", "Make OSDs", "", ("+make   /dev/sdb: empty", "+make   /dev/sdc: empty"), "c1", "ceph")


def unit(verb: str, name: str, host: str = "c1") -> Change:
    return Change("unit", verb, name, "", (), host, "ceph", "Let the OSDs run")


def osd(name: object, *verbs: str, host: str = "c1") -> list[Change]:
    return [unit(verb, f"ceph-osd@{name}.service", host) for verb in verbs or ("enable", "start")]


NEW_OSDS = [MAKE_OSDS, *osd("(number-of-/dev/sdb)"), *osd("(number-of-/dev/sdc)")]


def test_units_of_new_osds_are_as_planned_whatever_numbers_the_cluster_gives() -> None:
    old = plan(NEW_OSDS)
    assert compare_changes(old, plan(NEW_OSDS)) == []
    made = [MAKE_OSDS, *osd(3), *osd(12)]
    assert compare_changes(old, plan(made, check=False), done=True) == []
    # The number, and the link, may be those of an OSD that is gone.
    assert compare_changes(old, plan([MAKE_OSDS, *osd(3), *osd(12, "start")], check=False), done=True) == []
    assert read_plan(json.dumps(old), "p") == old


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (osd(4), "c1: {} unit ceph-osd@4.service: it is not in the plan"),
        (osd(1, "restart"), "c1: {} unit ceph-osd@1.service: it is not in the plan"),
        (osd(4, host="c2"), "c2: {} unit ceph-osd@4.service: it is not in the plan"),
        ([unit("start", "ceph-osd@all.service")], "c1: {} unit ceph-osd@all.service: it is not in the plan"),
        ([unit("start", "ceph-osd@4.timer")], "c1: {} unit ceph-osd@4.timer: it is not in the plan"),
    ],
)
def test_units_beyond_the_new_osds_are_not_planned(more: list[Change], line: str) -> None:
    done = plan([MAKE_OSDS, *osd(2), *osd(3), *more], check=False)
    expected = sorted(line.format(change.verb) for change in more)
    assert compare_changes(plan(NEW_OSDS), done, done=True) == expected
    assert compare_changes(plan(NEW_OSDS), done, rest=True) == expected


def test_an_osd_that_was_planned_and_does_not_run_is_told() -> None:
    done = plan([MAKE_OSDS, *osd(3)], check=False)
    assert compare_changes(plan(NEW_OSDS), done, done=True) == [
        "c1: start unit ceph-osd@(number-of-/dev/sdc).service: it was planned, and was not done"
    ]


def test_a_run_goes_on_with_osds_that_a_killed_one_made() -> None:
    old = plan(NEW_OSDS)
    cut_off = Change(**{**vars(MAKE_OSDS), "diff": ("+resume /dev/sdc: an earlier run was cut off here",)})
    for left in (
        # Made, and both still to be started; one of them runs already; one is still to be made.
        [*osd(3), *osd(4)],
        osd(4),
        osd(4, "start"),
        [cut_off, *osd(3), *osd("(number-of-/dev/sdc)")],
        # After a restart the disk has another name.
        [cut_off, *osd(3), *osd("(number-of-/dev/sdz)")],
    ):
        assert compare_changes(old, plan(left), rest=True) == []
        # A plan as a whole is one from before there was anything.
        assert compare_changes(old, plan(left)) != []
    third = plan([cut_off, *osd(3), *osd(4), *osd("(number-of-/dev/sdc)")])
    assert compare_changes(old, third, rest=True) == [
        "c1: enable unit ceph-osd@4.service: it is not in the plan",
        "c1: start unit ceph-osd@4.service: it is not in the plan",
    ]
    assert compare_changes(plan(), plan([*CHANGES, *osd(3)]), rest=True) != []


def test_a_unit_that_comes_with_the_run_may_be_enabled_or_started_by_its_package() -> None:
    old = plan([unit("start", "a.service"), unit("start", "b.service")])
    for done in (
        [unit("enable", "a.service"), unit("start", "a.service"), unit("start", "b.service")],
        [unit("restart", "a.service"), unit("start", "b.service")],
        [unit("enable", "a.service"), unit("reload", "a.service"), unit("start", "b.service")],
    ):
        assert compare_changes(old, plan(done, check=False), done=True) == []
        assert compare_changes(old, plan(done), rest=True) == []
        assert compare_changes(old, plan(done)) != []
    both = plan([unit("start", "a.service"), unit("start", "b.service"), unit("restart", "a.service")], check=False)
    told = ["c1: restart unit a.service: it is not in the plan"]
    assert compare_changes(old, both, done=True) == compare_changes(old, both, rest=True) == told
    stopped = plan([unit("stop", "a.service"), unit("enable", "c.service"), unit("start", "b.service")], check=False)
    assert compare_changes(old, stopped, done=True) == [
        "c1: start unit a.service: it was planned, and was not done",
        "c1: stop unit a.service: it is not in the plan",
        "c1: enable unit c.service: it is not in the plan",
    ]


def test_a_machine_that_was_kept_is_never_installed_by_a_plan_that_goes_on() -> None:
    kept = plan(machines=[MACHINE | {"action": "keep", "power": "", "image": "", "erases": ""}])
    told = compare_changes(kept, plan(), rest=True)
    assert told == ["machine compute-9: planned was keep, now it is install: it was never installed"]


def test_what_a_new_host_got_is_not_beyond_the_plan_but_more_on_another_host_is() -> None:
    got = [Change("package", "install", "b", "", (), host, "nova", "Packages") for host in ("compute-9", "c2")]
    done = plan([*CHANGES, *got], check=False, states={}, hosts=("c1", "c2", "compute-9"))
    assert compare_changes(plan(), done, done=True) == ["c2: install package b: it is not in the plan"]
    missing = compare_changes(plan(), plan(CHANGES[1:], check=False), done=True)
    assert missing == ["c1: write file /etc/a: it was planned, and was not done"]


PARTLY = NEW | {host: {"state": "partly", "why": "the cloud is new"} for host in ("c1", "c2")}


def test_what_a_host_of_a_new_cloud_is_known_to_get_is_compared() -> None:
    old = plan(states=PARTLY)
    assert compare_changes(old, plan(states=PARTLY)) == []
    assert compare_changes(old, plan(MORE, states=PARTLY)) == ["c2: install package b: it is not in the plan"]
    assert compare_changes(old, plan(OTHER_LINES, states=PARTLY)) == ["c1: write file /etc/a: other lines than planned"]
    assert len(compare_changes(old, plan(CHANGES[1:], states=PARTLY))) == 1
    # Once the controllers are there, more is known than the plan could say.
    assert compare_changes(old, plan(MORE), rest=True) == []
    assert compare_changes(old, plan(OTHER_LINES), rest=True) == ["c1: write file /etc/a: other lines than planned"]


def test_a_run_that_did_more_than_could_be_planned_says_so() -> None:
    old, done = plan(states=PARTLY), plan(MORE, check=False, states={})
    assert compare_changes(old, done, done=True) == []
    assert beyond_plan(old, done) == ["c2"]
    assert beyond_plan(old, plan(check=False)) == beyond_plan(plan(), done) == []
    lines = [line.text for line in compared_lines([], outcome="ok", failed=[], rest=False, beyond=["c2"])]
    assert "on these hosts more, beyond what could be planned: c2." in lines[-1]
    assert "As planned" not in "".join(lines)
    assert compare_changes(old, plan(CHANGES[1:], check=False), done=True) == [
        "c1: write file /etc/a: it was planned, and was not done"
    ]


def test_a_run_without_diff_did_what_was_planned_unless_it_shows_other_lines() -> None:
    silent = Change(**{**vars(CHANGES[0]), "verb": "create", "diff": ()})
    assert compare_changes(plan(), plan([silent, *CHANGES[1:]]), done=True) == []
    told = ["c1: write file /etc/a: other lines than planned"]
    assert compare_changes(plan(), plan(OTHER_LINES), done=True) == told
    # Before it is applied, no difference is one, too.
    assert compare_changes(plan(), plan([silent, *CHANGES[1:]])) == told


def test_a_run_says_whether_it_did_what_was_planned() -> None:
    def said(*differences: str, outcome: str = "ok", failed: Sequence[str] = (), rest: bool = False) -> list[str]:
        return [line.text for line in compared_lines(differences, outcome=outcome, failed=failed, rest=rest)][1:]

    assert said() == said(outcome="unchanged") == ["As planned: exactly the changes of the plan were made."]
    # What an earlier run did of it is not known.
    assert said(rest=True) == ["Nothing beyond the plan was done."]
    for rest in (False, True):
        assert said(outcome="failed", failed=["c1", "c2"], rest=rest) == ["Not all of the plan was done: c1, c2."]
    assert said(outcome="no hosts") == ["Not all of the plan was done: the run ended as no hosts."]
    assert said("x", outcome="failed", failed=["c1"])[1:] == ["Other than planned:", "  x"]
    lines = ["", *said(*(f"c{number}: \x1b" for number in range(50)))]
    assert lines[1:3] == ["Other than planned:", "  c0: \\x1b"]
    assert lines[-1] == "  and 10 more"


def test_the_site_alone_says_what_a_machine_is_to_become() -> None:
    known = {
        "provision_image": "base",
        "provision_architecture": "amd64",
        "provision_root_disk": {"size_max_gib": 500},
        "provision_disk_layout": "raid1",
    }
    (row,) = machines_of_site({"c9": known}, "nobody could be asked")
    assert (row["action"], row["image"]) == ("unknown", "base-amd64")
    assert row["erases"] == "the two disks with size_max_gib 500"
    assert read_plan(json.dumps(plan(machines=[row])), "p")["machines"] == [row]


def test_people_see_machines_changes_and_what_is_not_known() -> None:
    lines = [line.text for line in plan_lines(plan(), 120, diff=True, full=False)]
    assert lines[1] == "Machines:"
    assert lines[2].split() == ["host", "action", "power", "image", "erases", "why"]
    assert lines[3].startswith("compute-9  install  off, then on  base-amd64  the one disk with serial S1")
    assert "  c1: nova: restart a.service: /etc/a" in lines
    assert [line for line in lines if line.startswith("      ")] == ["      @@ -1 +1 @@", "      -old", "      +new"]
    assert lines[-1] == "  compute-9: new: it is not installed yet"
    saved = [line.text for line in saved_lines(plan(), 120, full=False)]
    assert saved[0] == "Made 2026-01-01T00:00:00+00:00 with --tags image"
    assert saved[1:-2] == lines
    assert saved[-1] == "Plan: 3 changes on 1 host, 1 machine to install."


def test_texts_from_hosts_lose_secrets_and_words_of_ours_stay() -> None:
    change = Change("file", "change", "/etc/install", "install", ("+key = install",), "install", "nova", "install")
    document = plan([change], failed={"install": "said install"}, machines=[MACHINE | {"why": "install"}])
    clean = hidden(document, lambda text: text.replace("install", "(hidden)"))
    assert clean["hosts"]["install"]["why"] == "said (hidden)"
    (entry,) = clean["hosts"]["install"]["changes"]
    assert (entry["thing"], entry["why"], entry["diff"]) == ("/etc/(hidden)", "(hidden)", ["+key = (hidden)"])
    assert entry["task"] == "(hidden)"
    assert (clean["machines"][0]["action"], clean["machines"][0]["why"]) == ("install", "(hidden)")
    assert read_plan(json.dumps(clean), "p") == clean
