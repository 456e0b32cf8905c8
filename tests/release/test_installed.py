# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An operator has the collections and a site folder, and no checkout: the verbs run by their full names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.quality.tree import COLLECTION, ROOT
from tools.steps.release import build

EPOCH = 1_700_000_000
VERBS = sorted(place.stem for place in (ROOT / "playbooks").glob("*.yml"))
Play = Callable[..., subprocess.CompletedProcess[str]]


def program(where: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Ansible in the folder WHERE, which has the collections and nothing of the checkout."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "ACCENTOS_"))}
    settings |= {"ANSIBLE_COLLECTIONS_PATH": str(where), "ANSIBLE_LOCAL_TEMP": str(where / "tmp")}
    argv = [str(Path(sys.executable).with_name(name)), *words]
    return subprocess.run(argv, cwd=where, env=settings, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Return what runs ansible-playbook where both collections were installed from their artefacts."""
    where = tmp_path_factory.mktemp("control")
    built = [str(build(folder, tmp_path_factory.mktemp("part"), EPOCH)) for folder in (ROOT, COLLECTION)]
    put = program(where, "ansible-galaxy", "collection", "install", *built, "--offline", "--no-deps", "-p", str(where))
    assert put.returncode == 0, put.stderr
    return lambda *words: program(where, "ansible-playbook", *words)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site folder of an operator, from the reference."""
    return Path(shutil.copytree(ROOT / "inventories/reference", tmp_path / "site"))


def test_the_site_is_checked_and_its_mistakes_are_told(play: Play, site: Path) -> None:
    said = play("--inventory", str(site), "accentos.site.check")
    assert said.returncode == 0, said.stdout + said.stderr
    settings = site / "group_vars/all/site.yml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("site_domain:", "site_domian:"), encoding="utf-8")
    said = play("--inventory", str(site), "accentos.site.check")
    assert said.returncode != 0
    assert "site_domian" in said.stdout
    assert "site_domain" in said.stdout


def test_a_site_is_made_and_found_right(play: Play, tmp_path: Path) -> None:
    answers, site = ROOT / "inventories/reference.answers.yml", tmp_path / "made"
    said = play("--inventory=localhost,", "accentos.site.init", f"-e@{answers}", f"-esite_folder={site}")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "ansible-playbook accentos.site.check" in said.stdout
    # Neither the environment nor a program of a checkout.
    assert "PATH=$PWD/.venv" not in said.stdout
    assert "tools/set-secret" not in said.stdout
    (command,) = re.findall(r'"(PYTHONPATH=[^"]* bmc_password)"', said.stdout)
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-c", command], env=settings, input="word", cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"bmc_password is stored in {site}")
    said = play("--inventory", str(site), "accentos.site.check")
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_found_with_all_that_it_names(play: Play, site: Path, verb: str) -> None:
    said = play("--inventory", str(site), "--syntax-check", f"accentos.site.{verb}")
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"accentos/site/playbooks/{verb}.yml" in said.stdout
