# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for the whole tree: nothing is skipped, everything is pinned, nothing of a machine is in it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import jinja2
import pytest
from ansible.config.manager import ConfigManager

from tests.quality.tree import COLLECTION, PREFIX, ROOT, files, load, mappings
from tools.steps.docs import blocks, commands
from tools.steps.verbs import verb

HEADER = "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)"
MARKER = re.compile(r"(^|[^a-z])(T[O]DO|F[I]XME|X[X]X)([^a-z]|$)", re.MULTILINE)
NOQA = re.compile(r"#\s*no[q]a", re.IGNORECASE)
REGISTRY = re.compile(r"https?://[^ /]*(debian|pypi|pythonhosted|npmjs|crates|golang|maven)[^ /]*", re.IGNORECASE)
MACHINE_PATH = re.compile(r"/(w[o]rk|f[a]rm)/[a-z.]", re.IGNORECASE)
UNTRUSTED = re.compile(r"trusted\s*[=:]\s*[\"']?y[e]s|apt-k[e]y\b|\[t[r]usted\b", re.IGNORECASE)
# A shell block or an unnamed one would hide commands from the runner of the documentation.
HIDING = ("bash", "sh", "shell", "zsh", "shell-session")


def texts(*endings: str) -> dict[str, str]:
    """Return the text files of the tree whose names end with one of ENDINGS (all of them without)."""
    found = {}
    for name in files():
        path = ROOT / name
        if name.endswith(endings or ("",)) and not path.is_symlink():
            data = path.read_bytes()
            if b"\0" not in data:
                found[name] = data.decode("utf-8", "replace")
    return found


