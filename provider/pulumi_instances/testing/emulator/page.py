"""The page of the emulator: its instances, requests and faults in a browser, and forms to change them.

It is at `/`, next to the API, and for a browser on this machine only. A form acts if the browser says that it comes
from this page (`_demand_same_origin`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from . import page_html
from .bodies import Refused
from .control import WRONG, demand_loopback, refusal_of
from .faults import Fault, Faults
from .page_html import View

if TYPE_CHECKING:
    from .emulator import Emulator

__all__ = ["Page"]

FAULTS = {
    "503: nothing is done": Fault.status(503, "A fault from the emulator's page"),
    "429: nothing is done": Fault.status(429, "A fault from the emulator's page", {"retry-after": "1"}),
    "400: nothing is done": Fault.status(400, "A fault from the emulator's page"),
    "no answer: nothing is done": Fault.drop_before(),
    "no answer: but the request is carried out": Fault.drop_after(),
    "half of the answer": Fault.truncated(),
    "an answer that is not JSON": Fault.garbage(),
    "an answer 5 seconds late": Fault.delay(5),
}
"""What the form for faults offers."""

METHODS = ("any", "GET", "POST", "PUT", "PATCH", "DELETE")

_SHOWN = 200
"""Instances at most: the page is made anew every two seconds, by the process that serves the API."""
_REQUESTS = 30
_MOST_TIMES = 1000

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": page_html.POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

_Form = Mapping[str, str]


class Page:
    """The routes of the page."""

    def __init__(self, emulator: Emulator, faults: Faults) -> None:
        """Show this emulator, in its default account, and its faults."""
        self._emulator = emulator
        self._faults = faults
        self._actions: dict[str, Callable[[_Form], None]] = {
            "rename": lambda form: emulator.change(_id(form), name=form["name"]),
            "break": lambda form: emulator.break_authentication(_id(form)),
            "mend": lambda form: emulator.change(_id(form), valid=True, disabled=False),
            "delete": lambda form: emulator.remove(_id(form)),
            "fail": self._fail,
            "forgive": lambda _: faults.clear(),
        }

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [Route("/", self._show, methods=["GET"]), Route("/", self._act, methods=["POST"])]

    async def _show(self, request: Request) -> Response:
        demand_loopback(request)
        query = request.query_params
        make = partial(self._page, find=query.get("find", ""), with_tokens=query.get("tokens") == "show")
        return await run_in_threadpool(make)

    async def _act(self, request: Request) -> Response:
        demand_loopback(request)
        _demand_same_origin(request)
        form = dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
        try:
            action = self._actions.get(form.get("action", ""))
            if action is None:
                raise ValueError("The form names no action")
            await run_in_threadpool(action, form)
        except WRONG as problem:
            refused = refusal_of(problem)
            return await run_in_threadpool(self._page, problem=refused.message, status=refused.status)
        return RedirectResponse("/", 303)

    def _page(self, *, find: str = "", with_tokens: bool = False, problem: str = "", status: int = 200) -> Response:
        every = self._emulator.instances()
        found = [each for each in every if page_html.matches(each, find)]
        view = View(
            base_url=self._emulator.base_url,
            count=len(every),
            found=len(found),
            instances=found[:_SHOWN],
            requests=self._emulator.requests[: -_REQUESTS - 1 : -1],
            now=time.monotonic(),
            waiting=self._faults.waiting(),
            faults=[*FAULTS],
            methods=METHODS,
            find=find,
            with_tokens=with_tokens,
            problem=problem,
        )
        return Response(page_html.page(view).encode(errors="replace"), status, _HEADERS, "text/html; charset=utf-8")

    def _fail(self, form: _Form) -> None:
        method, times = form["method"], int(form["times"])
        if method not in METHODS or not 1 <= times <= _MOST_TIMES:
            raise ValueError(f"The method must be one of {', '.join(METHODS)}, and times 1 to {_MOST_TIMES}")
        self._emulator.fail(None if method == "any" else method, None, FAULTS[form["fault"]], times=times)


def _id(form: _Form) -> int:
    return int(form["id"])


def _demand_same_origin(request: Request) -> None:
    """Raise Refused for a form that another site sends (CSRF): every browser says so in the header Origin."""
    if request.headers.get("origin") != f"http://{request.headers.get('host')}":
        raise Refused(403, "Only the page of the emulator itself may send this; programs use /_emulator/ instead")
