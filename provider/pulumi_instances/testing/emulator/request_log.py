"""The log of requests to the API, which tests read as `Emulator.requests`.

`wrapper` writes it. It never has headers, which hold the secrets.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Request", "RequestLog"]


@dataclass(frozen=True)
class Request:
    """One request to the API. Its headers are not kept, so neither are the secrets of `Authorization`.

    ``path`` is relative to the base URL. ``body`` is the parsed JSON, None where there is none. ``status`` is None
    while the request is in flight, and after the connection was dropped. Times are of `time.monotonic()`. ``fault``
    says in words which fault it met.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any | None
    user_agent: str
    started: float
    status: int | None = None
    finished: float | None = None
    fault: str | None = None


class RequestLog:
    """Requests in the order of their arrival, and how many were in flight at once. Safe to share between threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._next = 0
        self._entries: dict[int, Request] = {}
        self._in_flight: dict[int, str] = {}
        self._peaks: Counter[str | None] = Counter()

    def begin(self, request: Request) -> int:
        """Write a request down; return a key for `finish`."""
        with self._lock:
            self._next += 1
            self._entries[self._next] = request
            self._in_flight[self._next] = request.method
            methods = list(self._in_flight.values())
            self._peaks[None] = max(self._peaks[None], len(methods))
            self._peaks[request.method] = max(self._peaks[request.method], methods.count(request.method))
            return self._next

    def meet(self, key: int, fault: str) -> None:
        """Note the fault that a request meets, unless the log was cleared meanwhile."""
        with self._lock:
            if key in self._entries:
                self._entries[key] = replace(self._entries[key], fault=fault)

    def finish(self, key: int, status: int | None) -> Request | None:
        """Note the outcome, once. Returns the request the first time, unless the log was cleared meanwhile."""
        with self._lock:
            if self._in_flight.pop(key, None) is None or key not in self._entries:
                return None
            self._entries[key] = replace(self._entries[key], status=status, finished=time.monotonic())
            return self._entries[key]

    def holds(self, key: int) -> bool:
        """Return whether the log still has this request: it was not cleared since."""
        with self._lock:
            return key in self._entries

    def requests(self) -> list[Request]:
        """Return a copy of the log."""
        with self._lock:
            return list(self._entries.values())

    def peak(self, method: str | None) -> int:
        """Return the most requests in flight at once, of one method or of all."""
        with self._lock:
            return self._peaks[method]

    def clear(self) -> None:
        """Forget all requests and peaks. Those that are still in flight do not count from now on."""
        with self._lock:
            self._entries.clear()
            self._in_flight.clear()
            self._peaks.clear()
