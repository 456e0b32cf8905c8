# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules for Cobbler, run in this process against a stand-in for cobblerd on loopback."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.filter.cobbler_hardware import cobbler_hardware
from ansible_collections.accentos.cloud.plugins.filter.cobbler_systems import cobbler_systems
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler import client, sync
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_content
from ansible_collections.accentos.cloud.plugins.modules import (
    cobbler_distro,
    cobbler_info,
    cobbler_profile,
    cobbler_settings,
    cobbler_sync,
    cobbler_system,
    cobbler_template,
)
from ansible_collections.accentos.cloud.tests.unit.plugins.module_utils.cobbler.daemon import (
    PASSWORD,
    USER,
    Daemon,
    Server,
    serving,
)

from .planned_inputs import EACH_CASE, Case

PORT = {"name": "eno1", "mac": "52:54:00:aa:00:01", "addresses": ["10.2.0.11/24"]}
DISTRO = {"name": "d", "kernel": "/srv/vmlinuz", "initrd": "/srv/initrd.img", "breed": "generic"}
PROFILE = {"name": "p", "distro": "d"}
SYSTEM = {
    "name": "compute-1",
    "profile": "p",
    "netboot_enabled": True,
    "kernel_options": "console=ttyS0 quiet",
    "name_servers": "10.0.0.1 10.0.0.2",
    "autoinstall_meta": {"accentos_specification": '{"a": ["$x", "#y", "{{ z }}"]}'},
    "interfaces": {
        "eth0": {"mac_address": "52:54:00:00:00:AA", "interface_type": "bond_slave", "interface_master": "bond0"},
        "bond0": {"interface_type": "bond", "ip_address": "10.0.0.11", "mtu": 9000, "virt_bridge": ""},
    },
}


class Cobbler:
    """A cobblerd and Ansible beside it."""

    def __init__(self, server: Server, daemon: Daemon, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self.daemon = daemon
        self.folder = folder
        self._capsys = capsys

    def run(self, module: ModuleType, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run a module and return what it hands to Ansible; no output may hold a secret."""
        args = {
            "url": self.server.url,
            "user": USER,
            "password": PASSWORD,
            "timeout": 5,
            **options,
            "_ansible_check_mode": check_mode,
            "_ansible_diff": True,
            "_ansible_tmpdir": str(self.folder),
        }
        with patch_module_args(args), pytest.raises(SystemExit):
            module.main()
        text = self._capsys.readouterr().out
        result: dict[str, Any] = json.loads(text)
        result.pop("invocation", None)
        assert "canary" not in json.dumps(result)
        return result

    def systems(self, *systems: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Run the module for systems."""
        return self.run(cobbler_system, systems=list(systems), **options)

    def refuses(self, words: str, module: ModuleType, **options: Any) -> None:
        """Expect an error with these WORDS and a remedy, and nothing written."""
        self.daemon.writes()
        before = copy.deepcopy(self.daemon.items)
        result = self.run(module, **options)
        assert result["failed"] is True
        assert words in result["msg"]
        assert result["remedy"]
        assert self.daemon.writes() == []
        assert self.daemon.items == before


@pytest.fixture
def cobbler(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cobbler]:
    monkeypatch.setattr(sync, "MARKER_FOLDER", tmp_path / "markers")
    monkeypatch.setattr(sync, "_PAUSE", 0.001)
    monkeypatch.setattr(client, "_RETRY_PAUSE", 0.001)
    daemon = Daemon()
    folder = tmp_path / "tmp"
    folder.mkdir()
    with serving(daemon) as server:
        yield Cobbler(server, daemon, folder, capsys)


@pytest.fixture
def filled(cobbler: Cobbler) -> Cobbler:
    cobbler.run(cobbler_distro, distros=[DISTRO])
    cobbler.run(cobbler_profile, profiles=[PROFILE])
    cobbler.systems(SYSTEM)
    cobbler.daemon.writes()
    cobbler.daemon.saved.clear()
    return cobbler


def test_objects_are_made_once_and_then_left_alone(cobbler: Cobbler) -> None:
    assert cobbler.run(cobbler_distro, distros=[DISTRO])["created"] == ["d"]
    assert cobbler.run(cobbler_profile, profiles=[PROFILE])["created"] == ["p"]
    result = cobbler.systems(SYSTEM)
    assert (result["changed"], result["created"], result["edited"]) == (True, ["compute-1"], [])
    assert cobbler.daemon.saved == ["d", "p", "compute-1"]
    stored = cobbler.daemon.items["system"]["compute-1"]
    assert stored["kernel_options"] == {"console": "ttyS0", "quiet": ""}
    assert list(stored["interfaces"]) == ["eth0", "bond0"]
    assert stored["interfaces"]["bond0"]["mtu"] == "9000"
    cobbler.daemon.writes()
    for module, options in (
        (cobbler_distro, {"distros": [DISTRO]}),
        (cobbler_profile, {"profiles": [PROFILE]}),
        (cobbler_system, {"systems": [SYSTEM]}),
    ):
        again = cobbler.run(module, **options)
        assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})
    assert cobbler.daemon.writes() == []


