# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""As much of the API of AWX 24.6.1 as its collection needs, over HTTP on loopback, with what the API refuses.

Like AWX it pages its lists, keeps what it is sent, hides secrets, and answers 400 with the field that is wrong: values
of a wrong type, objects that are not there, names that are taken, playbooks that the project does not have, surveys
that are none, prompts that a template does not ask for, two credentials of one type, circles of nodes. Like AWX it
drops fields that it does not know without a word; what was dropped is in ``dropped``, so that a test can be stricter.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from aiohttp import web

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "canary-t0ken-of-awx"  # noqa: S105 - of a server that lives for one test
HIDDEN = "$encrypted$"
# Small, so that each list of some length has several pages.
PAGE = 3
QUESTIONS: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (float, int),
}
PROMPTS = ("job_type", "limit", "job_tags", "skip_tags", "diff_mode", "verbosity")
ASKED_BY = {"job_tags": "ask_tags_on_launch"}
EDGES = ("success_nodes", "failure_nodes", "always_nodes")

Object = dict[str, Any]


class Refused(Exception):  # noqa: N818 - an answer and no fault of the server
    """The API answers 400 with this."""

    def __init__(self, problem: object) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Field:
    """A field of an object: what values it takes, and the one that it has when nothing is said."""

    kind: type | tuple[type, ...] = str
    default: Any = ""
    required: bool = False
    to: str = ""
    choices: tuple[Any, ...] = ()
    read_only: bool = False

    def check(self, name: str, value: Any, known: Callable[[str, Any], bool]) -> None:
        if self.to:
            if value is not None and not known(self.to, value):
                raise Refused({name: [f'Invalid pk "{value}" - object does not exist.']})
        elif value is None and self.default is not None:
            raise Refused({name: ["This field may not be null."]})
        elif value is not None and (not isinstance(value, self.kind) or (isinstance(value, bool) and self.kind is int)):
            raise Refused({name: [f"{value!r} is no valid value."]})
        elif self.choices and value is not None and value not in self.choices:
            raise Refused({name: [f'"{value}" is not a valid choice.']})
        elif self.required and value == "":
            raise Refused({name: ["This field may not be blank."]})


TEXT, NAME, FLAG, NUMBER = Field(), Field(required=True), Field(bool, default=False), Field(int, default=0)
MAPPING = Field(dict, default=None)


def to(kind: str, *, required: bool = False) -> Field:
    """Return a field that refers to an object of the endpoint KIND."""
    return Field(int, default=None, to=kind, required=required)


def choice(*choices: str, default: str | None = "") -> Field:
    return Field(default=default, choices=choices)


