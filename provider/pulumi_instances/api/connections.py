"""Connections that limit the time of the head of an answer as a whole, and record whether a request was sent.

The timeouts of http.client and urllib3 limit each silence: a server that sends its headers byte by byte could keep us
waiting for ever. (`transport` limits the time of the body.) Their errors do not say either whether the server can have
received the request: behind a proxy, urllib3 reports a connection that was cut after it as a ProxyError.
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
                    # After `SSLSocket.shutdown`, the waiting thread would read on without TLS. urllib3 wraps the socket
                    # where TLS runs inside of TLS.
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
    """Note that this thread is about to send a request."""
    _this_thread.may_have_left = False


def may_have_left() -> bool:
    """Return whether any part of the request that this thread has sent last may have reached the API.

    It has not where there was no connection to the API, or to a proxy that had accepted a tunnel to it.
    """
    return _this_thread.may_have_left


class _Bounded:
    """Changes to the connections of urllib3: `_bounded` makes a class of both."""

    sock: Any
    timeout: float | None
    """Seconds for the next answer, which urllib3 sets for each request."""
    _connecting = False

    def connect(self) -> None:
        """Open a connection, for urllib3 or `send`. What is sent meanwhile asks a proxy for a tunnel."""
        self._connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        """Send one part of a request, for http.client."""
        if self.sock is None:
            self.connect()
        if not self._connecting:
            _this_thread.may_have_left = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Read the head of the answer, for urllib3, which calls it once per request."""
        if self.timeout is None:
            return super().getresponse()  # type: ignore[misc]
        with _ending_within(self.timeout, self.sock):
            return super().getresponse()  # type: ignore[misc]


@cache
def _bounded(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return this class of pools with such connections; urllib3 has another one for a SOCKS proxy."""
    connection = type(f"Bounded{pool.ConnectionCls.__name__}", (_Bounded, pool.ConnectionCls), {})
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


class Adapter(HTTPAdapter):
    """An adapter whose timeout limits the whole head of an answer, also through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, for requests, which calls it once per adapter."""
        super().init_poolmanager(*args, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of a proxy, for requests, which asks for each request through it."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _bound(manager)
        return manager


def _bound(manager: Any) -> None:
    pools = manager.pool_classes_by_scheme
    if not all(issubclass(pool.ConnectionCls, _Bounded) for pool in pools.values()):
        manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in pools.items()}
