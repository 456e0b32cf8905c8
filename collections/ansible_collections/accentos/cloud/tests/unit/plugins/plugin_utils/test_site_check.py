# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder as a whole: which files are read, what is said once, and the program on top."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible import constants
from ansible.inventory.manager import IGNORED_ALWAYS
from ansible.parsing.dataloader import DataLoader
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_check, site_files
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import CheckError, check_site, main
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import (
    COMPUTE,
    CONTROLLER,
    GOOD_SITE,
    HOSTS,
    ROLES,
    SITE,
    check,
    lines,
    within,
    write_site,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

COLLECTIONS = Path(site_check.__file__).parents[5]
SCRIPT = COLLECTIONS.parent / "tools" / "check-site"


def single(outcome: site_check.SiteReport) -> str:
    assert len(outcome.findings) == 1, lines(outcome)
    return lines(outcome)[0]


# --- files ---


def test_files_that_are_left_alone(tmp_path: Path) -> None:
    names = [
        "README.md",
        "README",
        "secrets/notes",
        "secrets.txt",
        "pki/ca.pem",
        ".pki/ca.pem",
        ".doctor/report.json",
        "ssh/id",
        ".known_hosts",
    ]
    names += ["hosts.yml~", "hosts.yml.orig", "notes.txt", "vars_plugins/a.py", "group_vars/.gitkeep"]
    names += [".vault_key", ".gitignore", ".gitattributes", ".git/config", ".DS_Store", ".vscode/settings.json"]
    assert lines(check(tmp_path, dict.fromkeys(names, "\x1b not: yaml: ["))) == []


@pytest.mark.parametrize(
    "content",
    ["$ANSIBLE_VAULT;1.1;AES256\n6162\n", "", "---\na: !vault |\n  6162\nb: {c: \"{{ lookup('pipe', 'pass c') }}\"}\n"],
)
def test_files_of_secrets_that_are_sealed(content: str, tmp_path: Path) -> None:
    names = (".secrets.yml", "secrets", "secrets.yml", "secrets.json")
    assert lines(check(tmp_path, dict.fromkeys(names, content))) == []


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        (".secrets.yml", "---\npki_ca_key: hunter2\n", "2:13"),
        ("secrets.yml", "a: !vault |\n  6162\nb: |\n  -----BEGIN PRIVATE KEY-----\n  hunter2\n", "3:4"),
        ("secrets", "-----BEGIN PRIVATE KEY-----\nhunter2\n", "1:1"),
        ("secrets.json", '["hunter2"]', "1:1"),
        ("secrets.yaml", b"\xff\xfehunter2", "1:1"),
    ],
)
def test_files_of_secrets_in_plain_text(name: str, content: str | bytes, place: str, tmp_path: Path) -> None:
    told = single(check(tmp_path, {name: content}))
    assert told.startswith(f"{name}:{place}: is not sealed, and holds what should be; expected ")
    assert "hunter2" not in told
    assert "put it back from a copy" in told if name == ".secrets.yml" else "tools/set-secret SITE NAME" in told


def test_a_file_of_secrets_that_cannot_be_read_is_left_to_whoever_uses_it(tmp_path: Path) -> None:
    write_site(tmp_path)
    (tmp_path / "secrets.yml").symlink_to("nowhere")
    os.mkfifo(tmp_path / ".secrets.yml")
    assert lines(check(tmp_path)) == []