NAMED = {"name": NAME, "description": TEXT}
ASK = ("diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory", "credential")
KINDS: dict[str, tuple[str, dict[str, Field]]] = {
    "organizations": (
        "organization",
        {**NAMED, "max_hosts": NUMBER, "default_environment": to("execution_environments")},
    ),
    "execution_environments": (
        "execution_environment",
        {
            **NAMED,
            "organization": to("organizations"),
            "image": NAME,
            "credential": to("credentials"),
            "pull": choice("", "always", "missing", "never"),
        },
    ),
    "credential_types": (
        "credential_type",
        {
            **NAMED,
            "kind": Field(required=True, choices=("cloud", "net")),
            "inputs": Field(dict, default={}),
            "injectors": Field(dict, default={}),
            "managed": Field(bool, default=False, read_only=True),
        },
    ),
    "credentials": (
        "credential",
        {
            **NAMED,
            "organization": to("organizations"),
            "credential_type": to("credential_types", required=True),
            "inputs": Field(dict, default={}),
        },
    ),
    "projects": (
        "project",
        {
            **NAMED,
            "organization": to("organizations"),
            "scm_type": choice("", "git", "svn", "insights", "archive"),
            "scm_url": TEXT,
            "scm_branch": TEXT,
            "scm_refspec": TEXT,
            "scm_clean": FLAG,
            "scm_delete_on_update": FLAG,
            "scm_track_submodules": FLAG,
            "scm_update_on_launch": FLAG,
            "scm_update_cache_timeout": NUMBER,
            "allow_override": FLAG,
            "timeout": NUMBER,
            "credential": to("credentials"),
            "default_environment": to("execution_environments"),
            "scm_revision": Field(read_only=True),
        },
    ),
    "inventories": (
        "inventory",
        {
            **NAMED,
            "organization": to("organizations", required=True),
            "kind": choice("", "smart", "constructed"),
            "host_filter": Field(default=None),
            "variables": TEXT,
            "prevent_instance_group_fallback": FLAG,
        },
    ),
    "inventory_sources": (
        "inventory_source",
        {
            **NAMED,
            "inventory": to("inventories", required=True),
            "source": Field(required=True, choices=("scm", "constructed", "ec2", "controller")),
            "source_project": to("projects"),
            "source_path": TEXT,
            "source_vars": TEXT,
            "scm_branch": TEXT,
            "execution_environment": to("execution_environments"),
            "overwrite": FLAG,
            "overwrite_vars": FLAG,
            "update_on_launch": FLAG,
            "update_cache_timeout": NUMBER,
            "timeout": NUMBER,
            "verbosity": Field(int, default=1, choices=(0, 1, 2)),
            "limit": TEXT,
        },
    ),
    "job_templates": (
        "job_template",
        {
            **NAMED,
            "organization": Field(int, default=None, read_only=True),
            "job_type": choice("run", "check", default="run"),
            "inventory": to("inventories"),
            "project": to("projects"),
            "playbook": TEXT,
            "scm_branch": TEXT,
            "execution_environment": to("execution_environments"),
            "forks": NUMBER,
            "limit": TEXT,
            "verbosity": Field(int, default=0, choices=(0, 1, 2, 3, 4, 5)),
            "extra_vars": TEXT,
            "job_tags": TEXT,
            "skip_tags": TEXT,
            "timeout": NUMBER,
            "diff_mode": FLAG,
            "become_enabled": FLAG,
            "allow_simultaneous": FLAG,
            "survey_enabled": FLAG,
            **{f"ask_{what}_on_launch": FLAG for what in ASK},
        },
    ),
    "workflow_job_templates": (
        "workflow_job_template",
        {
            **NAMED,
            "organization": to("organizations"),
            "inventory": to("inventories"),
            "extra_vars": TEXT,
            "limit": Field(default=None),
            "allow_simultaneous": FLAG,
            "survey_enabled": FLAG,
            **{f"ask_{what}_on_launch": FLAG for what in ("variables", "inventory", "limit", "tags", "skip_tags")},
        },
    ),
    "workflow_job_template_nodes": (
        "workflow_job_template_node",
        {
            "identifier": NAME,
            "workflow_job_template": to("workflow_job_templates", required=True),
            "unified_job_template": to("unified_job_templates"),
            "all_parents_must_converge": FLAG,
            "extra_data": Field(dict, default={}),
            "inventory": to("inventories"),
            "execution_environment": to("execution_environments"),
            "job_type": choice("", "run", "check", default=None),
            "limit": Field(default=None),
            "job_tags": Field(default=None),
            "skip_tags": Field(default=None),
            "diff_mode": Field(bool, default=None),
            "verbosity": Field(int, default=None),
        },
    ),
    "workflow_approval_templates": ("workflow_approval_template", {**NAMED, "timeout": NUMBER}),
}
UNIFIED = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
# Lists below an object, by the endpoint of the object and the name of the list.
LISTS = {
    ("job_templates", "credentials"): "credentials",
    **{("workflow_job_template_nodes", edge): "workflow_job_template_nodes" for edge in EDGES},
}
UNIQUE = {
    "organizations": ("name",),
    "execution_environments": ("name",),
    "credential_types": ("name", "kind"),
    "credentials": ("name", "organization", "credential_type"),
    "workflow_job_template_nodes": ("identifier", "workflow_job_template"),
    "inventory_sources": ("name", "inventory"),
}
# What clients say although it cannot be written.
SAID_ANYWAY = {("workflow_job_template_nodes", "type")}


