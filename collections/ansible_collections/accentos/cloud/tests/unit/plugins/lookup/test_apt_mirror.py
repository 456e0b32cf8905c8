# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup, as Ansible's own loader and templates call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template

OWN = {"archive": "http://mirror.example.test/debian", "security": "http://mirror.example.test/debian-security"}
NAMED = {"archive": "http://named.example.test/debian", "security": "http://named.example.test/debian-security"}


@pytest.fixture
def etc_apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list").write_text(f"deb {OWN['archive']} trixie main\n", encoding="ascii")
    return tmp_path


def look_up(terms: list[Any], etc_apt: Path) -> list[dict[str, str]]:
    """Run the lookup on the control node whose apt is configured in ``etc_apt``."""
    loader = DataLoader()
    lookup = lookup_loader.get("accentos.cloud.apt_mirror", loader=loader, templar=Templar(loader=loader, variables={}))
    found: list[dict[str, str]] = lookup.run(terms, variables={}, etc_apt=str(etc_apt))
    return found


@pytest.mark.parametrize("terms", [[], [""], [None], ["", None]])
def test_the_control_nodes_own_mirror(etc_apt: Path, terms: list[Any]) -> None:
    assert look_up(terms, etc_apt) == [OWN]


@pytest.mark.parametrize("uri", ["http://named.example.test/debian", "http://named.example.test/debian/"])
def test_the_mirror_that_the_site_names_wins(etc_apt: Path, uri: str) -> None:
    assert look_up([uri], etc_apt) == [NAMED]


def test_the_site_can_name_the_security_archive_too(etc_apt: Path) -> None:
    found = look_up([NAMED["archive"], "http://security.example.test/debian-security"], etc_apt)
    assert found == [{**NAMED, "security": "http://security.example.test/debian-security"}]
    # The archive of security updates alone, under a name of any kind.
    assert look_up(["", "http://s.example.test/updates/"], etc_apt) == [
        {**OWN, "security": "http://s.example.test/updates"}
    ]
    with pytest.raises(AnsibleError, match=r"the value 'file:///srv'"):
        look_up([NAMED["archive"], "file:///srv"], etc_apt)


def test_a_template_gets_one_dictionary(etc_apt: Path) -> None:
    source = "{{ lookup('accentos.cloud.apt_mirror', site_apt_mirror, etc_apt=folder).security }}"
    for site_apt_mirror, expected in (("", OWN), (NAMED["archive"], NAMED)):
        variables = {"site_apt_mirror": site_apt_mirror, "folder": str(etc_apt)}
        templar = Templar(loader=DataLoader(), variables=variables)
        assert templar.template(trust_as_template(source)) == expected["security"]


REMEDY = "Set site_apt_mirror in the site's group_vars/all/site.yml to the URI of a main archive that ends in /debian."


def test_no_mirror_in_the_apt_sources(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError) as caught:
        look_up([], tmp_path)
    assert str(caught.value) == f"No Debian mirror is named by the apt sources in {tmp_path}. {REMEDY}"


@pytest.mark.parametrize("value", ["mirror.example.test", "http://mirror.example.test/", "file:///srv/debian"])
def test_a_value_that_is_no_mirror(etc_apt: Path, value: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        look_up([value], etc_apt)
    assert str(caught.value) == f"No Debian mirror is named by the value '{value}'. {REMEDY}"
