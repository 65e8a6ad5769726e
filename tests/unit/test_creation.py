from __future__ import annotations

import json
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances import process
from pulumi_instances.api.attempt import Clock
from pulumi_instances.api.client import Client
from pulumi_instances.api.creation import Creations
from pulumi_instances.api.holdings import Holdings
from pulumi_instances.api.home import Home
from pulumi_instances.api.keepers import Keepers
from pulumi_instances.api.listings import Listings
from pulumi_instances.api.operations import Operations
from pulumi_instances.core import model
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import (
    AdoptionRefused,
    ConnectionFailed,
    CreateLost,
    CreateUndecided,
    InputError,
    InstancesError,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    UnexpectedAnswer,
)
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.clock import FakeClock
from tests.support.scripted import Answer, ScriptedServer, answer
from tests.support.values import inputs

CREATE_TIMEOUT = 60.0


def settings(api: Emulator, **changed: Any) -> Settings:
    """Settings for the emulator's default account."""
    given = {"timeout": 10.0, "create_timeout": CREATE_TIMEOUT, "max_retries": 2, **changed}
    return Settings(api.base_url, api.user_secret, api.organization_secret, **given)


def creations(api: Emulator, clock: Clock | None = None, stack: str | None = None, **changed: Any) -> Creations:
    """The creates of one process; nobody waits unless a clock says so."""
    return creations_of(Client(settings(api, **changed), clock=clock or FakeClock()), stack)


def creations_of(client: Client, stack: str | None = None) -> Creations:
    home = Home(client.settings)
    home.stack = stack
    return Creations(client, Listings(client), Holdings(home))


def keepers(api: Emulator) -> Keepers:
    return Keepers(Home(settings(api)))


def posts(api: Emulator) -> int:
    """How many times a create was sent."""
    return sum(request.method == "POST" for request in api.requests)


def scripted(server: ScriptedServer) -> Creations:
    """The creates of one process against a scripted server."""
    return creations_of(
        Client(Settings(server.base_url, "us3r-s3cret", "0rg-s3cret", max_retries=0), clock=FakeClock())
    )


LOST = {
    "connection lost": Fault.drop_after(),
    "not JSON": Fault.garbage(),
    "broken off": Fault.truncated(),
    **{f"{status} of a proxy": Fault.status_after(status) for status in (408, 500, 502, 503, 504, 524)},
    "too slow to end": Fault.trickle(0.01),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_lost_answer_ends_in_the_one_instance_that_was_made(api: Emulator, lost: str) -> None:
    """It is found and adopted together with its token, and nothing is sent twice."""
    api.fail("POST", "/instances", LOST[lost])
    clock = Clock(sleep=lambda _: None) if lost == "too slow to end" else FakeClock()
    found = creations(api, clock, create_timeout=1.0).create(inputs())
    (instance,) = api.instances()
    assert found["id"] == str(instance["id"])
    assert found["token"] == instance["token"]
    assert found["disabled"] is False
    assert posts(api) == 1


def test_an_ordinary_create_sends_one_request_beside_the_listing(api: Emulator) -> None:
    """Later creates do not list again."""
    made = creations(api)
    ids = [made.create(inputs(name=name))["id"] for name in ("a", "b", "c")]
    assert [(request.method, request.path) for request in api.requests] == [
        ("GET", "/instances"),
        *[("POST", "/instances")] * 3,
    ]
    assert ids == [str(instance["id"]) for instance in api.instances()]


NOT_MADE = {
    "connection lost": Fault.drop_before(),
    **{str(status): Fault.status(status) for status in (408, 500, 502, 503, 504, 524)},
}


@pytest.mark.parametrize("fault", NOT_MADE)
def test_a_create_that_made_nothing_is_lost(api: Emulator, fault: str) -> None:
    """The error says so, so that running again is safe."""
    api.fail("POST", "/instances", NOT_MADE[fault])
    with pytest.raises(CreateLost, match=r"no new instance like it was found.*run again"):
        creations(api).create(inputs())
    assert api.instances() == []
    assert posts(api) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(400, StatusError), (401, StatusError), (409, StatusError), (429, RateLimited)]
)
def test_a_refusal_is_no_lost_answer(api: Emulator, status: int, error: type[InstancesError]) -> None:
    """The API has refused, so nothing is searched for."""
    api.fail("POST", "/instances", Fault.status(status), times=99)
    with pytest.raises(error, match=str(status)):
        creations(api).create(inputs())
    assert [request.method for request in api.requests].count("GET") == 1


@pytest.mark.parametrize("fault", [Fault.drop_before(), *map(Fault.status, (408, 502, 504, 524))])
def test_a_slow_create_is_waited_for(api: Emulator, fault: Fault) -> None:
    """A proxy has given up and the API behind it has not, so the instance appears much later."""
    api.fail("POST", "/instances", fault)
    clock = FakeClock(meanwhile={CREATE_TIMEOUT * 0.9: partial(api.add, name="billing", tags=["eu"])})
    found = creations(api, clock).create(inputs())
    assert [found["id"]] == [str(instance["id"]) for instance in api.instances()]


