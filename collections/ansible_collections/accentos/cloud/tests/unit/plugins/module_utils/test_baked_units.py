# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which packages only a deployment brought, which units they have, and which of these a deployment lets go."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.module_utils.baked_units import (
    Package,
    closure,
    held_packages,
    hold_text,
    package_of,
    parse_status,
    released,
    to_start,
    units_of,
)

STATUS = """\
Package: bash
Essential: yes
Status: install ok installed
Pre-Depends: libc6 (>= 2.36)

Package: libc6
Status: install ok installed
Multi-Arch: same

Package: gone
Status: deinstall ok config-files
Depends: bash

Package: switch
Status: install ok installed
Priority: optional
Depends: libc6 (>= 2.34), python3:any, mail-server | post-office [linux-any], missing-one | tool (= 1:2.0)
Description: text
 Depends: nothing, since this line goes on with the text

Package: python3
Status: install ok installed
Provides: python3-profiler (= 1), python3-supported

Package: post-office
Status: install ok installed
Provides: mail-server

Package: tool
Status: install ok installed
"""
PACKAGES = parse_status(STATUS)


def test_installed_packages_with_what_they_need_and_are() -> None:
    assert set(PACKAGES) == {"bash", "libc6", "switch", "python3", "post-office", "tool"}
    assert PACKAGES["bash"] == Package(depends=(("libc6",),), essential=True)
    assert PACKAGES["switch"].depends == (
        ("libc6",),
        ("python3",),
        ("mail-server", "post-office"),
        ("missing-one", "tool"),
    )
    assert PACKAGES["python3"].provides == ("python3-profiler", "python3-supported")


def test_what_a_package_depends_on_is_followed_through_names_that_others_answer_to() -> None:
    assert closure(PACKAGES, ["switch"], widely=False) == {"switch", "libc6", "python3", "post-office", "tool"}
    assert closure(PACKAGES, ["python3-supported", "nowhere"], widely=False) == {"python3"}
    circle = {"a": Package((("b",),)), "b": Package((("a",),))}
    assert closure(circle, ["a"], widely=True) == {"a", "b"}


def test_of_alternatives_the_first_counts_or_all() -> None:
    packages = {"one": Package((("two", "three"),)), "two": Package(), "three": Package()}
    assert closure(packages, ["one"], widely=False) == {"one", "two"}
    assert closure(packages, ["one"], widely=True) == {"one", "two", "three"}


def test_only_what_nobody_else_asked_for_is_held_back() -> None:
    assert held_packages(PACKAGES, ["switch", "python3"], ["switch"]) == {"switch", "post-office", "tool"}
    assert held_packages(PACKAGES, ["switch", "tool"], ["switch"]) == {"switch", "python3", "post-office"}
    assert held_packages(PACKAGES, ["switch", "bash"], []) == set()


def test_all_that_is_held_back_is_let_go_with_the_packages_that_brought_it() -> None:
    held = held_packages(PACKAGES, ["switch", "python3"], ["switch"])
    drop_ins = {f"{package}.service": package for package in held}
    assert released(drop_ins, PACKAGES, ["switch"]) == sorted(drop_ins)
    assert released(drop_ins, PACKAGES, ["tool"]) == ["tool.service"]
    assert released(drop_ins, PACKAGES, ["python3"]) == []


def test_units_of_a_package() -> None:
    paths = [
        "/usr/lib/systemd/system/switch.service",
        "/usr/lib/systemd/system/switch@.socket",
        "/usr/lib/systemd/system/multi-user.target.wants/switch.service",
        "/usr/lib/systemd/user/session.service",
        "/lib/systemd/system/old.timer",
        "/etc/init.d/switch",
        "/etc/init.d/script",
        "/usr/share/doc/switch",
    ]
    assert units_of(paths) == ["old.timer", "script.service", "switch.service", "switch@.socket"]


def test_a_drop_in_holds_its_unit_back_while_it_is_there() -> None:
    text = hold_text("switch.service", "switch")
    assert text.endswith("[Unit]\nConditionPathExists=!/etc/systemd/system/switch.service.d/accentos-baked.conf\n")
    assert package_of(text) == "switch"
    assert package_of("[Unit]\n") == ""


def test_sockets_start_before_the_services_that_they_are_for() -> None:
    assert to_start(["a.service", "a@.service", "b.timer", "z.socket"]) == ["z.socket", "a.service", "b.timer"]