def check_survey(spec: Mapping[str, Any]) -> None:  # noqa: PLR0912 - the rules of AWX, one after the other
    """Refuse what awx/api/views JobTemplateSurveySpec._validate_spec_data refuses."""
    whole: dict[str, type] = {"name": str, "description": str, "spec": list}
    question: dict[str, type] = {"type": str, "question_name": str, "variable": str, "required": bool}
    for name, kind in whole.items():
        if not isinstance(spec.get(name), kind):
            raise Refused({"error": f"Field '{name}' is missing from survey spec, or of another type."})
    if not spec["spec"]:
        raise Refused({"error": "'spec' doesn't contain any items."})
    seen = set()
    for index, item in enumerate(spec["spec"]):
        for name, kind in question.items():
            if not isinstance(item.get(name), kind):
                raise Refused({"error": f"'{name}' in survey question {index} expected to be {kind.__name__}."})
        if item["variable"] in seen:
            raise Refused({"error": f"'variable' '{item['variable']}' duplicated in survey question {index}."})
        seen.add(item["variable"])
        if item["type"] not in QUESTIONS:
            raise Refused({"error": f"'{item['type']}' in survey question {index} is no type of questions."})
        default = item.get("default", "")
        if default != "" and not isinstance(default, QUESTIONS[item["type"]]):
            raise Refused({"error": f"Default value {default} in survey question {index} has another type."})
        for key in ("min", "max"):
            if item.get(key) is not None and not isinstance(item[key], int):
                raise Refused({"error": f"The {key} limit in survey question {index} expected to be integer."})
        if item["type"] in ("multiselect", "multiplechoice"):
            if "choices" not in item:
                raise Refused({"error": f"Survey question {index} of type {item['type']} must specify choices."})
            given = default.splitlines()
            if item["type"] == "multiplechoice" and len(given) > 1:
                raise Refused({"error": "Multiple Choice (Single Select) can only have one default value."})
            if any(one not in item["choices"] for one in given):
                raise Refused({"error": "Default choice must be answered from the choices listed."})
        if isinstance(default, str) and default.startswith(HIDDEN):
            raise Refused({"error": "$encrypted$ is a reserved keyword."})


