"""How the requests of one account are spaced."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from pulumi_instances.attempt import Clock
from pulumi_instances.pace import Pace


@dataclass
class FakeTime:
    """A clock that stands still, and remembers how long each caller would have slept."""

    moment: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(now=lambda: self.moment, sleep=self.slept.append)


@pytest.mark.parametrize(
    ("per_second", "expected"),
    [(None, []), (10.0, [0.1, 0.2, 0.3]), (0.5, [2.0, 4.0, 6.0])],
    ids=["no limit", "ten a second", "one in two seconds"],
)
def test_requests_that_come_at_once_are_spaced_by_the_rate(per_second: float | None, expected: list[float]) -> None:
    """Each of four callers at the same moment gets a turn of its own."""
    time = FakeTime()
    pace = Pace(time.clock(), per_second)
    for _ in range(4):
        pace.wait()
    assert time.slept == pytest.approx(expected)


def test_a_pause_holds_back_every_later_request() -> None:
    """One call's 429 slows all calls of the account until the pause is over."""
    time = FakeTime()
    pace = Pace(time.clock(), None)
    pace.pause(5.0)
    pace.wait()
    pace.wait()
    time.moment += 5.0
    pace.wait()
    assert time.slept == [5.0, 5.0]


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """Two answers of 429 at once: the longer wait counts."""
    time = FakeTime()
    pace = Pace(time.clock(), None)
    pace.pause(9.0)
    pace.pause(1.0)
    pace.wait()
    assert time.slept == [9.0]


def test_threads_never_share_a_turn() -> None:
    """Sixteen threads at the same moment sleep sixteen different times."""
    time = FakeTime()
    pace = Pace(time.clock(), 1.0)
    threads = [threading.Thread(target=pace.wait) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(time.slept) == [float(n) for n in range(1, 16)]
