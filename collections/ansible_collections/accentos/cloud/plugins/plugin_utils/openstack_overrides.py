# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds what cannot be in the operator's options of services, and in services of the operator's own.

That is services and files that there are not, wrong shapes, and stages and groups in which nothing is deployed.

Options are mappings of services to files, of these to sections, and of those to options. At each level None is an empty
mapping, as YAML has it where all lines of one are comments. Values of options are not looked at: the service's own
library judges them, and templates among them may need what is known later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import nearest
from jinja2 import Undefined, UndefinedError

VARIABLE = "openstack_service_overrides"
EXTRA = "openstack_service_extra"
# It has a stage of its own.
IDENTITY = "keystone"
# Stages of playbooks/deploy.yml that deploy services, those of them that reach computes, and the groups of hosts.
STAGES = ("image", "compute", "network", "storage", "orchestration", "dashboard")
COMPUTE_STAGES = ("compute", "network")
GROUPS = ("controller", "compute")


def find_mistakes(known: Mapping[str, Mapping[str, Any]], overrides: object) -> list[str]:
    """Return what is wrong with options, one sentence or more for each mistake.

    :param known: descriptions of services by name, see the role openstack_service.
    """
    return list(_mistakes(known, overrides))


def find_mistakes_of_hosts(known: Mapping[str, Mapping[str, Any]], hosts: Iterable[Mapping[str, object]]) -> list[str]:
    """Return what is wrong with the options of any host, each mistake once.

    :param known: descriptions of services as the role has them for one host.
    :param hosts: variables of each host. It may have services of its own.
    """
    ours = dict(_fields(known))
    found: dict[str, None] = {}
    for variables in hosts:
        extra = _look(variables, EXTRA) if EXTRA in variables else None
        own = dict(_fields(extra)) if isinstance(extra, Mapping) else {}
        found |= dict.fromkeys(_mistakes_of_own(extra, own))
        overrides = _look(variables, VARIABLE) if VARIABLE in variables else None
        found |= dict.fromkeys(_mistakes({**ours, **own}, overrides))
    return list(found)


def stage_services(stages: Mapping[str, Sequence[str]], own: object) -> dict[str, list[str]]:
    """Return the names of services by stage of a deployment, with those of the operator's own.

    :param stages: names of services by stage. One that is there keeps its stage, and so does the identity service.
    :param own: descriptions of the operator's own services by name. Those of other stages are left out.
    """
    named = {IDENTITY, *(name for names in stages.values() for name in names)}
    found = {stage: list(names) for stage, names in stages.items()}
    for name, description in _fields(own) if isinstance(own, Mapping) else ():
        stage = stage_of(description)
        if name not in named and stage in found:
            found[stage].append(name)
    return found


def stage_of(description: object) -> object:
    """Return the stage of a deployment in which a service of the operator's own is deployed."""
    told = _look(description, "stage") if isinstance(description, Mapping) and "stage" in description else None
    return COMPUTE_STAGES[0] if told is None else told


def _mistakes_of_own(extra: object, own: Mapping[str, object]) -> Iterator[str]:
    if extra is not None and not isinstance(extra, Mapping):
        yield f"{EXTRA} is {_kind(extra)}. It must be a mapping of services."
    for name, description in own.items():
        if description is None and not _is_empty(extra, name):
            continue
        if description is None:
            yield f"{name} is empty in {EXTRA}. It must be the description of a service."
            continue
        if not isinstance(description, Mapping):
            yield f"{name} is {_kind(description)} in {EXTRA}. It must be the description of a service."
            continue
        stage = stage_of(description)
        if stage not in STAGES:
            known = ", ".join(STAGES)
            yield f"stage of {name} in {EXTRA} is {stage}.{_meant(stage, list(STAGES))} It is one of {known}."
            continue
        components = _look(description, "components") if "components" in description else None
        for component, given in _fields(components) if isinstance(components, Mapping) else ():
            group = _look(given, "group") if isinstance(given, Mapping) and "group" in given else None
            groups = list(group) if isinstance(group, (list, tuple)) else [] if group is None else [group]
            if strangers := [one for one in groups if one not in GROUPS]:
                yield f"group of {component} of {name} in {EXTRA} is {strangers[0]}. It is one of {', '.join(GROUPS)}."
            elif "compute" in groups and stage not in COMPUTE_STAGES:
                yield (
                    f"{component} of {name} in {EXTRA} runs on computes, which the stage {stage} does not reach. "
                    f"stage must be {' or '.join(COMPUTE_STAGES)}."
                )


def _mistakes(known: Mapping[str, Any], overrides: object) -> Iterator[str]:
    if overrides is None:
        return
    if not isinstance(overrides, Mapping):
        yield f"{VARIABLE} is {_kind(overrides)}. It must be a mapping of services."
        return
    for service, files in _fields(overrides):
        if service not in known:
            names = sorted(known)
            yield (
                f"{VARIABLE} names {service}, and there is no such service.{_meant(service, names)} "
                f"Known: {', '.join(names)}."
            )
        elif files is None:
            continue
        elif not isinstance(files, Mapping):
            yield f"{service} is {_kind(files)} in {VARIABLE}. It must be a mapping of files."
        else:
            yield from _mistakes_of_files(service, _look(known, service), files)


def _mistakes_of_files(service: str, description: object, files: Mapping[str, object]) -> Iterator[str]:
    possible = _possible_files(description)
    for path, sections in _fields(files):
        if possible is not None and path not in possible:
            yield (
                f"{VARIABLE} names {path} of {service}, which the service does not have.{_meant(path, possible)} "
                f"It has: {', '.join(possible)}."
            )
        elif sections is None:
            continue
        elif not isinstance(sections, Mapping):
            yield f"{path} of {service} is {_kind(sections)} in {VARIABLE}. It must be a mapping of sections."
        else:
            for section, options in _fields(sections):
                if options is not None and not isinstance(options, Mapping):
                    yield (
                        f"{section} of {path} of {service} is {_kind(options)} in {VARIABLE}. A section must be a "
                        "mapping of options, so an option stands below the name of its section, such as DEFAULT."
                    )


def _possible_files(description: object) -> list[str] | None:
    """Return the files with options that a service has on any host, sorted; None if that is not known here."""
    if not isinstance(description, Mapping):
        return None
    try:
        found = set(description.get("files") or ())
        for component in (description.get("components") or {}).values():
            found |= {*(component.get("files") or ()), (component.get("wsgi") or {}).get("ini")}
    except UndefinedError:
        return None
    return sorted(path for path in found if path)


def _fields(mapping: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    for key in mapping:
        yield key, _look(mapping, key)


def _look(mapping: Mapping[Any, Any], key: object) -> Any:
    """Return a value of a mapping; None for one whose template cannot be worked out here, which is no mistake."""
    try:
        value = mapping[key]
    except UndefinedError:
        return None
    return None if isinstance(value, Undefined) else value


def _is_empty(mapping: object, key: object) -> bool:
    """Tell whether a mapping says that a value is none, which is another thing than one that cannot be worked out."""
    try:
        return isinstance(mapping, Mapping) and mapping[key] is None
    except UndefinedError:
        return False


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list" if isinstance(value, (list, tuple)) else "no mapping"


def _meant(word: object, allowed: list[str]) -> str:
    suggestion = nearest(str(word), allowed)
    return f" Did you mean {suggestion}?" if suggestion else ""
