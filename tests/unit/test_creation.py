"""Exactly one instance for each create: by its mark, whatever is lost, cut off or altered on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances import process
from pulumi_instances.api import locks
from pulumi_instances.api.operations import Operations
from pulumi_instances.api.retry import Clock
from pulumi_instances.core import identity, marks, model
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import (
    AdoptionRefused,
    Cancelled,
    ConnectionFailed,
    CreateIncomplete,
    CreateLost,
    CreateUndecided,
    InputError,
    InstancesError,
    LeftBehind,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    UnexpectedAnswer,
)
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.updates import Update
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.clock import FakeClock
from tests.support.marks import counting, mark_of
from tests.support.scripted import Answer, ScriptedServer, answer
from tests.support.values import inputs

CREATE_TIMEOUT = 60.0
LINE, OTHER = (line_of(Place("shop", "dev", "", name)) for name in ("billing", "other"))
MARK = mark_of(LINE, 1)
THIRD = line_of(Place("shop", "dev", "", "third"))

Bag = dict[str, Any]


def settings(api: Emulator, **changed: Any) -> Settings:
    """Settings for the emulator's default account."""
    given = {"timeout": 10.0, "create_timeout": CREATE_TIMEOUT, "max_retries": 2, **changed}
    return Settings(api.base_url, api.user_secret, api.organization_secret, **given)


def operations(api: Emulator, clock: Clock | None = None, **changed: Any) -> Operations:
    """The operations of one process; nobody waits unless a clock says so."""
    return Operations(settings(api, **changed), clock=clock or FakeClock())


def scripted(server: ScriptedServer, **changed: Any) -> Operations:
    """The operations of one process against a scripted server."""
    given = {"max_retries": 0, "create_timeout": CREATE_TIMEOUT, **changed}
    return Operations(Settings(server.base_url, "us3r-s3cret", "0rg-s3cret", **given), clock=FakeClock())


def checked(name: str = "billing", **changed: Any) -> Bag:
    """The checked inputs of a resource."""
    return inputs(name=name, **{model.LINE: line_of(Place("shop", "dev", "", name)), **changed})


def posts(api: Emulator) -> int:
    """How many times a create was sent."""
    return sum(request.method == "POST" for request in api.requests)


def ids(api: Emulator) -> list[str]:
    return [str(instance["id"]) for instance in api.instances()]


def add(api: Emulator, *tags: str, **changed: Any) -> str:
    """An instance that somebody else, or an interrupted run, has made."""
    return str(api.add(**{"your_mom": "dropbox", "name": "billing", "tags": [*tags], **changed}))


@pytest.fixture(autouse=True)
def _counted_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "new_mark", counting())


@pytest.fixture
def locked() -> Callable[[], int]:
    """Count the locks that are left."""
    folder = Path(os.environ["PULUMI_HOME"]) / "pulumi-instances"
    return lambda: len([*folder.iterdir()]) if folder.is_dir() else 0


def cut_off(api: Emulator, line: str | None = LINE, seconds: float = 0.0) -> None:
    """What a create leaves on this machine that was killed so many seconds ago."""
    name = f"{identity.account_of(settings(api))} {line}"
    turn = locks.take(name, lambda: False)
    assert turn._path is not None
    moment = turn._path.stat().st_mtime - seconds
    os.utime(turn._path, (moment, moment))
    turn.end(decided=False)


# an ordinary create


def test_an_ordinary_create_sends_one_request_beside_the_listing(api: Emulator, locked: Callable[[], int]) -> None:
    """Later creates do not list again. Each sends a mark of its line; the state gets it, and nothing stays on disk."""
    every = operations(api)
    found = [every.create(checked(name)) for name in ("billing", "other")]
    assert [(request.method, request.path) for request in api.requests] == [
        ("GET", "/instances"),
        *[("POST", "/instances")] * 2,
    ]
    assert [each["id"] for each in found] == ids(api)
    assert [each[model.MARK] for each in found] == [MARK, mark_of(OTHER, 1)]
    assert [request.body["tags"] for request in api.writes if request.body] == [["eu", MARK], ["eu", mark_of(OTHER, 1)]]
    assert [each["tags"] for each in found] == [["eu"], ["eu"]]
    assert [instance["managed_by"] for instance in api.instances()] == ["shop/dev/billing", "shop/dev/other"]
    assert all(each[model.ACCOUNT] == identity.account_of(settings(api)) for each in found)
    assert all(isinstance(each[model.CREATED], int) for each in found)
    assert locked() == 0


def test_a_replacement_gets_a_mark_of_its_own(api: Emulator) -> None:
    """The old instance, which Diff has shown, has another one."""
    every = operations(api)
    olds = every.create(checked())
    later = operations(api)
    later.note_diff(olds["id"], olds, checked(your_mom="box"), replaced=True)
    later.note_new(LINE)
    made = later.create(checked(your_mom="box"))
    assert made[model.MARK] == mark_of(LINE, 2)
    later.delete(olds["id"], olds)
    assert ids(api) == [made["id"]]


def test_without_marks_none_is_sent(api: Emulator) -> None:
    """`instances:mark: false`; the same where no line is known."""
    for every, bag in ((operations(api, mark=False), checked()), (operations(api), inputs())):
        found = every.create(bag)
        assert model.MARK not in found
    assert [request.body["tags"] for request in api.writes if request.body] == [["eu"], ["eu"]]


# lost answers