def test_a_slow_create_is_not_waited_for_any_longer_than_agreed(api: Emulator) -> None:
    """`createTimeout` limits the wait."""
    api.fail("POST", "/instances", Fault.drop_before())
    clock = FakeClock()
    with pytest.raises(CreateLost):
        creations(api, clock).create(inputs())
    assert CREATE_TIMEOUT * 0.9 < sum(clock.slept) <= CREATE_TIMEOUT


def test_an_api_that_failed_is_not_waited_for(api: Emulator) -> None:
    """A 500 of the API itself means that it has finished, so a few looks are enough."""
    api.fail("POST", "/instances", Fault.status(500))
    clock = FakeClock()
    with pytest.raises(CreateLost):
        creations(api, clock).create(inputs())
    assert sum(clock.slept) < 5


def test_an_instance_made_after_the_timeout_is_found(api: Emulator) -> None:
    """The test runs in real time: the client gives up, and the API continues."""
    api.fail("POST", "/instances", Fault.delay(0.4))
    found = creations(api, Clock(), create_timeout=0.2).create(inputs())
    assert [found["id"]] == [str(instance["id"]) for instance in api.instances()]


def test_an_object_that_was_there_before_is_never_taken(api: Emulator) -> None:
    """However well it matches, someone else depends on it."""
    api.add(name="billing", tags=["eu"])
    api.fail("POST", "/instances", Fault.drop_before())
    with pytest.raises(CreateLost):
        creations(api).create(inputs())


def test_an_object_that_another_create_has_made_is_never_taken(api: Emulator) -> None:
    """Two creates of the same name: the lost one does not take the instance of the first."""
    made = creations(api)
    first = made.create(inputs())
    api.fail("POST", "/instances", Fault.drop_before())
    with pytest.raises(CreateLost):
        made.create(inputs())
    api.fail("POST", "/instances", Fault.drop_after())
    assert made.create(inputs())["id"] != first["id"]


@pytest.mark.parametrize("other", [{"name": "other"}, {"your_mom": "box"}, {"name": "bill", "tags": ["eu"]}])
def test_a_new_object_that_differs_is_never_taken(api: Emulator, other: dict[str, Any]) -> None:
    """Name and connector have to match."""
    stranger = {"your_mom": "dropbox", "name": "billing", "tags": ["eu"], **other}
    api.fail("POST", "/instances", Fault.status(500))
    with pytest.raises(CreateLost):
        creations(api, FakeClock(meanwhile={0.0: partial(api.add, **stranger)})).create(inputs())


ALIKE: dict[str, dict[str, Any]] = {
    "no tags": {"tags": []},
    "other tags": {"tags": ["eu", "us"]},
    "the default tag of a service": {"tags": ["billing"]},
    "a name in other letters": {"name": " Billing "},
    "a name without its HTML": {"name": "<i>billing</i>"},
    "a name with escapes": {"name": "&lt;b&gt;billing"},
}


@pytest.mark.parametrize("alike", ALIKE)
def test_a_new_object_that_only_looks_alike_is_named(api: Emulator, alike: str) -> None:
    """A service may have altered what it was sent, so the error does not claim that nothing was created."""
    stranger: dict[str, Any] = {"your_mom": "dropbox", "name": "billing", "tags": ["eu"], **ALIKE[alike]}
    api.fail("POST", "/instances", Fault.status(500))
    with pytest.raises(CreateUndecided, match="may be its result; look at it") as caught:
        creations(api, FakeClock(meanwhile={0.0: partial(api.add, **stranger)})).create(inputs())
    assert caught.value.candidates == [str(api.instances()[0]["id"])]


def test_two_new_matches_cannot_be_decided(api: Emulator) -> None:
    """The error lists the candidates and the line to paste."""
    api.fail("POST", "/instances", Fault.drop_after())
    stranger = FakeClock(meanwhile={0.0: partial(api.add, name="billing", tags=["eu"])})
    with pytest.raises(CreateUndecided) as caught:
        creations(api, stranger).create(inputs())
    ids = [str(instance["id"]) for instance in api.instances()]
    assert len(ids) == 2
    assert caught.value.candidates == ids
    assert ", ".join(ids) in str(caught.value)
    assert f'adopt_id="{ids[0]}"' in str(caught.value)
    assert sum(stranger.slept) < 5, "no later look makes two of them one"


def test_while_the_list_cannot_be_read_nothing_is_claimed(api: Emulator) -> None:
    """An instance may have been created, so the error does not say that none was."""
    made = creations(api)
    made.create(inputs(name="first"))  # has taken the listing to compare with
    api.fail("POST", "/instances", Fault.drop_after())
    api.fail("GET", "/instances", Fault.status(500), times=999)
    with pytest.raises(CreateUndecided, match=r"is unknown, since the listing failed .*adopt_id") as caught:
        made.create(inputs())
    assert caught.value.candidates == []
    assert "nothing was made" not in str(caught.value)


def test_a_list_that_fails_once_is_read_again(api: Emulator) -> None:
    """The next look succeeds."""
    made = creations(api, max_retries=0)
    made.create(inputs(name="first"))
    api.fail("POST", "/instances", Fault.drop_after())
    api.fail("GET", "/instances", Fault.status(500), times=2)
    assert made.create(inputs())["id"] == str(api.instances()[-1]["id"])


