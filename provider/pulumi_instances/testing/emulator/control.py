"""The routes below `/_emulator/`, by which tests control an emulator in another process.

They do what the methods of `Emulator` do (docs/emulator.md).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .api import answer, json_body
from .bodies import Refused
from .faults import Fault

if TYPE_CHECKING:
    from .emulator import Emulator

__all__ = ["WRONG", "Control", "demand_loopback", "refusal_of"]

WRONG = (KeyError, TypeError, ValueError, OverflowError)
"""What a method of `Emulator` raises for wrong arguments."""

_PREFIX = "/_emulator"


class Control:
    """The control routes. They need no secrets, but the client must come from loopback, and send JSON."""

    def __init__(self, emulator: Emulator) -> None:
        """Control this emulator, in its default account."""
        self._emulator = emulator

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        table: list[tuple[str, str, Callable[[Request], Awaitable[object]]]] = [
            ("GET", "/instances", self._instances),
            ("POST", "/instances", self._add),
            ("PATCH", "/instances/{id:int}", self._change),
            ("DELETE", "/instances/{id:int}", self._remove),
            ("POST", "/instances/{id:int}/break_authentication", self._break_authentication),
            ("POST", "/faults", self._fail),
            ("GET", "/requests", self._requests),
            ("POST", "/reset", self._reset),
        ]
        return [Route(_PREFIX + path, _local(handler), methods=[method]) for method, path, handler in table]

    async def _instances(self, _request: Request) -> object:
        return self._emulator.instances()

    async def _add(self, request: Request) -> object:
        return {"id": self._emulator.add(**await _fields(request))}

    async def _change(self, request: Request) -> object:
        self._emulator.change(request.path_params["id"], **await _fields(request))
        return {}

    async def _remove(self, request: Request) -> object:
        self._emulator.remove(request.path_params["id"])
        return {}

    async def _break_authentication(self, request: Request) -> object:
        self._emulator.break_authentication(request.path_params["id"], **await _fields(request))
        return {}

    async def _fail(self, request: Request) -> object:
        rule = await _fields(request)
        fault = Fault.parse(rule.pop("fault", {}))
        self._emulator.fail(rule.pop("method", None), rule.pop("path", None), fault, **rule)
        return {}

    async def _requests(self, _request: Request) -> object:
        return [asdict(request) for request in self._emulator.requests]

    async def _reset(self, request: Request) -> object:
        await _fields(request)  # without JSON, any web page could send this
        self._emulator.reset()
        return {}


def _local(handler: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    async def checked(request: Request) -> Response:
        demand_loopback(request)
        try:
            return answer(await handler(request))
        except WRONG as problem:
            raise refusal_of(problem) from None

    return checked


def demand_loopback(request: Request) -> None:
    """Raise Refused for a request from another machine."""
    if request.client is None or not ipaddress.ip_address(request.client.host).is_loopback:
        raise Refused(403, "The emulator is controlled from loopback only")


def refusal_of(problem: Exception) -> Refused:
    """Return the refusal for one of the errors in `WRONG`."""
    if isinstance(problem, Refused):
        return problem
    return Refused(404, f"Not found: {problem}") if isinstance(problem, KeyError) else Refused(400, str(problem))


async def _fields(request: Request) -> dict[str, Any]:
    body = await json_body(request)
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object")
    return body
