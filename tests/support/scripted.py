"""A server on loopback that answers with a script, wire faults included."""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal


@dataclass(frozen=True)
class Answer:
    """What the server does with one request: ``data`` on the wire, and how it goes on.

    ``raw`` bypasses TLS; ``drip`` sends a byte each hundredth of a second until the client leaves; ``tunnel`` answers
    the next request inside TLS, as a proxy leads to a server; ``reset tunnel`` resets it at the first byte in it.
    """

    data: bytes = b""
    then: Literal["keep", "close", "reset", "hang", "drip", "tunnel", "reset tunnel"] = "keep"
    raw: bool = False


def answer(status: int = 200, body: object = b"", *, announced: int | None = None, **headers: str) -> Answer:
    """An HTTP answer; ``body`` that is not bytes is sent as JSON, and ``announced`` is a false Content-Length."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    length = len(content) if announced is None else announced
    fields = {"Content-Length": str(length), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    data = f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + content
    return Answer(data, "keep" if announced is None else "close")


@dataclass(frozen=True)
class Received:
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Takes the answers in turn and goes on with the last one. Connections stay open between requests.

    ``tls`` is that of the server itself, and ``tunnelled`` that of the server behind it, where it is a proxy.
    """

    def __init__(
        self, *script: Answer, tls: ssl.SSLContext | None = None, tunnelled: ssl.SSLContext | None = None
    ) -> None:
        self._script = list(script)
        self._tls = tls
        self._tunnelled = tunnelled
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._open: list[socket.socket] = []
        self.received: list[Received] = []
        self.connections = 0

    def __enter__(self) -> ScriptedServer:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):  # every method is served
                    return lambda: script._serve(self)
                raise AttributeError(name)

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._server.opened = self._note
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                _cut(connection)
        self._server.server_close()

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def base_url(self) -> str:
        """What the setting `baseUrl` is to be."""
        return f"{self.address}/v2"

    def _note(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self._open.append(connection)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.received.append(Received(handler.command, handler.path, headers, body))
            step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        connection = handler.connection
        if step.raw:
            os.write(connection.fileno(), step.data)
        else:
            handler.wfile.write(step.data)
        handler.close_connection = step.then not in ("keep", "tunnel")
        if step.then == "tunnel":
            assert self._tunnelled is not None
            handler.connection = self._tunnelled.wrap_socket(connection, server_side=True)
            handler.rfile, handler.wfile = handler.connection.makefile("rb"), handler.connection.makefile("wb", 0)
            with self._lock:
                self._open.append(handler.connection)
        elif step.then == "hang":
            self._stop.wait()
        elif step.then in ("reset", "reset tunnel"):
            if step.then == "reset tunnel":
                connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif step.then == "drip":
            while not self._stop.wait(0.01):
                try:
                    handler.wfile.write(b" ")
                except OSError:
                    return
        if handler.close_connection and connection is not handler.request:
            connection.close()  # the server closes what it was accepted as


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64
    opened: Any

    def process_request(self, request: Any, client_address: Any) -> None:
        self.opened(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        # The stock one says a polite goodbye first, which would turn a reset into an ordinary close.
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet when a client leaves in the middle."""


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already