def hits(pattern: re.Pattern[str], among: dict[str, str]) -> list[str]:
    """Return file and line of every match of PATTERN."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start(2 if pattern is MARKER else 0)) + 1}"
        for name, text in among.items()
        for match in pattern.finditer(text)
    ]


def test_git_lists_the_files() -> None:
    assert "pyproject.toml" in files()
    assert any(name.startswith(f"{PREFIX}plugins/") for name in files())


def test_nothing_is_skipped() -> None:
    lint = load(ROOT / ".ansible-lint")
    assert isinstance(lint, dict)
    assert lint["profile"] == "production"
    assert not lint.get("skip_list")
    assert not lint.get("warn_list")
    # Beside what git ignores only Python without plug-ins.
    python = {f"{PREFIX}agents/", f"{PREFIX}tests/", "tools/"}
    assert set(lint["exclude_paths"]) == {".cache/", ".lab/", ".venv/"} | python
    assert [
        name
        for name in files()
        if name.startswith(tuple(python)) and name.endswith((".yml", ".yaml")) and "/fixtures/" not in name
    ] == []
    assert [
        name for name in files() if re.search(r"tests/sanity/ignore|\.ansible-lint-ignore|\.yamllint-ignore", name)
    ] == []
    assert hits(NOQA, texts(".yml", ".yaml", ".j2")) == []


def test_links_lead_to_files_of_the_tree() -> None:
    entries = subprocess.run(
        ["git", "ls-files", "-z", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    names = {entry.partition("\t")[2] for entry in entries if entry}
    links = {entry.partition("\t")[2] for entry in entries if entry.startswith("120000 ")}
    # A link such as that of a shared environment leads out of the tree, to a place that another machine does not have.
    leads = {name: (ROOT / name).parent / (ROOT / name).readlink() for name in links}
    ends = {name: os.path.relpath(os.path.normpath(lead), ROOT) for name, lead in leads.items()}
    assert {name: end for name, end in ends.items() if not any(f"{one}/".startswith(f"{end}/") for one in names)} == {}
    assert "plugins" in links


def unchecked_downloads(document: object) -> list[object]:
    """Return the addresses that tasks in DOCUMENT fetch without a checksum."""
    return [
        options.get("url")
        for task in mappings(document)
        for key in ("get_url", "ansible.builtin.get_url")
        if isinstance(options := task.get(key), dict) and not options.get("checksum")
    ]


def test_every_download_has_a_checksum() -> None:
    among = texts(".yml", ".yaml")
    assert among
    assert {name: found for name in among if (found := unchecked_downloads(load(ROOT / name)))} == {}


def test_downloads_without_a_checksum_are_found() -> None:
    tasks = [{"block": [{"ansible.builtin.get_url": {"url": "a"}}]}, {"get_url": {"url": "b", "checksum": "sha256:1"}}]
    assert unchecked_downloads(tasks) == ["a"]


def test_no_package_source_is_trusted_blindly() -> None:
    assert hits(UNTRUSTED, texts()) == []


def test_a_signed_package_source_is_fine() -> None:
    assert hits(UNTRUSTED, {"a": "Signed-By: /etc/apt/keyrings/x.gpg"}) == []


def test_third_party_collections_are_pinned_and_installed_in_that_version() -> None:
    listed = load(ROOT / "requirements.yml")
    assert isinstance(listed, dict)
    assert listed["collections"]
    package = importlib.util.find_spec("ansible_collections")
    assert package is not None
    places = [Path(place) for place in package.submodule_search_locations or ()]
    for row in listed["collections"]:
        namespace, name = row["name"].split(".")
        assert namespace != "accentos"
        manifests = [place / namespace / name / "MANIFEST.json" for place in places]
        (manifest,) = [path for path in manifests if path.is_file()]
        assert row["version"] == json.loads(manifest.read_text())["collection_info"]["version"], row["name"]


def test_every_python_package_is_pinned_with_hashes() -> None:
    text = (ROOT / "tools/requirements/development.txt").read_text().replace("\\\n", " ")
    rows = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert rows
    wrong = [
        row
        for row in rows
        if not re.fullmatch(r"[A-Za-z0-9._-]+==\S+(?: ;.*?)?(?:\s+--hash=sha256:[0-9a-f]{64})+\s*", row)
    ]
    assert wrong == []


def test_execution_environment_is_one_that_ansible_builder_can_build() -> None:
    definition = load(ROOT / "execution-environment.yml")
    assert isinstance(definition, dict)
    assert definition["version"] == 3
    # ansible-builder installs packages with dnf and pip with ensurepip, which Debian takes out of its Python.
    assert definition.get("options", {}).get("package_manager_path", "/usr/bin/dnf") in (
        "/usr/bin/dnf",
        "/usr/bin/microdnf",
    )
    assert not re.search("debian|ubuntu|alpine", definition["images"]["base_image"]["name"])
    needed = definition["dependencies"]
    assert all("[platform:rpm]" in row for row in needed["system"])
    version = re.fullmatch(r"/usr/bin/python3[.](\d+)", needed["python_interpreter"]["python_path"])
    assert version
    assert int(version[1]) >= 11
    assert all((ROOT / needed[kind]).is_file() for kind in ("galaxy", "python"))
    # The same series of ansible-core as in the lock.
    (locked,) = re.findall(
        r"^ansible-core==(\S+)", (ROOT / "tools/requirements/development.txt").read_text(), re.MULTILINE
    )
    assert f"ansible-core>={locked}," in needed["ansible_core"]["package_pip"]


def test_collections_of_the_checkout_and_of_an_image_are_found() -> None:
    settings = ConfigManager(str(ROOT / "ansible.cfg"))
    first, *others = settings.get_config_value("COLLECTIONS_PATHS")
    assert Path(first) == ROOT / "collections"
    # ansible-builder puts them there; a person's own, below the home folder, would stand before the pinned ones.
    assert others == ["/usr/share/ansible/collections"]


def test_both_collections_have_one_version() -> None:
    site, cloud = load(ROOT / "galaxy.yml"), load(COLLECTION / "galaxy.yml")
    assert isinstance(site, dict)
    assert isinstance(cloud, dict)
    assert site["version"] == cloud["version"] == site["dependencies"]["accentos.cloud"]


@pytest.mark.parametrize(("name", "inner"), [("plugins",) * 2, ("agents",) * 2, ("cobbler", "roles/cobbler/files")])
def test_links_lead_downward(name: str, inner: str) -> None:
    assert (ROOT / name).readlink() == Path("collections/ansible_collections/accentos/cloud") / inner


def test_the_guide_lists_all_its_pages() -> None:
    pages = [name for name in files() if re.fullmatch(r"docs/[^/]+\.md", name)]
    assert sorted(set(re.findall(r"\]\((docs/[^)#]+\.md)\)", (ROOT / "README.md").read_text()))) == pages


def test_nothing_of_a_machine_or_a_registry_is_in_the_tree() -> None:
    among = {name: text for name, text in texts().items() if not name.startswith("docs/sources")}
    assert hits(REGISTRY, among) == []
    assert hits(MACHINE_PATH, among) == []


def test_the_folder_of_known_hosts_may_have_any_name() -> None:
    settings = load(ROOT / "inventories/reference/group_vars/all/connection.yml")
    assert isinstance(settings, dict)
    environment = jinja2.Environment(autoescape=False)  # noqa: S701
    environment.filters["quote"] = shlex.quote
    # As Ansible splits them; ssh takes the quotes that are left.
    split = shlex.split(
        environment.from_string(settings["ansible_ssh_common_args"]).render(inventory_dir="/srv/its o'site")
    )
    assert split == ["-o", """UserKnownHostsFile="/srv/its o'site/.known_hosts" ~/.ssh/known_hosts"""]


def test_connections_to_lab_hosts_start_from_the_labs_own_bridge() -> None:
    # Otherwise they leave the machine by the default route while the bridge is gone.
    labs = [ROOT / name for name in files() if name.endswith("/group_vars/all/lab.yml")]
    assert labs
    option = "-o BindAddress={{ site_networks.management.gateway }}"
    assert [lab for lab in labs if option not in lab.with_name("connection.yml").read_text()] == []


def test_nothing_is_left_for_later() -> None:
    assert hits(MARKER, texts(".py", ".yml", ".yaml", ".j2", ".md", ".sh", ".toml", ".cfg", "Makefile")) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY, "see https://deb.d-ebian.org/debian"),
        (REGISTRY, "http://files.p-ythonhosted.org"),
        (MACHINE_PATH, "cd /w-ork/main"),
        (MARKER, "# T-ODO: mend"),
        (NOQA, "- name: x  # n-oqa: y"),
        (UNTRUSTED, "deb [t-rusted=yes] x"),
        (UNTRUSTED, "trusted: y-es"),
        (UNTRUSTED, "apt-k-ey add"),
    ],
)
def test_what_must_not_be_there_is_recognized(pattern: re.Pattern[str], text: str) -> None:
    # The examples are written with a dash in the word, because this file is searched too.
    word = re.sub(r"(?<=\b[a-zA-Z])-", "", text).replace("apt-k-ey", "apt-" + "key")
    assert hits(pattern, {"a": f"first\n{word}\n"}) == ["a:2"]


def test_python_files_name_the_licence() -> None:
    found = texts(".py")
    assert found
    # A module that Ansible runs starts with its interpreter, as ansible-test asks.
    wrong = [
        name
        for name, text in found.items()
        if text and HEADER not in text.removeprefix("#!/usr/bin/python\n").splitlines()[:1]
    ]
    assert wrong == []


def documents() -> list[str]:
    return [name for name in files() if name == "README.md" or re.fullmatch(r"docs/[^/]+\.md", name)]


def anchors(text: str) -> set[str]:
    """Return the names by which the headings of the Markdown TEXT are linked to."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