LOST = {
    "connection lost": Fault.drop_after(),
    "not JSON": Fault.garbage(),
    "broken off": Fault.truncated(),
    **{f"{status} of a proxy": Fault.status_after(status) for status in (408, 500, 502, 503, 504, 524)},
    "too slow to end": Fault.trickle(0.01),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_lost_answer_ends_in_the_one_instance_that_was_made(
    api: Emulator, lost: str, locked: Callable[[], int]
) -> None:
    """It is found by its mark, together with its token, and nothing is sent twice."""
    api.fail("POST", "/instances", LOST[lost])
    clock = Clock(sleep=lambda _: None) if lost == "too slow to end" else FakeClock()
    found = operations(api, clock, create_timeout=1.0).create(checked())
    (instance,) = api.instances()
    assert (found["id"], found["token"], found["disabled"]) == (str(instance["id"]), instance["token"], False)
    assert (found[model.MARK], posts(api), locked()) == (MARK, 1, 0)


ALTERED: dict[str, Bag] = {
    "another name": {"name": "&lt;b&gt;Billing"},
    "no name": {"name": ""},
    "more tags": {"tags": ["added by the service", MARK]},
    "no other tag": {"tags": [MARK]},
    "a mark in other letters": {"tags": ["eu", f" {MARK.upper()} "]},
    "tags as objects": {"tags": [{"id": 5, "name": MARK}]},
    "another connector": {"your_mom": {"key": "Dropbox-v2"}},
    "a masked token": {"token": model.MASK},
    "no token": {"token": None},
}


@pytest.mark.parametrize("altered", ALTERED)
def test_the_result_is_found_whatever_the_service_made_of_it(altered: str) -> None:
    """The mark is enough; what a listing does not show, a GET does."""
    made = {"id": 9, "name": "billing", "token": "t0ken", "tags": ["eu", MARK], "your_mom": {"key": "dropbox"}}
    shown = {**made, **ALTERED[altered]}
    whole = {**shown, "token": "t0ken", "disabled": False}
    strangers = [{**made, "id": 8, "tags": ["eu", mark_of(OTHER, 1)]}, {**made, "id": 7, "tags": ["eu"]}]
    script = (answer(200, []), Answer(then="reset"), answer(200, [*strangers, shown]), answer(200, whole))
    with ScriptedServer(*script) as server:
        found = scripted(server).create(checked())
        assert (found["id"], found["token"]) == ("9", "t0ken")
        assert [request.method for request in server.received] == ["GET", "POST", "GET", "GET"]


NOT_MADE = {
    "connection lost": Fault.drop_before(),
    **{str(status): Fault.status(status) for status in (408, 500, 502, 503, 504, 524)},
}


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("fault", NOT_MADE)
def test_a_create_that_made_nothing_is_lost(api: Emulator, fault: str, mark: bool, locked: Callable[[], int]) -> None:
    """However well an instance from before fits. The next run looks again, so the lock's file stays."""
    add(api, "eu")
    api.fail("POST", "/instances", NOT_MADE[fault])
    with pytest.raises(CreateLost, match=r"no new instance like it was found.*run again"):
        operations(api, mark=mark).create(checked())
    assert (len(ids(api)), posts(api), locked()) == (1, 1, 1)


@pytest.mark.parametrize("fault", [Fault.drop_before(), *map(Fault.status, (408, 502, 504, 524))])
def test_a_slow_create_is_waited_for(api: Emulator, fault: Fault) -> None:
    """A proxy has given up and the API behind it has not, so the instance appears much later."""
    api.fail("POST", "/instances", fault)
    clock = FakeClock(meanwhile={CREATE_TIMEOUT * 0.9: partial(add, api, MARK)})
    assert [operations(api, clock).create(checked())["id"]] == ids(api)


@pytest.mark.parametrize(
    ("fault", "least", "most"), [(Fault.drop_before(), CREATE_TIMEOUT * 0.9, CREATE_TIMEOUT), (Fault.status(500), 0, 5)]
)
def test_the_wait_is_as_long_as_the_api_may_still_be_at_work(
    api: Emulator, fault: Fault, least: float, most: float
) -> None:
    """`createTimeout` limits it; a 500 of the API itself means that it has finished."""
    api.fail("POST", "/instances", fault)
    clock = FakeClock()
    with pytest.raises(CreateLost):
        operations(api, clock).create(checked())
    assert least <= sum(clock.slept) <= most


def test_an_instance_made_after_the_timeout_is_found(api: Emulator) -> None:
    """The test runs in real time: the client gives up, and the API continues."""
    api.fail("POST", "/instances", Fault.delay(0.4))
    assert [operations(api, Clock(), create_timeout=0.2).create(checked())["id"]] == ids(api)


def test_a_late_instance_is_looked_for_after_the_time_of_the_create(
    api: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The POST itself has used up `createTimeout`, and there is still time left to look."""
    api.fail("POST", "/instances", Fault.drop_before())
    clock = FakeClock(meanwhile={CREATE_TIMEOUT + 20: partial(add, api, MARK)})
    every = operations(api, clock)
    send = every._client.post

    def use_up(*arguments: Any) -> Any:
        clock.sleep(CREATE_TIMEOUT)
        return send(*arguments)

    monkeypatch.setattr(every._client, "post", use_up)
    assert [every.create(checked())["id"]] == ids(api)


def test_two_instances_with_one_mark_cannot_be_decided(api: Emulator) -> None:
    """Something between us and the API has sent the POST twice."""
    api.fail("POST", "/instances", Fault.drop_after())
    clock = FakeClock(meanwhile={0.0: partial(add, api, MARK)})
    with pytest.raises(CreateUndecided) as caught:
        operations(api, clock).create(checked())
    assert caught.value.candidates == ids(api)
    assert len(ids(api)) == 2
    assert f'adopt_id="{ids(api)[0]}" (or the right id)' in str(caught.value)


WITHOUT_MARK = {"connection lost": Fault.drop_after(), "500": Fault.status_after(500)}


@pytest.mark.parametrize("lost", WITHOUT_MARK)
def test_without_marks_a_lost_answer_names_the_candidates(api: Emulator, lost: str, locked: Callable[[], int]) -> None:
    """Nothing is adopted: new instances of the connector that carry no mark and that nobody here holds may be it."""

    def meanwhile() -> None:
        add(api, your_mom="box")
        add(api, MARK)

    every = operations(api, FakeClock(meanwhile={0.0: meanwhile}), mark=False)
    add(api, "eu")
    held = every.create(checked("held"))["id"]
    api.fail("POST", "/instances", WITHOUT_MARK[lost])
    with pytest.raises(CreateUndecided) as caught:
        every.create(checked())
    assert caught.value.candidates == [ids(api)[2]]
    assert held != ids(api)[2]
    assert f'may be its result; look at it, and if it is, run again with adopt_id="{ids(api)[2]}"' in str(caught.value)
    assert (posts(api), locked()) == (2, 1)


def test_where_a_service_keeps_no_marks_a_lost_answer_names_the_candidates() -> None:
    """An answer before it has shown that."""
    made = {"id": 9, "name": "billing", "token": "t0ken", "tags": ["eu"], "your_mom": {"key": "dropbox"}}
    first = {**made, "id": 8, "disabled": False}
    looks = [answer(200, [first, made])] * 9
    with ScriptedServer(answer(200, []), answer(200, first), Answer(then="reset"), *looks) as server:
        every = scripted(server)
        every.create(checked("other"))
        with pytest.raises(CreateUndecided, match="instance 9 may be its result"):
            every.create(checked())
        assert sum(request.method == "POST" for request in server.received) == 2


def test_a_mark_that_the_service_has_not_kept_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """The user may switch marks off then."""
    made = {"id": 9, "name": "billing", "token": "t0ken", "tags": ["eu"], "your_mom": {"key": "dropbox"}}
    with ScriptedServer(answer(200, []), answer(200, {**made, "disabled": False})) as server:
        scripted(server).create(checked())
    assert f"instance 9: the service has not kept the tag {MARK}" in caplog.text


@pytest.mark.parametrize("mark", [True, False])
def test_while_the_list_cannot_be_read_nothing_is_claimed(api: Emulator, mark: bool) -> None:
    """An instance may have been created, so the error does not say that none was."""
    every = operations(api, mark=mark)
    every.create(checked("first"))  # has taken the listing to compare with
    api.fail("POST", "/instances", Fault.drop_after())
    api.fail("GET", "/instances", Fault.status(500), times=999)
    advice = "run again, which looks for it first" if mark else "look for it before you run again"
    with pytest.raises(CreateUndecided, match=rf"is unknown, since the listing failed .*{advice}") as caught:
        every.create(checked())
    assert caught.value.candidates == []


@pytest.mark.parametrize("times", [1, 3])
def test_a_list_that_failed_is_read_again(api: Emulator, times: int) -> None:
    """A later look succeeds, though the API has finished the create."""
    every = operations(api, max_retries=0)
    every.create(checked("first"))
    api.fail("POST", "/instances", Fault.status_after(500))
    api.fail("GET", "/instances", Fault.status(500), times=times)
    assert every.create(checked())["id"] == ids(api)[-1]


# before the POST


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.status(500), ServerError), (Fault.drop_before(), ConnectionFailed)]
)
def test_nothing_is_sent_before_there_is_a_listing(
    api: Emulator, fault: Fault, error: type[InstancesError], locked: Callable[[], int]
) -> None:
    """It shows what an interrupted run has left, and what existed before. The next create asks for it again."""
    api.fail("GET", "/instances", fault)
    every = operations(api, max_retries=0)
    with pytest.raises(error, match="list instances: "):
        every.create(checked())
    assert (posts(api), locked()) == (0, 0)
    every.create(checked())
    assert len(ids(api)) == 1


def test_a_listing_that_is_forbidden_does_not_stop_creates(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """It is requested once and reported; a lost answer is found by its mark as soon as the listing can be read."""
    every = operations(api, max_retries=0)
    api.fail("GET", "/instances", Fault.status(403))
    assert [every.create(checked(name))["name"] for name in ("a", "b")] == ["a", "b"]
    assert [request.method for request in api.requests] == ["GET", "POST", "POST"]
    assert "Creates continue" in caplog.text
    api.fail("POST", "/instances", Fault.drop_after())
    assert every.create(checked("c"))["id"] == ids(api)[-1]


def test_a_listing_that_hangs_is_asked_for_once(api: Emulator) -> None:
    """It is not requested once for each create."""
    every = operations(api, Clock(), timeout=0.2, max_retries=0)
    api.fail("GET", "/instances", Fault.delay(5.0), times=9)
    for name in ("a", "b", "c"):
        every.create(checked(name))
    assert [request.method for request in api.requests].count("GET") <= 1  # a request that hangs is noted when it ends


@pytest.mark.parametrize("heard", [0, 1, 2])
def test_nothing_is_sent_once_the_engine_has_ended(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, heard: int, locked: Callable[[], int]
) -> None:
    """It is looked before each attempt: before the first one, and after each wait for a 429."""
    answers = iter([True] * heard + [False] * 9)
    monkeypatch.setattr(process, "is_heard", lambda: next(answers))
    api.fail("POST", "/instances", Fault.status(429), times=9)
    with pytest.raises(ConnectionFailed, match="the engine has ended, so nothing was sent"):
        operations(api).create(checked())
    assert (posts(api), ids(api), locked()) == (heard, [], 0)


@pytest.mark.parametrize(
    ("status", "error"), [(400, StatusError), (401, StatusError), (409, StatusError), (429, RateLimited)]
)
def test_a_refusal_is_not_a_lost_answer(
    api: Emulator, status: int, error: type[InstancesError], locked: Callable[[], int]
) -> None:
    """The API has refused, so nothing is searched for, now or by the next run."""
    api.fail("POST", "/instances", Fault.status(status), times=99)
    with pytest.raises(error, match=str(status)):
        operations(api).create(checked())
    assert [request.method for request in api.requests].count("GET") == 1
    assert locked() == 0


# the answer to the POST

ANSWERED = {"id": 9, "name": "billing", "token": "t0ken", "tags": ["eu"], "disabled": False}


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("why", ["existed before", "another's mark", "another machine's", "held by another resource"])
def test_an_answer_that_is_about_another_instance_is_not_believed(why: str, mark: bool) -> None:
    """A cache, or a service that looks for one of the same name: it may be somebody's."""
    before = [{**ANSWERED, "name": "somebody's"}] if why == "existed before" else []
    marked = {"another's mark": mark_of(OTHER, 1), "another machine's": mark_of(LINE, 7)}
    given = {**ANSWERED, "tags": [marked[why]]} if why in marked else ANSWERED
    with ScriptedServer(answer(200, before), answer(200, given)) as server:
        every = scripted(server, mark=mark)
        if why == "held by another resource":
            every.create(checked("other"))
        with pytest.raises(
            CreateUndecided, match=r"instance 9, which (existed before|another resource manages)"
        ) as caught:
            every.create(checked())
        assert caught.value.candidates == ["9"]


@pytest.mark.parametrize("how", ["deleted", "found missing"])
def test_the_id_of_an_instance_that_no_longer_exists_may_come_back(api: Emulator, how: str) -> None:
    """This is so with `delete_before_replace`, or after a refresh, where a service gives ids again."""
    instance_id = add(api, MARK)
    outputs = {"your_mom": "dropbox", "name": "billing", "token": api.instance(instance_id)["token"], model.MARK: MARK}
    every = operations(api, confirm_gone=True)
    every._listings.before()
    if how == "deleted":
        every.delete(instance_id, outputs)
    else:
        api.remove(instance_id)
        with pytest.raises(NotFound):
            every.read(instance_id, outputs)
    again = {**ANSWERED, "id": int(instance_id)}
    with ScriptedServer(answer(200, again)) as server:
        every._client.settings = Settings(server.base_url, "us3r-s3cret", "0rg-s3cret")
        every._client._opened = None
        assert every.create(checked())["id"] == instance_id


@pytest.mark.parametrize("verb", ["read", "delete"])
def test_what_a_run_has_left_under_the_id_of_another_resource_is_taken_over(api: Emulator, verb: str) -> None:
    """The service has given the id again. The state no longer holds what had it before."""
    left = add(api, MARK)
    outputs = {"your_mom": "dropbox", "name": "other", "token": "0ld", model.MARK: mark_of(OTHER, 1)}
    every = operations(api, confirm_gone=True, take_over="yes")
    with pytest.raises(NotFound) if verb == "read" else nullcontext():
        getattr(every, verb)(left, outputs)
    assert (every.create(checked())["id"], posts(api)) == (left, 0)


@pytest.mark.parametrize("bad", [{"id": 9, "valid": "yes"}, {"id": 9}, {"id": 9.0, "tags": 5}, {"id": 9, "token": "t"}])
def test_what_an_answer_lacks_is_read_from_the_instance(bad: Bag) -> None:
    """The instance exists, whatever else the answer holds."""
    good = {"id": 9, "name": "billing", "token": "t0ken", "valid": True, "disabled": True}
    with ScriptedServer(answer(200, []), answer(200, bad), answer(200, good)) as server:
        found = scripted(server).create(checked())
        assert (found["token"], found["disabled"]) == ("t0ken", True)
        assert [request.method for request in server.received] == ["GET", "POST", "GET"]


EARLY = {
    "a 404": answer(404, {"message": "No such instance"}),
    "no token": answer(200, {"id": 9, "name": "billing"}),
    "a masked token": answer(200, {"id": 9, "name": "billing", "token": model.MASK}),
    "an empty body": answer(202),
    **{f"a {status}": answer(status, {"message": "Not ready"}) for status in (409, 423, 425)},
}


@pytest.mark.parametrize("early", EARLY)
def test_a_new_instance_is_waited_for_until_it_can_be_read(early: str) -> None:
    """Services show a new instance, or its token, some seconds late."""
    script = (answer(200, []), answer(200, {"id": 9}), EARLY[early], EARLY[early], answer(200, ANSWERED))
    with ScriptedServer(*script) as server:
        every = scripted(server)
        assert every.create(checked())["token"] == "t0ken"
        assert sum(every._client.clock.slept) > 0  # type: ignore[attr-defined]
        assert [request.method for request in server.received].count("POST") == 1


@pytest.mark.parametrize("last", [answer(500), EARLY["a 404"], answer(200, {"id": 8, "token": "t"})])
def test_an_instance_whose_token_cannot_be_read_is_named(last: Answer, locked: Callable[[], int]) -> None:
    """It exists, so the error has its id and the line to adopt it. A listing may not show it yet: the file stays."""
    with (
        ScriptedServer(answer(200, []), answer(200, {"id": 9}), last) as server,
        pytest.raises(CreateIncomplete, match=r'created as 9.*adopt_id="9"') as caught,
    ):
        scripted(server).create(checked())
    assert (caught.value.candidates, locked()) == (["9"], 1)


@pytest.mark.parametrize("error", [ValueError("odd"), UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"), OverflowError()])
def test_an_error_that_is_not_ours_orphans_nothing(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The API had acted when something in between failed: the instance is found."""
    every = operations(api)
    send = every._client.post

    def fail_after(*arguments: Any) -> Any:
        send(*arguments)
        raise error

    monkeypatch.setattr(every._client, "post", fail_after)
    assert [every.create(checked())["id"]] == ids(api)


# what an interrupted run has left


def test_an_instance_of_the_line_is_asked_about(api: Emulator, locked: Callable[[], int]) -> None:
    """It may be one that has moved, or that `--replace` replaces. The error names all causes, and both commands."""
    left, of_other = add(api, MARK), add(api, mark_of(OTHER, 3))
    add(api, mark_of(line_of(Place("shop", "prod", "", "billing")), 1))
    every = operations(api)
    every.note_new(LINE)
    every.note_new(OTHER)
    with pytest.raises(LeftBehind) as caught:
        every.create(checked())
    text = str(caught.value)
    assert f"instance {left} carries the mark of this resource already" in text
    assert all(cause in text for cause in ("interrupted run", "lost state", "has moved", "--replace"))
    assert f"This run has found: {left} (shop/dev/billing), {of_other} (shop/dev/other)" in text
    assert "`INSTANCES_TAKE_OVER=yes pulumi up`" in text
    assert "`INSTANCES_TAKE_OVER=no pulumi up`" in text
    assert (caught.value.candidates, posts(api), locked()) == ([left], 0, 0)


def test_what_a_run_has_left_is_taken_over(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """With the name and tags of today, by one PUT, and never deleted by this run: not even as the replaced one."""
    left = add(api, "old", mark_of(LINE, 7), name="old")
    every = operations(api, take_over="yes")
    found = every.create(checked())
    assert (found["id"], found[model.MARK]) == (left, MARK), "it gets a new mark"
    assert [(request.method, request.body) for request in api.writes] == [
        ("PUT", {"name": "billing", "tags": ["eu", found[model.MARK]]})
    ]
    assert f"instance {left}, made by an interrupted run, is taken over" in caplog.text
    every.delete(left, found)
    assert ids(api) == [left]


def test_a_replacement_leaves_the_instance_of_the_line(api: Emulator) -> None:
    """`takeOver: no`: a new one is created beside it."""
    left = add(api, mark_of(LINE, 7))
    found = operations(api, take_over="no").create(checked())
    assert (found[model.MARK], ids(api)) == (MARK, [left, found["id"]])


def test_what_a_run_has_left_of_another_connector_is_not_taken_over(api: Emulator) -> None:
    """The program has changed meanwhile."""
    left = add(api, MARK, your_mom="box")
    with pytest.raises(LeftBehind, match=f"instance {left}, .* is of another connector; delete it, or run again"):
        operations(api, take_over="yes").create(checked())
    assert api.writes == []


@pytest.mark.parametrize("take_over", ["ask", "yes"])
def test_of_two_that_were_left_the_user_keeps_one(api: Emulator, take_over: str) -> None:
    """Neither is taken over by chance."""
    left = [add(api, MARK), add(api, mark_of(LINE, 2))]
    with pytest.raises(LeftBehind, match="or delete those that nobody needs and the state does not hold") as caught:
        operations(api, take_over=take_over).create(checked())
    assert (caught.value.candidates, api.writes) == (left, [])


def test_what_the_state_holds_was_not_left_behind(api: Emulator) -> None:
    """A replaced resource has its old instance, which Check and Diff have shown."""
    old = add(api, MARK)
    every = operations(api)
    every.note_diff(old, {"token": api.instance(old)["token"], model.MARK: MARK}, checked(), replaced=True)
    assert every.create(checked())["id"] != old


# a create that was cut off on this machine


@pytest.mark.parametrize("appears", [0.9, 0.99])
def test_a_create_that_was_cut_off_is_waited_for(
    api: Emulator, caplog: pytest.LogCaptureFixture, appears: float
) -> None:
    """The API may still be at work for the killed process: what appears is taken over, and nothing is sent."""
    cut_off(api)
    clock = FakeClock(meanwhile={CREATE_TIMEOUT * appears: partial(add, api, MARK)})
    found = operations(api, clock, take_over="yes").create(checked())
    assert ([found["id"]], posts(api)) == (ids(api), 0)
    assert "looking for what an interrupted run may still be creating, for up to 60 s" in caplog.text


@pytest.mark.parametrize(
    ("ago", "given", "least", "most"),
    [(0.0, {}, 50, 63), (45.0, {}, 9, 18), (500.0, {}, 0, 0), (0.0, {"take_over": "no"}, 0, 0)],
    ids=["just now", "45 s ago", "long ago", "takeOver: no"],
)
def test_a_create_that_was_cut_off_is_waited_for_until_its_own_time_is_over(
    api: Emulator, ago: float, given: Bag, least: float, most: float, locked: Callable[[], int]
) -> None:
    """Then it has made nothing, and the create goes on."""
    cut_off(api, seconds=ago)
    clock = FakeClock()
    operations(api, clock, **given).create(checked())
    assert least <= sum(clock.slept) <= most
    assert (posts(api), locked()) == (1, 0)


def test_without_marks_what_a_cut_off_create_may_have_made_is_named(api: Emulator, locked: Callable[[], int]) -> None:
    """The user decides, and until then the file stays; `takeOver: no` creates another one."""
    cut_off(api)
    left = add(api, "eu")
    for _ in range(2):
        with pytest.raises(LeftBehind, match=rf"may have made one of: {left}; .*adopt_id=.*INSTANCES_TAKE_OVER=no"):
            operations(api, mark=False).create(checked())
    assert (posts(api), locked()) == (0, 1)
    operations(api, mark=False, take_over="no").create(checked())
    assert (posts(api), locked()) == (1, 0)


HOLDER = """
import sys
from pulumi_instances.api import locks
turn = locks.take(sys.argv[1], lambda: False)
print("taken", flush=True)
sys.stdin.readline()
turn.end(decided=False)
print("ended", flush=True)
"""


@contextmanager
def creating(api: Emulator) -> Iterator[Callable[[], None]]:
    """Another process is creating the resource; what this returns lets it end with its instance made."""
    name = f"{identity.account_of(settings(api))} {LINE}"
    command = [sys.executable, "-c", HOLDER, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        stdin, stdout = other.stdin, other.stdout
        assert stdout.readline() == "taken\n"

        def end() -> None:
            add(api, MARK)
            stdin.write("\n")
            stdin.flush()
            assert stdout.readline() == "ended\n"

        try:
            yield end
        finally:
            other.kill()


def test_a_process_that_is_still_creating_is_waited_for(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Its engine is dead. When it has ended, its instance is looked for, and no second POST is sent."""
    with creating(api) as end:
        clock = FakeClock(meanwhile={CREATE_TIMEOUT / 2: end})
        found = operations(api, clock, take_over="yes").create(checked())
    assert "waiting for a process that is still creating it, for up to 60 s" in caplog.text
    assert ([found["id"]], posts(api)) == (ids(api), 0)


def test_a_process_that_goes_on_creating_is_an_error(api: Emulator) -> None:
    """After `createTimeout`; nothing was sent."""
    clock = FakeClock()
    with creating(api), pytest.raises(CreateLost, match="is still creating it; nothing was sent; run again later"):
        operations(api, clock).create(checked())
    assert CREATE_TIMEOUT * 0.9 < sum(clock.slept) <= CREATE_TIMEOUT + 3
    assert posts(api) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled("the engine has ended", "run again")])
@pytest.mark.parametrize("sent", [True, False])
def test_an_interrupt_leaves_the_file_once_a_request_may_have_been_sent(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, locked: Callable[[], int], error: BaseException, sent: bool
) -> None:
    """Before that, nothing was made."""
    every = operations(api)

    def interrupt(_: Any, may_send: Callable[[], bool]) -> Any:
        if sent:
            may_send()
        raise error

    monkeypatch.setattr(every._client, "post", interrupt)
    with pytest.raises(type(error)):
        every.create(checked())
    assert locked() == int(sent)


@pytest.mark.parametrize("heard", [True, False])
def test_a_create_of_which_nobody_hears_leaves_the_file(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, locked: Callable[[], int], heard: bool
) -> None:
    """The engine was killed during the POST: no state holds the instance, and a listing may not show it yet."""
    every = operations(api)
    post = every._client.post

    def post_then_die(*arguments: Any) -> Any:
        made = post(*arguments)
        monkeypatch.setattr(process, "is_heard", lambda: heard)
        return made

    monkeypatch.setattr(every._client, "post", post_then_die)
    every.create(checked())
    assert locked() == int(not heard)


def test_a_file_stays_until_what_was_cut_off_is_known(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, locked: Callable[[], int]
) -> None:
    """The run that was to look for it could not list the account, or its engine has ended."""
    cut_off(api)
    every = operations(api, max_retries=0)
    every._listings.before()
    api.fail("GET", "/instances", Fault.status(500), times=1)
    with pytest.raises(ServerError):
        every.create(checked())
    assert locked() == 1
    monkeypatch.setattr(process, "is_heard", lambda: False)
    with pytest.raises(ConnectionFailed, match="the engine has ended"):
        operations(api).create(checked())
    assert (posts(api), locked()) == (0, 1)


# many


@pytest.mark.parametrize("seed", [1, 2])
def test_forty_creates_at_once_lose_and_double_nothing(api: Emulator, seed: int, locked: Callable[[], int]) -> None:
    """The API has as many instances as were returned, each id once, each with the right token."""
    for number, fault in enumerate([*LOST.values()][:-1]):
        api.fail("POST", "/instances", fault, probability=0.1, seed=seed * 100 + number)
    api.fail("POST", "/instances", Fault.status(429), probability=0.05, seed=seed)
    api.fail("GET", "/instances", Fault.status(503), probability=0.1, seed=seed)
    bags = [{**checked(f"r{number}"), "name": "same"} for number in range(40)]
    every = operations(api, max_retries=9)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(every.create, bags))
    tokens = {str(instance["id"]): instance["token"] for instance in api.instances()}
    assert {item["id"]: item["token"] for item in found} == tokens
    assert len(found) == len(tokens) == 40
    assert Counter(item["managed_by"] for item in api.instances()) == {f"shop/dev/r{n}": 1 for n in range(40)}
    assert [request.status for request in api.requests if request.method == "POST"].count(200) < 40
    assert locked() == 0


def test_forty_creates_of_which_some_are_never_made(api: Emulator) -> None:
    """Those that fail leave nothing behind, and take nothing from the others."""
    api.fail("POST", "/instances", Fault.drop_before(), probability=0.2, seed=1)
    api.fail("POST", "/instances", Fault.drop_after(), probability=0.3, seed=2)
    every = operations(api)

    def attempt(number: int) -> str | None:
        try:
            return str(every.create(checked(f"r{number}"))["id"])
        except CreateLost:
            return None

    with ThreadPoolExecutor(16) as threads:
        kept = [instance_id for instance_id in threads.map(attempt, range(40)) if instance_id]
    assert sorted(kept) == sorted(ids(api))
    assert 0 < len(kept) < 40


def test_lost_creates_share_their_listings(api: Emulator) -> None:
    """Sixteen searches at the same time do not list the account sixteen times."""
    every = operations(api, Clock())
    api.fail("POST", "/instances", Fault.status_after(500), times=99)
    api.fail("GET", "/instances", Fault.delay(0.2), times=99)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda number: every.create(checked(f"n{number}")), range(16)))
    assert len({each["id"] for each in found}) == 16
    assert sum((request.method, request.path) == ("GET", "/instances") for request in api.requests) <= 6


