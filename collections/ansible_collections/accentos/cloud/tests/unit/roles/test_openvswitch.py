# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses follow their device into its bridge, and come back when the bridge was away."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "roles/openvswitch/files/bridge_addresses.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bridge_addresses", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


program = load()
Note = program.Note
TUNNEL = "10.21.0.11/24"
FAR = ("10.22.0.0/16", "via", "10.21.0.1")
LINKS: list[dict[str, Any]] = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
    {
        "ifname": "eth1",
        "addr_info": [
            {"local": "10.21.0.11", "prefixlen": 24, "scope": "global"},
            {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
        ],
    },
    {"ifname": "br-phy"},
]
ROUTES: list[dict[str, Any]] = [
    {"dst": "10.21.0.0/24", "dev": "eth1", "protocol": "kernel", "scope": "link"},
    {"dst": "10.22.0.0/16", "gateway": "10.21.0.1", "dev": "eth1", "protocol": "static"},
    {"dst": "default", "gateway": "10.20.0.1", "dev": "eth0", "metric": 100},
]


def test_what_a_device_has_is_read() -> None:
    assert program.addresses_of("eth1", LINKS) == (TUNNEL,)
    assert program.addresses_of("br-phy", LINKS) == ()
    assert program.routes_of("eth1", ROUTES) == (FAR,)
    assert program.routes_of("eth0", ROUTES) == (("default", "via", "10.20.0.1", "metric", "100"),)


def test_the_bridge_has_everything_before_the_device_loses_it() -> None:
    on_interface = Note((TUNNEL,), (FAR,))
    wanted = program.what_belongs([TUNNEL], Note(), on_interface, Note())
    assert wanted == on_interface
    assert program.plan("br-phy", "eth1", wanted, Note(), on_interface) == [
        ["address", "replace", TUNNEL, "dev", "br-phy"],
        ["link", "set", "dev", "br-phy", "up"],
        ["route", "replace", *FAR, "dev", "br-phy"],
        ["address", "delete", TUNNEL, "dev", "eth1"],
    ]


def test_a_settled_host_stays_as_it_is() -> None:
    settled = Note((TUNNEL,), (FAR,))
    wanted = program.what_belongs([TUNNEL], settled, Note(), settled)
    assert program.plan("br-phy", "eth1", wanted, settled, Note()) == [["link", "set", "dev", "br-phy", "up"]]


def test_an_empty_bridge_gets_back_what_is_noted() -> None:
    noted = Note(("203.0.113.5/24",), (FAR,))
    assert program.what_belongs([], Note(), Note(), noted) == noted
    # What was taken away by hand stays away as long as the bridge has anything.
    assert program.what_belongs([], Note(("203.0.113.6/24",)), Note(), noted).addresses == ("203.0.113.6/24",)


def test_notes_survive_a_file() -> None:
    note = Note((TUNNEL,), (FAR,))
    assert Note.from_json(json.loads(json.dumps(note.to_json()))) == note


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a host whose ip answers from files and notes what it is told."""
    (tmp_path / "net/br-phy").mkdir(parents=True)
    script = tmp_path / "ip"
    script.write_text(
        f"""#!/bin/sh
cd {tmp_path} || exit 9
case "$*" in
  "-json address show") cat links ;;
  "-json -4 route show") cat routes ;;
  "-json -6 route show") : ;;
  "link set"*) [ ! -e broken ] || {{ echo 'Operation not permitted' >&2; exit 2; }}; echo "$*" >>calls ;;
  *) echo "$*" >>calls ;;
esac
""",
        encoding="utf-8",
    )
    script.chmod(0o755)
    (tmp_path / "links").write_text(json.dumps(LINKS), encoding="utf-8")
    (tmp_path / "routes").write_text(json.dumps(ROUTES), encoding="utf-8")
    (tmp_path / "settings.json").write_text(
        json.dumps({"bridges": [{"bridge": "br-phy", "interface": "eth1", "addresses": [TUNNEL]}]}), encoding="utf-8"
    )
    monkeypatch.setattr(program, "_IP", str(script))
    monkeypatch.setattr(program, "_DEVICES", tmp_path / "net")
    monkeypatch.setattr(program, "_WAIT", 0.2)
    monkeypatch.setattr(sys, "argv", ["program", str(tmp_path / "settings.json"), str(tmp_path / "known.json")])
    return tmp_path


def test_addresses_are_moved_and_noted(host: Path) -> None:
    program.main()
    assert (host / "calls").read_text(encoding="utf-8").splitlines() == [
        f"address replace {TUNNEL} dev br-phy",
        "link set dev br-phy up",
        "route replace 10.22.0.0/16 via 10.21.0.1 dev br-phy",
        f"address delete {TUNNEL} dev eth1",
    ]
    expected = {"br-phy": {"addresses": [TUNNEL], "routes": [list(FAR)]}}
    assert json.loads((host / "known.json").read_text(encoding="utf-8")) == expected
    # The switch was restarted: neither has anything, and the notes know.
    (host / "links").write_text("[]", encoding="utf-8")
    (host / "routes").write_text("[]", encoding="utf-8")
    (host / "calls").unlink()
    program.main()
    assert "route replace 10.22.0.0/16 via 10.21.0.1 dev br-phy" in (host / "calls").read_text(encoding="utf-8")


def test_notes_are_there_before_anything_is_taken_away(host: Path) -> None:
    (host / "broken").touch()
    with pytest.raises(SystemExit, match="link set dev br-phy up: Operation not permitted"):
        program.main()
    assert "delete" not in (host / "calls").read_text(encoding="utf-8")
    assert (host / "known.json").exists()


def test_a_bridge_that_does_not_come(host: Path) -> None:
    (host / "net/br-phy").rmdir()
    with pytest.raises(SystemExit, match="has made no device br-phy"):
        program.main()