def lost_links(name: str, text: str) -> list[str]:
    """Return the links of document NAME with Markdown TEXT that lead to no file of the tree or no heading of it."""
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+://", link):
            continue
        path, _, anchor = link.partition("#")
        target = ROOT / Path(name).parent / path if path else ROOT / name
        if not target.is_file() or (anchor and anchor not in anchors(target.read_text())):
            lost.append(link)
    return lost


@pytest.mark.parametrize("name", documents())
def test_links_of_the_guide_lead_to_files_and_headings(name: str) -> None:
    assert lost_links(name, (ROOT / name).read_text()) == []


def test_lost_links_are_found() -> None:
    text = "[a](lab.md) [b](lab.md#the-lab) [c](labs.md) [d](lab.md#the-labs) [e](https://example.com/x)"
    assert lost_links("docs/x.md", text) == ["labs.md", "lab.md#the-labs"]


def test_a_step_of_make_test_runs_every_command_of_the_documentation() -> None:
    assert documents()
    whole = verb("test", (), ROOT, {})
    assert whole is not None
    # The second runs what the first one leaves to it.
    steps = [step for step in whole.steps if not callable(step.action) and step.action[1] == "tools/run-docs"]
    assert len(steps) == 2
    for step in steps:
        assert not callable(step.action)
        assert set(documents()) <= set(step.action)
        assert step.tests
        # All the way would take longer than all other steps.
        assert step.env["UNTIL"] == "hosts"


@pytest.mark.parametrize("name", documents())
def test_no_command_hides_from_the_runner(name: str) -> None:
    text = (ROOT / name).read_text()
    hidden = [block.line for block in blocks(text) if block.language in HIDING]
    assert hidden == []
    unprompted = [
        block.line
        for block in blocks(text)
        if block.language == "console" and not any(line.startswith("$ ") for line in block.lines)
    ]
    assert unprompted == []
    promised = [
        line for block in blocks(text) if block.language != "console" for line in block.lines if line.startswith("$ ")
    ]
    assert promised == []
    assert all(command.text.strip() for command in commands(name, text))
