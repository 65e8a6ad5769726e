"""How fast one account may be called."""

from __future__ import annotations

import threading

from .attempt import Clock


class Pace:
    """Spaces the requests of one account, and holds all of them back after a 429. Safe to share between threads."""

    def __init__(self, clock: Clock, per_second: float | None) -> None:
        """``per_second`` is `instances:maxRequestsPerSecond`; None means that only a 429 slows us."""
        self._clock = clock
        self._interval = 1 / per_second if per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Block until the next request may go out. Each caller gets a moment of its own."""
        with self._lock:
            now = self._clock.now()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            self._clock.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let no request out for this long: the API has asked this account to slow down."""
        with self._lock:
            self._next = max(self._next, self._clock.now() + seconds)
