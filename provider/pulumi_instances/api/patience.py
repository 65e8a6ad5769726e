"""A bound on the head of an answer as a whole.

The timeouts of http.client and urllib3 bound each silence: a server that sends its headers byte by byte would hold us
for as long as it likes. (The body is bounded where it is read: `transport`.)
"""

from __future__ import annotations

import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _Head:
    """The stream of an answer while its head is read; each line has to come before the deadline."""

    def __init__(self, stream: Any, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def readline(self, limit: int) -> bytes:
        line = b""
        while len(line) < limit and not line.endswith(b"\n"):
            there = self._stream.peek()  # waits for one packet at most
            if time.monotonic() > self._deadline:
                raise TimeoutError("timed out")
            if not there:
                break
            end = there.find(b"\n") + 1 or len(there)
            line += self._stream.read(min(end, limit - len(line)))
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._patience = sock.gettimeout()  # urllib3 has set it for this very request

    def begin(self) -> None:
        if self._patience is None:
            return super().begin()
        stream: Any = self.fp
        head: Any = _Head(stream, time.monotonic() + self._patience)
        self.fp = head
        try:
            super().begin()
        finally:
            if self.fp is head:  # else it has been closed: there was no answer
                self.fp = stream


class _PlainConnection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _PlainPool, "https": _TlsPool}


class PatientAdapter(HTTPAdapter):
    """Connections whose timeout bounds the whole head of an answer, through a proxy as well."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests once per adapter."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Called by requests once per proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
