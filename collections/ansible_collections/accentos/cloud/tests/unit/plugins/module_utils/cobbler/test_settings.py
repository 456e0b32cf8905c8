# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about settings of cobblerd, with literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.client import InvalidError
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.settings import plan_settings

THERE: dict[str, Any] = {
    "allow_dynamic_settings": True,
    "server": "10.0.0.1",
    "http_port": 80,
    "default_virt_file_size": 5.0,
    "enable_menu": True,
    "enable_ipxe": 0,
    "default_ownership": ["admin", "admin"],
    "kernel_options": {},
    "default_password_crypted": "x",
}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"server": "10.0.0.1", "http_port": "80", "default_virt_file_size": 5, "enable_menu": "true"}, {}),
        ({"default_ownership": ["admin"], "kernel_options": {}, "enable_ipxe": False}, {}),
        ({"http_port": "8080"}, {"http_port": (80, 8080)}),
        ({"enable_ipxe": True}, {"enable_ipxe": (0, 1)}),
        ({"default_ownership": ["a", 1]}, {"default_ownership": (["admin", "admin"], ["a", "1"])}),
        ({"kernel_options": {"a": "b"}}, {"kernel_options": ({}, {"a": "b"})}),
        ({"server": 10}, {"server": ("10.0.0.1", "10")}),
    ],
)
def test_what_differs(wanted: dict[str, Any], expected: dict[str, Any]) -> None:
    assert plan_settings(wanted, THERE) == expected


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"serve": "x"}, "there is no such setting. Did you mean server?"),
        ({"enable_menu": False}, "cannot store true and false"),
        ({"enable_menu": "perhaps"}, "is no bool"),
        ({"default_password_crypted": "x"}, "is refused"),
        ({"http_port": "many"}, "'many' is no int"),
        ({"kernel_options": "a=b"}, "is no dict"),
        ({"server": True}, "is no str"),
    ],
)
def test_what_is_refused(wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        plan_settings(wanted, THERE)
    assert caught.value.remedy


def test_settings_that_nobody_may_change() -> None:
    there = {**THERE, "allow_dynamic_settings": False}
    assert plan_settings({"server": "10.0.0.1"}, there) == {}
    with pytest.raises(InvalidError, match="allow_dynamic_settings is off"):
        plan_settings({"server": "10.0.0.2"}, there)