# twins


def test_an_instance_with_the_mark_of_another_ones_resource_is_named_once(
    api: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """An interrupted run, or another stack of this name, has made it."""
    ours, twin = add(api, MARK), add(api, mark_of(LINE, 2))
    outputs = {"your_mom": "dropbox", "name": "billing", "token": api.instance(ours)["token"], model.MARK: MARK}
    every = operations(api)
    every._listings.fresh()
    for _ in range(2):
        every.read(ours, outputs)
    warnings = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in warnings] == [
        f"instance {twin} carries the mark of shop/dev/billing, which has another instance in this stack"
    ]


# adopt


def test_an_adopted_instance_is_brought_in_line(api: Emulator) -> None:
    """One PUT sends name, tags and the mark; id and token stay."""
    instance_id = api.add(name="old", tags=["x"])
    token = api.instance(instance_id)["token"]
    found = operations(api).adopt(checked(adopt_id=str(instance_id)))
    assert (found["id"], found["token"], found[model.MARK]) == (str(instance_id), token, MARK)
    assert (found["name"], found["tags"]) == ("billing", ["eu"])
    assert [(request.method, request.body) for request in api.writes] == [
        ("PUT", {"name": "billing", "tags": ["eu", MARK]})
    ]


def test_tags_that_the_program_leaves_alone_stay_beside_the_mark(api: Emulator) -> None:
    """A PUT with the mark alone would lose them."""
    instance_id = add(api, "theirs", name="old")
    operations(api).adopt({"your_mom": "dropbox", "adopt_id": instance_id, model.LINE: LINE})
    assert [(request.method, request.body) for request in api.writes] == [("PUT", {"tags": ["theirs", MARK]})]


