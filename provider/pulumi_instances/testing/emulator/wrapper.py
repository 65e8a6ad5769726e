"""The layer around the application of the emulator: it logs each request, and plays the fault that waits for it.

It reads the whole body first, and refuses what a web page could send from this machine (`_misdirected`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...core.config import is_loopback
from .api import EXISTING
from .bodies import error
from .faults import Fault, Faults
from .request_log import Request, RequestLog

__all__ = ["Wrapper", "log"]

log = logging.getLogger("pulumi_instances.testing.emulator")
# Without a handler, Python's handler of last resort would print warnings.
log.addHandler(logging.NullHandler())

LARGEST_BODY = 10 * 1024**2
"""Bytes. A create with all that the API document has takes a few thousand."""

_Finish = Callable[[int | None], None]


class Wrapper:
    """An ASGI application around another. Paths outside of the base path are neither logged nor meet faults."""

    def __init__(self, app: ASGIApp, base_path: str, request_log: RequestLog, faults: Faults, latency: float) -> None:
        """Put the layer around ``app``. ``latency`` is waited before each request, in seconds."""
        self._app = app
        self._base_path = base_path
        self._request_log = request_log
        self._faults = faults
        self._latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        path: str = scope["path"]
        if (refusal := _misdirected(scope)) is not None:
            await _refuse(send, 403, refusal)
            return
        body = await _read(receive)
        if body is None:
            return
        if len(body) > LARGEST_BODY:
            await _refuse(send, 413, f"The body is larger than {LARGEST_BODY // 1024**2} MiB")
            return
        if not path.startswith(f"{self._base_path}/"):
            await _Exchange(self._app, scope, body, receive, send, lambda _: None).act()
            return
        request = _request(scope, path[len(self._base_path) :], body)
        key = self._request_log.begin(request)

        def finish(status: int | None) -> None:
            done = self._request_log.finish(key, status)
            if done is not None and done.finished is not None:
                shown = "dropped" if status is None else status
                log.info("%s %s %s %.0f ms", done.method, quote(path), shown, (done.finished - done.started) * 1000)

        try:
            await self._handle(_Exchange(self._app, scope, body, receive, send, finish), request, key)
        except asyncio.CancelledError:
            return  # the emulator stops; uvicorn would log this as an error of the application
        finally:
            finish(None)

    async def _handle(self, exchange: _Exchange, request: Request, key: int) -> None:
        fault = self._faults.take(request.method, request.path)
        if fault is not None:
            self._request_log.meet(key, fault.words)
        wait = self._latency + (fault.seconds if fault else 0.0)
        if wait:
            await asyncio.sleep(wait)
            if not self._request_log.holds(key):
                # The emulator was reset meanwhile: a request of one test must not act in the next.
                fault = Fault.drop_before()
        if fault is None:
            await exchange.act()
        else:
            await exchange.play(fault)


class _Exchange:
    """One request and the way to answer it."""

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        body: bytes,
        receive: Receive,
        send: Send,
        finish: _Finish,
    ) -> None:
        self._app = app
        self._scope = scope
        self._body = body
        self._receive = receive
        self._plain_send = send
        self._finish = finish

    async def act(self, send: Send | None = None) -> None:
        """Let the application handle the request."""
        messages: list[Message] = [{"type": "http.request", "body": self._body, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else await self._receive()

        await self._app(self._scope, receive, send or self._send)

    async def play(self, fault: Fault) -> None:
        """Play the fault, after its wait."""
        if fault.kind == "normal":
            await self.act()
            return
        if fault.kind == "existing":
            self._scope[EXISTING] = fault.existing
            await self.act()
            return
        answer = _Answer()
        if fault.acts:
            await self.act(answer.send)
        if fault.kind == "answer":
            await self._answer(fault)
        elif fault.kind == "truncate":
            await self._truncate(answer)
        elif fault.kind == "trickle":
            await self._trickle(fault)
        else:
            await self._drop()

    async def _send(self, message: Message) -> None:
        # Noted before anything is sent: a client that has its answer finds its request in the log as finished.
        if message["type"] == "http.response.start":
            self._finish(message["status"])
        await self._plain_send(message)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _chunk(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _answer(self, fault: Fault) -> None:
        body, kind = fault.body, "text/plain"
        if body is None:
            content = error(fault.message or "An emulated fault", fault.provider_message)
            body, kind = json.dumps(content).encode(), "application/json"
        await self._start(fault.code, {"content-type": kind, **fault.headers, "content-length": str(len(body))})
        await self._chunk(body, more=False)

    async def _truncate(self, answer: _Answer) -> None:
        # An answer without a body cannot be cut, so it gets one of spaces, which means the same.
        body = answer.body or b"    "
        await self._start(answer.status, {"content-type": "application/json", "content-length": str(len(body))})
        await self._chunk(body[: len(body) // 2], more=True)
        self._scope["state"]["close"]()
        await self._disconnected()

    async def _trickle(self, fault: Fault) -> None:
        await self._start(200, dict(fault.headers))
        while True:
            await self._chunk(b" ", more=True)
            try:
                await asyncio.wait_for(self._disconnected(), fault.interval)
            except asyncio.TimeoutError:
                continue
            return

    async def _drop(self) -> None:
        self._finish(None)
        self._scope["state"]["reset"]()
        await self._disconnected()

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _Answer:
    """An answer that is kept instead of sent."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


async def _read(receive: Receive) -> bytes | None:
    """Return the body, of one that is too large only enough to show that; None where the client has left."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = bytes(message.get("body", b""))
        if size <= LARGEST_BODY:
            chunks.append(chunk)
            size += len(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _misdirected(scope: Scope) -> str | None:
    """Return what is wrong where a request from this machine names a host that is not this machine.

    A web page that has its name resolved to loopback (DNS rebinding) would read all that the emulator has.
    """
    client = (scope.get("client") or ("",))[0]
    host = Headers(scope=scope).get("host", "")
    if not host or not is_loopback(client) or is_loopback(_host_name(host)):
        return None
    return "From this machine, the emulator is reached as localhost or 127.0.0.1 only, not by the Host of this request"


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # brackets that are no IPv6 address
        return ""


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps(error(message)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _request(scope: Scope, path: str, body: bytes) -> Request:
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    agent = Headers(scope=scope).get("user-agent", "")
    return Request(scope["method"], path, query, _parsed(body), agent, started=time.monotonic())


def _parsed(body: bytes) -> Any | None:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
