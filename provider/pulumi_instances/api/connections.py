"""Connections that bound the head of an answer as a whole, and know whether a request may have left.

The timeouts of http.client and urllib3 bound each silence: a server that sends its headers byte by byte would hold us
for as long as it likes. (The body is bounded where it is read: `transport`.) And their errors do not tell whether the
server can have seen the request: behind a proxy, urllib3 reports a connection that was cut after it as a ProxyError.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool


@contextlib.contextmanager
def _ending_within(seconds: float, sock: Any) -> Iterator[None]:
    """Shut the socket, and raise TimeoutError, unless the block ends in time."""
    lock = threading.Lock()
    ended = missed = False

    def end() -> None:
        nonlocal missed
        with lock:
            if not ended:
                missed = True
                with contextlib.suppress(OSError):
                    # Not `SSLSocket.shutdown`, which would have the waiting thread go on without TLS. urllib3 wraps
                    # the socket where TLS runs inside of TLS.
                    socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    # An interpreter that shuts down starts no threads. It ends soon, and so does the wait.
    with contextlib.suppress(RuntimeError):
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            ended = True
        if missed:
            raise TimeoutError("timed out") from None


class _ThisThread(threading.local):
    may_have_left = False


_this_thread = _ThisThread()


def expect_request() -> None:
    """This thread is about to send a request."""
    _this_thread.may_have_left = False


def may_have_left() -> bool:
    """Whether any part of the request that this thread has sent last may have reached the API.

    False is certain: then there was no connection to the API, or to a proxy that had accepted a tunnel to it.
    """
    return _this_thread.may_have_left


class _Bounded:
    """What is changed in the connections of urllib3."""

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
            _this_thread.may_have_left = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Called by urllib3 once per request, after it was sent. Reads the head of the answer."""
        if self.timeout is None:
            return super().getresponse()  # type: ignore[misc]
        with _ending_within(self.timeout, self.sock):
            return super().getresponse()  # type: ignore[misc]


@cache
def _bounded(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """The same pool with such connections: urllib3 has others for a SOCKS proxy."""
    connection = type(f"Bounded{pool.ConnectionCls.__name__}", (_Bounded, pool.ConnectionCls), {})
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


class Adapter(HTTPAdapter):
    """Connections whose timeout bounds the whole head of an answer, through a proxy as well."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests once per adapter."""
        super().init_poolmanager(*args, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Called by requests for each request through a proxy; it keeps one manager for each."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _bound(manager)
        return manager


def _bound(manager: Any) -> None:
    pools = manager.pool_classes_by_scheme
    if not all(issubclass(pool.ConnectionCls, _Bounded) for pool in pools.values()):
        manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in pools.items()}
