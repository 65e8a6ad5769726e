"""The rate of one account's requests, how it adapts to a limit, and that all calls give up when a service is down."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from pulumi_instances.api.client import Client
from pulumi_instances.api.retry import Clock, RateLimit, TooLate, duration, runs_at_once
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import ConnectionFailed, InstancesError, NotFound, ServerError
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.account import settings_of
from tests.support.clock import FakeClock

# the rate


def waits(rate_limit: RateLimit, clock: FakeClock, times: int) -> list[float]:
    """The times at which so many requests in a row are sent."""
    moments = []
    for _ in range(times):
        rate_limit.wait()
        moments.append(clock.now())
    return moments


def test_threads_never_share_a_turn() -> None:
    """Sixteen threads at the same moment go out one after another."""
    clock = FakeClock()
    rate_limit = RateLimit(clock, 1.0)
    threads = [threading.Thread(target=rate_limit.wait) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == pytest.approx(15.0)


@pytest.mark.parametrize(("per_second", "at_once", "each"), [(2.0, 4, 3), (10.0, 4, 1), (0.5, 2, 3), (3.0, 7, 2)])
def test_runs_at_once_share_the_rate(
    per_second: float, at_once: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fleet` starts so many processes, one after another in each place; together they stay within the rate."""
    monkeypatch.setenv("PULUMI_INSTANCES_RUNS_AT_ONCE", str(at_once))
    sent = []
    for _ in range(at_once):
        clock = FakeClock()
        for _ in range(5):
            sent += waits(RateLimit(clock, per_second, runs_at_once()), clock, each)
    sent.sort()
    for start in sent:
        assert sum(start <= moment < start + 10 for moment in sent) <= 10 * per_second + at_once
    assert waits(RateLimit(FakeClock(), per_second, 1), FakeClock(), 1) == [0.0]