FILES: dict[str, tuple[dict[str, str | bytes | None], str]] = {
    "an unknown file": ({"notes": ""}, "notes:1:1: unknown file; expected hosts.yml, group_vars"),
    "another suffix of hosts": (
        {HOSTS: None, "hosts.yaml": GOOD_SITE[HOSTS]},
        'hosts.yaml:1:1: unknown file; .*"hosts.yml"',
    ),
    "no hosts": ({HOSTS: None}, "hosts.yml:1:1: the file is missing"),
    "empty hosts": ({HOSTS: "---\n# nobody\n", COMPUTE: None}, "hosts.yml:1:1: the file is empty"),
    "broken hosts": ({HOSTS: "a: [b\n", COMPUTE: GOOD_SITE[COMPUTE]}, "hosts.yml:2:1: a list in brackets"),
    "misspelt group_vars": ({"group_var/x.yml": ""}, 'group_var:1:1: unknown file; .*did you mean "group_vars"'),
    "misspelt host_vars": (
        {COMPUTE: None, f"host_var{COMPUTE[9:]}": GOOD_SITE[COMPUTE]},
        'host_var:1:1: .*"host_vars"',
    ),
    "an unknown group": (
        {"group_vars/contoller.yml": ""},
        'group_vars/contoller.yml:1:1: there is no such group; .*"controller"',
    ),
    "a directory of an unknown group": (
        {"group_vars/frontend/a.yml": ""},
        "group_vars/frontend:1:1: there is no such group",
    ),
    "an unknown host": (
        {"host_vars/compute-2.yml": ""},
        'host_vars/compute-2.yml:1:1: there is no such host; .*"compute-1"',
    ),
    "a misspelt suffix": (
        {SITE: None, "group_vars/all/site.ylm": GOOD_SITE[SITE]},
        'group_vars/all/site.ylm:1:1: Ansible does not read a file of this name; .*"site.yml"',
    ),
    "a suffix in capitals": (
        {COMPUTE: None, "host_vars/compute-1.YML": GOOD_SITE[COMPUTE]},
        'host_vars/compute-1.YML:1:1: Ansible does not read a file of this name; .*"compute-1.yml"',
    ),
    "an unknown group without a suffix": (
        {"group_vars/contoller": ""},
        'group_vars/contoller:1:1: there is no such group; .*"controller"',
    ),
    "an unknown host with another suffix": (
        {"host_vars/compute-2.json": "{}"},
        'host_vars/compute-2.json:1:1: there is no such host; .*"compute-1"',
    ),
    "a note in a directory": (
        {"group_vars/all/README": "Here: are: notes\n"},
        "group_vars/all/README:1:1: Ansible reads it as variables, since its name has no suffix; .*README.md$",
    ),
    "a note of one word in a directory": (
        {"group_vars/all/more/NOTES": "Notes\n"},
        "group_vars/all/more/NOTES:1:1: Ansible reads it as variables, since its name has no suffix; .*README.md$",
    ),
    "a file beside one that comes first": (
        {"group_vars/controller.yaml": "x_lost: 1\n"},
        "group_vars/controller.yaml:1:1: there is also the file controller.yml, and Ansible reads only that; .* file$",
    ),
    "a file beside the directory of all": (
        {"group_vars/all.yml": "x_lost: 1\n"},
        "group_vars/all.yml:1:1: there is also a folder all/, and Ansible reads only the folder; expected these values",
    ),
    "a file beside the directory of a group": (
        {"group_vars/controller/more.yml": "x_found: 1\n"},
        "group_vars/controller.yml:1:1: there is also a folder controller/,",
    ),
    "a file beside the directory of a host": (
        {"host_vars/compute-1/more.yml": "x_found: 1\n"},
        "host_vars/compute-1.yml:1:1: there is also a folder compute-1/,",
    ),
    "a mistake in a directory below a group": (
        {"group_vars/all/more/a.yml": "site_nmae: x\n"},
        'group_vars/all/more/a.yml:1:1: site_nmae: unknown key; .*"site_name"',
    ),
    "a mistake in a file without a suffix": (
        {"group_vars/all/more": "site_nmae: x\n"},
        'group_vars/all/more:1:1: site_nmae: unknown key; .*"site_name"',
    ),
    "a mistake in JSON that tabs indent": (
        {"group_vars/all/more.json": '{\n\t"site_nmae": "x"\n}\n'},
        'group_vars/all/more.json:2:2: site_nmae: unknown key; .*"site_name"',
    ),
    "a list instead of variables": (
        {CONTROLLER: "- a\n"},
        "group_vars/controller.yml:1:1: is a list; expected a mapping",
    ),
    "a text instead of variables": (
        {CONTROLLER: "a\n"},
        "group_vars/controller.yml:1:1: is a text; expected a mapping",
    ),
    "a list for all": ({SITE: "- a\n"}, "group_vars/all/site.yml:1:1: is a list"),
    "a broken file for all": ({SITE: "a: 'b\n"}, "group_vars/all/site.yml:2:1: a quote is not closed"),
    "a broken file of a host": ({COMPUTE: "a: 'b\n"}, "host_vars/compute-1.yml:2:1: a quote is not closed"),
    "a sealed file": ({CONTROLLER: "$ANSIBLE_VAULT;1.1;AES256\n61\n"}, "controller.yml:1:1: the whole file is sealed"),
    "the site in a misspelt group": (
        {SITE: None, "group_vars/al.yml": GOOD_SITE[SITE]},
        "group_vars/al.yml:1:1: there is no such",
    ),
    "the site in another group": (
        {SITE: None, "group_vars/site/a.yml": GOOD_SITE[SITE], "group_vars/site/b": ""},
        "group_vars/site:1:1: there is no such group",
    ),
    "a host in a misspelt file": (
        {COMPUTE: None, "host_vars/conpute-1.yml": GOOD_SITE[COMPUTE]},
        'host_vars/conpute-1.yml:1:1: there is no such host; .*"compute-1"',
    ),
    "set in two files": (
        {"group_vars/all/zone.yml": "x_note: 1\n"},
        "group_vars/all/zone.yml:1:1: x_note: is also set in group_vars/all/site.yml:24; expected each variable once",
    ),
    "group_vars is a file": (
        {**dict.fromkeys([SITE, CONTROLLER]), "group_vars": ""},
        "group_vars:1:1: the directory cannot be",
    ),
}


