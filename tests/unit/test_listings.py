"""Listings: many reads at the cost of one, what there was before, and what proves that one is missing."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import pytest

from pulumi_instances.api.client import Client, Found
from pulumi_instances.api.listings import Listings
from pulumi_instances.api.operations import Operations
from pulumi_instances.core import identity, model
from pulumi_instances.core.config import Settings
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import ConnectionFailed, Forbidden, InstancesError, NotFound, ServerError
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.model import Update
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.clock import FakeClock
from tests.support.marks import mark_of

Outputs = dict[str, Any]

RENAME = Update("PUT", {"name": "renamed"})


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with Emulator(latency=0.02) as emulator:
        yield emulator


@pytest.fixture
def api(server: Emulator) -> Emulator:
    server.reset()
    return server


@pytest.fixture
def settings(api: Emulator) -> Settings:
    return Settings(api.base_url, api.user_secret, api.organization_secret, max_retries=0)


def seed(api: Emulator, count: int) -> dict[str, Outputs]:
    """So many instances: by id, what a state holds of each."""
    ids = [str(api.add(your_mom="dropbox", name=f"n{number}", tags=["a"])) for number in range(count)]
    tokens = {str(instance["id"]): instance["token"] for instance in api.instances()}
    return {each: {"your_mom": "dropbox", "name": "n", "token": tokens[each]} for each in ids}


def read_all(operations: Operations, states: dict[str, Outputs]) -> list[Any]:
    """The result of each read, or the error that it raised, with as many threads as an engine uses."""

    def read(instance_id: str) -> object:
        try:
            return operations.read(instance_id, states[instance_id])
        except Exception as error:
            return error

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(read, states))


def requests(api: Emulator) -> Counter[str]:
    return Counter("one" if request.path != "/instances" else "page" for request in api.requests)


# many reads


def test_a_thousand_reads_take_at_most_ten_requests(api: Emulator, settings: Settings) -> None:
    """A refresh of 1,000 instances sends one GET, and one listing of five pages for all that wait."""
    states = seed(api, 1000)
    assert [answer["id"] for answer in read_all(Operations(settings), states)] == [*states]
    assert sum(requests(api).values()) <= 10


@pytest.mark.parametrize("write", ["update", "delete"])
def test_writes_one_after_another_cost_one_get_and_one_listing(api: Emulator, settings: Settings, write: str) -> None:
    """Each instance is proven before it is written; with `--parallel 1`, too, not by a GET for each."""
    operations = Operations(settings)
    for instance_id, outputs in seed(api, 6).items():
        if write == "delete":
            operations.delete(instance_id, outputs)
        else:
            operations.update(instance_id, outputs, {}, RENAME)
    assert Counter(request.method for request in api.requests)["GET"] == 2


def test_a_page_answers_before_the_next_one_comes(api: Emulator, settings: Settings) -> None:
    """The engine continues with what is there; only reads of a later page (and who fetches them) wait for it."""
    states = seed(api, 201)
    ids = [*states]
    for seconds in (0, 4):
        api.fail("GET", "/instances", Fault.delay(seconds))
    operations = Operations(settings)
    with ThreadPoolExecutor(5) as pool:
        reads = as_completed([pool.submit(operations.read, key, states[key]) for key in (*ids[:4], ids[200])])
        first = {next(reads).result()["id"] for _ in range(3)}
        second_page = [request.status for request in api.requests if request.path == "/instances"][1:]
        rest = {read.result()["id"] for read in reads}
    assert second_page in ([], [None]), "it is not there yet"
    assert first < set(ids[:4])
    assert first | rest == {*ids[:4], ids[200]}
    assert requests(api) == {"one": 1, "page": 2}


def test_a_single_read_is_a_single_get(api: Emulator, settings: Settings) -> None:
    """Nobody else waits, so the account is not listed for one; nor is it with `instances:batchReads: false`."""
    operations, states = Operations(settings), seed(api, 3)
    for instance_id, outputs in states.items():
        operations.read(instance_id, outputs)
    read_all(Operations(replace(settings, batch_reads=False)), states)
    assert requests(api) == {"one": 6}


def test_batched_reads_find_what_single_reads_find(api: Emulator, settings: Settings) -> None:
    """Drift in name and tags, health, and instances that no longer exist; only `disabled` is not in a listing."""
    states = seed(api, 30)
    ids = [*states]
    api.change(ids[3], name="renamed")
    api.change(ids[4], tags=["b", "a"])
    api.change(ids[5], valid=False, disabled=True)
    for gone in (ids[6], ids[7]):
        api.remove(gone)
    keys = ("id", "name", "tags", "your_mom", "token", "valid")

    def told(batch: bool) -> list[object]:
        answers = read_all(Operations(replace(settings, batch_reads=batch)), states)
        if batch:
            assert sum("disabled" in each for each in answers if isinstance(each, dict)) == requests(api)["one"] - 2
        return [{key: a[key] for key in keys} if isinstance(a, dict) else type(a) for a in answers]

    batched = told(True)
    assert batched == told(False)
    assert [answer for answer in batched if isinstance(answer, type)] == [NotFound, NotFound]


def test_an_error_of_one_read_stays_its_own(api: Emulator, settings: Settings) -> None:
    """An instance that the listing lacks and whose GET fails is an error, not missing; the others are read."""
    states = seed(api, 12)
    missing = next(iter(states))
    api.remove(missing)
    api.fail("GET", f"/instances/{missing}", Fault.status(500), times=100)
    api.fail("GET", "/instances", Fault.status(500), times=100)
    first, *others = read_all(Operations(settings), states)
    assert isinstance(first, ServerError)
    assert all(isinstance(answer, dict) for answer in others)


@pytest.mark.parametrize("write", ["update", "delete", "create"])
def test_a_write_ends_the_listing(api: Emulator, settings: Settings, write: str) -> None:
    """What was listed before a write serves no read after it."""
    states = seed(api, 12)
    first, second, *_ = states
    operations = Operations(settings)
    read_all(operations, states)
    if write == "update":
        operations.update(second, states[second], {}, RENAME)
    elif write == "delete":
        operations.delete(second, states[second])
    else:
        operations.create({"your_mom": "dropbox", "name": "written", "tags": []})
    api.change(first, name="after")
    assert operations.read(first, states[first])["name"] == "after"


@pytest.mark.parametrize("shown", ["********", "a&amp;b"])
def test_a_listing_that_alters_tokens_is_not_believed(api: Emulator, settings: Settings, shown: str) -> None:
    """The rest of what it says about that instance is not believed either; a GET decides."""
    states = seed(api, 6)
    altered = [
        {"id": int(each), "name": "x", "token": shown, "tags": [], "your_mom": {"key": "dropbox"}} for each in states
    ]
    api.fail("GET", "/instances", Fault.status(200, body=json.dumps(altered)), times=9)
    found = read_all(Operations(settings), states)
    assert {answer["id"]: answer["token"] for answer in found} == {each: states[each]["token"] for each in states}
    assert {answer["name"] for answer in found} == {f"n{number}" for number in range(6)}


@pytest.mark.parametrize(("ours", "others", "most"), [(5, 2000, 6), (15, 2000, 25), (150, 0, 2), (1000, 0, 10)])
def test_no_stack_sends_twice_the_fewest_requests(
    api: Emulator, settings: Settings, ours: int, others: int, most: int
) -> None:
    """A small stack in a large account is read one by one, and a large one from a listing."""
    states = seed(api, ours)
    seed(api, others)
    operations = Operations(settings)
    assert [each["id"] for each in read_all(operations, states)] == [*states]
    assert sum(requests(api).values()) <= most
    for instance_id, outputs in states.items():
        operations.update(instance_id, outputs, {}, RENAME)
    assert sum(request.method == "GET" for request in api.requests) <= 2 * most


# without a network: pages are what a test puts there


class Pages:
    """A client whose listings are these, one after another: pages, or an error; ``began`` is called by each."""

    def __init__(self, *listings: object, began: Callable[[], object] = lambda: None) -> None:
        self.settings = Settings("http://127.0.0.1:9", "us3r", "0rg")
        self.clock = FakeClock()
        self.count = 0
        self._listings = [*listings]
        self._began = began

    def get(self, instance_id: str) -> Found:
        return {"id": instance_id}

    def pages(self, _: object = None, *, lenient: bool) -> Iterator[list[Found]]:
        assert lenient, "one strange instance does not hide the others"
        self.count += 1
        listing = self._listings.pop(0) if len(self._listings) > 1 else self._listings[0]
        self._began()
        if isinstance(listing, BaseException):
            raise listing
        yield from cast("list[list[Found]]", listing)


def listed(instance_id: int, *tags: str) -> Found:
    answer = {"id": instance_id, "name": "n", "token": "t", "tags": [*tags], "your_mom": {"key": "dropbox"}}
    return model.from_wire(answer, DIALECTS["default"])


def listings_of(pages: Pages) -> Listings:
    return Listings(cast("Client", pages))


def listings_after_a_proof(pages: Pages) -> Listings:
    """One instance was asked for by a GET, so the next one is asked for by a listing."""
    listings = listings_of(pages)
    assert listings.read_for_proof("1") == {"id": "1"}
    assert pages.count == 0
    return listings


@pytest.mark.parametrize("error", [ServerError("list instances: 500", 500), RuntimeError("odd"), KeyboardInterrupt()])
def test_a_listing_that_failed_is_fetched_again(error: BaseException) -> None:
    """Whatever the error was, later reads fetch their own."""
    pages = Pages(error, [[listed(7)]])
    listings = listings_after_a_proof(pages)
    with nullcontext() if isinstance(error, InstancesError) else pytest.raises(type(error)):
        assert listings.read_for_proof("7") == {"id": "7"}
    assert listings.read_for_proof("7")["token"] == "t"
    assert pages.count == 2


def test_a_refresh_before_the_first_create_has_listed_it_already() -> None:
    """`up --refresh` sends no second listing."""
    pages = Pages([[listed(7)]])
    listings = listings_after_a_proof(pages)
    listings.read_for_proof("7")
    assert {*(listings.first_listing() or {})} == {"7"}
    assert pages.count == 1


@pytest.mark.parametrize("error", [Forbidden("list instances: 403", 403), ConnectionFailed("slow", timed_out=True)])
def test_an_account_that_cannot_be_listed_is_asked_once(
    error: InstancesError, caplog: pytest.LogCaptureFixture
) -> None:
    """Creates go on, and a warning says what that costs."""
    pages = Pages(error)
    listings = listings_of(pages)
    assert [listings.first_listing(), listings.first_listing()] == [None, None]
    assert pages.count == 1
    assert caplog.text.count("Creates continue") == 1


def test_all_who_wait_for_a_fresh_listing_share_one() -> None:
    """One that began before they came is not fresh for them: the next is, for all of them."""
    first, go_on = threading.Event(), threading.Event()

    def began() -> None:
        if not first.is_set():
            first.set()
            assert go_on.wait(20)

    pages = Pages([[listed(7)]], began=began)
    listings = listings_of(pages)
    with ThreadPoolExecutor(9) as pool:
        early = pool.submit(listings.fresh)
        assert first.wait(20)
        late = [pool.submit(listings.fresh) for _ in range(8)]
        go_on.set()
        assert all({*look.result()} == {"7"} for look in (early, *late))
    assert pages.count <= 1 + len(late)
    assert pages.count < 5, "those who came together share one"


def test_only_a_listing_from_after_the_last_sight_proves_that_one_is_missing() -> None:
    """An older one says nothing about an instance that was made, or seen, since."""
    pages = Pages([[listed(7)]], [[listed(7)]], [[listed(7), listed(8)]])
    listings = listings_of(pages)
    listings.fresh()
    assert {*listings.without("8")} == {"7"}
    assert pages.count == 1, "it lacks an instance that nobody has seen"
    listings.note_seen("8")
    listings.without("8")
    assert pages.count == 2, "that was before it was seen"
    assert "7" in listings.without("7")
    assert pages.count == 3, "one that has the instance proves nothing"


def test_a_listing_that_is_not_whole_proves_nothing() -> None:
    """It breaks off after its first page."""

    class Broken(Pages):
        def pages(self, _: object = None, *, lenient: bool) -> Iterator[list[Found]]:  # noqa: ARG002
            yield [listed(7)]
            raise ServerError("list instances: page 2: 500", 500)

    listings = listings_after_a_proof(Broken())
    assert listings.read_for_proof("8") == {"id": "8"}, "a GET decides"
    for call in (listings.first_listing, listings.fresh, lambda: listings.without("8")):
        with pytest.raises(ServerError):
            call()


def test_twins_are_instances_of_one_line() -> None:
    """Those of the latest whole listing."""
    line = line_of(Place("shop", "dev", "", "crm"))
    listings = listings_of(
        Pages([[listed(7, mark_of(line, 1)), listed(8, mark_of(line, 2)), listed(9)]], [[listed(9)]])
    )
    found = listings.fresh()
    assert listings.twins == {line: ["7", "8"]}
    assert found["7"]["tags"] == []
    assert [mark.line for mark in identity.marks_on(found["7"])] == [line]
    assert found["9"][model.MARKS] == []
    listings.fresh()
    assert listings.twins == {}
