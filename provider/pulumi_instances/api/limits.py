"""How long one operation of the engine may take, waits and retries included: the option `customTimeouts`.

The engine gives it with each call, and a call runs on one thread. The limit is a context variable, so that not every
function has to pass it on. Without a limit, the settings decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from .attempt import Clock


class _Limit(NamedTuple):
    end: float
    seconds: float


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def within(seconds: float, clock: Clock) -> Iterator[None]:
    """What runs inside has to end after so many seconds; 0 means that the settings decide."""
    token = _limit.set(_Limit(clock.now() + seconds, seconds) if seconds > 0 else None)
    try:
        yield
    finally:
        _limit.reset(token)


def end(clock: Clock, seconds: float) -> float:
    """When something has to end that may take so many seconds by the settings. `customTimeouts` win over them."""
    limit = _limit.get()
    return clock.now() + seconds if limit is None else limit.end


def remaining(clock: Clock) -> float | None:
    """The seconds that are left of the limit, 0 where it is over; None without one."""
    limit = _limit.get()
    return None if limit is None else max(0.0, limit.end - clock.now())


def is_over(clock: Clock) -> bool:
    """Whether there is a limit, and it is over."""
    return remaining(clock) == 0


def why() -> str:
    """What to say where the limit has ended something."""
    limit = _limit.get()
    return "" if limit is None else f"the timeout of {limit.seconds:g} s in customTimeouts is over"