@pytest.mark.parametrize("given", [{"mark": False}, {}])
def test_an_adopted_instance_that_is_in_line_is_not_written(api: Emulator, given: Bag) -> None:
    """It is only read: it has our mark, or none is wanted."""
    instance_id = add(api, "eu", *([] if given else [mark_of(LINE, 3)]))
    found = operations(api, **given).adopt(checked(adopt_id=float(instance_id)))
    assert (found.get(model.MARK), api.writes) == (None if given else mark_of(LINE, 3), [])


REFUSED: dict[str, tuple[Bag, str]] = {
    "another connector": ({"your_mom": "box"}, 'which is of "box", but the program has your_mom="dropbox"'),
    "another's mark": ({"tags": [mark_of(OTHER, 1)]}, "which shop/dev/other manages, as its tags say; to move it"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_for_this_resource_is_not_adopted(api: Emulator, why: str) -> None:
    """The preview says so already."""
    changed, words = REFUSED[why]
    instance_id = add(api, **changed)
    [problem] = operations(api).check_new_adoption({"adopt_id": instance_id, "your_mom": "dropbox"}, LINE)
    assert words in str(problem)
    with pytest.raises(AdoptionRefused, match=words.partition(";")[0]):
        operations(api).adopt(checked(adopt_id=instance_id))
    assert api.writes == []


def test_a_missing_instance_is_not_adopted(api: Emulator) -> None:
    """No other one is created in its place."""
    with pytest.raises(AdoptionRefused, match="adopt_id names instance 1, which does not exist; correct adopt_id"):
        operations(api).adopt(checked(adopt_id="1"))
    assert api.writes == []


def test_of_many_at_once_one_adopts(api: Emulator) -> None:
    """An instance belongs to one resource, and another is refused; threads cannot adopt it at the same time."""
    instance_id = add(api, "eu")
    every = operations(api, mark=False)

    def attempt(number: int) -> bool:
        try:
            every.adopt(checked(f"r{number}", adopt_id=instance_id))
        except AdoptionRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(16))) == 1


