# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what a host needs of a cloud's services, which are described as data; see the role openstack_service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.openstack_catalogue import LOCKOUT_EXEMPTION
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import (
    ConfigurationError,
    find_references,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_overrides import find_mistakes

_SERVICE = frozenset(
    (
        *("description", "wanted", "stage", "type", "user", "database", "messaging", "identity", "components"),
        *("packages", "files", "attributes", "texts", "namespaces"),
    )
)
_COMPONENT = frozenset(
    (
        *("group", "wsgi", "certificate", "ceph_user", "syncs", "health", "listeners"),
        *("units", "daemons", "idle", "masks"),
        *("packages", "files", "attributes", "texts", "namespaces"),
    )
)
_WSGI = frozenset({"unit", "program", "port", "ini", "options", "environment", "sticky", "repeatable"})
_IDENTITY = frozenset({"roles", "port", "path", "services", "new_roles", "domains", "users"})
# Threads stay 1: with more, replies of the message queue are lost between the threads of a process.
_UWSGI: Mapping[str, object] = {
    "buffer-size": 65535,
    "close-on-exec": True,
    "close-on-exec2": True,
    "die-on-term": True,
    "disable-logging": True,
    "enable-threads": True,
    "lazy-apps": True,
    "listen": 128,
    "log-4xx": True,
    "log-5xx": True,
    "master": True,
    "need-app": True,
    "no-orphans": True,
    "paste-logger": True,
    "plugins": "python3",
    # The default of 4 seconds ends connections of a busy host in the middle.
    "socket-timeout": 30,
    "threads": 1,
    "thunder-lock": True,
}
# Or anybody who reaches the identity service could stop a service with a few wrong passwords.
_NEVER_LOCKED_OUT: Mapping[str, object] = {LOCKOUT_EXEMPTION: True}
_CEPH = "/etc/ceph"
# They leave out TLS 1.1 and older.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# On a busy host a service takes long to start; one that is given up too soon starts again and again.
# The packages give all units of a service the same folders in /run, and one that stops would take them away from the
# others: with the locks of those that run, and from under one that starts at that moment, which then fails.
# Python imports sitecustomize from its path: it keeps the error of one TLS connection from the others.
_PYTHON_PATH = "/usr/lib/accentos/openstack"
_DROP_IN = f"""\
# Written by AccentOS.
[Service]
Environment=PYTHONPATH={_PYTHON_PATH}
RuntimeDirectoryPreserve=yes
TimeoutStartSec=300
"""
# The package's own start script listens on every address and without TLS.
_WSGI_DROP_IN = """\
Type=notify
NotifyAccess=main
ExecStart=
ExecStart=/usr/bin/uwsgi --ini {ini}
"""


class ServiceError(Exception):
    """The description of a service is wrong. The argument says what and what helps."""


@dataclass(frozen=True)
class Context:
    """What a plan depends on besides the services: the host, the site, and how many processes an API gets."""

    host: str
    domain: str
    address: str
    groups: Mapping[str, Sequence[str]]
    pki_folder: str
    api_url: str
    region: str
    processes: int


@dataclass(frozen=True)
class Component:
    """A component that a host runs; ``shared`` are the files of its service for all components."""

    service: str
    name: str
    user: str
    data: Mapping[str, Any]
    shared: frozenset[str]
    first: bool


def plan_host(
    known: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
    overrides: Mapping[str, Any],
    context: Context,
) -> dict[str, Any]:
    """Return what a host needs for the services ``names``, see the filter openstack_host_plan. Raises ServiceError."""
    _refuse_unknown_services(known, names)
    if mistakes := find_mistakes(known, overrides):
        raise ServiceError(" ".join(mistakes))
    names = _wanted(known, names)
    components = [found for name in names for found in _components(name, known[name], context)]
    here = [name for name in names if any(component.service == name for component in components)]
    own = {name: overrides.get(name) or {} for name in here}
    files = [file for name in here for file in _files(name, known[name], components, own[name], context)]
    paths = [file["path"] for file in files]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise ServiceError(f"Two services want to write {', '.join(twice)}. Let only one of them have it.")
    databases = _databases(known, names)
    catalogue = _catalogue(known, names, context)
    messaging = _messaging(known, names)
    return {
        "packages": _packages((*(known[name] for name in here), *(component.data for component in components))),
        "certificates": _certificates(components, context),
        "keyrings": _keyrings(components),
        "files": files,
        "syncs": [sync for component in components for sync in _syncs(component, components)],
        "units": [unit for component in components for unit in _units(component, context)],
        "start_policy": _all_units(known),
        "masks": sorted({unit for component in components for unit in component.data.get("masks", ())}),
        "checks": [check for component in components for check in _checks(component, context)],
        "databases": databases,
        "messaging": messaging,
        "catalogue": catalogue,
        "secrets": {
            "files": _secrets(files),
            "databases": _secrets(databases),
            "messaging": _secrets(messaging),
            "catalogue": _secrets(catalogue),
        },
    }


def listeners(known: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the load balancer hands on for services, as its role takes it. Raises ServiceError."""
    _refuse_unknown_services(known, names)
    found = []
    for name in _wanted(known, names):
        for component, data in sorted(known[name]["components"].items()):
            wsgi = data.get("wsgi")
            if wsgi and data["group"] == "controller":
                path = data.get("health", {}).get("path", "/")
                listener = {"name": f"{name}-{component}", "port": wsgi["port"], "mode": "http", "check": path}
                more = {key: wsgi[key] for key in ("sticky", "repeatable") if wsgi.get(key)}
                found.append({**listener, **more})
            found += [{"name": f"{name}-{component}", "mode": "http", **other} for other in data.get("listeners", ())]
    return found


def group_packages(known: Mapping[str, Mapping[str, Any]], group: str) -> list[str]:
    """Return the packages that a host of a group needs for all services that have a meaning in this site."""
    services = [known[name] for name in _wanted(known, list(known))]
    here = [
        (service, [data for data in service["components"].values() if group in _names(data["group"])])
        for service in services
    ]
    return _packages([data for service, own in here if own for data in (service, *own)])


def _packages(descriptions: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({package for data in descriptions for package in data.get("packages", ())})


def _refuse_unknown_services(known: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ServiceError(f"There is no service {name!r}. Known: {', '.join(sorted(known))}.")


def _wanted(known: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return the services that have a meaning in this site: a description may say when it has none."""
    return [name for name in names if known[name].get("wanted", True)]


def _components(name: str, service: Mapping[str, Any], context: Context) -> Iterator[Component]:
    _refuse_unknown(f"service {name}", service, _SERVICE)
    for component, data in sorted(service["components"].items()):
        _refuse_unknown(f"component {component} of {name}", data, _COMPONENT)
        if "wsgi" in data:
            _refuse_unknown(f"wsgi of {component} of {name}", data["wsgi"], _WSGI)
        hosts = _hosts(data["group"], context.groups)
        if context.host in hosts:
            shared = frozenset((*service.get("files", ()), *service.get("texts", ())))
            yield Component(name, component, service.get("user", name), data, shared, hosts[0] == context.host)


def _hosts(group: str | Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the hosts of a group or of several, each once."""
    return list(dict.fromkeys(host for name in _names(group) for host in groups.get(name, ())))


def _names(group: str | Sequence[str]) -> Sequence[str]:
    """Return the names of a group or of several."""
    return [group] if isinstance(group, str) else group


def _refuse_unknown(what: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ServiceError(
            f"The {what} has {', '.join(unknown)}, which means nothing. Known: {', '.join(sorted(known))}."
        )


def _merge(into: dict[str, dict[str, object]], sections: Mapping[str, Mapping[str, object] | None] | None) -> None:
    for section, options in (sections or {}).items():
        into.setdefault(section, {}).update(options or {})


def _files(
    name: str,
    service: Mapping[str, Any],
    components: Sequence[Component],
    overrides: Mapping[str, Mapping[str, Mapping[str, object] | None] | None],
    context: Context,
) -> Iterator[dict[str, Any]]:
    """Give the files of a service on a host: of the service, its components here, and last the operator's options."""
    user = service.get("user", name)
    own = [component for component in components if component.service == name]
    sections: dict[str, dict[str, dict[str, object]]] = {}
    attributes: dict[str, dict[str, Any]] = {}
    namespaces: dict[str, list[str]] = {}
    texts: dict[str, dict[str, Any]] = {}
    for data in (service, *(component.data for component in own)):
        for path, content in data.get("files", {}).items():
            _merge(sections.setdefault(path, {}), content)
        for path, given in data.get("attributes", {}).items():
            attributes.setdefault(path, {}).update(given)
        for path, given in data.get("namespaces", {}).items():
            namespaces[path] = sorted({*namespaces.get(path, ()), *given})
        texts.update(data.get("texts", {}))
    for component in own:
        if wsgi := component.data.get("wsgi"):
            _merge(sections.setdefault(wsgi["ini"], {}), {"uwsgi": _uwsgi(component, context)})
            attributes.setdefault(wsgi["ini"], {"group": user})
        for unit in _names_of_units(component):
            content = _DROP_IN + (_WSGI_DROP_IN.format(ini=wsgi["ini"]) if wsgi and wsgi["unit"] == unit else "")
            texts[_drop_in(unit)] = {"content": content, "owner": "root", "group": "root", "mode": "0644"}
    for path, content in overrides.items():
        # Other hosts have the others.
        if path in sections:
            _merge(sections[path], content)
    for path in sorted(sections):
        base = {"path": path, "sections": sections[path], "owner": "root", "group": user, "mode": "0640"}
        yield {**base, "namespaces": namespaces.get(path, []), **attributes.get(path, {})}
    for path, text in sorted(texts.items()):
        yield {"path": path, "owner": "root", "group": user, "mode": "0640", **text}


def _drop_in(unit: str) -> str:
    return f"/etc/systemd/system/{unit}.d/accentos.conf"


def _uwsgi(component: Component, context: Context) -> dict[str, object]:
    wsgi = component.data["wsgi"]
    certificate = f"{context.pki_folder}/{component.service}"
    unit = wsgi["unit"].removesuffix(".service")
    environment = {"OS_OSLO_MESSAGING_RABBIT__PROCESSNAME": unit, **wsgi.get("environment", {})}
    return {
        **_UWSGI,
        "processes": context.processes,
        "env": {"repeat": [f"{name}={value}" for name, value in sorted(environment.items())]},
        "https-socket": f"{context.address}:{wsgi['port']},{certificate}.crt,{certificate}.key,{_CIPHERS}",
        "wsgi-file": wsgi["program"],
        **wsgi.get("options", {}),
    }


def _has_certificate(component: Component) -> bool:
    return bool("wsgi" in component.data or component.data.get("certificate"))


def _certificates(components: Sequence[Component], context: Context) -> list[dict[str, Any]]:
    users = {component.service: component.user for component in components if _has_certificate(component)}
    names = [f"DNS:{context.host}.{context.domain}", f"DNS:{context.host}", f"IP:{context.address}"]
    return [
        {"name": name, "owner": user, "group": user, "subject_alternative_names": names}
        for name, user in sorted(users.items())
    ]


def _keyrings(components: Sequence[Component]) -> list[dict[str, str]]:
    """Return which users of Ceph the host acts for, as the role ceph takes them."""
    owners = {name: component.user for component in components if (name := component.data.get("ceph_user"))}
    return [{"user": name, "owner": owner, "group": owner} for name, owner in sorted(owners.items())]


def _syncs(component: Component, components: Sequence[Component]) -> Iterator[dict[str, Any]]:
    if not component.first:
        return
    there = {sync["name"] for other in components for sync in other.data.get("syncs", ())}
    for sync in component.data.get("syncs", ()):
        defaults = {"user": component.user, "packages": list(component.data.get("packages", ()))}
        yield {**defaults, **sync, "after": [name for name in sync.get("after", ()) if name in there]}


def _units(component: Component, context: Context) -> Iterator[dict[str, Any]]:
    """Give the units of a component with all files that it reads: options, texts, certificate, what Ceph asks for."""
    wsgi = component.data.get("wsgi", {})
    paths = {*component.shared, *component.data.get("files", ()), *component.data.get("texts", ())}
    paths.add(f"{_PYTHON_PATH}/sitecustomize.py")
    if wsgi:
        paths.add(wsgi["ini"])
    if _has_certificate(component):
        paths |= {f"{context.pki_folder}/{component.service}.{suffix}" for suffix in ("crt", "key")}
    if name := component.data.get("ceph_user"):
        paths |= {f"{_CEPH}/ceph.conf", f"{_CEPH}/ceph.{name}.keyring"}
    packages = sorted(component.data.get("packages", ()))
    for unit in _names_of_units(component):
        yield {"name": unit, "inputs": sorted({*paths, _drop_in(unit)}), "packages": packages}
    # They run as their packages have them, and read nothing that is written here.
    for unit in component.data.get("daemons", ()):
        yield {"name": unit, "inputs": [], "packages": packages}


def _names_of_units(component: Component) -> list[str]:
    wsgi = component.data.get("wsgi")
    return [*component.data.get("units", ()), *([wsgi["unit"]] if wsgi else [])]


def _all_units(known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return all units that a host may ever have: a list that is the same whatever a run sees to."""
    components = [component for service in known.values() for component in service["components"].values()]
    return sorted(
        {unit for one in components for unit in (*one.get("units", ()), *one.get("idle", ()))}
        | {one["wsgi"]["unit"] for one in components if "wsgi" in one}
    )


def _checks(component: Component, context: Context) -> Iterator[dict[str, Any]]:
    health = component.data.get("health")
    if not health:
        return
    wsgi = component.data["wsgi"]
    yield {
        "unit": wsgi["unit"],
        "url": f"https://{context.address}:{wsgi['port']}{health['path']}",
        "status": list(health.get("status", [200])),
    }


def _databases(known: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return the databases of services and the users who own them, as the module database_access takes them."""
    owned = {name: [database["name"] for database in known[name].get("database", ())] for name in names}
    return {
        "databases": [dict(database) for name in names for database in known[name].get("database", ())],
        "users": [
            {"name": name, "password": f"{{secret:{name}_database_password}}", "databases": databases}
            for name, databases in owned.items()
            if databases
        ],
    }


def _messaging(known: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the users of the message queue, as the module messaging_access takes them."""
    return [
        {"name": name, "password": f"{{secret:{name}_messaging_password}}", "permissions": [{"vhost": "/"}]}
        for name in names
        if known[name].get("messaging")
    ]


def _catalogue(known: Mapping[str, Mapping[str, Any]], names: Sequence[str], context: Context) -> dict[str, Any]:
    services: list[dict[str, Any]] = []
    users: list[dict[str, Any]] = []
    new_roles: list[dict[str, str]] = []
    domains: list[dict[str, str]] = []
    for name in names:
        identity = known[name].get("identity")
        if not identity:
            continue
        _refuse_unknown(f"identity of {name}", identity, _IDENTITY)
        own = {"name": name, "type": known[name].get("type"), **identity}
        for one in (*([own] if "port" in identity else []), *identity.get("services", ())):
            url = f"{context.api_url}:{one['port']}{one.get('path', '')}"
            services.append(
                {
                    "name": one["name"],
                    "type": one["type"],
                    "description": known[name]["description"],
                    "region": context.region,
                    "endpoints": {"public": url, "internal": url},
                }
            )
        if identity.get("roles"):
            users.append(
                {
                    "name": name,
                    "description": known[name]["description"],
                    "password": f"{{secret:{name}_identity_password}}",
                    **_NEVER_LOCKED_OUT,
                    "grants": [{"role": role, "project": "service"} for role in identity["roles"]],
                }
            )
        users += [
            {**user, "password": f"{{secret:{user['name']}_identity_password}}", **_NEVER_LOCKED_OUT}
            for user in identity.get("users", ())
        ]
        new_roles += [{"name": role} for role in identity.get("new_roles", ())]
        domains += identity.get("domains", ())
    return {"services": services, "users": users, "roles": new_roles, "domains": domains}


def _secrets(value: object) -> list[dict[str, str]]:
    """Return names and kinds of the secrets that a value refers to. Raises ServiceError."""
    try:
        return [{"name": name, "kind": kind} for name, kind in sorted(set(find_references(value)))]
    except ConfigurationError as error:
        raise ServiceError(" ".join(error.args)) from error