# Names of files and folders in the folder of a group: Ansible reads some and ignores others, and so does the check.
IN_A_FOLDER = [
    *("a.yml", "a.yaml", "a.json", "a", "README", "README.md", "a.txt", "a.", "a.b.yml", "a.yml.j2", "A.yml"),
    *(
        ".gitkeep",
        ".a.yml",
        ".#a.yml",
        ".a.yml.swp",
        "a.yml~",
        "~",
        "#a.yml#",
        "a.orig",
        "a.yml.orig",
        "a.bak",
        "a.swp",
    ),
    *("a.yml.bak", "a.cfg", "a.retry", "a.pyc", "a.rst", "a.rpm", "a.ini", "a.xml", "a.js", "a.dpkg-old", "a~.yml"),
    *(
        "sub/a.yml",
        "sub/b/c.json",
        "sub/.a.yml",
        "sub/a.yml~",
        ".git/a.yml",
        "sub.d/a.yml",
        "sub.yml/a.yml",
        "sub~/a.yml",
    ),
]
OF_A_GROUP = [
    *("controller", "controller.yml", "controller.yaml", "controller.json", "controller/a.yml", "controller/sub/a"),
    *("controller.yml/a.yml", "controller.d/a.yml", "controller.yml~", "controller.yml.orig", "controller.yml.bak"),
    *(".controller.yml", "controller.txt", ".gitkeep", "README", "README.md", ".git/config", "controller~/a.yml"),
]


def as_ansible_reads(folder: Path, owner: str) -> list[str]:
    """Return the files that ansible-core reads for a group, relative to the site."""
    found = DataLoader().find_vars_files(str(folder / "group_vars"), owner)
    return sorted(str(Path(name).relative_to(folder)) for name in found)


@pytest.mark.parametrize("name", [*(f"all/{name}" for name in IN_A_FOLDER), *OF_A_GROUP])
def test_the_check_reads_what_ansible_reads_and_says_nothing_about_the_rest(name: str, tmp_path: Path) -> None:
    file = f"group_vars/{name}"
    folder = write_site(tmp_path, {CONTROLLER: None, file: "x_good: 1\nbad_one: 1\n"})
    read = as_ansible_reads(folder, "all") + as_ansible_reads(folder, "controller")
    found = [(finding.file, finding.line) for finding in check_site(folder, ROLES).findings]
    assert found == ([(file, 2)] if file in read else [])


