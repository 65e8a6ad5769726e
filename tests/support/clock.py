"""Time that passes only by sleeping."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from pulumi_instances.api.retry import Clock


class FakeClock(Clock):
    """A clock for the client: nobody waits, and ``slept`` has the seconds that they would have waited.

    ``meanwhile`` contains what happens after so many seconds: ``{10.0: something}``.
    """

    def __init__(self, jitter: float = 1.0, meanwhile: Mapping[float, Callable[[], object]] | None = None) -> None:
        super().__init__(now=self._now, sleep=self._sleep, jitter=lambda: jitter)
        self._lock = threading.Lock()
        self._time = 0.0
        self._meanwhile = dict(meanwhile or {})
        self.slept: list[float] = []

    def _now(self) -> float:
        return self._time

    def _sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._time += seconds
            due = [self._meanwhile.pop(moment) for moment in sorted(self._meanwhile) if moment <= self._time]
        for something in due:
            something()
