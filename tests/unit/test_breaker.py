"""All calls give up together when a service is down."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate

import pytest

from pulumi_instances.api.breaker import Breaker
from pulumi_instances.api.client import Client
from pulumi_instances.api.operations import Operations
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import ConnectionFailed, InstancesError, NotFound, RateLimited, ServerError
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.clock import FakeClock


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path_factory.mktemp("home")))
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def settings(api: Emulator) -> Settings:
    return Settings(api.base_url, api.user_secret, api.organization_secret, max_retries=4)


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except InstancesError as error:
        return type(error)


@pytest.mark.parametrize("status", [408, 502, 503, 504, 524])
def test_once_a_call_has_given_up_the_others_try_once(api: Emulator, settings: Settings, status: int) -> None:
    """This lasts until one of them is answered; then everything is as before."""
    made = str(api.add())
    api.fail(None, None, Fault.status(status), times=5 + 1 + 1)
    client = Client(settings, clock=FakeClock())
    for sent in (5, 6, 7, 8):
        assert outcome(lambda: isinstance(client.get(made), dict)) is (ServerError if sent < 8 else True)
        assert len(api.requests) == sent
    api.fail(None, None, Fault.status(status), times=4)
    client.get(made)
    assert len(api.requests) == 13


def test_connections_that_are_refused_count_too() -> None:
    """Then the service is not there at all."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        clock = FakeClock()
        client = Client(Settings(f"http://127.0.0.1:{unused.getsockname()[1]}", "u", "o"), clock=clock)
        for _ in range(3):
            with pytest.raises(ConnectionFailed):
                client.get("7")
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_any_answer_closes_it(api: Emulator, settings: Settings, status: int) -> None:
    """A refusal shows that the service is there."""
    client = Client(settings, clock=FakeClock())
    api.fail("GET", None, Fault.status(503), times=5)
    api.fail("GET", None, Fault.status(status))
    api.fail("GET", None, Fault.status(503), times=4)
    assert [outcome(lambda: client.get("7")) is ServerError for _ in range(2)] == [True, status == 500]
    assert outcome(lambda: client.get("7")) is NotFound
    assert len(api.requests) == 5 + 1 + 5


def test_a_call_that_fails_while_others_are_answered_says_nothing_about_them(api: Emulator, settings: Settings) -> None:
    """One instance that always times out must not take the retries of the others."""
    made = str(api.add())
    client: Client

    class Busy(FakeClock):
        def _wait(self, event: threading.Event, seconds: float) -> bool:
            client.get(made)  # meanwhile, another call
            return super()._wait(event, seconds)

    client = Client(settings, clock=Busy())
    api.fail("GET", "/instances/7", Fault.status(503), times=99)
    for _ in range(2):
        with pytest.raises(ServerError):
            client.get("7")
    assert sum(request.path == "/instances/7" for request in api.requests) == 10


def test_sleepers_wake_up() -> None:
    """They do not wait any longer for a retry that is pointless."""
    from pulumi_instances.api.attempt import Clock

    breaker = Breaker(Clock())
    asleep = threading.Barrier(5)

    def sleep(_: int) -> bool:
        asleep.wait()
        return breaker.sleep(600.0)

    with ThreadPoolExecutor(4) as threads:
        sleepers = [threads.submit(sleep, number) for number in range(4)]
        asleep.wait()
        breaker.give_up(breaker.begin())
        assert [sleeper.result() for sleeper in sleepers] == [True] * 4


def test_a_refresh_of_many_gives_up_together(api: Emulator, settings: Settings) -> None:
    """Each of thirty instances costs one more request, not five."""
    ids = [str(api.add(name=f"n{number}")) for number in range(30)]
    api.fail(None, None, Fault.status(503), times=10_000)
    operations = Operations(replace(settings, max_retries=3))
    with ThreadPoolExecutor(30) as threads:
        found = list(threads.map(lambda key: outcome(lambda: operations.read(key, {})), ids))
    assert set(found) == {ServerError}
    assert len(api.requests) <= 2 * 4 + 30


# rate limits


@pytest.mark.parametrize("retry_after", ["1", "0", formatdate(0, usegmt=True)], ids=["1", "0", "a past date"])
def test_sixty_calls_at_once_get_through_a_limit(api: Emulator, settings: Settings, retry_after: str) -> None:
    """All of them succeed, however many times each is refused meanwhile."""
    ids = [str(api.add(name=f"n{number}")) for number in range(60)]
    api.limit(20, retry_after=retry_after)
    client = Client(settings)
    with ThreadPoolExecutor(60) as threads:
        found = list(threads.map(lambda key: outcome(lambda: str(client.get(key)["id"])), ids))
    assert found == ids
    refused = sum(request.status == 429 for request in api.requests)
    assert 0 < refused <= 120


def test_a_service_that_refuses_for_ever_is_given_up(api: Emulator, settings: Settings) -> None:
    """After the deadline of the first call, the others fail at once."""
    api.limit(0.000001, retry_after="0")
    api.fail("GET", None, Fault.status(429), times=1)
    clock = FakeClock()
    client = Client(settings, clock=clock)
    assert [outcome(lambda: client.get("7")) for _ in range(4)][1:] == [RateLimited] * 3
    assert clock.now() <= 2 * 5 * settings.timeout