@pytest.mark.parametrize("how", ["created", "in the state"])
def test_what_another_resource_holds_is_not_adopted(api: Emulator, how: str) -> None:
    """It was created by this run, or Diff has shown it."""
    every = operations(api, mark=False)
    if how == "created":
        instance_id = every.create(checked("other"))["id"]
    else:
        instance_id = add(api, "eu")
        every.note_diff(instance_id, {}, checked("other"), replaced=False)
    with pytest.raises(AdoptionRefused, match="already manages"):
        every.adopt(checked(adopt_id=instance_id))


def test_a_missing_instance_shows_at_preview(api: Emulator) -> None:
    """So does one of another connector, and one that two resources adopt. One listing serves all of them."""
    there, box = add(api), add(api, your_mom="box")
    every = operations(api)
    assert every.check_new_adoption({"adopt_id": there, "your_mom": "dropbox"}, LINE) == []
    for instance_id, problem in (("1", "does not exist"), (box, 'which is of "box"'), (there, "another resource")):
        [found] = every.check_new_adoption({"adopt_id": instance_id, "your_mom": "dropbox"}, OTHER)
        assert found.property == "adopt_id"
        assert problem in found.fault
    assert [request.path for request in api.requests] == ["/instances", "/instances/1"]


def test_a_preview_does_not_fail_where_an_adoption_cannot_be_looked_up(api: Emulator) -> None:
    """The `up` reports what is wrong."""
    api.fail("GET", "/instances", Fault.status(500), times=9)
    assert operations(api).check_new_adoption({"adopt_id": "1", "your_mom": "dropbox"}, LINE) == []


