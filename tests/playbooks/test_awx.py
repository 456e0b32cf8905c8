# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""playbooks/awx.yml brings every verb into an AWX: once, wholly, and nothing secret."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.awx_survey import SurveyError, survey
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.playbooks.awx_server import HIDDEN, ROOT, TOKEN, Awx, Refused, check_survey
from tools.playbook_runs import PROGRAM, run_playbook

ROLES = ROOT / "collections/ansible_collections/accentos/cloud/roles"
STORE_KEY = "canary-key-of-the-store"
PREFIX = "lab: "
# What modules import is loaded before Ansible forks, so that connection forked need not load it for each.
WARM_PLAYBOOK = (
    "import ansible.module_utils.basic, ansible.module_utils.urls; from ansible.cli.playbook import main; main()"
)
RECAP = re.compile(r"^(\w\S*)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)", re.MULTILINE)


class Loader(yaml.SafeLoader):
    """Reads variables of a role; an unsafe text is a text."""


def unsafe(loader: Loader, node: yaml.ScalarNode) -> str:
    """Return an unsafe text as it is."""
    return str(node.value)


Loader.add_constructor("!unsafe", unsafe)
VARIABLES: dict[str, Any] = yaml.load((ROLES / "awx/vars/main.yml").read_text(), Loader)  # noqa: S506 - a safe loader
VERBS: list[dict[str, Any]] = VARIABLES["__awx_verbs"]
SPECS = {
    path.parts[-3]: yaml.safe_load(path.read_text())["argument_specs"]
    for path in ROLES.glob("*/meta/argument_specs.yml")
}


