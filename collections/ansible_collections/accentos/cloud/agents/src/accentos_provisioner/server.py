# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP on both sides: machines over TLS, administrators over a Unix socket. Bodies, rates and times are bounded."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from . import machines
from .errors import ServiceError
from .service import Limiter, Provisioner

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SMALL, LARGE = 32 * 2**10, 512 * 2**10
_SECONDS = 90.0
_SERVICE = web.AppKey("service", Provisioner)
_SECRET_LIMIT = 256


def _answer(error: ServiceError) -> web.Response:
    return web.json_response({"error": str(error), "remedy": error.remedy}, status=error.status)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every way of failing into an answer with error and remedy, here and nowhere else."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await handler(request)
    except ServiceError as error:
        return _answer(error)
    except web.HTTPException as error:
        return _answer(ServiceError(error.status, error.reason, "Compare the versions of both sides."))
    except TimeoutError:
        return _answer(
            ServiceError(504, "it took too long", "Look at cobblerd.service; the request may be made again.")
        )
    except OSError as error:
        log.error("%s %s: %s", request.method, request.path, error)
        return _answer(
            ServiceError(500, f"the state cannot be kept: {error.strerror}", "Look at the file system's space.")
        )


def limit_rates(limiter: Limiter) -> Middleware:
    """Return the middleware that asks LIMITER about each request's peer."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        limiter.check(request.remote or "")
        return await handler(request)

    return check


async def read_object(request: web.Request, limit: int = SMALL) -> dict[str, Any]:
    """Return the JSON object in the body, of at most LIMIT bytes. Raises ServiceError."""
    if (request.content_length or 0) > limit:
        raise ServiceError(413, f"the body has more than {limit} bytes", "Send less.")
    data = await request.content.read(limit + 1)
    while len(data) <= limit and (more := await request.content.read(limit + 1 - len(data))):
        data += more
    if len(data) > limit:
        raise ServiceError(413, f"the body has more than {limit} bytes", "Send less.")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ServiceError(400, "the body is no JSON", "Mend the request.") from error
    if not isinstance(body, dict):
        raise ServiceError(400, "the body is no JSON object", "Mend the request.")
    return body


def _secret(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= _SECRET_LIMIT:
        raise ServiceError(400, "a token, session or secret must be a short text", "Mend the request.")
    return value


async def _specification(request: web.Request) -> web.Response:
    body = await read_object(request, LARGE)
    token, macs = _secret(body.get("token")), machines.check_macs(body.get("macs"))
    return web.json_response(
        await request.app[_SERVICE].hand_out(token, macs, request.remote or "", body.get("inventory"))
    )


async def _report(request: web.Request) -> web.Response:
    body = await read_object(request)
    await request.app[_SERVICE].report(_secret(body.get("session")), machines.check_report(body))
    return web.json_response({})


async def _enrol(request: web.Request) -> web.Response:
    body = await read_object(request, LARGE)
    found = await request.app[_SERVICE].enrol(body.get("inventory"), request.remote or "")
    return web.json_response(found, status=202)


async def _ask_enrolment(request: web.Request) -> web.Response:
    secret = _secret(request.headers.get("Authorization", "").removeprefix("Bearer "))
    service = request.app[_SERVICE]
    return web.json_response(await service.ask_enrolment(request.match_info["id"], secret, request.remote or ""))


async def _machines(request: web.Request) -> web.Response:
    return web.json_response({"machines": request.app[_SERVICE].list_machines()})


async def _machine(request: web.Request) -> web.Response:
    return web.json_response(request.app[_SERVICE].get_machine(machines.check_host(request.match_info["host"])))


async def _arm(request: web.Request) -> web.Response:
    host = machines.check_host(request.match_info["host"])
    order = machines.check_order(await read_object(request))
    return web.json_response(await request.app[_SERVICE].arm(host, order))


async def _exchange_cards(request: web.Request) -> web.Response:
    host = machines.check_host(request.match_info["host"])
    macs = machines.check_macs((await read_object(request)).get("macs"))
    return web.json_response(await request.app[_SERVICE].exchange_cards(host, macs))


async def _disarm(request: web.Request) -> web.Response:
    return web.json_response(await request.app[_SERVICE].disarm(machines.check_host(request.match_info["host"])))


async def _forget(request: web.Request) -> web.Response:
    return web.json_response(await request.app[_SERVICE].forget(machines.check_host(request.match_info["host"])))


async def _enrolments(request: web.Request) -> web.Response:
    return web.json_response({"enrolments": request.app[_SERVICE].list_enrolments()})


async def _approve(request: web.Request) -> web.Response:
    body = await read_object(request)
    # The order's check knows all there is to know about a lifetime.
    lifetime = machines.check_order({"macs": ["00:00:00:00:00:00"], "lifetime": body.get("lifetime", 3600)}).lifetime
    host = machines.check_host(body.get("host"))
    return web.json_response(await request.app[_SERVICE].approve(request.match_info["id"], host, lifetime))


async def _reject(request: web.Request) -> web.Response:
    return web.json_response(request.app[_SERVICE].reject(request.match_info["id"]))


def public_application(service: Provisioner, limiter: Limiter) -> web.Application:
    """Return what machines may ask for."""
    application = web.Application(middlewares=[answer_errors, limit_rates(limiter)], client_max_size=LARGE)
    application[_SERVICE] = service
    application.add_routes(
        [
            web.post("/v1/specification", _specification),
            web.post("/v1/reports", _report),
            web.post("/v1/enrolments", _enrol),
            web.get("/v1/enrolments/{id}", _ask_enrolment),
        ]
    )
    return application


def admin_application(service: Provisioner) -> web.Application:
    """Return what administrators may ask for; who may open the socket is one."""
    application = web.Application(middlewares=[answer_errors], client_max_size=SMALL)
    application[_SERVICE] = service
    application.add_routes(
        [
            web.get("/v1/machines", _machines),
            web.get("/v1/machines/{host}", _machine),
            web.delete("/v1/machines/{host}", _forget),
            web.put("/v1/machines/{host}/cards", _exchange_cards),
            web.put("/v1/installs/{host}", _arm),
            web.delete("/v1/installs/{host}", _disarm),
            web.get("/v1/enrolments", _enrolments),
            web.put("/v1/enrolments/{id}/approval", _approve),
            web.delete("/v1/enrolments/{id}", _reject),
        ]
    )
    return application