def test_of_several_names_for_a_group_the_check_takes_the_one_that_ansible_takes(tmp_path: Path) -> None:
    names = ("controller/a.yml", "controller.yml", "controller.yaml", "controller.json")
    for number in range(len(names)):
        folder = write_site(
            tmp_path / str(number), dict.fromkeys((f"group_vars/{name}" for name in names[number:]), "")
        )
        (folder / CONTROLLER).unlink(missing_ok=number > 1)
        if number <= 1:
            (folder / CONTROLLER).write_text("")
        (read,) = as_ansible_reads(folder, "controller")
        assert read == f"group_vars/{names[number]}"
        refused = [finding.file for finding in check_site(folder, ROLES).findings]
        assert refused == sorted(f"group_vars/{name}" for name in names[number + 1 :])


def test_what_is_ignored_at_the_top_is_what_ansible_ignores() -> None:
    assert tuple(constants.INVENTORY_IGNORE_EXTS) == site_files.IGNORED_SUFFIXES
    assert tuple(constants.YAML_FILENAME_EXTENSIONS) == site_files.SUFFIXES
    assert [word.decode() for word in IGNORED_ALWAYS] == [f"^{word}" for word in site_files.NEVER_AT_THE_TOP]
    assert not site_files.is_ignored_at_the_top("hosts.yml")
    for name in ("hosts.yml~", "hosts.yml.orig", "a.txt", "ansible.cfg", ".git", "group_vars", "README", "ssh", "pki"):
        assert site_files.is_ignored_at_the_top(name), name
    for name in ("hosts.yaml", "hosts", "inventory.ini", "group_vars2", "sshd", "my_host_vars", "b.json", "notes"):
        assert not site_files.is_ignored_at_the_top(name), name


@pytest.mark.skipif(not SCRIPT.is_file(), reason="the configuration is only in a checkout")
def test_the_patterns_of_the_checkout_are_those_of_the_check() -> None:
    config = configparser.ConfigParser()
    config.read(COLLECTIONS.parent / "ansible.cfg")
    patterns = config["defaults"]["inventory_ignore_patterns"].split(",")
    assert tuple(word.strip() for word in patterns) == site_files.IGNORED_PATTERNS


def test_a_folder_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    folder = write_site(tmp_path)
    (folder / "group_vars/all/sub").mkdir()
    (folder / "group_vars/all/sub/loop").symlink_to("..")
    assert single(check_site(folder, ROLES)).startswith(
        "group_vars/all/sub/loop:1:1: is a link to a directory that it is in; expected an ordinary directory"
    )


@pytest.mark.parametrize("name", FILES)
def test_one_finding_for_a_file(name: str, tmp_path: Path) -> None:
    changes, expected = FILES[name]
    assert re.search(expected, single(check(tmp_path, changes)))


def test_both_ways_to_write_variables_are_read(tmp_path: Path) -> None:
    changes = {
        CONTROLLER: None,
        "group_vars/controller/a.yml": "keystone_workers: x\n",
        COMPUTE: None,
        "host_vars/compute-1/a.yml": "host_addresses: {management: 10.1.0.21}\n",
        "host_vars/compute-1/b.yml": "nova_workers: y\n",
        "group_vars/ungrouped.yml": "nova_workers: z\n",
        "group_vars/compute_rack.yml": "nova_workers: z\n",
        "group_vars/monitoring.yml": "---\n",
    }
    found = [(finding.file, finding.key) for finding in check(tmp_path, changes).findings]
    assert found == [
        ("group_vars/compute_rack.yml", "nova_workers"),
        ("group_vars/controller/a.yml", "keystone_workers"),
        ("group_vars/ungrouped.yml", "nova_workers"),
        ("host_vars/compute-1/b.yml", "nova_workers"),
    ]


