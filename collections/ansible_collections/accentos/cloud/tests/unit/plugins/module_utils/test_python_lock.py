# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks are read strictly, and the platforms of wheels follow from machine and C library."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.python_lock import (
    LockError,
    Pin,
    environment_digest,
    outdated,
    parse_lock,
    wheel_platforms,
    wheel_problems,
)

A, B = "a" * 64, "b" * 64
LOCK = f"""\
# Written by a tool.
Tiny.One==1.0 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via nothing
zwei==2!0.1 --hash=sha256:{B}  # end
"""


def test_lock_is_read() -> None:
    assert parse_lock(LOCK) == (Pin("Tiny.One", "1.0", frozenset({A, B})), Pin("zwei", "2!0.1", frozenset({B})))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no package"),
        ("tiny==1.0\n", "'tiny==1.0' is not of the form"),
        (f"tiny>=1.0 --hash=sha256:{A}\n", "is not of the form"),
        (f"tiny==1.0 ; python_version < '3.12' --hash=sha256:{A}\n", "is not of the form"),
        (f"--index-url http://example.test\ntiny==1.0 --hash=sha256:{A}\n", "--index-url"),
        (f"tiny==1.0 --hash=md5:{A}\n", "is not of the form"),
        (f"a.b==1 --hash=sha256:{A}\nA_B==2 --hash=sha256:{A}\n", "a_b more than once"),
    ],
)
def test_what_pip_could_not_install_safely_is_refused(text: str, told: str) -> None:
    with pytest.raises(LockError, match=r".") as error:
        parse_lock(text)
    assert told in str(error.value)


def test_platforms_go_from_the_newest_to_the_oldest() -> None:
    tags = wheel_platforms("aarch64", (2, 18))
    assert tags[:3] == ("manylinux_2_18_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
    assert tags[-3:] == ("manylinux_2_5_aarch64", "manylinux1_aarch64", "linux_aarch64")
    assert "manylinux_2_19_aarch64" not in tags


@pytest.mark.parametrize("glibc", [(2, 4), (3, 0)])
def test_unknown_libraries_are_refused(glibc: tuple[int, int]) -> None:
    with pytest.raises(LockError, match="No wheels exist for glibc"):
        wheel_platforms("x86_64", glibc)


def test_digest_follows_what_is_installed_and_not_how_it_is_written() -> None:
    digest = environment_digest(LOCK, "3.13", system_site_packages=False)
    entries = LOCK.replace("# Written by a tool.\n", "").replace("Tiny.One", "tiny-one")
    assert environment_digest(entries, "3.13", system_site_packages=False) == digest
    others = {
        environment_digest(LOCK, "3.14", system_site_packages=False),
        environment_digest(LOCK, "3.13", system_site_packages=True),
        environment_digest(LOCK.replace("1.0", "1.1"), "3.13", system_site_packages=False),
    }
    assert len(others | {digest}) == 4
    assert len(digest) == 16


def test_wheels_are_compared_with_the_lock() -> None:
    pins = parse_lock(LOCK)
    good = {"tiny_one-1.0-py3-none-any.whl": A, "zwei-0.1-py3-none-any.whl": B}
    assert wheel_problems(pins, good) == []
    assert wheel_problems(pins, {**good, "zwei-0.1-py3-none-any.whl": A, "other-1-py3-none-any.whl": A}) == [
        f"zwei-0.1-py3-none-any.whl has the digest {A}, which the lock does not name",
        "other-1-py3-none-any.whl is not in the lock",
    ]
    assert wheel_problems(pins, {}) == ["Tiny.One 1.0 is missing", "zwei 2!0.1 is missing"]


def test_the_environment_in_use_and_the_one_before_are_kept() -> None:
    assert outdated(["c", "a", "b"], ["a", "None"]) == ["b", "c"]
