"""The pace of one account's requests, and how it adapts to a limit."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

import pytest

from pulumi_instances.api.pace import Pace
from tests.support.clock import FakeClock


def waits(pace: Pace, clock: FakeClock, times: int) -> list[float]:
    """The times at which so many requests in a row are sent."""
    moments = []
    for _ in range(times):
        pace.wait()
        moments.append(clock.now())
    return moments


@pytest.mark.parametrize(
    ("per_second", "expected"),
    [(None, [0.0, 0.0, 0.0, 0.0]), (10.0, [0.0, 0.1, 0.2, 0.3]), (0.5, [0.0, 2.0, 4.0, 6.0])],
    ids=["no limit", "ten a second", "one in two seconds"],
)
def test_requests_are_spaced_by_the_rate(per_second: float | None, expected: list[float]) -> None:
    """Each of four requests gets its own turn."""
    clock = FakeClock()
    assert waits(Pace(clock, per_second), clock, 4) == pytest.approx(expected)


def test_threads_never_share_a_turn() -> None:
    """Sixteen threads at the same moment go out one after another."""
    clock = FakeClock()
    pace = Pace(clock, 1.0)
    threads = [threading.Thread(target=pace.wait) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == pytest.approx(15.0)


@pytest.mark.parametrize(("asked", "hold"), [(5.0, 5.0), (0.0, 0.25), (None, 0.25)])
def test_a_refusal_holds_back_every_later_request(asked: float | None, hold: float) -> None:
    """One call's 429 slows all calls of the account, at least as long as was asked for."""
    clock = FakeClock(jitter=0.0)
    pace = Pace(clock, None)
    pace.slow_down(asked, pace.wait() or 0)
    assert waits(pace, clock, 1) == pytest.approx([hold])


def test_a_turn_after_the_deadline_is_not_waited_for() -> None:
    """The caller learns at once."""
    clock = FakeClock()
    pace = Pace(clock, None)
    pace.slow_down(5.0, pace.wait() or 0)
    assert pace.wait(until=4.0) is None
    assert clock.slept == []
    assert pace.wait(until=6.0) is not None


def test_refusals_of_requests_that_were_under_way_are_one_event() -> None:
    """The pace falls once, and the longest wait counts."""
    clock = FakeClock(jitter=0.0)
    pace = Pace(clock, 8.0)
    rounds = [pace.wait() or 0 for _ in range(4)]
    for asked, sent_in in zip((1.0, 9.0, 2.0, 1.0), rounds, strict=True):
        pace.slow_down(asked, sent_in)
    start = clock.now()
    first, second = waits(pace, clock, 2)
    assert first - start == pytest.approx(9.0)
    assert second - first == pytest.approx(0.25)


@pytest.mark.parametrize("per_second", [None, 20.0])
def test_the_pace_falls_with_each_refusal_and_recovers(per_second: float | None) -> None:
    """It never rises above `maxRequestsPerSecond`."""
    clock = FakeClock()
    pace = Pace(clock, per_second)
    for _ in range(9):
        pace.slow_down(None, pace.wait() or 0)
    pace.wait()
    start = clock.now()
    pace.wait()
    slow = clock.now() - start
    assert slow >= 1.0
    for _ in range(2000):
        pace.accept()
        pace.wait()
    start = clock.now()
    waits(pace, clock, 10)
    assert (clock.now() - start) / 10 == pytest.approx(0.05 if per_second else 0.0, abs=0.01)


# against services that allow so many requests a second

Service = Callable[[float], bool]


def _in_each_second(rate: int) -> Service:
    """A new allowance with every second of the clock."""
    taken: dict[int, int] = {}

    def allows(now: float) -> bool:
        taken[int(now)] = taken.get(int(now), 0) + 1
        return taken[int(now)] <= rate

    return allows


def _bucket(rate: int) -> Service:
    """An allowance that grows steadily, and that a burst may use up."""
    level, last = float(rate), 0.0

    def allows(now: float) -> bool:
        nonlocal level, last
        level, last = min(float(rate), level + (now - last) * rate), now
        if level < 1:
            return False
        level -= 1
        return True

    return allows


@pytest.mark.parametrize("rate", [1, 5])
@pytest.mark.parametrize("asked", [None, 0.0, 1.0])
@pytest.mark.parametrize("service", [_in_each_second, _bucket])
@pytest.mark.parametrize("at_once", [8, 32, 60])
def test_sixty_calls_keep_to_a_limit_without_wasting_it(
    rate: int, asked: float | None, service: Callable[[int], Service], at_once: int
) -> None:
    """All succeed within 1.3 times what the limit allows, with answers that take 20 ms."""
    jitters = itertools.cycle([0.1, 0.7, 0.4, 0.9, 0.2])
    clock = FakeClock()
    clock.jitter = lambda: next(jitters)
    pace, allows = Pace(clock, None), service(rate)
    under_way: list[tuple[float, int, bool]] = []  # when the answer comes, the round it was sent in, whether it is good
    done, begun, waiting = 0, at_once, at_once
    while done < 60:
        # What comes next is an answer, unless it is somebody's turn before that.
        if under_way and (not waiting or under_way[0][0] <= max(pace._next, clock.now())):
            moment, sent_in, good = heapq.heappop(under_way)
            clock.sleep(max(0.0, moment - clock.now()))
            if not good:
                pace.slow_down(asked, sent_in)
                waiting += 1
                continue
            pace.accept()
            done += 1
            if begun < 60:
                begun += 1
                waiting += 1
        else:
            waiting -= 1
            sent_in = pace.wait() or 0
            heapq.heappush(under_way, (clock.now() + 0.02, sent_in, allows(clock.now())))
    assert clock.now() <= 1.3 * 60 / rate