def test_links_inside_the_folder_are_followed_and_others_are_not(tmp_path: Path) -> None:
    folder = write_site(tmp_path / "site", {CONTROLLER: None})
    (folder / CONTROLLER).symlink_to("../ssh/controller")
    (folder / "ssh").mkdir()
    (folder / "ssh/controller").write_text("keystone_workers: 1\n")
    assert lines(check_site(folder, ROLES)) == []
    (tmp_path / "secret").write_text("root:x:0:0\n")
    (folder / CONTROLLER).unlink()
    (folder / CONTROLLER).symlink_to("../../secret")
    assert (
        single(check_site(folder, ROLES)) == f"{CONTROLLER}:1:1: is a link out of the folder; expected an ordinary file"
    )
    (folder / CONTROLLER).unlink()
    (folder / CONTROLLER).symlink_to("controller.yml")
    assert "cannot be read" in single(check_site(folder, ROLES))
    (folder / CONTROLLER).unlink()
    (tmp_path / "outside").mkdir()
    (folder / "host_vars/controller-1").symlink_to(tmp_path / "outside")
    assert "host_vars/controller-1:1:1: is a link out of the folder" in single(check_site(folder, ROLES))


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_site(tmp_path / "site")
    (tmp_path / "link").symlink_to("site")
    assert lines(check_site(tmp_path / "link", ROLES)) == []


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    folder = write_site(tmp_path, {CONTROLLER: None})
    os.mkfifo(folder / CONTROLLER)
    os.mkfifo(folder / "group_vars/all/pipe.yml")
    found = lines(check_site(folder, ROLES))
    assert found == [
        "group_vars/all/pipe.yml:1:1: is not an ordinary file; expected an ordinary file",
        "group_vars/controller.yml:1:1: is not an ordinary file; expected an ordinary file",
    ]


def test_names_of_files_cannot_steer_the_terminal(tmp_path: Path) -> None:
    folder = write_site(tmp_path)
    (folder / "\x1b[31m").write_text("")
    os.close(os.open(os.fsencode(folder) + b"/\xff\n", os.O_CREAT | os.O_WRONLY))
    found = lines(check_site(folder, ROLES))
    assert len(found) == 2
    assert all(line.isprintable() for line in found)


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, reason in (("nothing", "No such file"), ("file", "Not a directory")):
        found = single(check_site(tmp_path / name, ROLES))
        assert found.startswith(f"{tmp_path / name}:1:1: the folder cannot be read: {reason}")


def test_an_empty_folder_has_every_required_value_missing(tmp_path: Path) -> None:
    assert [(finding.file, finding.key) for finding in check_site(tmp_path, ROLES).findings] == [
        (SITE, "site_admins"),
        (SITE, "site_api_address"),
        (SITE, "site_domain"),
        (SITE, "site_name"),
        (SITE, "site_networks"),
        (HOSTS, ""),
    ]


# --- inventories beside the site ---


def beside(folder: Path, files: dict[str, str], name: str = "") -> list[str]:
    """Check the good site and another inventory beside it, a folder with these files or the one file of this name."""
    folder.mkdir(exist_ok=True)
    for file, content in files.items():
        path = folder / "other" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    site = write_site(folder / "site")
    found = lines(check_site(site, ROLES, [folder / "other" / name]))
    return [line.replace(f"{folder}/", "") for line in found]


MOLECULE = """\
all:
  hosts:
    compute-1: {ansible_connection: local, molecule_driver: x}
  vars:
    molecule_file: "{{ lookup('env', 'MOLECULE_FILE') }}"
rack: {hosts: {compute-1: , "controller-[1:2]": }}
"""


def test_an_inventory_beside_the_site_may_say_what_is_right(tmp_path: Path) -> None:
    files = {
        "ansible_inventory.yml": MOLECULE,
        "more": "all: {vars: {x_a: 1}}\n",
        "machines.cobbler.yml": "plugin: accentos.cloud.cobbler\nurl: x\n",
        "notes.txt": "unread: [",
        ".hidden.yml": "unread: [",
        "below/hosts.json": '{"controller": {"vars": {"keystone_workers": 3}}}',
        "group_vars/all/.gitkeep": "",
        "group_vars/rack.yml": "keystone_workers: 2\n",
        "host_vars/compute-1.yml": "x_b: 1\n",
    }
    assert beside(tmp_path, files) == []
    assert beside(tmp_path, {}, "ansible_inventory.yml") == []
    program = tmp_path / "other/program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert beside(tmp_path, {}) == []
    # Ansible tries to run it, and reads it when that fails.
    (tmp_path / "other/ansible_inventory.yml").chmod(0o755)
    assert len(beside(tmp_path, {"ansible_inventory.yml": "all: {vars: {site_nmae: 1}}\n"})) == 1