def test_nothing_is_sent_before_there_is_a_listing_to_compare_with(api: Emulator) -> None:
    """Otherwise a lost answer could not be found again."""
    api.fail("GET", "/instances", Fault.status(500))
    made = creations(api)
    with pytest.raises(ServerError, match="list instances: 500"):
        made.create(inputs())
    assert posts(api) == 0
    made.create(inputs())  # the next create takes it
    assert len(api.instances()) == 1


def test_no_create_goes_on_where_the_listing_meets_nobody(api: Emulator) -> None:
    """Unlike one that is forbidden or takes too long, it says that a create would meet nobody either."""
    api.fail("GET", "/instances", Fault.drop_before())
    with pytest.raises(ConnectionFailed, match="list instances: "):
        creations(api, max_retries=0).create(inputs())
    assert posts(api) == 0


def test_strange_objects_in_a_list_are_passed_over() -> None:
    """They are not ours, whatever they contain."""
    ours = {"id": 9, "name": "billing", "token": "t", "tags": ["eu"], "disabled": False}
    strange: list[Any] = [{}, {"id": "x"}, {"id": None, "name": "billing"}, {"id": 5, "name": 5}, {"id": 6, "tags": 7}]
    script = (answer(200, strange), Answer(then="reset"), answer(200, [*strange, ours]), answer(200, ours))
    with ScriptedServer(*script) as server:
        assert scripted(server).create(inputs())["id"] == "9"


def test_a_malformed_answer_with_an_id_is_completed_from_the_object() -> None:
    """The instance exists, and what the answer lacks is read from it."""
    good = {"id": 9, "name": "billing", "token": "t0ken", "valid": True, "disabled": False}
    for bad in ({"id": 9, "valid": "yes"}, {"id": 9}, {"id": 9.0, "tags": 5}):
        with ScriptedServer(answer(200, []), answer(200, bad), answer(200, good)) as server:
            assert scripted(server).create(inputs())["token"] == "t0ken"
            assert [request.method for request in server.received] == ["GET", "POST", "GET"]


def test_an_instance_whose_token_cannot_be_read_is_named() -> None:
    """It exists, so the error has its id and the line to adopt it."""
    with (
        ScriptedServer(answer(200, []), answer(200, {"id": 9}), answer(500)) as server,
        pytest.raises(CreateUndecided, match=r'created as 9.*adopt_id="9"') as caught,
    ):
        scripted(server).create(inputs())
    assert caught.value.candidates == ["9"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_forty_creates_at_once_lose_and_double_nothing(api: Emulator, seed: int) -> None:
    """The API has as many instances as were returned, each id once, each with the right token."""
    for number, fault in enumerate([*LOST.values()][:-1]):
        api.fail("POST", "/instances", fault, probability=0.1, seed=seed * 100 + number)
    api.fail("POST", "/instances", Fault.status(429), probability=0.05, seed=seed)
    api.fail("GET", "/instances", Fault.status(503), probability=0.1, seed=seed)
    tags = [[], ["eu"], ["eu", "us"]]
    bags = [inputs(name="same" if number % 2 else f"n{number % 10}", tags=tags[number % 3]) for number in range(40)]
    made = creations(api, max_retries=9)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(made.create, bags))
    tokens = {str(instance["id"]): instance["token"] for instance in api.instances()}
    assert {item["id"]: item["token"] for item in found} == tokens
    assert len(found) == len(tokens) == 40
    assert Counter(item["name"] for item in api.instances()) == Counter(bag["name"] for bag in bags)
    statuses = [request.status for request in api.requests if request.method == "POST"]
    assert statuses.count(200) < 40  # answers were lost indeed


def test_forty_creates_of_which_some_are_never_made(api: Emulator) -> None:
    """Those that fail leave nothing behind, and take nothing from the others."""
    api.fail("POST", "/instances", Fault.drop_before(), probability=0.2, seed=1)
    api.fail("POST", "/instances", Fault.drop_after(), probability=0.3, seed=2)
    made = creations(api)

    def attempt(number: int) -> str | None:
        try:
            found: str = made.create(inputs(name="same" if number % 2 else "other"))["id"]
        except CreateLost:
            return None
        return found

    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(attempt, range(40)))
    kept = [instance_id for instance_id in ids if instance_id]
    assert sorted(kept) == sorted(str(instance["id"]) for instance in api.instances())
    assert 0 < len(kept) < 40