def test_many_systems_are_one_question_and_one_save_each(filled: Cobbler) -> None:
    systems: list[dict[str, Any]] = [
        {"name": f"s{n}", "profile": "p", "interfaces": {"eth0": {"mac_address": f"52:54:00:00:01:{n:02x}"}}}
        for n in range(20)
    ]
    assert filled.systems(*systems)["created"] == sorted(one["name"] for one in systems)
    assert filled.daemon.calls.count("get_items") == 1
    assert len(filled.daemon.saved) == 20
    systems[7]["comment"] = "new"
    assert filled.systems(*systems)["edited"] == ["s7"]
    assert len(filled.daemon.saved) == 21


def test_check_mode_tells_the_same_and_writes_nothing(filled: Cobbler) -> None:
    before = copy.deepcopy(filled.daemon.items)
    wanted = [
        {"name": "compute-1", "hostname": "x.example.test", "interfaces": {"eth0": {"state": "absent"}}},
        {"name": "compute-2", "profile": "p", "interfaces": {"eth0": {}}},
    ]
    planned = filled.systems(*wanted, check_mode=True)
    assert (planned["created"], planned["edited"]) == (["compute-2"], ["compute-1"])
    assert filled.daemon.writes() == []
    assert filled.daemon.items == before
    assert "login" not in filled.daemon.calls
    done = filled.systems(*wanted)
    assert (done["created"], done["edited"], done["diff"]) == (planned["created"], planned["edited"], planned["diff"])
    assert done["diff"]["before"] == {"compute-1": {"hostname": "", "interfaces": {"eth0": {}}}}
    assert list(filled.daemon.items["system"]["compute-1"]["interfaces"]) == ["bond0"]


def test_removal(filled: Cobbler) -> None:
    filled.systems({"name": "s", "profile": "p", "interfaces": {"eth0": {}}})
    assert filled.systems({"name": "compute-1"}, state="absent", check_mode=True)["removed"] == ["compute-1"]
    assert filled.systems({"name": "compute-1"}, {"name": "gone"}, state="absent")["removed"] == ["compute-1"]
    assert filled.systems({"name": "compute-1"}, state="absent")["changed"] is False
    result = filled.run(cobbler_profile, profiles=[{"name": "p"}], state="absent")
    assert "profile p: Cobbler refuses: removal would orphan system: s" in result["msg"]
    assert filled.systems(purge=True)["removed"] == ["s"]
    assert filled.daemon.items["system"] == {}
    filled.refuses("purge", cobbler_system, systems=[], purge=True, state="absent")


@pytest.mark.parametrize(
    "fields",
    [
        {"comment": "changed first", "hostname": "refused"},
        {"comment": "changed first", "interfaces": {"eth0": {"mtu": "1400"}, "eth7": {"mtu": "refused"}}},
        {"interfaces": {"eth7": {"mtu": "refused"}}},
        {"hostname": "refused"},
    ],
)
def test_a_refused_value_leaves_the_object_as_it_was(filled: Cobbler, fields: dict[str, Any]) -> None:
    before = copy.deepcopy(filled.daemon.items["system"]["compute-1"])
    result = filled.systems({"name": "compute-1", **fields})
    assert result["msg"].startswith("system compute-1: Cobbler refuses: ")
    assert result["msg"].endswith(" is not to be had")
    after = filled.daemon.items["system"]["compute-1"]
    assert {**after, "mtime": 0} == {**before, "mtime": 0}


def test_an_object_that_cannot_be_put_back_is_told(filled: Cobbler) -> None:
    filled.daemon.faults["xapi_object_edit"] = ["disk full", "still full"]

    def half(method: str) -> None:
        if method == "xapi_object_edit":
            filled.daemon.items["system"]["compute-1"]["comment"] = "half"

    filled.daemon.before_call = half
    result = filled.systems({"name": "compute-1", "comment": "whole"})
    assert "disk full; and compute-1 cannot be put back: still full" in result["msg"]