BESIDE: dict[str, tuple[dict[str, str], str]] = {
    "an unknown host": (
        {"b.yml": "compute: {hosts: {compute-2: }}\n"},
        'other/b.yml:1:19: compute-2: the site has no such host; expected a host of hosts.yml in .*"compute-1"',
    ),
    "a misspelt variable of a host": (
        {"b.yml": "all: {hosts: {compute-1: {keystone_worker: 1}}}\n"},
        'other/b.yml:1:27: compute-1.keystone_worker: unknown key; expected a variable of a role; .*"keystone_workers"',
    ),
    "a wrong value of a group": (
        {"b.yml": "all: {vars: {keystone_workers: many}}\n"},
        'other/b.yml:1:32: all.vars.keystone_workers: .*, found "many"',
    ),
    "a variable of the site": (
        {"b.yml": "all: {vars: {site_name: other}}\n"},
        "other/b.yml:1:14: all.vars.site_name: is not allowed here; expected it at the site: in group_vars/all",
    ),
    "a variable of the site in a file of all": (
        {"group_vars/all.yml": "site_name: other\n"},
        "other/group_vars/all.yml:1:1: site_name: is not allowed here; expected it at the site",
    ),
    "a variable of a host of the site": (
        {"host_vars/compute-1/a.yml": "host_serial: SN-2\n"},
        "other/host_vars/compute-1/a.yml:1:1: host_serial: is not allowed here; expected it at a host",
    ),
    "a misspelt group": (
        {"group_vars/contoller.yml": "keystone_workers: 2\n"},
        'other/group_vars/contoller.yml:1:1: there is no such group; .*"controller"',
    ),
    "broken YAML": (
        {"b.yml": "all: [\n"},
        "other/b.yml:2:1: a list in brackets or a mapping in braces is not finished",
    ),
    "broken YAML below": ({"c/d/b.yaml": "all: [a\n"}, "other/c/d/b.yaml:2:1: a list in brackets is not closed"),
    "a wrong structure": ({"b.yml": "all: {hosts: [a]}\n"}, "other/b.yml:1:14: all.hosts: is a list"),
    "another format": (
        {"b.ini": "[controller]\n"},
        "other/b.ini:1:1: is no inventory in YAML, so nothing in it can be checked; expected a file that ends in .yml",
    ),
    "another format without a suffix": ({"hosts": "[controller]\na b=c\n"}, "other/hosts:1:1: is no inventory in YAML"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_mistake_in_an_inventory_beside_the_site(name: str, tmp_path: Path) -> None:
    files, expected = BESIDE[name]
    (found,) = beside(tmp_path, files)
    assert re.match(expected, found), found
    if len(files) == 1 and "/" not in next(iter(files)):
        (found,) = beside(tmp_path, {}, next(iter(files)))
        assert re.match(expected, found), found


def test_what_a_plugin_makes_may_be_named_by_others(tmp_path: Path) -> None:
    files = {
        "b.yml": "made: {hosts: {compute-9: {x_a: 1}}}\n",
        "group_vars/cobbler_owner_admin.yml": "keystone_worker: 1\n",
        "host_vars/compute-10.yml": "x_a: 1\n",
    }
    assert len(beside(tmp_path / "alone", files)) == 3
    (found,) = beside(tmp_path / "more", {**files, "machines.cobbler.yml": "plugin: accentos.cloud.cobbler\n"})
    assert found.startswith("other/group_vars/cobbler_owner_admin.yml:1:1: keystone_worker: unknown key")


def test_folders_that_lead_back_to_themselves_end_beside_the_site_too(tmp_path: Path) -> None:
    (tmp_path / "other/sub").mkdir(parents=True)
    (tmp_path / "other/sub/loop").symlink_to("..")
    assert len(beside(tmp_path, {"sub/b.yml": "all: {vars: {site_nmae: 1}}\n"})) <= 2


def test_what_is_beside_a_site(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("site")
    sources = [f"{site}/", site / HOSTS, tmp_path / "link", "localhost,", tmp_path / "none", tmp_path / "other"]
    assert site_check.sources_beside([*sources, tmp_path / "other"], site) == [tmp_path / "other"]


# --- said once ---


def test_several_mistakes_are_all_found_and_sorted(tmp_path: Path) -> None:
    changes = {
        SITE: GOOD_SITE[SITE].replace("vlan: 20", "vlan: x").replace("site_name: test", "site_name: T"),
        COMPUTE: GOOD_SITE[COMPUTE].replace("redfish", "ilo"),
    }
    found = [(finding.file, finding.line) for finding in check(tmp_path, changes).findings]
    assert found == [(SITE, 2), (SITE, 11), (COMPUTE, 12)]


def test_a_mistake_in_an_alias_is_one_mistake(tmp_path: Path) -> None:
    site = GOOD_SITE[SITE].replace("{cidr: 10.3.0.0/24}", "&n {cidr: 10.3.0.0/24, vlan: 0}")
    site = site.replace("{cidr: 10.5.0.0/24}", "{<<: *n, cidr: 10.5.0.0/24}")
    assert "vlan: is too small" in single(check(tmp_path, {SITE: site}))


def test_a_wrong_network_does_not_make_its_hosts_wrong(tmp_path: Path) -> None:
    for wrong in ("10.1.0.0", "10.1.0.0/33", "[a]", "5", "!vault abc"):
        site = GOOD_SITE[SITE].replace("cidr: 10.1.0.0/24", f"cidr: {wrong}")
        assert len(check(tmp_path, {SITE: site}).findings) == (0 if "vault" in wrong else 1)


def test_host_vars_win_over_hosts(tmp_path: Path) -> None:
    variables = "host_addresses: {management: 10.1.0.99}\nhost_serial: SN-99\n"
    first, file, twice = "host_vars/controller-1.yml", "host_vars/storage-1.yml", "the same address 10.1.0.99"
    outcome = check(tmp_path, {first: variables, file: variables})
    assert [(finding.file, finding.line, finding.problem) for finding in outcome.findings] == [
        (file, 1, f"host storage-1 (management) and host controller-1 (management) in {first}:1 have {twice}"),
        (file, 2, f"host storage-1 and host controller-1 in {first}:2 have the same serial number"),
    ]


def test_a_whole_range_without_addresses_is_one_mistake(tmp_path: Path) -> None:
    hosts = GOOD_SITE[HOSTS].replace("    compute-1:", "    compute-[1:50]:")
    assert single(check(tmp_path, {HOSTS: hosts})).startswith("hosts.yml:20:5: compute-2.host_addresses: is missing")


# --- rubbish ---

YAML_WORDS = [
    *"[]{}:,-?&*!|>'\"%@`#~=<\n\t \\",
    "\n  ",
    "\n- ",
    ": ",
    "<<: ",
    "&a ",
    "*a ",
    "!vault ",
    "!unsafe ",
    "!!int ",
    "{{ x }}",
    "\x1b[31m",
    "\x00",
    "\ufeff",
    "\u202e",
    "\U0001f600",
    "---\n",
    "...\n",
    "no",
    "0x_",
    "1:30",
    "2025-02-30",
    ".nan",
    "1e999",
    "9" * 70,
    "all",
    "hosts",
    "vars",
    "children",
    "controller",
    "c-[1:3]",
    "site_name",
    "site_networks",
    "management",
    "cidr",
    "10.1.0.0/24",
    "host_addresses",
    "host_interfaces",
    "host_bmc",
    "mac",
    "site_admins",
    "ssh_keys",
    "keystone_endpoints",
    "keystone_folder",
    "ansible_port",
]
RUBBISH = st.one_of(st.lists(st.sampled_from(YAML_WORDS), max_size=30).map("".join), st.text(max_size=60))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hosts=RUBBISH, site=RUBBISH, host=RUBBISH)
def test_rubbish_gives_findings_and_nothing_else(tmp_path: Path, hosts: str, site: str, host: str) -> None:
    changes = {HOSTS: hosts, SITE: site, COMPUTE: host}
    outcome = check(tmp_path, {name: text.encode("utf-8", "surrogatepass") for name, text in changes.items()})
    assert outcome.findings
    assert all(line.isprintable() for line in lines(outcome))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(GOOD_SITE)), data=st.data())
