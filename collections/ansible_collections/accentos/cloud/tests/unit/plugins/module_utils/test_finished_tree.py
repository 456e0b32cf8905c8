# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program, run as a build runs it: on a folder, from texts of its recipe, by a Python that knows no collection."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils import finished_tree

SOURCES = Path(finished_tree.__file__).parent
PACKAGE = "ansible_collections.accentos.cloud.plugins.module_utils"
STATUS = """\
Package: base
Status: install ok installed

Package: switch
Status: install ok installed
Depends: common

Package: common
Status: install ok installed
"""
LISTS = {
    "base": "/usr/lib/systemd/system/base.service",
    "switch": "/usr/lib/systemd/system/switch.service\n/usr/lib/systemd/system/switch.socket",
    "common:amd64": "/etc/init.d/common",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    info = folder / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info.parent / "status").write_text(STATUS, encoding="utf-8")
    for name, text in LISTS.items():
        (info / f"{name}.list").write_text(f"{text}\n", encoding="utf-8")
    (folder / "etc").mkdir()
    (folder / "etc/machine-id").touch()
    (folder / "etc/hostname").symlink_to("/etc/machine-id")
    return folder


def finish(root: Path, held: str) -> subprocess.CompletedProcess[str]:
    recipe = root.parent / "recipe/python"
    below = recipe / PACKAGE.replace(".", "/")
    below.mkdir(parents=True, exist_ok=True)
    for name in ("baked_units.py", "finished_tree.py", "image_identity.py"):
        shutil.copy(SOURCES / name, below)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(recipe), "PACKAGES": "base,switch", "HELD": held}
    return subprocess.run(
        [sys.executable, "-S", "-m", f"{PACKAGE}.finished_tree", str(root)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def drop_ins(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in root.glob("etc/systemd/system/*/*")
    }


def test_units_of_a_deployment_are_held_back_and_those_of_the_base_are_not(root: Path) -> None:
    done = finish(root, "switch")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("3 units are held back until a deployment: common.service switch.service switch.socket\n")
    held = drop_ins(root)
    assert sorted(held) == [
        f"etc/systemd/system/{unit}.d/accentos-baked.conf"
        for unit in ("common.service", "switch.service", "switch.socket")
    ]
    assert "# Package: common\n" in held["etc/systemd/system/common.service.d/accentos-baked.conf"]


def test_a_profile_without_packages_of_a_deployment_holds_nothing_back(root: Path) -> None:
    assert finish(root, "").stdout == "0 units are held back until a deployment: none\n"
    assert drop_ins(root) == {}


def test_what_only_one_host_may_have_is_refused_and_named(root: Path) -> None:
    (root / "etc/nvme").mkdir()
    (root / "etc/nvme/hostid").write_text("0c9e5d3a-1b2f-4d68-9e01-23456789abcd\n", encoding="utf-8")
    done = finish(root, "switch")
    assert done.returncode == 1
    assert "must not become an image" in done.stderr
    assert "\netc/nvme/hostid: the name of an NVMe host\n" in done.stderr
    # A link leads to a file of the host, not of the image.
    assert "hostname" not in done.stderr


def test_units_that_wait_for_each_other_are_refused_and_named(root: Path) -> None:
    units = root / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (units / "default.target").write_text("[Unit]\nWants=early.service late.service\n")
    service = "[Unit]\nDefaultDependencies=no\n{order}\n[Service]\nType=oneshot\nExecStart=/bin/true\n"
    (units / "late.service").write_text(service.format(order="After=early.service"))
    (units / "early.service").write_text(service.format(order="# Before all others."))
    done = finish(root, "switch")
    assert (done.returncode, done.stderr) == (0, "")
    (units / "early.service").write_text(service.format(order="After=late.service"))
    done = finish(root, "switch")
    assert done.returncode == 1
    assert "systemd would leave out units at each start" in done.stderr
    assert "late.service: Found ordering cycle on early.service/start" in done.stderr or (
        "early.service: Found ordering cycle on late.service/start" in done.stderr
    )


def test_it_is_the_same_when_it_is_called(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert finished_tree.main([str(root)], {"PACKAGES": "base,switch", "HELD": "switch"}) == 0
    assert "switch.socket" in capsys.readouterr().out
    (root / "etc/hostid").write_bytes(b"1234")
    assert finished_tree.main([str(root)], {}) == 1
    assert "etc/hostid: the name of a host" in capsys.readouterr().err