def test_an_object_that_vanished_meanwhile_is_not_put_back(filled: Cobbler) -> None:
    def remove(method: str) -> None:
        if method == "xapi_object_edit":
            filled.daemon.items["system"].clear()

    filled.daemon.before_call = remove
    assert "unknown system name compute-1" in filled.systems({"name": "compute-1", "comment": "x"})["msg"]


@pytest.mark.parametrize("fault", ["drop", "lose", "restart"])
@pytest.mark.parametrize("kind", ["create", "edit"])
def test_cobblerd_is_restarted_in_the_middle(filled: Cobbler, fault: str, kind: str) -> None:
    name = "compute-1" if kind == "edit" else "compute-2"
    filled.daemon.faults["xapi_object_edit"] = [fault, fault]
    wanted = {"name": name, "profile": "p", "comment": "x", "interfaces": {"eth5": {"mtu": "1400"}}}
    assert filled.systems(wanted)["changed"] is True
    stored = filled.daemon.items["system"][name]
    assert (stored["comment"], stored["interfaces"]["eth5"]["mtu"]) == ("x", "1400")
    assert filled.systems(wanted)["changed"] is False


def test_somebody_else_makes_the_same_object(filled: Cobbler) -> None:
    def other(method: str) -> None:
        if method == "xapi_object_edit" and "compute-2" not in filled.daemon.items["system"]:
            filled.daemon.items["system"]["compute-2"] = {
                **copy.deepcopy(filled.daemon.items["system"]["compute-1"]),
                "name": "compute-2",
                "interfaces": {},
                "comment": "theirs",
            }

    filled.daemon.before_call = other
    wanted = {"name": "compute-2", "profile": "p", "comment": "ours", "interfaces": {"eth0": {}}}
    filled.systems(wanted)
    assert filled.daemon.items["system"]["compute-2"]["comment"] == "ours"
    assert filled.systems(wanted)["changed"] is False


def test_addresses_that_change_places(filled: Cobbler) -> None:
    one = {"name": "s1", "profile": "p", "interfaces": {"eth0": {"ip_address": "10.0.1.1"}}}
    two = {"name": "s2", "profile": "p", "interfaces": {"eth0": {"ip_address": "10.0.1.2"}}}
    filled.systems(one, two)
    one["interfaces"], two["interfaces"] = two["interfaces"], one["interfaces"]
    assert filled.systems(one, two)["edited"] == ["s1", "s2"]
    assert filled.systems(one, two)["changed"] is False
    # An address that two systems would have is told with both names, unless Cobbler is set to allow that.
    filled.refuses("ip_address: 10.0.1.2 is that of s1 (eth0), too", cobbler_system, systems=[{**one, "name": "s3"}])
    filled.daemon.settings["allow_duplicate_ips"] = True
    assert "is that of" not in filled.systems({**one, "name": "s3"}).get("msg", "")


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ({"name": "compute-1", "hostnam": "x"}, "there is no field hostnam. Did you mean hostname?"),
        (
            {"name": "compute-1", "power_pass": "x"},
            "power_pass is refused: everybody who reaches cobblerd can read it.",
        ),
        ({"name": "compute-1", "comment": "$x"}, "comment: '$x' holds $"),
        ({"name": "$x"}, "cannot name a system"),
        ({"hostname": "x"}, "entry 1: name: '' cannot name a system"),
        ({"name": "new", "interfaces": {"eth0": {}}}, "has neither a profile nor an image"),
        ({"name": "new", "profile": "p"}, "would have no interface"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(filled: Cobbler, system: dict[str, Any], words: str) -> None:
    good = {"name": "good", "profile": "p", "interfaces": {"eth0": {}}}
    filled.refuses(words, cobbler_system, systems=[good, system] if system.get("name") else [system])


def test_the_login(filled: Cobbler) -> None:
    filled.refuses("user: is needed", cobbler_system, systems=[{"name": "compute-1", "comment": "x"}], user=None)
    filled.refuses(
        "Cobbler does not let accentos in",
        cobbler_system,
        systems=[{"name": "compute-1", "comment": "x"}],
        password=PASSWORD[:-1],
    )
    assert filled.daemon.tokens == set()


@pytest.mark.parametrize("version", [[3, 3, 9], [3, 4, 0], [4, 0, 0]])
def test_other_versions_are_refused(cobbler: Cobbler, version: list[int]) -> None:
    cobbler.daemon.version = version
    cobbler.refuses("is not supported", cobbler_system, systems=[])


def test_templates(cobbler: Cobbler) -> None:
    options: dict[str, Any] = {"templates": [{"name": "a.json", "content": "$x\n"}]}
    options["templates"].append({"name": "s/b", "kind": "snippet", "content": "b\n"})
    planned = cobbler.run(cobbler_template, check_mode=True, **options)
    assert planned["written"] == ["template a.json", "snippet s/b"]
    assert cobbler.daemon.writes() == []
    assert cobbler.run(cobbler_template, **options)["diff"] == planned["diff"]
    assert cobbler.daemon.files == {"template": {"a.json": "$x\n"}, "snippet": {"s/b": "b\n"}}
    cobbler.daemon.do_read_autoinstall_snippet = lambda name, token: "b\n"  # type: ignore[attr-defined]
    assert cobbler.run(cobbler_template, **options)["changed"] is False
    gone: dict[str, Any] = {"templates": [{"name": "a.json"}], "state": "absent"}
    assert cobbler.run(cobbler_template, check_mode=True, **gone)["removed"] == ["template a.json"]
    assert cobbler.run(cobbler_template, **gone)["removed"] == ["template a.json"]
    assert cobbler.run(cobbler_template, **gone)["changed"] is False


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"name": "../x", "content": ""}, "cannot name a template"),
        ({"name": "x"}, "has no content"),
        ({"name": "x", "content": "a\rb"}, "holds the character U+000D"),
    ],
)
def test_wrong_templates(cobbler: Cobbler, template: dict[str, Any], words: str) -> None:
    cobbler.refuses(words, cobbler_template, templates=[template])


