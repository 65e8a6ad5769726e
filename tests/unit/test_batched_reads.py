"""Many reads at the cost of a listing, and never a wrong answer for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pulumi_instances.api.batched_reads import Reads
from pulumi_instances.api.client import Client
from pulumi_instances.api.operations import Operations
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import InstancesError, NotFound, ServerError
from pulumi_instances.testing.emulator import Emulator, Fault


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    with Emulator(latency=0.02) as emulator:
        yield emulator


@pytest.fixture
def settings(api: Emulator) -> Settings:
    return Settings(api.base_url, api.user_secret, api.organization_secret, max_retries=0)


def seed(api: Emulator, count: int) -> list[str]:
    return [str(api.add(your_mom="dropbox", name=f"n{number}", tags=["a"])) for number in range(count)]


def read_all(operations: Operations, ids: list[str], threads: int = 32) -> list[object]:
    """The result of each read, or the error that it raised, with as many threads as an engine uses."""

    def read(instance_id: str) -> object:
        try:
            return operations.read(instance_id)
        except Exception as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(read, ids))


def requests(api: Emulator) -> Counter[str]:
    return Counter("one" if request.path != "/instances" else "page" for request in api.requests)


def test_a_thousand_reads_take_at_most_ten_requests(api: Emulator, settings: Settings) -> None:
    """A refresh of 1,000 instances sends one GET, and one listing of five pages for all that wait."""
    ids = seed(api, 1000)
    found = read_all(Operations(settings), ids)
    assert [answer["id"] for answer in found if isinstance(answer, dict)] == ids
    assert sum(requests(api).values()) <= 10


def test_a_single_read_is_a_single_get(api: Emulator, settings: Settings) -> None:
    """Nobody else waits, so the account is not listed for one instance."""
    operations = Operations(settings)
    for instance_id in seed(api, 3):
        operations.read(instance_id)
    assert requests(api) == {"one": 3}


def test_a_page_answers_before_the_next_one_comes(api: Emulator, settings: Settings) -> None:
    """The engine continues with what is there; only reads of a later page (and who fetches them) wait for it."""
    ids = seed(api, 201)
    for seconds in (0, 4):
        api.fail("GET", "/instances", Fault.delay(seconds))
    operations = Operations(settings)
    with ThreadPoolExecutor(5) as pool:
        reads = as_completed([pool.submit(operations.read, key) for key in (*ids[:4], ids[200])])
        first = {next(reads).result()["id"] for _ in range(3)}
        second_page = [request.status for request in api.requests if request.path == "/instances"][1:]
        rest = {read.result()["id"] for read in reads}
    assert second_page in ([], [None]), "it is not there yet"
    assert first < set(ids[:4])
    assert first | rest == {*ids[:4], ids[200]}
    assert requests(api) == {"one": 1, "page": 2}


def test_batching_can_be_switched_off(api: Emulator, settings: Settings) -> None:
    """With `instances:batchReads: false`, each read is its own GET."""
    ids = seed(api, 20)
    read_all(Operations(replace(settings, batch_reads=False)), ids)
    assert requests(api) == {"one": 20}


def test_batched_reads_find_what_single_reads_find(api: Emulator, settings: Settings) -> None:
    """Drift in name, tags and token, and instances that are gone, are the same either way."""
    ids = seed(api, 30)
    api.change(ids[3], name="renamed")
    api.change(ids[4], tags=["b", "a"])
    api.change(ids[5], token="another-token")
    for gone in (ids[6], ids[7]):
        api.remove(gone)

    def told(batch: bool) -> list[object]:
        answers = read_all(Operations(replace(settings, batch_reads=batch)), ids)
        keys = ("id", "name", "tags", "your_mom", "token")
        return [{key: a[key] for key in keys} if isinstance(a, dict) else type(a) for a in answers]

    batched = told(True)
    assert batched == told(False)
    assert [answer for answer in batched if isinstance(answer, type)] == [NotFound, NotFound]


def test_a_listing_that_fails_decides_nothing(api: Emulator, settings: Settings) -> None:
    """Each instance is then read by itself: an error of the listing never becomes an error of the instance."""
    ids = seed(api, 12)
    api.fail("GET", "/instances", Fault.status(500), times=100)
    found = read_all(Operations(settings), ids)
    assert [answer["id"] for answer in found if isinstance(answer, dict)] == ids


def test_an_error_of_one_read_stays_its_own(api: Emulator, settings: Settings) -> None:
    """An instance that the listing lacks and whose GET fails is an error, not gone; the others are read."""
    ids = seed(api, 12)
    api.remove(ids[0])
    api.fail("GET", f"/instances/{ids[0]}", Fault.status(500), times=100)
    api.fail("GET", "/instances", Fault.status(500), times=100)
    first, *others = read_all(Operations(settings), ids)
    assert isinstance(first, ServerError)
    assert all(isinstance(answer, dict) for answer in others)


@pytest.mark.parametrize("write", ["update", "delete", "create"])
def test_a_write_ends_the_listing(api: Emulator, settings: Settings, write: str) -> None:
    """What was listed before a write serves no read after it."""
    ids = seed(api, 12)
    operations = Operations(settings)
    read_all(operations, ids)
    inputs = {"your_mom": "dropbox", "name": "written", "tags": []}
    if write == "update":
        operations.update(ids[1], inputs)
    elif write == "delete":
        operations.delete(ids[1])
    else:
        operations.create(inputs)
    api.change(ids[0], name="after")
    assert operations.read(ids[0])["name"] == "after"


def test_batched_reads_tell_the_health_of_each_connection(api: Emulator, settings: Settings) -> None:
    """`valid` is that of the listing; `disabled`, which a listing omits, is omitted."""
    ids = seed(api, 12)
    for instance_id in ids:
        api.change(instance_id, valid=False, disabled=True)
    found = read_all(Operations(settings), ids)
    assert [answer["valid"] for answer in found if isinstance(answer, dict)] == [False] * 12
    assert requests(api)["one"] < 12
    assert sum("disabled" in answer for answer in found if isinstance(answer, dict)) == requests(api)["one"]


@pytest.mark.parametrize("shown", ["********", "a&amp;b"])
def test_a_listing_that_alters_tokens_is_not_believed(api: Emulator, settings: Settings, shown: str) -> None:
    """The rest of what it says about that instance is not believed either; a GET decides."""
    ids = seed(api, 6)
    tokens = {instance_id: api.instance(instance_id)["token"] for instance_id in ids}
    altered = [{"id": int(key), "name": "x", "token": shown, "tags": [], "your_mom": {"key": "dropbox"}} for key in ids]
    api.fail("GET", "/instances", Fault.status(200, body=json.dumps(altered)), times=9)
    operations = Operations(settings)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda key: operations.read(key, token=tokens[key]), ids))
    assert {answer["id"]: answer["token"] for answer in found} == tokens
    assert {answer["name"] for answer in found} == {f"n{number}" for number in range(6)}


def test_a_token_that_the_listing_confirms_needs_no_get(api: Emulator, settings: Settings) -> None:
    """Only the first read, which is alone, sends one."""
    ids = seed(api, 12)
    tokens = {instance_id: api.instance(instance_id)["token"] for instance_id in ids}
    operations = Operations(settings)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda key: operations.read(key, token=tokens[key]), ids))
    assert requests(api)["one"] <= 2


class Unlisted:
    """A client whose listing fails the first time."""

    def __init__(self, settings: Settings, error: BaseException) -> None:
        self.settings = settings
        self.listings = 0
        self._error = error

    def pages(self) -> Iterator[list[dict[str, object]]]:
        self.listings += 1
        if self.listings == 1:
            raise self._error
        yield [{"id": 7, "name": "n", "token": "t", "tags": [], "your_mom": {"key": "dropbox"}}]


@pytest.mark.parametrize("error", [ServerError("list instances: 500", 500), RuntimeError("odd"), KeyboardInterrupt()])
def test_a_listing_that_failed_is_fetched_again(settings: Settings, error: BaseException) -> None:
    """Whatever the error was, later reads fetch their own."""
    client = Unlisted(settings, error)
    told: list[set[str]] = []
    reads = Reads(cast("Client", client), lambda instance_id: {"id": instance_id}, lambda ids: told.append(set(ids)))
    reads._alone = False  # another read is under way
    with nullcontext() if isinstance(error, InstancesError) else pytest.raises(type(error)):
        assert reads.read("7") == {"id": "7"}
    reads._alone = False
    assert reads.read("7")["token"] == "t"
    assert client.listings == 2
    assert told == [{"7"}]
