"""Once one call has found that a service is down, the other calls do not retry either."""

from __future__ import annotations

import threading

from .attempt import Clock


class Breaker:
    """Whether retries are pointless for one account. Safe to share between threads.

    It opens when a call has used up its retries while no call of the account was answered. While it is open, no call
    retries. The first call that is answered closes it.
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
        """Note that a call begins. Returns what `give_up` needs to know of it."""
        with self._lock:
            return self._answers

    def answered(self) -> None:
        """Note that the service has answered a call, if only with a refusal."""
        with self._lock:
            self._answers += 1
            if not self._stays_open:
                self._open.clear()

    def give_up(self, begun: int) -> None:
        """Note that a call has used up its retries. It counts where no call was answered since it ``begun``."""
        with self._lock:
            if self._answers == begun:
                self._open.set()

    def stay_open(self) -> None:
        """Open it for good: no call retries any more."""
        with self._lock:
            self._stays_open = True
            self._open.set()

    def sleep(self, seconds: float) -> bool:
        """Wait before a retry; True as soon as it has become pointless."""
        return self._clock.wait(self._open, seconds)