@dataclass
class Awx:
    """The server. While it is entered it answers at ``address``."""

    playbooks: tuple[str, ...] = ()
    objects: dict[str, dict[int, Object]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    lists: dict[tuple[str, int, str], list[int]] = field(default_factory=dict)
    surveys: dict[tuple[str, int], Object] = field(default_factory=dict)
    dropped: set[tuple[str, str]] = field(default_factory=set)
    # Method and path of each request that may change something.
    writes: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""
    _last: int = 0

    def __enter__(self) -> Awx:
        """Start, with the types of credentials that every AWX has."""
        fields = [{"id": "username", "type": "string"}, {"id": "ssh_key_data", "type": "string", "secret": True}]
        for name, kind in (("Machine", "ssh"), ("Source Control", "scm")):
            number = self.add("credential_types", {"name": name, "kind": kind, "inputs": {"fields": fields}})
            self.objects["credential_types"][number]["managed"] = True
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(application)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.address = "http://{}:{}".format(*runner.addresses[0])
            ready.set()
            await self._stop.wait()
            await runner.cleanup()

        asyncio.run(main())

    def add(self, kind: str, values: Mapping[str, Any]) -> int:
        """Keep a new object and return its number."""
        self._last += 1
        fields = KINDS[kind][1]
        self.objects[kind][self._last] = {name: values.get(name, one.default) for name, one in fields.items()}
        return self._last

    def named(self, kind: str) -> dict[str, Object]:
        """Return the objects of an endpoint by name."""
        return {str(one.get("name", one.get("identifier"))): one for one in self.objects[kind].values()}

    def linked(self, kind: str, number: int, what: str) -> list[int]:
        return self.lists.get((kind, number, what), [])

    async def _answer(self, request: web.Request) -> web.Response:
        said = await request.json() if request.can_read_body else {}
        headers = {"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"}
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"detail": "Authentication credentials were not provided."}, status=401)
        if request.method != "GET":
            self.writes.append((request.method, request.path))
        try:
            status, body = self._route(request.method, request.path, dict(request.query), said)
        except Refused as refused:
            status, body = 400, refused.problem
        except KeyError:
            status, body = 404, {"detail": "Not found."}
        if status == 204:
            return web.Response(status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    def _route(self, method: str, path: str, query: dict[str, str], said: Object) -> tuple[int, Any]:
        if not path.startswith("/api/v2/") or not path.endswith("/"):
            raise KeyError(path)
        kind, *rest = path.removeprefix("/api/v2/").strip("/").split("/")
        if kind == "project_updates":
            return 200, self._project_update(int(rest[0]))
        if not rest:
            return self._list(kind, query) if method == "GET" else (201, self._create(kind, said))
        number = int(rest[0])
        if len(rest) == 1:
            if method == "PATCH":
                self._change(kind, number, said)
            return 200, self._shown(kind, number)
        return self._below(method, kind, number, rest[1], query, said)

    def _project_update(self, number: int) -> Object:
        """Finish the update of a project: its playbooks are known from now on."""
        self.objects["projects"][number]["scm_revision"] = "0" * 40
        return {"id": number, "status": "successful", "finished": True, "failed": False}

    def _known(self, kind: str, number: Any) -> bool:
        return any(number in self.objects[one] for one in (UNIFIED if kind == "unified_job_templates" else (kind,)))

    def _list(self, kind: str, query: dict[str, str]) -> tuple[int, Any]:
        kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
        page = int(query.pop("page", 1))
        rows = []
        for one in kinds:
            for number in self.objects[one]:
                shown = self._shown(one, number)
                unknown = set(query) - set(shown)
                if unknown and kind == one:
                    raise Refused({"detail": f"{kind} has no field named {unknown}"})
                if all(str(shown.get(name)) == value for name, value in query.items()):
                    rows.append(shown)
        return 200, self._page(f"/api/v2/{kind}/", rows, page, query)

    def _page(self, path: str, rows: list[Object], page: int, query: Mapping[str, str]) -> Object:
        more = len(rows) > page * PAGE
        words = "&".join([*(f"{name}={value}" for name, value in query.items()), f"page={page + 1}"])
        shown = rows[(page - 1) * PAGE : page * PAGE]
        return {"count": len(rows), "next": f"{path}?{words}" if more else None, "previous": None, "results": shown}

    def _shown(self, kind: str, number: int) -> Object:
        one = self.objects[kind][number]
        url = f"/api/v2/{kind}/{number}/"
        related, summary = {"survey_spec": f"{url}survey_spec/"}, {}
        shown = {"id": number, "type": KINDS[kind][0], "url": url, **one}
        if kind == "credentials":
            secret = self._secrets(one["credential_type"])
            shown["inputs"] = {name: HIDDEN if name in secret else value for name, value in one["inputs"].items()}
        if kind == "projects" and not one["scm_revision"]:
            summary["current_update"] = {"id": number}
        if kind == "workflow_job_template_nodes":
            shown |= {edge: self.linked(kind, number, edge) for edge in EDGES}
            for unified in UNIFIED:
                if one["unified_job_template"] in self.objects[unified]:
                    related["unified_job_template"] = f"/api/v2/{unified}/{one['unified_job_template']}/"
        return {**shown, "related": related, "summary_fields": summary}

    def _secrets(self, credential_type: int) -> set[str]:
        fields = self.objects["credential_types"][credential_type]["inputs"].get("fields", [])
        return {one["id"] for one in fields if one.get("secret")}

    def _create(self, kind: str, said: Object) -> Object:
        fields = KINDS[kind][1]
        values = {name: one.default for name, one in fields.items()} | self._taken(kind, said)
        for name, one in fields.items():
            if one.required and name not in said:
                raise Refused({name: ["This field is required."]})
        self._check(kind, values, said)
        self._unique(kind, values, None)
        return self._shown(kind, self.add(kind, values))

    def _change(self, kind: str, number: int, said: Object) -> None:
        values = self.objects[kind][number] | self._taken(kind, said)
        if kind == "credentials":
            old = self.objects[kind][number]["inputs"]
            values["inputs"] = {name: old[name] if new == HIDDEN else new for name, new in values["inputs"].items()}
        self._check(kind, values, said)
        self._unique(kind, values, number)
        self.objects[kind][number] = values

    def _taken(self, kind: str, said: Object) -> Object:
        """Return what of SAID can be written."""
        fields = KINDS[kind][1]
        self.dropped |= {(kind, name) for name in said if name not in fields} - SAID_ANYWAY
        taken = {name: value for name, value in said.items() if name in fields and not fields[name].read_only}
        for name, value in taken.items():
            fields[name].check(name, value, self._known)
        return taken

    def _unique(self, kind: str, values: Object, number: int | None) -> None:
        names = UNIQUE.get(kind, ("name", "organization"))
        for other, one in self.objects[kind].items():
            if other != number and all(one.get(name) == values.get(name) for name in names):
                raise Refused({"__all__": [f"{KINDS[kind][0]} with this {' and '.join(names)} already exists."]})

    def _check(self, kind: str, values: Object, said: Object) -> None:
        checks = {
            "credentials": self._check_credential,
            "inventory_sources": self._check_source,
            "job_templates": self._check_template,
            "workflow_job_template_nodes": self._check_node,
        }
        if kind in checks:
            checks[kind](values)
        for name in ("extra_vars", "variables", "source_vars"):
            if said.get(name) and not isinstance(yaml.safe_load(said[name]), dict):
                raise Refused({name: ["Cannot parse as JSON or YAML."]})

    def _check_credential(self, values: Object) -> None:
        inputs = self.objects["credential_types"][values["credential_type"]]["inputs"]
        unknown = set(values["inputs"]) - {one["id"] for one in inputs.get("fields", [])}
        missing = set(inputs.get("required", [])) - set(values["inputs"])
        if unknown or missing:
            raise Refused({"inputs": {"unknown": sorted(unknown), "required": sorted(missing)}})
        if "PRIVATE KEY-----\n" not in values["inputs"].get("ssh_key_data", "PRIVATE KEY-----\n"):
            raise Refused({"inputs": {"ssh_key_data": ["Invalid certificate or key"]}})

    def _check_source(self, values: Object) -> None:
        if values["source"] == "scm" and values["source_project"] is None:
            raise Refused({"source_project": ["Project required for scm type sources."]})

    def _check_template(self, values: Object) -> None:
        project = self.objects["projects"].get(values["project"])
        if project is None:
            raise Refused({"project": ["This field is required."]})
        values["organization"] = project["organization"]
        if not project["scm_revision"] or values["playbook"] not in self.playbooks:
            raise Refused({"playbook": ["Playbook not found for project."]})
        if values["inventory"] is None and not values["ask_inventory_on_launch"]:
            raise Refused({"inventory": ["You must either set a default value or ask to prompt on launch."]})

    def _check_node(self, values: Object) -> None:
        template = self.objects["job_templates"].get(values["unified_job_template"])
        if template is None:
            return
        for name in PROMPTS:
            asked = template[ASKED_BY.get(name, f"ask_{name}_on_launch")]
            if values[name] not in (None, template[name]) and not asked:
                raise Refused({name: ["Field is not configured to prompt on launch."]})
        survey = self.surveys.get(("job_templates", values["unified_job_template"]), {})
        known = {one["variable"] for one in survey.get("spec", [])} if template["survey_enabled"] else set()
        if set(values["extra_data"]) - known and not template["ask_variables_on_launch"]:
            raise Refused({"extra_data": ["Variables are not allowed on launch."]})

    def _below(
        self, method: str, kind: str, number: int, what: str, query: dict[str, str], said: Object
    ) -> tuple[int, Any]:
        one = self.objects[kind][number]
        if what == "survey_spec" and kind in ("job_templates", "workflow_job_templates"):
            if method == "POST":
                check_survey(said)
            if method != "GET":
                self.surveys[kind, number] = said
            return 200, self.surveys.get((kind, number), {}) if method == "GET" else {}
        if what == "create_approval_template" and method == "POST":
            one["unified_job_template"] = self.add(
                "workflow_approval_templates", self._taken("workflow_approval_templates", said)
            )
            return 201, self._shown("workflow_approval_templates", one["unified_job_template"])
        other = LISTS[kind, what]
        linked = self.lists.setdefault((kind, number, what), [])
        if method == "GET":
            rows = [self._shown(other, inner) for inner in linked]
            return 200, self._page(f"/api/v2/{kind}/{number}/{what}/", rows, int(query.pop("page", 1)), query)
        if said.get("disassociate"):
            linked.remove(said["id"])
        else:
            self.objects[other][said["id"]]
            self._check_link(kind, number, what, said["id"])
            linked.append(said["id"])
        return 204, None

    def _check_link(self, kind: str, number: int, what: str, inner: int) -> None:
        if what == "credentials":
            types = [
                self.objects["credentials"][one]["credential_type"] for one in [*self.linked(kind, number, what), inner]
            ]
            if len(set(types)) < len(types):
                raise Refused({"error": "Cannot assign multiple credentials of one type."})
            return
        if any(inner in self.linked(kind, number, edge) for edge in EDGES if edge != what):
            raise Refused({"Error": "Relationship not allowed."})
        if number in {inner, *self._after(inner)}:
            raise Refused({"Error": "Cycle detected."})

    def _after(self, number: int) -> Iterator[int]:
        for edge in EDGES:
            for following in self.linked("workflow_job_template_nodes", number, edge):
                yield following
                yield from self._after(following)

    def exported(self) -> str:
        """Return all that the server keeps as JSON, secrets included, to compare two states."""
        return json.dumps(
            [self.objects, [[str(key), value] for key, value in self.lists.items()], list(self.surveys.values())]
        )