class Site:
    """A copy of the lab's site with the keys that credentials are made of, and an AWX."""

    def __init__(self, folder: Path, awx: Awx) -> None:
        self.folder, self.awx = folder, awx
        shutil.copytree(ROOT / "inventories/lab", folder / "site")
        key = ed25519.Ed25519PrivateKey.generate()
        self.ssh_key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
        (folder / "ssh_key").write_text(self.ssh_key)
        (folder / "store_key").write_text(f"{STORE_KEY}\n")
        self.variables: dict[str, Any] = {
            "awx_project_url": "https://git.example.com/accentos.git",
            "awx_ssh_key_file": str(folder / "ssh_key"),
            "awx_store_key_file": str(folder / "store_key"),
        }

    def run(
        self, *arguments: str, failed: int = 0, token: str = TOKEN, connection: str = "forked", **variables: Any
    ) -> tuple[int, str]:
        """Run the playbook; return how many tasks changed something and all output.

        Its modules run over connection "forked", a quick one of the tests, or "local", the one of users.
        """
        said = self.variables | variables | {"ansible_connection": connection}
        _code, output = run_playbook(
            f"--inventory={self.folder / 'site'}",
            f"--extra-vars={json.dumps(said)}",
            *arguments,
            "playbooks/awx.yml",
            program=PROGRAM if connection == "local" else ("-c", WARM_PLAYBOOK),
            ANSIBLE_CONNECTION_PLUGINS=str(Path(__file__).parent / "connections"),
            CONTROLLER_HOST=self.awx.address,
            CONTROLLER_OAUTH_TOKEN=token,
            # For each request modules would read all authorities that the machine trusts; plain HTTP needs none.
            SSL_CERT_FILE=os.devnull,
        )
        (recap,) = RECAP.findall(output) or [("", "-1", "-1")]
        assert int(recap[2]) == failed, output
        assert STORE_KEY not in output
        assert self.ssh_key.splitlines()[1] not in output
        assert token not in output
        return int(recap[1]), output


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Awx(tuple(f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml"))) as awx:
        yield Site(tmp_path_factory.mktemp("awx"), awx)


@pytest.fixture(scope="module")
def check_of_nothing(empty: Site) -> str:
    """Return what a run in check mode says of an AWX that has nothing."""
    changed, output = empty.run("--check", "--diff", "-vv")
    assert changed == 1
    return output


@pytest.fixture(scope="module")
def site(empty: Site, check_of_nothing: str) -> Site:
    """An AWX with everything in it."""
    assert "all but the organization" in check_of_nothing
    assert empty.awx.writes == []
    changed, output = empty.run("-vvv", connection="local")
    assert changed > 0, output
    return empty


def test_each_verb_is_a_job_template() -> None:
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    # A site is made where its folder is to be, and AWX reads it from a repository.
    playbooks -= {"awx", "init"}
    assert {verb.get("playbook", verb["name"]) for verb in VERBS} == playbooks
    assert len({verb["title"] for verb in VERBS}) == len({verb["name"] for verb in VERBS}) == len(VERBS)
    assert {node["verb"] for node in VARIABLES["__awx_nodes"] if "verb" in node} < {verb["name"] for verb in VERBS}


def test_tags_of_verbs_are_tags_of_their_playbooks() -> None:
    for verb in VERBS:
        text = (ROOT / f"playbooks/{verb.get('playbook', verb['name'])}.yml").read_text()
        assert verb.get("tags", "") in text


def test_surveys_ask_for_nothing_secret() -> None:
    for verb in VERBS:
        made = survey(verb["title"], verb.get("survey", []), SPECS)
        assert [question for question in made["survey_spec"].get("spec", []) if question["type"] == "password"] == []


def test_awx_takes_a_survey_of_any_option_that_can_be_asked_for() -> None:
    kinds = set()
    for role, entry_points in SPECS.items():
        for entry_point, spec in entry_points.items():
            for option in spec.get("options", {}):
                try:
                    made = survey("All", [{"role": role, "entry_point": entry_point, "option": option}], SPECS)
                except SurveyError:
                    continue
                check_survey(made["survey_spec"])
                kinds |= {question["type"] for question in made["survey_spec"]["spec"]}
    assert kinds == {"text", "textarea", "integer", "float", "multiplechoice", "multiselect"}


@pytest.mark.parametrize(
    "question",
    [
        {"type": "list"},
        {"required": "yes"},
        {"type": "integer", "default": "4"},
        {"type": "multiplechoice"},
        {"type": "multiplechoice", "choices": ["a"], "default": "b"},
        {"type": "multiselect", "choices": ["a"], "default": ["a"]},
        {"min": 0.5},
        {"default": HIDDEN},
    ],
)
def test_the_server_refuses_the_surveys_that_awx_refuses(question: dict[str, Any]) -> None:
    good = {"type": "text", "question_name": "Name", "variable": "a", "required": False}
    check_survey({"name": "", "description": "", "spec": [good]})
    with pytest.raises(Refused):
        check_survey({"name": "", "description": "", "spec": [good | question]})
    with pytest.raises(Refused):
        check_survey({"name": "", "description": "", "spec": [good, good]})


def test_job_templates_are_as_described(site: Site) -> None:
    templates = site.awx.named("job_templates")
    assert set(templates) == {f"{PREFIX}{verb['title']}" for verb in VERBS}
    credentials = {number: one["name"] for number, one in site.awx.objects["credentials"].items()}
    for verb in VERBS:
        one = templates[f"{PREFIX}{verb['title']}"]
        checked = bool(verb.get("check_first") or verb.get("check_only"))
        asked = survey("", verb.get("survey", []), SPECS)
        assert one["description"] == verb["does"]
        assert one["playbook"] == f"playbooks/{verb.get('playbook', verb['name'])}.yml"
        assert (one["job_type"], one["diff_mode"]) == ("check" if checked else "run", checked)
        assert one["ask_job_type_on_launch"] is bool(verb.get("check_first"))
        assert one["job_tags"] == verb.get("tags", "")
        assert {name for name in ("limit", "tags", "skip_tags", "verbosity") if one[f"ask_{name}_on_launch"]} == set(
            verb.get("prompts", [])
        )
        folders = {"site_folder": "inventories/lab", "site_secrets_folder": "/var/lib/accentos/lab"}
        assert json.loads(one["extra_vars"]) == folders | asked["extra_vars"]
        (number,) = [number for number, other in site.awx.objects["job_templates"].items() if other is one]
        assert site.awx.surveys.get(("job_templates", number), {}) == asked["survey_spec"]
        assert one["survey_enabled"] is bool(verb.get("survey"))
        keys = {f"{PREFIX}SSH key", f"{PREFIX}key of the store"} if verb.get("with_keys") else set()
        assert {credentials[inner] for inner in site.awx.linked("job_templates", number, "credentials")} == keys


def test_the_workflow_leads_through_an_approval(site: Site) -> None:
    nodes = site.awx.objects["workflow_job_template_nodes"]
    names = {number: one["identifier"] for number, one in nodes.items()}
    unified = {
        number: one["name"]
        for kind in ("job_templates", "workflow_approval_templates")
        for number, one in site.awx.objects[kind].items()
    }
    titles = {verb["name"]: f"{PREFIX}{verb['title']}" for verb in VERBS}
    shown = [
        {
            "name": one["identifier"],
            "title": unified[one["unified_job_template"]],
            "job_type": one["job_type"],
            **{
                edge: [names[inner] for inner in site.awx.linked("workflow_job_template_nodes", number, edge)]
                for edge in ("success_nodes", "always_nodes", "failure_nodes")
            },
        }
        for number, one in nodes.items()
    ]
    assert shown == [
        {
            "name": node["name"],
            "title": titles[node["verb"]] if "verb" in node else f"{PREFIX}{VARIABLES['__awx_approval']}",
            "job_type": node.get("job_type"),
            "success_nodes": node.get("next", []),
            "always_nodes": node.get("always", []),
            "failure_nodes": [],
        }
        for node in VARIABLES["__awx_nodes"]
    ]
    # Nothing is installed or deployed that nobody approved.
    before = {following: node["name"] for node in VARIABLES["__awx_nodes"] for following in node.get("next", [])}
    assert before["provision"] == "approval"
    assert before["deploy"] == "provision"


def test_foundations_are_as_described(site: Site) -> None:
    awx = site.awx
    (organization,) = awx.objects["organizations"]
    (project,), (inventory,) = awx.objects["projects"], awx.objects["inventories"]
    (environment,) = awx.objects["execution_environments"]
    assert awx.objects["execution_environments"][environment]["image"] == "localhost/accentos-ee:latest"
    assert awx.objects["projects"][project]["scm_url"] == "https://git.example.com/accentos.git"
    (source,) = awx.objects["inventory_sources"].values()
    assert (source["inventory"], source["source_project"], source["source_path"]) == (
        inventory,
        project,
        "inventories/lab",
    )
    assert source["execution_environment"] == environment
    wanted = VARIABLES["__awx_store_type"]
    kind = awx.named("credential_types")[wanted["name"]]
    assert (kind["inputs"], kind["injectors"]) == (wanted["inputs"], wanted["injectors"])
    secrets = {one["name"]: one["inputs"] for one in awx.objects["credentials"].values()}
    assert secrets == {
        f"{PREFIX}SSH key": {"username": "root", "ssh_key_data": site.ssh_key},
        f"{PREFIX}key of the store": {"store_key": STORE_KEY},
    }
    for objects in ("projects", "inventories", "execution_environments", "credentials", "job_templates"):
        assert {one["organization"] for one in awx.objects[objects].values()} == {organization}


def test_awx_knows_every_field_that_it_is_sent(site: Site) -> None:
    assert site.awx.dropped == set()


def test_a_second_run_changes_nothing_whatever_keys_it_has(site: Site) -> None:
    before = site.awx.exported()
    site.awx.writes.clear()
    (site.folder / "store_key").write_text("canary-other-key\n")
    changed, output = site.run()
    assert changed == 0, output
    assert site.awx.writes == []
    assert site.awx.exported() == before


def test_check_mode_finds_what_differs_and_a_run_mends_it(site: Site) -> None:
    (site.folder / "store_key").write_text(f"{STORE_KEY}\n")
    before = site.awx.exported()
    named = site.awx.named("job_templates")
    named[f"{PREFIX}Remove computes"]["job_type"] = "run"
    number = next(number for number, one in site.awx.objects["job_templates"].items() if one["job_tags"] == "tempest")
    site.awx.surveys["job_templates", number]["spec"][0]["choices"] = ["none"]
    node = next(iter(site.awx.objects["workflow_job_template_nodes"]))
    site.awx.lists["workflow_job_template_nodes", node, "success_nodes"].clear()
    broken = site.awx.exported()
    site.awx.writes.clear()
    changed, output = site.run("--check")
    assert changed == 2, output
    for item in ("remove_compute", "tempest", "check"):
        assert f"changed: [localhost] => (item={item})" in output
    assert (site.awx.writes, site.awx.exported()) == ([], broken)
    # Secrets are written anew when that is asked for, and only then.
    for one in site.awx.objects["credentials"].values():
        one["inputs"] = dict.fromkeys(one["inputs"], "lost")
    assert site.run(awx_replace_secrets=True)[0] == 4
    assert site.awx.exported() == before


def test_check_mode_says_what_it_could_not_look_at(site: Site) -> None:
    # With awx_prefix, all but the organization and what sites share is new.
    changed, output = site.run("--check", awx_prefix="other: ")
    assert changed > 1
    assert "job templates and the workflow" in output
    assert "nodes of the workflow" not in output.split("were not looked at", 1)[1]


def test_another_login_is_refused_with_a_reason(site: Site) -> None:
    _changed, output = site.run(failed=1, token="canary-another-token")  # noqa: S106 - of nobody
    assert "Invalid authentication credentials" in output