# imports, updates and deletes


def test_what_is_imported_is_nobody_elses(api: Emulator) -> None:
    """Neither another's mark is on it, nor does another resource of this run hold it. Nothing is written."""
    theirs, held, free = add(api, mark_of(OTHER, 1)), add(api), add(api, MARK)
    every = operations(api)
    every.note_diff(held, {}, checked("other"), replaced=False)
    with pytest.raises(InputError, match=f"the import of instance {theirs} is refused: shop/dev/other manages it"):
        every.look_up(theirs, line=LINE, imports=True)
    with pytest.raises(InputError, match=f"the import of instance {held} is refused: another resource of this stack"):
        every.look_up(held, line=LINE, imports=True)
    assert every.look_up(free, line=LINE, imports=True)["id"] == free
    assert every.look_up(theirs, line=LINE)["id"] == theirs, "a look-up alone is not refused"
    [problem] = every.check_import(LINE)
    assert str(problem).startswith(f"the import of instance {theirs} is refused: ")
    assert every.check_import(LINE) == [], "nothing was looked up since"
    assert api.writes == []


def test_an_update_of_the_tags_renews_the_mark_of_a_resource_that_has_moved(api: Emulator) -> None:
    """So the old place is free for another instance. A mark that a third resource has put on it stays."""
    ours, shared = add(api, mark_of(OTHER, 1)), add(api, mark_of(OTHER, 2), mark_of(THIRD, 1))
    every = operations(api)
    for instance_id, before in ((ours, mark_of(OTHER, 1)), (shared, mark_of(OTHER, 2))):
        token = api.instance(instance_id)["token"]
        outputs = {"your_mom": "dropbox", "name": "billing", "token": token, model.MARK: before}
        every.update(instance_id, outputs, checked(), Update("PUT", {"name": "billing", "tags": ["new"]}))
    sent = [request.body["tags"] for request in api.writes if request.body]
    assert sent == [["new", MARK], ["new", mark_of(THIRD, 1), mark_of(OTHER, 2)]]


