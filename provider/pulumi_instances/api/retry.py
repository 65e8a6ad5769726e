"""When a request is sent, and sent again: deadlines, back-off, the rate limit of an account and its breaker.

`Outcome.is_retried` decides which request is sent again, `client` when; other modules of `api` use the deadlines. How
long one operation of the engine may take, waits and retries included, is the option `customTimeouts`: the engine gives
it with each call, and a call runs on one thread. Without it, the settings decide.
"""

from __future__ import annotations

import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

log = logging.getLogger("pulumi_instances")

LONG = 5.0
"""Seconds: the user gets a line about a longer wait."""
_LONGEST_BACKOFF = 20.0
"""Seconds before a retry at most, unless the service asks for more."""

RUNS_AT_ONCE = "PULUMI_INSTANCES_RUNS_AT_ONCE"
"""The variable by which `fleet` reports how many stacks run at once. They share the rate of an account."""


@dataclass
class Clock:
    """The functions of time that the client uses, in seconds. Tests have their own.

    ``sleep`` raises Cancelled once the engine has asked the process to stop, which ends every wait.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


class TooLate(Exception):
    """A wait would end after the deadline of its call. For ``blocked`` seconds, a 429 allows no request."""

    def __init__(self, blocked: float = 0.0) -> None:
        """Note the seconds; nothing was waited for."""
        self.blocked = blocked


# deadlines


class Limit(NamedTuple):
    """When one operation has to end, and the seconds that it was given."""

    end: float
    seconds: float

    @property
    def why_ended(self) -> str:
        """The reason, in a message about something that the limit has ended."""
        return f"the timeout of {self.seconds:g} s in customTimeouts is over"


_limit: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextmanager
def within(seconds: float, clock: Clock) -> Iterator[None]:
    """Limit the block to so many seconds of `customTimeouts`; with 0 the settings decide."""
    token = _limit.set(Limit(clock.now() + seconds, seconds) if seconds > 0 else None)
    try:
        yield
    finally:
        _limit.reset(token)


def limit() -> Limit | None:
    """Return the limit of the operation of this thread, if it has one."""
    return _limit.get()


def deadline(clock: Clock, seconds: float) -> float:
    """Return when to end something for which the settings give so many seconds; `customTimeouts` go first."""
    found = limit()
    return clock.now() + seconds if found is None else found.end


def is_over(clock: Clock) -> bool:
    """Return whether the time that `customTimeouts` give is over."""
    found = limit()
    return found is not None and clock.now() >= found.end


# waits


@contextmanager
def held(lock: threading.Lock | threading.Semaphore, end: float | None, clock: Clock) -> Iterator[None]:
    """Hold a lock while the block runs. Raises TooLate where it cannot be had before ``end``."""
    if end is None:
        lock.acquire()
    elif not lock.acquire(timeout=min(max(0.0, end - clock.now()), threading.TIMEOUT_MAX)):
        raise TooLate
    try:
        yield
    finally:
        lock.release()


def backoff(number: int, asked: float | None, clock: Clock) -> float:
    """Return the seconds before a retry. ``number`` is 0 for the first; the service may have ``asked`` to wait.

    They are never fewer than asked for, and differ between clients, which would otherwise all come back at once.
    """
    own = min(_LONGEST_BACKOFF, 0.5 * 2.0 ** min(number, 10))
    asked = asked or 0.0
    jitter = clock.jitter()
    return max(asked + min(asked, _LONGEST_BACKOFF) * jitter / 10, own * (0.5 + jitter / 2))


def duration(seconds: float) -> str:
    """Return a time as messages say it, such as ``90 s``, ``15 min``, ``24 h`` or ``30 days``."""
    for limit, unit, name in ((120.0, 1, "s"), (7200.0, 60, "min"), (172_800.0, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


class RateLimit:
    """The requests per second of one account. Safe to share between threads.

    A service that answers 429 does not say which rate it accepts. Each 429 halves the rate, but not below that of the
    requests accepted lately, and each request that is accepted adds to it.
    """

    _FIRST = 4.0
    """Requests per second after the first 429 at least: a few requests say little about the limit."""
    _LEAST = 0.5
    _ADDED = 0.03
    """Requests per second that each accepted request adds. More would meet the limit, and another wait, too often."""
    _LATELY = 8.0
    """Seconds before the last 429 whose accepted requests still count."""

    def __init__(self, clock: Clock, most: float | None, runs_at_once: int = 1) -> None:
        """Start at the rate ``most``, `instances:maxRequestsPerSecond`; None is without a limit until the first 429.

        Where other processes send requests to the account as well, each has its part of the rate, and waits before its
        first request too: processes that follow one another would else send theirs at once.
        """
        self._clock = clock
        self._most = most = None if most is None else most / runs_at_once
        self._rate = most
        self._queue = threading.Lock()
        self._lock = threading.Lock()
        self._next = 0.0 if most is None or runs_at_once == 1 else clock.now() + 1 / most
        self._blocked_until = 0.0
        self._round = 0
        self._refusals = 0
        self._accepted = 0.0
        self._since = clock.now()

    def wait(self, end: float | None = None, longest: float = math.inf) -> int:
        """Wait until the next request may go out. Return the round that it belongs to (see `refused`).

        Raises TooLate, without waiting, where that is after ``end``. A request without an end may wait for its turn as
        long as it takes, but not ``longest`` seconds for a service that has asked us to wait.
        """
        self._delay(end, longest)
        with held(self._queue, end, self._clock):
            # Only the first in the queue sleeps: when the rate changes meanwhile, it changes for all behind it.
            while (delay := self._delay(end, longest)) > 0:
                self._clock.sleep(delay)
            with self._lock:
                self._next = self._clock.now() + (0.0 if self._rate is None else 1 / self._rate)
                return self._round

    def _delay(self, end: float | None, longest: float) -> float:
        """Return the seconds until the next request may go out. Raises TooLate as `wait` does."""
        with self._lock:
            now = self._clock.now()
            turn = max(now, self._next, self._blocked_until)
            blocked = self._blocked_until - now
        if (end is None and blocked > longest) or (end is not None and turn >= end):
            raise TooLate(blocked)
        return turn - now

    def accepted(self) -> None:
        """Note that a request was answered with something other than 429."""
        with self._lock:
            self._refusals = 0
            self._accepted += 1
            if self._rate is not None:
                self._rate = min(self._rate + self._ADDED, self._most or math.inf)

    def refused(self, asked: float | None, sent_in: int) -> None:
        """Note that a request of this round was answered with 429, which may have asked to wait so many seconds.

        Many requests are under way when the limit is met. Their refusals are one event: the rate falls once.
        """
        with self._lock:
            now = self._clock.now()
            hold = asked or 0.0
            if sent_in == self._round:
                hold = backoff(self._refusals, asked, self._clock)
                self._refusals += 1
                self._round += 1
                self._slow_down(now - self._since, now)
                if hold > LONG:
                    log.warning("the service has answered 429: no request is sent for %s", duration(hold))
            self._blocked_until = max(self._blocked_until, now + hold)

    def _slow_down(self, span: float, now: float) -> None:
        """Halve the rate, but not below that of the requests accepted in the last ``span`` seconds."""
        half = self._FIRST if self._rate is None else self._rate / 2
        self._rate = min(max(half, self._accepted / max(1.0, span), self._LEAST), self._most or math.inf)
        kept = min(0.8, self._LATELY / max(1.0, span))
        self._accepted *= kept
        self._since = now - span * kept


def runs_at_once() -> int:
    """Return how many runs send requests to an account at once, as far as `fleet` has started them."""
    found = os.environ.get(RUNS_AT_ONCE, "")
    return max(1, int(found)) if found.isdecimal() else 1


class Breaker:
    """A circuit breaker: while it is open, the service of an account is down, and no call retries. Thread-safe.

    It opens when a call has used up its retries while no call of the account was answered, and the first call that is
    answered closes it.
    """

    def __init__(self) -> None:
        """Start closed."""
        self._lock = threading.Lock()
        self.answers = 0
        self.is_open = False

    def answered(self) -> None:
        """Note that the service has answered a call, even if with a refusal."""
        with self._lock:
            self.answers += 1
            self.is_open = False

    def give_up(self, answers_before: int) -> None:
        """Note that a call has used up its retries. Open unless there were more answers than ``answers_before`` it."""
        with self._lock:
            if self.answers == answers_before:
                self.is_open = True
