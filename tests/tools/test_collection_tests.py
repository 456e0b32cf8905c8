# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in for ansible-test's download, and the count of what ansible-test ran."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tools.steps import collection_tests as under_test

PASSED = '<testsuites><testsuite><testcase classname="sanity" name="pep8"/></testsuite></testsuites>'
NOTHING = '<testsuite><testcase name="pslint"><skipped>No tests applicable.</skipped></testcase></testsuite>'
SKIPPED = '<testsuite><testcase name="yamllint"><skipped>missing libyaml</skipped></testcase></testsuite>'


def test_version_of_pip_is_read_from_the_installed_ansible_test() -> None:
    version = under_test.pip_version("3.11")
    assert version[0].isdigit()
    package = importlib.util.find_spec("ansible_test")
    assert package is not None
    assert package.origin is not None
    data = Path(package.origin).parent / "_util/target/setup/requirements.py"
    # The place where ansible-test looks, as it is written there.
    assert '\'~/.ansible/test/cache/get_pip_%s.py\' % pip_version.replace(".", "_")' in data.read_text()
    assert under_test.stand_in_path(Path("/h"), "24.2") == Path("/h/.ansible/test/cache/get_pip_24_2.py")


def test_what_ansible_test_installs_is_pinned() -> None:
    package = importlib.util.find_spec("ansible_test")
    assert package is not None
    assert package.origin is not None
    files = list((Path(package.origin).parent / "_data/requirements").glob("sanity.*.txt"))
    assert files
    rows = [row.partition("#")[0].strip() for file in files for row in file.read_text().splitlines()]
    assert [row for row in rows if row and "==" not in row] == []


def test_stand_in_is_a_program_that_installs_what_is_asked(tmp_path: Path) -> None:
    under_test.prepare_home(tmp_path, "24.2")
    script = under_test.stand_in_path(tmp_path, "24.2")
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env/bin/python"
    # pip itself is there after ensurepip: asking for it by name needs no connection.
    subprocess.run(
        [python, script, "--disable-pip-version-check", "pip", "--no-wheel"], check=True, capture_output=True
    )
    listed = subprocess.run([python, "-m", "pip", "list"], check=True, capture_output=True, text=True).stdout
    assert "pip " in listed
    assert "setuptools" not in listed


def test_tests_without_a_file_are_taken_out_but_skipped_ones_stay(tmp_path: Path) -> None:
    for name, text in (("a.xml", PASSED), ("b.xml", NOTHING), ("c.xml", SKIPPED)):
        (tmp_path / name).write_text(text)
    assert under_test.drop_not_applicable(sorted(tmp_path.glob("*.xml"))) == (["pep8", "yamllint"], ["pslint"])
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.xml", "c.xml"]


def test_too_few_sanity_tests_are_refused() -> None:
    names = [str(number) for number in range(21)]
    under_test.judge_sanity(names, True, "")
    with pytest.raises(under_test.NothingTestedError, match="ran 20 sanity tests"):
        under_test.judge_sanity(names[1:], True, "")
    under_test.judge_sanity(["one"], False, "")


def test_a_missing_program_is_refused() -> None:
    output = 'WARNING: Required program "shellcheck" not found.\n'
    with pytest.raises(under_test.NothingTestedError, match="shellcheck"):
        under_test.judge_sanity([str(number) for number in range(30)], True, output)


def test_checkout_of_the_person_behind_sudo_is_trusted(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    under_test.trust_checkout(tmp_path, checkout, None)
    under_test.trust_checkout(tmp_path, checkout, str(os.geteuid()))
    under_test.trust_checkout(tmp_path, checkout, "4711")
    assert not (tmp_path / ".gitconfig").exists()
    if os.geteuid() == 0:
        os.chown(checkout, 4711, 4711)
        under_test.trust_checkout(tmp_path, checkout, "4711")
        assert f"directory = {checkout}" in (tmp_path / ".gitconfig").read_text()


def test_environment_for_ansible_test() -> None:
    env = under_test.child_environment({"PATH": "/bin", "HOME": "/root", "ANSIBLE_CONFIG": "/x"}, Path("/h"))
    assert env == {"PATH": f"{Path(sys.executable).parent}:/bin", "HOME": "/h"}
