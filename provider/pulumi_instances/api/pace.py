"""How many requests a second one account sends.

A service that answers 429 does not say which rate it accepts. After a 429 the rate falls to a half, but not below what
the service has accepted lately. Then it rises again, and it rises faster the longer no 429 comes.
"""

from __future__ import annotations

import threading
from collections import deque

from .attempt import LONGEST_WAIT, Clock, backoff

_WINDOW = 8.0
"""Seconds over which the accepted requests are counted."""
_FIRST = 4.0
"""Requests per second that the first 429 leaves at least: a few requests say little about the limit."""
_SLOWEST = 0.5
_GROWTH = 0.03
"""By how much the pace rises in a second, at first. More would meet the limit, and another wait, too often."""
_BOLDER_AFTER = 10.0


class Pace:
    """Spaces the requests of one account, and slows all of them after a 429. Safe to share between threads."""

    def __init__(self, clock: Clock, per_second: float | None) -> None:
        """``per_second`` is `instances:maxRequestsPerSecond`; None means that only a 429 slows us."""
        self._clock = clock
        self._most = per_second
        self._rate = per_second
        self._turnstile = threading.Lock()
        self._lock = threading.Lock()
        self._next = 0.0
        self._round = 0
        self._refused_in_a_row = 0
        self._last_refusal = 0.0
        self._sent: deque[float] = deque()
        self._accepted: deque[float] = deque()
        self._since: float | None = None

    def wait(self, until: float | None = None) -> int | None:
        """Block until the next request may go out, and answer the round that it belongs to (see `slow_down`).

        None, without waiting, if that would be later than ``until``.
        """
        # Only the first in the queue sleeps: when the pace changes meanwhile, it changes for all behind it.
        with self._turnstile:
            while True:
                with self._lock:
                    now = self._clock.now()
                    delay = self._next - now
                    if until is not None and max(now, self._next) > until:
                        return None
                    if delay <= 0:
                        self._note_sent(now)
                        return self._round
                self._clock.sleep(delay)

    def accept(self) -> None:
        """A request was answered with something other than 429: the pace may rise."""
        with self._lock:
            now = self._clock.now()
            self._refused_in_a_row = 0
            self._accepted.append(now)
            _forget(self._accepted, now - _WINDOW)
            if self._rate is not None and self._rate != self._most:
                bolder = 1 + ((now - self._last_refusal) / _BOLDER_AFTER) ** 2
                self._rate *= 1 + min(1.0, _GROWTH * bolder / max(self._rate, 1.0))
                if self._most is not None:
                    self._rate = min(self._rate, self._most)

    def slow_down(self, asked: float | None, sent_in: int) -> None:
        """A request that was sent in this round was answered with 429, and a wish to wait so many seconds.

        Many requests are under way when the limit is met. Their refusals are one event: the pace falls once.
        """
        with self._lock:
            now = self._clock.now()
            hold = asked or 0.0
            if sent_in == self._round:
                self._round += 1
                self._last_refusal = now
                hold = jittered(asked, backoff(self._refused_in_a_row), self._clock)
                self._refused_in_a_row += 1
                self._rate = self._slower(now)
            self._next = max(self._next, now + hold)

    def _slower(self, now: float) -> float:
        for times in (self._sent, self._accepted):
            _forget(times, now - _WINDOW)
        span = min(_WINDOW, max(1.0, now - (self._since or 0.0)))
        half = max(len(self._sent) / span / 2, _FIRST) if self._rate is None else self._rate / 2
        rate = max(half, len(self._accepted) / span, _SLOWEST)
        return rate if self._most is None else min(rate, self._most)

    def _note_sent(self, now: float) -> None:
        if self._since is None:
            self._since = now
        if self._rate is None:
            self._sent.append(now)
            _forget(self._sent, now - _WINDOW)
        else:
            self._sent.clear()
            self._next = max(now, self._next) + 1 / self._rate


def jittered(asked: float | None, own: float, clock: Clock) -> float:
    """How long to wait where the service has asked for so many seconds, and we would wait so many by ourselves.

    Never less than was asked for, and never the same for two clients, so that they do not come back at once.
    """
    jitter = clock.jitter()
    return max((asked or 0.0) * (1 + jitter / 10), min(own, LONGEST_WAIT) * (0.5 + jitter / 2))


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] < before:
        times.popleft()
