"""Connections that bound the head of an answer as a whole, and know whether a request may have left.

The timeouts of http.client and urllib3 bound each silence: a server that sends its headers byte by byte would hold us
for as long as it likes. (The body is bounded where it is read: `transport`.) And their errors do not tell whether the
server can have seen the request: behind a proxy, urllib3 reports a connection that was cut after it as a ProxyError.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from functools import cache
from types import TracebackType
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool


class _Deadline:
    """Shuts a socket, and raises TimeoutError, unless the block ends in time."""

    def __init__(self, sock: Any, seconds: float) -> None:
        self._socket = getattr(sock, "socket", sock)  # urllib3 wraps it where TLS runs inside of TLS
        self._lock = threading.Lock()
        self._over = False
        self._missed = False
        self._timer = threading.Timer(seconds, self._miss)
        self._timer.daemon = True

    def __enter__(self) -> None:
        # An interpreter that shuts down starts no threads. It ends soon, and so does the wait.
        with contextlib.suppress(RuntimeError):
            self._timer.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
        if self._missed:
            raise TimeoutError("timed out") from None

    def _miss(self) -> None:
        with self._lock:
            if not self._over:
                self._missed = True
                with contextlib.suppress(OSError):
                    # Not `SSLSocket.shutdown`, which would have the waiting thread go on without TLS.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Departure(threading.local):
    """Whether any part of this thread's request may have left."""

    seen = False


_departure = _Departure()


def expect_departure() -> None:
    """This thread is about to send a request."""
    _departure.seen = False


def may_have_left() -> bool:
    """Whether any part of the request that this thread has sent last may have reached the API.

    False is certain: then there was no connection to the API, or to a proxy that had accepted a tunnel to it.
    """
    return _departure.seen


class _Patient:
    """What both kinds of connections have in common."""

    sock: Any
    timeout: float | None
    """For the next answer: urllib3 sets it for each request."""
    _connecting = False

    def connect(self) -> None:
        """Called by urllib3, or by `send`, for a new connection. What is sent meanwhile asks a proxy for a tunnel."""
        self._connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        """Called by http.client for each part of a request."""
        if self.sock is None:
            self.connect()
        if not self._connecting:
            _departure.seen = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Called by urllib3 once per request, after it was sent. Reads the head of the answer."""
        if self.timeout is None:
            return super().getresponse()  # type: ignore[misc]
        with _Deadline(self.sock, self.timeout):
            return super().getresponse()  # type: ignore[misc]


@cache
def _patient(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """The same pool, of connections that are patient as well: urllib3 has others for a SOCKS proxy."""
    connection = type(f"Patient{pool.ConnectionCls.__name__}", (_Patient, pool.ConnectionCls), {})
    return type(f"Patient{pool.__name__}", (pool,), {"ConnectionCls": connection})


class PatientAdapter(HTTPAdapter):
    """Connections whose timeout bounds the whole head of an answer, through a proxy as well."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests once per adapter."""
        super().init_poolmanager(*args, **kwargs)
        _make_patient(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Called by requests for each request through a proxy; it keeps one manager for each."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _make_patient(manager)
        return manager


def _make_patient(manager: Any) -> None:
    pools = manager.pool_classes_by_scheme
    if not all(issubclass(pool.ConnectionCls, _Patient) for pool in pools.values()):
        manager.pool_classes_by_scheme = {scheme: _patient(pool) for scheme, pool in pools.items()}