@pytest.mark.parametrize("error", [ValueError("odd"), UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"), OverflowError()])
def test_an_error_that_is_not_ours_orphans_nothing(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The API had acted when something in between failed: the instance is found, and until then a note stays."""
    made = creations(api)
    send = made._client.post

    def fail_after(body: Any) -> Any:
        send(body)
        raise error

    monkeypatch.setattr(made._client, "post", fail_after)
    found = made.create(inputs())
    assert [found["id"]] == [str(instance["id"]) for instance in api.instances()]
    assert found["token"] == api.instances()[0]["token"]


def test_an_interrupt_in_a_post_leaves_the_note(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends a create, only a success or a refusal removes the note."""
    made = creations(api)

    def interrupt(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(made._client, "post", interrupt)
    with pytest.raises(KeyboardInterrupt):
        made.create(inputs())
    assert len(made._notes.left()) == 1


def test_a_listing_that_is_forbidden_does_not_stop_creates(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """It is requested once and reported; if an answer is lost then, nothing is claimed."""
    made = creations(api, max_retries=0)
    api.fail("GET", "/instances", Fault.status(403))
    assert [made.create(inputs(name=name))["name"] for name in ("a", "b")] == ["a", "b"]
    assert [request.method for request in api.requests] == ["GET", "POST", "POST"]
    assert "403" in caplog.text
    assert "Creates continue" in caplog.text
    api.fail("POST", "/instances", Fault.drop_after())
    with pytest.raises(CreateUndecided, match="may be its result") as caught:
        made.create(inputs(name="c"))
    assert caught.value.candidates == [str(api.instances()[-1]["id"])]


def test_a_listing_that_hangs_is_asked_for_once(api: Emulator) -> None:
    """It is not requested once for each create."""
    made = creations(api, Clock(), timeout=0.2, max_retries=0)
    api.fail("GET", "/instances", Fault.delay(5.0), times=9)
    for name in ("a", "b", "c"):
        made.create(inputs(name=name))
    assert [request.method for request in api.requests].count("GET") <= 1  # a request that hangs is noted when it ends


def test_lost_creates_share_their_listings(api: Emulator) -> None:
    """Sixteen searches at the same time do not list the account sixteen times."""
    made = creations(api, Clock())
    api.fail("POST", "/instances", Fault.status_after(500), times=99)
    api.fail("GET", "/instances", Fault.delay(0.2), times=99)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda number: made.create(inputs(name=f"n{number}")), range(16)))
    assert len({each["id"] for each in found}) == 16
    assert sum((request.method, request.path) == ("GET", "/instances") for request in api.requests) <= 6


def test_two_creates_never_get_one_id() -> None:
    """The API answers both with the same instance, so the second is undecided."""
    ours = {"id": 9, "name": "billing", "token": "t", "tags": ["eu"], "disabled": False}
    with ScriptedServer(answer(200, []), answer(200, ours)) as server:
        both = scripted(server)
        both.create(inputs())
        with pytest.raises(CreateUndecided, match="answered with instance 9, which another resource already manages"):
            both.create(inputs(name="other"))


def test_a_masked_token_in_a_listing_is_not_taken_for_the_token() -> None:
    """A GET of the object decides."""
    ours = {"id": 9, "name": "billing", "token": "********", "tags": ["eu"], "disabled": False}
    script = (answer(200, []), Answer(then="reset"), answer(200, [ours]), answer(200, {**ours, "token": "true"}))
    with ScriptedServer(*script) as server:
        assert scripted(server).create(inputs())["token"] == "true"


@pytest.mark.usefixtures("no_home")
def test_no_home_costs_the_notes_only(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    assert creations(api).create(inputs())["id"]
    assert "set PULUMI_HOME" in caplog.text


def test_a_late_object_is_looked_for_after_the_time_of_the_create(api: Emulator) -> None:
    """The POST itself has used up `createTimeout`, and there is still time left to look."""
    api.fail("POST", "/instances", Fault.drop_before())
    clock = FakeClock(meanwhile={CREATE_TIMEOUT + 20: partial(api.add, name="billing", tags=["eu"])})
    made = creations(api, clock)
    send = made._client.post

    def use_up(body: Any) -> Any:
        clock.sleep(CREATE_TIMEOUT)
        return send(body)

    made._client.post = use_up  # type: ignore[method-assign]
    assert made.create(inputs())["id"] == str(api.instances()[0]["id"])


# creates of another process that was killed


def test_a_create_that_was_killed_is_taken_over_by_the_next_run(
    api: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A new process with the same inputs finds the instance that nobody was told about, and creates none."""

    made = creations(api)
    with made._notes.create(inputs(), "0", []):
        api.add(name="billing", tags=["eu"])
    # What a kill leaves is a note that nobody holds a lock on: as here, once its file is closed.
    assert len(made._notes.left()) == 1
    found = creations(api).create(inputs())
    assert found["id"] == str(api.instances()[0]["id"])
    assert f"instance {found['id']}, made by an interrupted run, is taken over" in caplog.text
    assert posts(api) == 0
    assert made._notes.left() == []
    assert keepers(api).get(found["id"]) == found[model.KEEPER]


# adopt


def operations(api: Emulator) -> Operations:
    """The operations of one process."""
    return Operations(settings(api, max_retries=0))


def test_an_adopted_instance_is_brought_in_line(api: Emulator) -> None:
    """One PUT sends name and tags; id and token stay."""
    instance_id = api.add(name="old", tags=["x"])
    token = api.instance(instance_id)["token"]
    found = operations(api).adopt(inputs(adopt_id=str(instance_id)))
    assert (found["id"], found["token"]) == (str(instance_id), token)
    assert (found["name"], found["tags"]) == ("billing", ["eu"])
    assert [(request.method, request.body) for request in api.writes] == [("PUT", {"name": "billing", "tags": ["eu"]})]


def test_an_adopted_instance_that_is_in_line_is_not_written(api: Emulator) -> None:
    """It is only read."""
    instance_id = api.add(name="billing", tags=["eu"])
    operations(api).adopt(inputs(adopt_id=float(instance_id)))
    assert api.writes == []


def test_a_missing_instance_is_not_adopted(api: Emulator) -> None:
    """No other one is created in its place."""
    with pytest.raises(AdoptionRefused, match="adopt_id names instance 1, which does not exist; correct adopt_id"):
        operations(api).adopt(inputs(adopt_id="1"))
    assert api.writes == []


def test_an_instance_of_another_connector_is_not_adopted(api: Emulator) -> None:
    """The error names both."""
    instance_id = api.add(your_mom="box")
    with pytest.raises(AdoptionRefused, match='which is of "box", but the program has your_mom="dropbox"'):
        operations(api).adopt(inputs(adopt_id=str(instance_id)))
    assert api.writes == []


def test_an_instance_is_adopted_once(api: Emulator) -> None:
    """It belongs to one resource, and another is refused."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    both = operations(api)
    both.adopt(inputs(adopt_id=instance_id))
    with pytest.raises(AdoptionRefused, match="which another resource of this stack already manages"):
        both.adopt(inputs(adopt_id=instance_id))


def test_of_many_at_once_one_adopts(api: Emulator) -> None:
    """Threads cannot adopt it at the same time."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    all_of_them = operations(api)

    def attempt(_: int) -> bool:
        try:
            all_of_them.adopt(inputs(adopt_id=instance_id))
        except AdoptionRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(16))) == 1


def test_an_instance_that_was_created_here_is_not_adopted(api: Emulator) -> None:
    """Two resources never share an object."""
    both = operations(api)
    made = both.create(inputs())
    with pytest.raises(AdoptionRefused):
        both.adopt(inputs(adopt_id=made["id"]))


def test_an_instance_in_the_state_is_not_adopted(api: Emulator) -> None:
    """`diff` reports which those are."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    both = operations(api)
    both.note_managed(instance_id, {}, inputs())
    with pytest.raises(AdoptionRefused):
        both.adopt(inputs(adopt_id=instance_id))


def test_an_adopted_instance_outlives_the_resource_it_came_from(
    api: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The program has moved it from one resource to another, so deleting the first leaves it alone."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    both = operations(api)
    both.adopt(inputs(adopt_id=instance_id))
    with caplog.at_level(logging.WARNING, "pulumi_instances"):
        both.delete(instance_id)
    assert [str(instance["id"]) for instance in api.instances()] == [instance_id]
    assert f"instance {instance_id} is not deleted" in caplog.text


def test_an_adoption_is_remembered_where_nothing_can_be_kept_on_disk(
    api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process spares the instance when the engine deletes its former resource in the same `up`."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("PULUMI_HOME", str(blocked))
    instance_id = str(api.add(name="billing", tags=["eu"]))
    both = operations(api)
    both.adopt(inputs(adopt_id=instance_id))
    both.delete(instance_id)
    assert [str(instance["id"]) for instance in api.instances()] == [instance_id]


def test_an_instance_is_not_deleted_before_its_adoption_and_left_alone_after_it(api: Emulator) -> None:
    """The delete before it is an error, so that nothing is lost; the one after it is a successful move."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    both = operations(api)
    assert both.check_new_adoption(instance_id, "dropbox") == []
    with pytest.raises(AdoptionRefused, match="it is not deleted, since adopt_id names it"):
        both.delete(instance_id)
    both.adopt(inputs(adopt_id=instance_id))
    both.delete(instance_id)
    assert api.writes == []


def test_a_move_that_was_taken_back_lets_the_first_resource_delete(api: Emulator) -> None:
    """The program has only the resource that had the instance from its start; the one that adopted it is gone."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    operations(api).adopt(inputs(adopt_id=instance_id))
    later = operations(api)
    later.note_managed(instance_id, {}, inputs())
    later.delete(instance_id)
    assert api.instances() == []


def test_what_was_adopted_is_deleted_by_the_resource_that_adopted_it(api: Emulator) -> None:
    """It is deleted in the run that sees it in the state, and in a later one that sees it only when it deletes it."""
    for seen in (True, False):
        instance_id = str(api.add(name="billing", tags=["eu"]))
        state = operations(api).adopt(inputs(adopt_id=instance_id))
        later = operations(api)
        if seen:
            later.note_managed(instance_id, state, inputs(adopt_id=instance_id))
        later.delete(instance_id, state)
        assert api.instances() == []


def test_what_an_adoption_in_the_state_holds_is_known_on_any_machine(api: Emulator) -> None:
    """The state tells it, and a later run that sees only the resource from before does not delete it."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    state = {model.KEEPER: "word"}
    operations(api).note_managed(instance_id, state, inputs(adopt_id=instance_id))
    operations(api).delete(instance_id)
    assert len(api.instances()) == 1
    assert keepers(api).get(instance_id) == "word"
    operations(api).delete(instance_id, state)
    assert api.instances() == []
    assert keepers(api).get(instance_id) is None


def test_what_adopt_id_names_is_not_deleted_to_be_replaced(api: Emulator) -> None:
    """Nothing could replace it; once the engine is told of no replacement any more, it may go."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    every, state, bag = operations(api), {model.KEEPER: "word"}, inputs(adopt_id=instance_id)
    every.note_managed(instance_id, state, bag, replaced=True)
    with pytest.raises(AdoptionRefused, match="adopt_id names it"):
        every.delete(instance_id, state)
    every.note_managed(instance_id, state, bag)
    every.delete(instance_id, state)
    assert api.instances() == []


def test_an_adoption_settles_what_was_left_of_a_create_with_these_inputs(api: Emulator) -> None:
    """The user has looked at what an interrupted run has left."""
    leave_note(creations(api))
    instance_id = str(api.add(name="billing", tags=["eu"]))
    operations(api).adopt(inputs(adopt_id=instance_id))
    assert creations(api)._notes.left() == []


def test_a_missing_instance_shows_at_preview(api: Emulator) -> None:
    """So does one of another connector, and one that two resources adopt. One listing serves all of them."""
    there, box = str(api.add(name="billing")), str(api.add(your_mom="box"))
    every = operations(api)
    assert every.check_new_adoption(there, "dropbox") == []
    for instance_id, problem in (("1", "does not exist"), (box, 'which is of "box"'), (there, "another resource")):
        [found] = every.check_new_adoption(instance_id, "dropbox")
        assert found.property == "adopt_id"
        assert problem in found.fault
    assert [request.path for request in api.requests] == ["/instances", "/instances/1"]


def test_a_preview_does_not_fail_where_an_adoption_cannot_be_looked_up(api: Emulator) -> None:
    """The `up` reports what is wrong."""
    api.fail("GET", "/instances", Fault.status(500), times=9)
    assert operations(api).check_new_adoption("1", "dropbox") == []


# the others


@pytest.mark.parametrize("bad", ["", "../7", None, True, "7/.."])
def test_nothing_is_sent_for_an_id_that_is_none(api: Emulator, bad: Any) -> None:
    """An empty id would address the whole collection."""
    every = operations(api)
    for call in (every.read, every.delete, partial(every.update, body=inputs())):
        with pytest.raises(InputError, match=r"^(read|delete|update) instance: the id must be .*; nothing was sent; "):
            call(bad)
    assert api.requests == []


def test_an_answer_about_another_instance_is_an_error() -> None:
    """A cache or a proxy has mixed them up, so it is never stored."""
    with ScriptedServer(answer(200, {"id": 8, "name": "other", "token": "of-the-other"})) as server:
        mixed = Operations(Settings(server.base_url, "us3r-s3cret", "0rg-s3cret", max_retries=0))
        for call in (
            partial(mixed.read, "7"),
            partial(mixed.update, "7", inputs()),
            partial(mixed.adopt, inputs(adopt_id="7")),
        ):
            with pytest.raises(UnexpectedAnswer, match="instance 7: the answer is about instance 8"):
                call()


def test_a_malformed_answer_names_the_operation() -> None:
    """It also names the field."""
    with ScriptedServer(answer(200, {"id": 7, "valid": "yes"})) as server:
        odd = Operations(Settings(server.base_url, "us3r-s3cret", "0rg-s3cret", max_retries=0))
        for verb, call in (
            ("read", partial(odd.read, "7")),
            ("update", partial(odd.update, "7", inputs())),
            ("adopt", partial(odd.adopt, inputs(adopt_id="7"))),
        ):
            with pytest.raises(
                UnexpectedAnswer, match=f"^{verb} instance 7: the answer is an instance whose `valid` is a string"
            ):
                call()


def test_deleting_what_is_missing_is_success(api: Emulator) -> None:
    """Reading it is an error."""
    every = operations(api)
    every.delete("1")
    with pytest.raises(NotFound):
        every.read("1")


# what notes and looks decide, each by itself


def refuse_to_answer(made: Creations, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every create from now on is interrupted before its POST is sent."""

    def interrupt(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(made._client, "post", interrupt)


def leave_note(made: Creations, **changed: Any) -> None:
    """What a create that was killed leaves."""
    with made._notes.create(inputs(**changed), "0", []):
        pass


def test_a_note_rules_out_what_its_own_run_had_made(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two equal creates is killed: the next run does not adopt the instance of the first."""
    killed = creations(api)
    first = killed.create(inputs())
    refuse_to_answer(killed, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        killed.create(inputs())
    assert creations(api).create(inputs())["id"] != first["id"]
    assert posts(api) == 2


def test_a_take_over_counts_in_later_runs(api: Emulator) -> None:
    """Two equal creates were killed, and one of them had created an instance: only one of two later runs adopts it."""
    killed = creations(api)
    leave_note(killed)
    leave_note(killed)
    left = str(api.add(name="billing", tags=["eu"]))
    assert creations(api).create(inputs())["id"] == left
    assert creations(api).create(inputs())["id"] != left
    assert posts(api) == 1


@pytest.mark.parametrize("how", ["create", "adopt"])
def test_a_note_rules_out_what_another_run_has_made_or_adopted(api: Emulator, how: str) -> None:
    """It looks the same, but was created from other inputs."""
    leave_note(creations(api), provider_data={"code": "one"})
    if how == "create":
        other = creations(api).create(inputs(provider_data={"code": "two"}))["id"]
    else:
        other = str(api.add(name="billing", tags=["eu"]))
        operations(api).adopt(inputs(provider_data={"code": "two"}, adopt_id=other))
    assert creations(api).create(inputs(provider_data={"code": "one"}))["id"] != other
    assert len(api.instances()) == 2


def test_an_interrupted_create_that_may_go_on_is_waited_for(api: Emulator) -> None:
    """The API had not answered when the run was killed: its instance appears late, and is adopted."""
    leave_note(creations(api))
    clock = FakeClock(meanwhile={CREATE_TIMEOUT * 0.9: partial(api.add, name="billing", tags=["eu"])})
    assert creations(api, clock).create(inputs())["id"] == str(api.instances()[0]["id"])
    assert posts(api) == 0


def test_an_interrupted_create_that_was_answered_is_not_waited_for(api: Emulator) -> None:
    """The API has finished it, so a few looks are enough."""
    with creations(api)._notes.create(inputs(), "0", []) as note:
        note.say_answered()
    clock = FakeClock()
    creations(api, clock).create(inputs())
    assert sum(clock.slept) < 5
    assert posts(api) == 1


def test_an_interrupted_create_is_waited_for_until_its_own_time_is_over(api: Emulator) -> None:
    """The wait is shorter than the time of another whole create."""
    leave_note(creations(api))
    [note] = creations(api)._notes.left()
    told = json.loads(note.path.read_text())
    note.path.write_text(json.dumps({**told, "began": told["began"] - CREATE_TIMEOUT * 0.75}))
    clock = FakeClock()
    creations(api, clock).create(inputs())
    assert sum(clock.slept) <= CREATE_TIMEOUT * 0.25
    assert posts(api) == 1


def test_the_note_of_another_stack_is_not_ours(api: Emulator) -> None:
    """The same inputs there belong to another instance."""
    theirs, ours = creations(api, stack="o/p/theirs"), creations(api, stack="o/p/ours")
    leave_note(theirs)
    left = str(api.add(name="billing", tags=["eu"]))
    assert ours.create(inputs())["id"] != left
    assert theirs.create(inputs())["id"] == left


def test_an_equal_create_of_a_living_process_is_waited_for(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Its engine is dead, and what it finally creates is adopted."""
    with ExitStack() as other:
        other.enter_context(creations(api)._notes.create(inputs(), "0", []))

        def end() -> None:
            api.add(name="billing", tags=["eu"])
            other.close()

        clock = FakeClock(meanwhile={CREATE_TIMEOUT / 2: end})
        found = creations(api, clock).create(inputs())
    assert "create instance 'billing': waiting up to 60 s for what an interrupted run may still be" in caplog.text
    assert [found["id"]] == [str(instance["id"]) for instance in api.instances()]
    assert posts(api) == 0


def test_a_living_process_is_not_waited_for_any_longer_than_agreed(api: Emulator) -> None:
    """`createTimeout` limits the wait."""
    clock = FakeClock()
    with creations(api)._notes.create(inputs(), "0", []):
        creations(api, clock).create(inputs())
    assert CREATE_TIMEOUT * 0.9 < sum(clock.slept) <= CREATE_TIMEOUT
    assert posts(api) == 1


def test_while_no_list_was_read_the_looks_go_on(api: Emulator) -> None:
    """The API has finished the create, but the first looks failed to read a list: a later one finds the instance."""
    made = creations(api, max_retries=0)
    made.create(inputs(name="first"))
    api.fail("POST", "/instances", Fault.status_after(500))
    api.fail("GET", "/instances", Fault.status(500), times=3)
    assert made.create(inputs())["id"] == str(api.instances()[-1]["id"])


def test_a_list_that_failed_once_leaves_no_doubt(api: Emulator) -> None:
    """The looks after it saw that there is no instance, so the error is the plain one."""
    made = creations(api, max_retries=0)
    made.create(inputs(name="first"))
    api.fail("POST", "/instances", Fault.status(500))
    api.fail("GET", "/instances", Fault.status(500))
    with pytest.raises(CreateLost):
        made.create(inputs())


def test_a_create_that_nobody_heard_of_is_taken_over(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is dead when the answer comes. The note stays, even through an adoption that no engine hears of."""
    with monkeypatch.context() as dead:
        dead.setattr(process, "is_heard", lambda: False)
        made = creations(api).create(inputs())
        assert creations(api).create(inputs())["id"] == made["id"]
    last = creations(api)
    assert last.create(inputs())["id"] == made["id"]
    assert posts(api) == 1
    assert last._notes.left() == []


def test_what_an_answer_lacks_is_read_from_the_object() -> None:
    """`disabled` is an example."""
    made = {"id": 9, "name": "billing", "token": "t0ken", "valid": True}
    with ScriptedServer(answer(200, []), answer(200, made), answer(200, {**made, "disabled": True})) as server:
        assert scripted(server).create(inputs())["disabled"] is True
        assert [request.method for request in server.received] == ["GET", "POST", "GET"]


@pytest.mark.parametrize(("fault", "answered"), [(Fault.status(500), True), (Fault.drop_before(), False)])
def test_a_note_that_stays_tells_whether_the_api_is_done(api: Emulator, fault: Fault, answered: bool) -> None:
    """The next run waits only where the API may still be working."""
    api.fail("POST", "/instances", fault)
    made = creations(api)
    with pytest.raises(CreateLost):
        made.create(inputs())
    assert [note.answered for note in made._notes.left()] == [answered]


def test_an_instance_that_was_refreshed_and_compared_is_not_taken_over(api: Emulator) -> None:
    """It counts as known when there are two reasons for it."""
    leave_note(creations(api))
    held = str(api.add(name="billing", tags=["eu"]))
    made = creations(api)
    made._holdings.note_seen(held)
    made._holdings.note_managed(held, {}, inputs(provider_data={"code": "two"}))
    assert made.create(inputs())["id"] != held


def test_an_instance_that_a_resource_with_these_inputs_holds_is_not_taken_over_later(api: Emulator) -> None:
    """From then on the note says so to runs that do not see the resource."""
    leave_note(creations(api))
    held = str(api.add(name="billing", tags=["eu"]))
    creations(api)._holdings.note_managed(held, {}, inputs())
    assert creations(api).create(inputs())["id"] != held


def test_the_first_of_several_twins_is_the_one_to_adopt(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """All are named, from the oldest to the newest."""
    twins = [str(api.add(name="billing", tags=["eu"])) for _ in range(2)]
    creations(api).create(inputs())
    assert f"the API already has {', '.join(twins)} with" in caplog.text
    assert f'adopt_id="{twins[0]}"' in caplog.text


def test_what_the_state_holds_is_no_twin(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """What this process has created is not one either: only what may be left behind is reported."""
    seen, managed = (str(api.add(name="billing", tags=["eu"])) for _ in range(2))
    made = creations(api)
    made._holdings.note_seen(seen)
    made._holdings.note_managed(managed, {}, inputs())
    for _ in range(2):
        made.create(inputs())
    assert "the API already has" not in caplog.text


def test_of_several_candidates_another_id_may_be_right(api: Emulator) -> None:
    """With a single candidate no other id is."""
    for others, said in ((1, True), (0, False)):
        api.reset()
        api.fail("POST", "/instances", Fault.status(500))
        look_alike = partial(api.add, name="billing", tags=["eu", "us"])
        meanwhile = FakeClock(meanwhile={0.0: look_alike, **({0.1: look_alike} if others else {})})
        with pytest.raises(CreateUndecided) as caught:
            creations(api, meanwhile).create(inputs())
        assert ("(or the right id)" in str(caught.value)) is said


def test_while_an_adoption_is_not_complete_the_instance_stays(api: Emulator) -> None:
    """Its PUT has failed, so the resource that had it before does not delete it now."""
    instance_id = str(api.add(name="old"))
    every = operations(api)
    api.fail("PUT", None, Fault.status(500))
    with pytest.raises(ServerError):
        every.adopt(inputs(adopt_id=instance_id))
    with pytest.raises(AdoptionRefused, match="it is not deleted, since another resource failed to adopt it"):
        every.delete(instance_id)
    assert [str(instance["id"]) for instance in api.instances()] == [instance_id]


def test_an_old_note_names_only_what_its_create_may_have_made(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """It names neither older instances nor those that look different."""
    older = str(api.add(name="billing", tags=["eu"]))
    killed = creations(api)
    with killed._notes.create(inputs(), older, []):
        pass
    (note,) = killed._notes.left()
    note.path.write_text(json.dumps({**json.loads(note.path.read_text()), "began": 86_400.0}))
    api.add(name="other")
    candidate, alike = str(api.add(name="billing", tags=["eu"])), str(api.add(name="Billing"))
    assert creations(api).create(inputs())["id"] not in (older, candidate, alike)
    messages = [record.getMessage() for record in caplog.records]
    (line,) = [message for message in messages if "was interrupted while creating it" in message]
    assert line.startswith("create instance 'billing': a run of 1970-01-02 was interrupted")
    assert f"may have left instance {candidate}, {alike}, too long ago" in line
    assert f'adopt_id="{candidate}"' in line
    assert killed._notes.left() == []


def test_what_was_adopted_is_refused_to_a_resource_that_has_it(api: Emulator) -> None:
    """It does not depend on which of the two came first, however fast the adoption was."""
    instance_id = str(api.add(name="billing", tags=["eu"]))
    every = operations(api)
    assert every.check_new_adoption(instance_id, "dropbox") == []
    every.adopt(inputs(adopt_id=instance_id))
    with pytest.raises(AdoptionRefused, match="which another resource of this stack already manages"):
        every.note_managed(instance_id, {}, inputs())
