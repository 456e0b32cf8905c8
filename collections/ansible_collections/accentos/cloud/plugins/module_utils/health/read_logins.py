# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tries the logins that stand in the files of services: at database, messaging and identity service. Only logs in."""

from __future__ import annotations

import concurrent.futures
import configparser
import json
import ssl
import urllib.error
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ansible.module_utils.urls import open_url
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import ProbeError

try:
    import pymysql
except ImportError:
    pymysql = None
try:
    import amqp
except ImportError:
    amqp = None

_SECONDS = 15.0
_AT_ONCE = 8
_DATABASE, _MESSAGING, _IDENTITY = "database", "messaging", "identity"
_PORTS = {_DATABASE: 3306, _MESSAGING: 5671}
_DOMAIN = "Default"
# What a server says that lets nobody in with this name, this password or into this database.
_REFUSALS = (1044, 1045, 1049, 1698)
_UNAUTHORIZED = (401, 403)


@dataclass(frozen=True)
class Login:
    """A login that a service is told to use: who, with which password, at which servers (``host:port`` or an address).

    ``scope`` is the database, the virtual host, or the project and its domain.
    """

    kind: str
    user: str
    password: str = field(repr=False)
    servers: tuple[str, ...]
    scope: tuple[str, ...]
    ca_file: str | None
    files: tuple[str, ...] = ()


class RefusedError(Exception):
    """A server answers and does not let somebody in. The argument says why."""


def logins_of(text: str, ca_file: str) -> list[Login]:
    """Return the logins in the text of a file of options; of a text in another form none."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    found = []
    for name in parser.sections():
        # Two dollars stand for one, which otherwise would begin the name of an option.
        section = {option: (value or "").replace("$$", "$") for option, value in parser.items(name)}
        found += [
            _of_url(kind, section[option], ca_file)
            for option, kind in (("connection", _DATABASE), ("transport_url", _MESSAGING))
            if "@" in section.get(option, "")
        ]
        if all(section.get(option) for option in ("auth_url", "username", "password")):
            scope = (section.get("project_name", ""), section.get("project_domain_name") or _DOMAIN)
            found.append(
                Login(
                    _IDENTITY,
                    section["username"],
                    section["password"],
                    (section["auth_url"].rstrip("/"),),
                    (*scope, section.get("user_domain_name") or _DOMAIN),
                    section.get("cafile") or ca_file,
                )
            )
    return found


def _of_url(kind: str, url: str, ca_file: str) -> Login:
    # A service of messages may be told several servers: rabbit://user:word@one:5671,user:word@other:5671/
    parts = urlsplit(url)
    places = [urlsplit(f"//{place}") for place in parts.netloc.split(",")]
    options = parse_qs(parts.query)
    return Login(
        kind,
        unquote(places[0].username or ""),
        unquote(places[0].password or ""),
        tuple(f"{place.hostname}:{place.port or _PORTS[kind]}" for place in places),
        (unquote(parts.path[1:]) or ("/" if kind == _MESSAGING else ""),),
        options.get("ssl_ca", [ca_file])[0],
    )


def logins(wanted: Mapping[str, Any], ca_file: str) -> dict[str, list[Login]]:
    """Return the logins in the files that units are started with, each once, by kind."""
    known: dict[Login, set[str]] = {}
    for path in sorted({path for unit in wanted.get("units", ()) for path in unit.get("inputs") or ()}):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            # A unit without its file is told of by others; a folder, or what is no text, holds no options.
            continue
        for login in logins_of(text, ca_file):
            known.setdefault(login, set()).add(path)
    found: dict[str, list[Login]] = {}
    for login, paths in known.items():
        found.setdefault(login.kind, []).append(replace(login, files=tuple(sorted(paths))))
    return found


def try_logins(wanted: Sequence[Login]) -> list[dict[str, Any]]:
    """Return user and files of each login, ``problem`` (empty where it is let in), and whether a server judged it."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(_tried, wanted))


def _tried(login: Login) -> dict[str, Any]:
    told = {"user": login.user, "files": list(login.files)}
    problems = []
    for server in login.servers:
        try:
            _TRIALS[login.kind](login, server)
        except RefusedError as error:
            return {**told, "problem": str(error), "judged": True}
        except ProbeError as error:
            problems.append(str(error))
        else:
            return {**told, "problem": "", "judged": True}
    return {**told, "problem": "; ".join(problems), "judged": False}


def _database(login: Login, server: str) -> None:
    if pymysql is None:
        raise ProbeError("python3-pymysql is not installed")
    host, _colon, port = server.rpartition(":")
    try:
        pymysql.connect(
            host=host,
            port=int(port),
            user=login.user,
            password=login.password,
            database=login.scope[0],
            ssl_ca=login.ca_file,
            ssl_verify_cert=True,
            ssl_verify_identity=True,
            connect_timeout=int(_SECONDS),
            read_timeout=int(_SECONDS),
        ).close()
    except pymysql.MySQLError as error:
        number, *words = error.args or (0, "")
        kind = RefusedError if number in _REFUSALS else ProbeError
        raise kind(f"{server}: {' '.join(map(str, words)) or error}") from error


def _messaging(login: Login, server: str) -> None:
    if amqp is None:
        raise ProbeError("python3-amqp is not installed")
    host = server.rpartition(":")[0]
    connection = amqp.Connection(
        host=server,
        userid=login.user,
        password=login.password,
        login_method="PLAIN",
        virtual_host=login.scope[0],
        ssl={"ca_certs": login.ca_file, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host},
        connect_timeout=_SECONDS,
        read_timeout=_SECONDS,
        write_timeout=_SECONDS,
    )
    try:
        connection.connect()
        connection.close()
    except (amqp.AccessRefused, amqp.NotAllowed) as error:
        raise RefusedError(f"{server}: {error}") from error
    except (OSError, amqp.AMQPError) as error:
        raise ProbeError(f"{server}: {error}") from error


def _identity(login: Login, server: str) -> None:
    project, project_domain, user_domain = login.scope
    user = {"name": login.user, "password": login.password, "domain": {"name": user_domain}}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if project:
        auth["scope"] = {"project": {"name": project, "domain": {"name": project_domain}}}
    try:
        open_url(
            f"{server}/auth/tokens?nocatalog",
            data=json.dumps({"auth": auth}),
            headers={"Content-Type": "application/json"},
            method="POST",
            timeout=_SECONDS,
            ca_path=login.ca_file,
            # Services reach it without, too, and a login goes nowhere else.
            use_proxy=False,
            follow_redirects="none",
        ).close()
    except urllib.error.HTTPError as error:
        kind = RefusedError if error.code in _UNAUTHORIZED else ProbeError
        raise kind(f"{server} answers with status {error.code}") from error
    except OSError as error:
        raise ProbeError(f"{server}: {getattr(error, 'reason', error)}") from error


_TRIALS: Mapping[str, Callable[[Login, str], None]] = {
    _DATABASE: _database,
    _MESSAGING: _messaging,
    _IDENTITY: _identity,
}


def collectors(found: Mapping[str, Iterable[Login]]) -> dict[str, Callable[[], Any]]:
    """Return what tries the logins of each kind."""
    return {f"{kind}_logins": partial(try_logins, tuple(mine)) for kind, mine in found.items()}