def test_a_damaged_good_site_raises_nothing(tmp_path: Path, name: str, data: st.DataObject) -> None:
    text = GOOD_SITE[name]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    damaged = text[:start] + data.draw(RUBBISH) + text[end:]
    outcome = check(tmp_path, {name: damaged.encode("utf-8", "surrogatepass")})
    assert all(line.isprintable() for line in lines(outcome))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=80))
def test_bytes_raise_nothing(tmp_path: Path, raw: bytes) -> None:
    assert all(line.isprintable() for line in lines(check(tmp_path, {SITE: raw})))


def test_many_unknown_keys_are_answered_quickly(tmp_path: Path) -> None:
    site = GOOD_SITE[SITE] + "".join(f"site_unknown_{number}: 1\n" for number in range(20_000))
    write_site(tmp_path, {SITE: site})
    with within(2):
        outcome = check_site(tmp_path, ROLES)
    assert len(outcome.findings) == 1000


# --- the program ---


def test_main_says_that_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The roles of the collection are not those of the tests, so only what belongs to no role is there.
    write_site(tmp_path, {CONTROLLER: None})
    assert main([f"{tmp_path}/"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(re.escape(str(tmp_path)) + r": 6 hosts, 48 values checked, no mistakes \(\d\.\d\d s\)\n", out)
    assert err == ""


def test_main_lists_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_site(tmp_path, {CONTROLLER: None, "x\x1b": ""})
    assert main([str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "x\\x1b:1:1: unknown file; expected hosts.yml, group_vars, host_vars or README\n"


def test_a_damaged_collection_is_named(tmp_path: Path) -> None:
    spec = tmp_path / "roles/broken/meta/argument_specs.yml"
    spec.parent.mkdir(parents=True)
    spec.write_text("argument_specs: 5\n")
    with pytest.raises(CheckError, match=r"install it again: .*broken/meta/argument_specs\.yml"):
        check_site(write_site(tmp_path / "site"), tmp_path / "roles")


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_without_jsonschema_there_is_a_remedy_and_without_ansible_all_is_well(tmp_path: Path) -> None:
    write_site(tmp_path, {CONTROLLER: None})
    code = f"""
import sys
for name in sys.argv[2:]:
    sys.modules[name] = None
sys.path.insert(0, {str(COLLECTIONS)!r})
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import main
sys.exit(main([sys.argv[1]]))
"""
    missing = run_python(code, str(tmp_path), "jsonschema")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("check-site: The Python library jsonschema is missing. Install it")
    assert run_python(code, str(tmp_path), "ansible").returncode == 0


@pytest.mark.skipif(not SCRIPT.is_file(), reason="the script is only in a checkout")
def test_the_script(tmp_path: Path) -> None:
    write_site(tmp_path, {CONTROLLER: None})
    good = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    (tmp_path / SITE).unlink()
    bad = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout, len(bad.stderr.splitlines())) == (2, "", 5)


# --- what the values of a role say together ---


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("pki_validity_days: 30", 26, "renewed 30 days before their end, at every run"),
        ("pki_renew_before_days: 397", 26, "valid for 397 days and renewed 397 days"),
        ("pki_ca_validity_days: 427", 26, "must last longer than 427"),
    ],
)
def test_lives_of_certificates_that_cannot_work(tmp_path: Path, text: str, line: int, problem: str) -> None:
    site = write_site(tmp_path, {CONTROLLER: None, SITE: f"{GOOD_SITE[SITE]}{text}\n"})
    # The roles that the product has, with their defaults.
    shown = single(check_site(site))
    assert f"site.yml:{line}:" in shown
    assert problem in shown


@pytest.mark.parametrize("text", ["pki_validity_days: '{{ x_days }}'", "pki_validity_days: 90", "x_days: 1"])
def test_lives_of_certificates_that_are_fine_or_not_known(tmp_path: Path, text: str) -> None:
    site = write_site(tmp_path, {CONTROLLER: None, SITE: f"{GOOD_SITE[SITE]}{text}\n"})
    assert lines(check_site(site)) == []