def test_a_delete_spares_what_carries_anothers_mark(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """A mark that the state itself holds, by an alias or a renamed stack, is not another's."""
    foreign = mark_of(line_of(Place("shop", "prod", "", "other")), 1)
    ours, theirs = add(api, mark_of(OTHER, 1)), add(api, foreign)
    every = operations(api)
    for instance_id, mark in ((ours, mark_of(OTHER, 1)), (theirs, MARK)):
        outputs = {"your_mom": "dropbox", "token": api.instance(instance_id)["token"], model.MARK: mark}
        every.delete(instance_id, outputs)
    assert ids(api) == [theirs]
    assert f"instance {theirs} is not deleted: its tags say that shop/prod/other manages it" in caplog.text


def test_what_was_taken_over_is_not_deleted_by_who_had_it(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Another resource of the stack, another stack of its name, or the old provider of a replacement."""
    old_mark = mark_of(LINE, 7)
    instance_id = add(api, old_mark)
    held = {"your_mom": "dropbox", "token": api.instance(instance_id)["token"], model.MARK: old_mark}
    found = operations(api, take_over="yes").create(checked())
    assert found["id"] == instance_id
    operations(api).delete(instance_id, held)
    assert ids(api) == [instance_id]
    assert f"instance {instance_id} is not deleted: its tags say that shop/dev/billing manages it" in caplog.text
    operations(api).delete(instance_id, {**held, model.MARK: found[model.MARK]})
    assert ids(api) == []


def test_what_a_cut_off_rename_has_marked_is_deleted(api: Emulator) -> None:
    """The instance has the mark of the new name, and the state that of the old one. Their ends are the same."""
    instance_id = add(api, mark_of(OTHER, 1))
    outputs = {"your_mom": "dropbox", "token": api.instance(instance_id)["token"], model.MARK: mark_of(OTHER, 1)}
    update = Update("PUT", {"name": "billing", "tags": ["new"]})
    operations(api).update(instance_id, outputs, checked(), update)
    [sent] = [request.body["tags"] for request in api.writes if request.body]
    assert sent == ["new", MARK]
    operations(api).read(instance_id, outputs)
    operations(api).delete(instance_id, outputs)
    assert ids(api) == []


OLD_STACK = line_of(Place("old-shop", "prod", "", "billing"))


@pytest.mark.parametrize("before", [mark_of(OTHER, 2), mark_of(OLD_STACK, 1)])
def test_what_may_be_of_a_cut_off_rename_stays_in_the_state(api: Emulator, before: str) -> None:
    """The instance has the mark of another resource, or of this one in a stack of another name."""
    instance_id = add(api, MARK)
    outputs = {"your_mom": "dropbox", "token": api.instance(instance_id)["token"], model.MARK: before}
    with pytest.raises(AdoptionRefused, match="run `pulumi up` first"):
        operations(api).delete(instance_id, outputs)
    assert ids(api) == [instance_id]


def test_an_update_after_a_cut_off_rename_puts_our_mark_back(api: Emulator) -> None:
    """The program was changed back: with both marks on it, no delete would be possible."""
    instance_id = add(api, MARK)
    outputs = {"your_mom": "dropbox", "token": api.instance(instance_id)["token"], model.MARK: mark_of(OTHER, 1)}
    update = Update("PUT", {"name": "billing", "tags": ["new"]})
    found = operations(api).update(instance_id, outputs, {**checked(), model.LINE: OTHER}, update)
    assert [request.body["tags"] for request in api.writes if request.body] == [["new", found[model.MARK]]]
    operations(api).delete(instance_id, {**outputs, **found})
    assert ids(api) == []


def test_what_another_stack_has_taken_over_is_not_changed(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """It has moved here from the stack whose line the state holds, and that has taken it over: its mark has changed."""
    line = line_of(Place("shop", "prod", "", "billing"))
    instance_id = add(api, mark_of(line, 2))
    every, token = operations(api), api.instance(instance_id)["token"]
    outputs = {"your_mom": "dropbox", "name": "billing", "token": token, model.MARK: mark_of(line, 1)}
    with pytest.raises(AdoptionRefused, match="shop/prod/billing manages it, so nothing was done"):
        every.update(instance_id, outputs, checked("other"), Update("PUT", {"name": "other"}))
    with pytest.raises(AdoptionRefused, match="shop/prod/billing manages it, so nothing was done"):
        every.set_enabled(instance_id, False, outputs, LINE)
    every.read(instance_id, outputs)
    assert f"instance {instance_id}: its tags say that shop/prod/billing manages it" in caplog.text
    assert api.writes == []


@pytest.mark.parametrize("mark", [True, False])
def test_the_first_update_of_what_was_imported_marks_it(api: Emulator, mark: bool) -> None:
    """Whatever it changes: tags that it does not change are sent as they are."""
    instance_id = str(api.add(your_mom="dropbox", name="by hand", tags=["theirs"]))
    every = operations(api, mark=mark)
    found = every.look_up(instance_id, line=LINE, imports=True)
    updated = every.update(instance_id, found, checked(), Update("PUT", {"name": "billing"}))
    assert api.instance(instance_id)["tags"] == ["theirs"]
    assert (api.instance(instance_id)["managed_by"], model.MARK in updated) == (
        ("shop/dev/billing", True) if mark else (None, False)
    )


def test_what_was_imported_with_its_own_mark_is_deleted(api: Emulator) -> None:
    """After a lost state, the import stores the mark."""
    instance_id = add(api, MARK)
    found = operations(api).look_up(instance_id, line=LINE, imports=True)
    assert found[model.MARK] == MARK
    operations(api).delete(instance_id, found)
    assert ids(api) == []


def test_what_an_import_was_refused_is_not_changed(api: Emulator) -> None:
    """The engine has written it into the state by then."""
    instance_id = add(api, mark_of(OTHER, 1))
    every = operations(api)
    found = every.look_up(instance_id, line=LINE)
    with pytest.raises(AdoptionRefused, match="shop/dev/other manages it, so nothing was done"):
        every.update(instance_id, found, checked("stolen"), Update("PUT", {"name": "stolen"}))
    assert api.writes == []


def test_without_a_listing_the_mark_is_one_that_no_instance_has(api: Emulator) -> None:
    """An answer about the instance that is replaced does not pass for the new one."""
    api.fail("GET", "/instances", Fault.status(403), times=9)
    first = operations(api).create(checked())
    api.fail("POST", "/instances", Fault.answer_existing(int(first["id"])))
    with pytest.raises(CreateUndecided, match="which does not carry the mark that was sent"):
        operations(api).create(checked())


@pytest.mark.parametrize("bad", ["", "../7", None, True, "7/.."])
def test_nothing_is_sent_for_what_is_not_an_id(api: Emulator, bad: Any) -> None:
    """An empty id would address the whole collection."""
    every = operations(api)
    for call in (every.read, every.delete, lambda key, outputs: every.set_enabled(key, True, outputs)):
        with pytest.raises(InputError, match=r"^(read|delete|update) instance: the id must be .*; nothing was sent; "):
            call(bad, {})
    assert api.requests == []


MIXED_UP: dict[str, tuple[Bag, str]] = {
    "another instance": ({"id": 8, "name": "other", "token": "t"}, "the answer is about instance 8"),
    "a malformed one": ({"id": 7, "valid": "yes"}, "the answer holds an instance whose `valid` is a string"),
}


@pytest.mark.parametrize("what", MIXED_UP)
def test_an_answer_that_is_not_the_instance_is_an_error(what: str) -> None:
    """A cache or a proxy has mixed them up, so it is never stored."""
    body, words = MIXED_UP[what]
    outputs = {"your_mom": "dropbox", "token": "t"}
    with ScriptedServer(answer(200, body)) as server:
        every = scripted(server)
        for call in (
            partial(every.read, "7", outputs),
            partial(every.delete, "7", outputs),
            partial(every.look_up, "7"),
            partial(every.adopt, checked(adopt_id="7")),
        ):
            with pytest.raises(UnexpectedAnswer, match=f"^read instance 7: {words}"):
                call()
        assert {request.method for request in server.received} == {"GET"}


def test_deleting_what_is_missing_is_success(api: Emulator) -> None:
    """Reading it is an error, which a refresh takes for the sign to drop it."""
    outputs = {"token": "t", model.ACCOUNT: identity.account_of(settings(api))}
    every = operations(api)
    every.delete("1", outputs)
    with pytest.raises(NotFound):
        every.read("1", outputs)