def test_templates_that_contradict(cobbler: Cobbler) -> None:
    one = {"name": "x", "content": ""}
    cobbler.refuses("is given twice", cobbler_template, templates=[one, one])
    cobbler.refuses("is to be absent", cobbler_template, templates=[one], state="absent")


def test_settings(cobbler: Cobbler) -> None:
    cobbler.daemon.settings["default_ownership"] += ["admin", "admin"]
    wanted = {"server": "10.0.0.2", "enable_menu": True, "default_ownership": ["admin"]}
    assert cobbler.run(cobbler_settings, settings=wanted, check_mode=True)["edited"] == ["server"]
    assert cobbler.daemon.writes() == []
    result = cobbler.run(cobbler_settings, settings=wanted)
    assert result["diff"] == {"before": {"server": "10.0.0.1"}, "after": {"server": "10.0.0.2"}}
    assert cobbler.run(cobbler_settings, settings=wanted)["changed"] is False
    result = cobbler.run(cobbler_settings, settings={"server": "refused"})
    assert result["msg"] == "Cobbler refuses the setting server: 'refused'."


def test_settings_whose_file_cannot_be_written(cobbler: Cobbler) -> None:
    cobbler.daemon.unwritable = True
    # A value that stayed in memory would be told as no change by the second run, and be lost at the next restart.
    for _run in range(2):
        result = cobbler.run(cobbler_settings, settings={"server": "10.0.0.2"})
        assert result["failed"] is True
        assert "cannot write its settings file: [Errno 30] Read-only file system" in result["msg"]
        assert "restart cobblerd" in result["remedy"]
        assert cobbler.daemon.settings["server"] == "10.0.0.1"


def test_info(filled: Cobbler) -> None:
    everything = ["distros", "profiles", "systems", "images", "menus", "templates", "snippets", "settings"]
    filled.daemon.items["system"]["compute-1"]["power_pass"] = PASSWORD
    result = filled.run(cobbler_info, gather=everything, user=None, password=None)["cobbler"]
    assert result["version"] == "3.3.10"
    assert list(result["systems"]) == ["compute-1"]
    assert result["images"] == {}
    assert result["settings"]["server"] == "10.0.0.1"
    assert "power_pass" not in result["systems"]["compute-1"]
    assert filled.run(cobbler_info, gather=["profiles"], names=["other"])["cobbler"]["profiles"] == {}
    assert filled.daemon.writes() == []


