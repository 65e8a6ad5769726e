"""Giving up together: once one call has found a service to be down, the others do not retry either."""

from __future__ import annotations

import threading

from .attempt import Clock


class Breaker:
    """Opens when a call has used up its retries while no call of the account got an answer. Safe between threads.

    While it is open nobody retries. The first call that is answered closes it.
    """

    def __init__(self, clock: Clock) -> None:
        """Start closed."""
        self._clock = clock
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._answers = 0
        self._stays_open = False

    @property
    def is_open(self) -> bool:
        """Whether retries are pointless."""
        return self._open.is_set()

    def begin(self) -> int:
        """A call begins. What it answers is for `give_up`."""
        with self._lock:
            return self._answers

    def answered(self) -> None:
        """The service is there: it has answered a call, if only with a refusal."""
        with self._lock:
            self._answers += 1
            if not self._stays_open:
                self._open.clear()

    def give_up(self, begun: int) -> None:
        """A call that began so has used up its retries. It says nothing about the others if one was answered since."""
        with self._lock:
            if self._answers == begun:
                self._open.set()

    def stay_open(self) -> None:
        """Nobody is to retry any more."""
        with self._lock:
            self._stays_open = True
            self._open.set()

    def sleep(self, seconds: float) -> bool:
        """Wait before a retry; True as soon as it has become pointless."""
        return self._clock.wait(self._open, seconds)