@pytest.mark.parametrize(("text", "runs"), [("", 1), ("4", 4), ("0", 1), ("-2", 1), ("many", 1), ("1e3", 1)])
def test_how_many_runs_share_a_rate_is_read_from_the_environment(
    text: str, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read counts as one."""
    monkeypatch.setenv("PULUMI_INSTANCES_RUNS_AT_ONCE", text)
    assert runs_at_once() == runs


def test_a_turn_after_the_deadline_is_not_waited_for() -> None:
    """The caller learns at once, and for how long the service holds it back."""
    clock = FakeClock(jitter=0.0)
    rate_limit = RateLimit(clock, None)
    rate_limit.refused(5.0, rate_limit.wait())
    for end, longest in ((4.0, 60.0), (None, 4.0)):
        with pytest.raises(TooLate) as late:
            rate_limit.wait(end, longest)
        assert (late.value.blocked, clock.slept) == (5.0, [])
    rate_limit.wait(6.0)
    assert clock.slept == [5.0]


def test_a_turn_is_waited_for_however_long_the_queue_is() -> None:
    """A rate that the user has chosen is no reason to fail."""
    clock = FakeClock()
    rate_limit = RateLimit(clock, 0.1)
    for _ in range(5):
        rate_limit.wait(None, 1.0)
    assert clock.now() == 40.0


def test_a_queue_that_does_not_move_is_left_at_the_deadline() -> None:
    """Its first may wait longer than others may take."""
    sleeping, go_on = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        sleeping.set()
        assert go_on.wait(20)

    rate_limit = RateLimit(Clock(sleep=sleep), 20.0)
    rate_limit.wait()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(rate_limit.wait)
        assert sleeping.wait(20)
        with pytest.raises(TooLate):
            rate_limit.wait(time.monotonic() + 0.2)
        go_on.set()
        first.result()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (90, "90 s"), (900, "15 min"), (86_400, "24 h"), (86_400 * 30, "30 days")]
)
def test_a_duration_is_said_in_a_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_refusals_of_requests_that_were_under_way_are_one_event() -> None:
    """The rate falls once, and the longest wait counts."""
    clock = FakeClock(jitter=0.0)
    rate_limit = RateLimit(clock, 8.0)
    rounds = [rate_limit.wait() for _ in range(4)]
    for asked, sent_in in zip((1.0, 9.0, 2.0, 1.0), rounds, strict=True):
        rate_limit.refused(asked, sent_in)
    start = clock.now()
    first, second = waits(rate_limit, clock, 2)
    assert first - start == pytest.approx(9.0)
    assert second - first == pytest.approx(0.25)


@pytest.mark.parametrize("per_second", [None, 20.0])
def test_the_rate_falls_with_each_refusal_and_recovers(per_second: float | None) -> None:
    """It never rises above `maxRequestsPerSecond`."""
    clock = FakeClock()
    rate_limit = RateLimit(clock, per_second)
    for _ in range(9):
        rate_limit.refused(None, rate_limit.wait())
    rate_limit.wait()
    start = clock.now()
    rate_limit.wait()
    slow = clock.now() - start
    assert slow >= 1.0
    for _ in range(2000):
        rate_limit.accepted()
        rate_limit.wait()
    start = clock.now()
    waits(rate_limit, clock, 10)
    assert (clock.now() - start) / 10 == pytest.approx(0.05 if per_second else 0.0, abs=0.02)


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
    rate_limit, allows = RateLimit(clock, None), service(rate)
    under_way: list[tuple[float, int, bool]] = []  # when the answer comes, the round it was sent in, whether it is good
    done, begun, waiting = 0, at_once, at_once
    while done < 60:
        # What comes next is an answer, unless it is somebody's turn before that.
        with suppress(TooLate):
            if waiting:
                sent_in = rate_limit.wait(under_way[0][0] if under_way else None)
                heapq.heappush(under_way, (clock.now() + 0.02, sent_in, allows(clock.now())))
                waiting -= 1
                continue
        moment, sent_in, good = heapq.heappop(under_way)
        clock.sleep(max(0.0, moment - clock.now()))
        if not good:
            rate_limit.refused(asked, sent_in)
            waiting += 1
            continue
        rate_limit.accepted()
        done += 1
        if begun < 60:
            begun += 1
            waiting += 1
    assert clock.now() <= 1.3 * 60 / rate


# the breaker


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except InstancesError as error:
        return type(error)


@pytest.mark.parametrize("status", [408, 502, 503, 504, 524])
def test_once_a_call_has_given_up_the_others_try_once(api: Emulator, status: int) -> None:
    """This lasts until one of them is answered; then everything is as before."""
    made = str(api.add())
    api.fail(None, None, Fault.status(status), times=5 + 1 + 1)
    client = Client(settings_of(api, max_retries=4), clock=FakeClock())
    for sent in (5, 6, 7, 8):
        assert outcome(lambda: isinstance(client.get(made), dict)) is (ServerError if sent < 8 else True)
        assert len(api.requests) == sent
    api.fail(None, None, Fault.status(status), times=4)
    client.get(made)
    assert len(api.requests) == 13


def test_connections_that_are_refused_count_too(closed: int) -> None:
    """Then the service is not there at all."""
    clock = FakeClock()
    client = Client(Settings(f"http://127.0.0.1:{closed}", "u", "o"), clock=clock)
    for _ in range(3):
        with pytest.raises(ConnectionFailed):
            client.get("7")
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_any_answer_closes_it(api: Emulator, status: int) -> None:
    """A refusal shows that the service is there."""
    client = Client(settings_of(api, max_retries=4), clock=FakeClock())
    api.fail("GET", None, Fault.status(503), times=5)
    api.fail("GET", None, Fault.status(status))
    api.fail("GET", None, Fault.status(503), times=4)
    assert [outcome(lambda: client.get("7")) is ServerError for _ in range(2)] == [True, status == 500]
    assert outcome(lambda: client.get("7")) is NotFound
    assert len(api.requests) == 5 + 1 + 5


def test_a_call_that_fails_while_others_are_answered_says_nothing_about_them(api: Emulator) -> None:
    """One instance that always times out must not take the retries of the others."""
    made = str(api.add())
    client: Client

    class Busy(FakeClock):
        def _sleep(self, seconds: float) -> None:
            client.get(made)  # meanwhile, another call
            super()._sleep(seconds)

    client = Client(settings_of(api, max_retries=4), clock=Busy())
    api.fail("GET", "/instances/7", Fault.status(503), times=99)
    for _ in range(2):
        with pytest.raises(ServerError):
            client.get("7")
    assert sum(request.path == "/instances/7" for request in api.requests) == 10