def test_sync_runs_once_and_again_when_anything_changed(filled: Cobbler, tmp_path: Path) -> None:
    template = tmp_path / "menu.template"
    template.write_text("1\n", encoding="utf-8")
    options: dict[str, Any] = {"inputs": [str(tmp_path / "menu.template")]}
    assert filled.run(cobbler_sync, check_mode=True, **options)["changed"] is True
    assert filled.daemon.writes() == []
    result = filled.run(cobbler_sync, **options)
    assert (result["changed"], result["diff"]["after"]) == (True, "cobbler sync\n")
    assert result["task"].endswith("_Sync")
    assert filled.daemon.writes() == ["background_sync"]
    for _time in range(2):
        assert filled.run(cobbler_sync, **options)["changed"] is False
    for digest, differs in (("", True), (digest_content(b"2\n"), True), (digest_content(b"1\n"), False)):
        changed = {str(template): digest, "/etc/other": ""}
        assert filled.run(cobbler_sync, check_mode=True, inputs_changed=changed, **options)["changed"] is differs
        assert filled.run(cobbler_sync, inputs_changed=changed, **options)["changed"] is False
    template.write_text("2\n", encoding="utf-8")
    assert filled.run(cobbler_sync, **options)["changed"] is True
    filled.systems({"name": "compute-1", "comment": "new"})
    assert filled.run(cobbler_sync, **options)["changed"] is True
    assert filled.run(cobbler_sync, **options)["changed"] is False
    assert filled.run(cobbler_sync, force=True, **options)["changed"] is True


@EACH_CASE
def test_a_plan_syncs_when_the_run_does(
    filled: Cobbler, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    planned, made, why = case.play(tmp_path, capsys, functools.partial(filled.run, cobbler_sync))
    assert planned["changed"] is made["changed"] is bool(why)


def test_what_machines_report_is_kept_and_needs_no_sync(filled: Cobbler) -> None:
    specification = {"fqdn": "c.example.test", "network": {"interfaces": [PORT], "bonds": []}}
    machines = {"c": {"inventory": {"cpu": {"threads": 4, "model": "CPU @@ 2 GHz"}, "firmware": "uefi"}}}
    ignored: dict[str, Any] = {"ignored_fields": ["autoinstall_meta", "kernel_options", "netboot_enabled"]}
    # As the role provision does it: described, synced, and reported while it is installed.
    assert filled.systems(*cobbler_systems({"c": specification}, "p", {}))["created"] == ["c"]
    assert filled.run(cobbler_sync, **ignored)["changed"] is True
    reported = cobbler_hardware(filled.run(cobbler_info, gather=["systems"])["cobbler"]["systems"], machines)
    assert filled.systems(*reported)["edited"] == ["c"]
    assert filled.systems(*reported)["changed"] is False
    # The next run describes it with what is known by then.
    assert filled.systems(*cobbler_systems({"c": specification}, "p", {}, machines=machines))["changed"] is False
    assert filled.run(cobbler_sync, **ignored)["changed"] is False


def test_sync_of_some_systems(filled: Cobbler) -> None:
    assert filled.run(cobbler_sync, systems=["compute-1"])["changed"] is True
    assert filled.daemon.writes() == ["background_syncsystems"]
    assert filled.run(cobbler_sync, systems=[])["changed"] is False
    # It is no full one.
    assert filled.run(cobbler_sync)["changed"] is True


def test_a_sync_that_fails_is_made_up_for(filled: Cobbler) -> None:
    filled.run(cobbler_sync)
    filled.daemon.next_states = ["notification", "running", "failed"]
    result = filled.run(cobbler_sync, force=True)
    assert result["failed"] is True
    assert "line of the log" in result["msg"]
    filled.daemon.next_states = ["complete"]
    assert filled.run(cobbler_sync)["changed"] is True


def test_a_sync_that_a_restart_ends_is_started_again(filled: Cobbler) -> None:
    filled.daemon.faults["get_task_status"] = ["restart"]
    assert filled.run(cobbler_sync)["changed"] is True
    # The second one came with a login that the restart had ended.
    assert filled.daemon.writes() == ["background_sync"] * 3
    filled.daemon.faults["get_task_status"] = ["restart"] * 3
    assert "restarted during 3 syncs" in filled.run(cobbler_sync, force=True)["msg"]


def test_a_sync_waits_for_another_and_not_for_ever(filled: Cobbler) -> None:
    filled.daemon.tasks["0_Sync"] = ["running", "running", "complete"]
    assert filled.run(cobbler_sync)["changed"] is True
    filled.daemon.next_states = ["running"]
    result = filled.run(cobbler_sync, force=True, sync_timeout=0.05)
    assert "does not end within 0.05 s" in result["msg"]
    assert "An earlier sync" in filled.run(cobbler_sync, force=True, sync_timeout=0.05)["msg"]


@pytest.mark.parametrize("method", ["login", "xapi_object_edit"])
def test_a_fault_that_nobody_expects(filled: Cobbler, method: str) -> None:
    filled.daemon.faults[method] = ["on fire"]
    assert "on fire" in filled.systems({**SYSTEM, "name": "n", "interfaces": {"eth0": {}}})["msg"]
    filled.daemon.faults["get_task_status"] = ["on fire"]
    assert "on fire" in filled.run(cobbler_sync)["msg"]
