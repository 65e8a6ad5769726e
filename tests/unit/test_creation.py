"""Exactly one instance for each create: by its mark, whatever is lost, cut off or altered on the way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances import process
from pulumi_instances.api import locks
from pulumi_instances.api.client import Client
from pulumi_instances.api.operations import Operations
from pulumi_instances.api.retry import Clock
from pulumi_instances.core import identity, model
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import (
    Cancelled,
    ConnectionFailed,
    CreateIncomplete,
    CreateLost,
    CreateUndecided,
    InstancesError,
    LeftBehind,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
)
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.account import (
    BILLING,
    CREATE_TIMEOUT,
    MARK,
    OTHER,
    add,
    checked,
    ids,
    operations,
    sent,
    settings_of,
    state_of,
)
from tests.support.clock import FakeClock
from tests.support.marks import mark_of
from tests.support.scripted import Answer, ScriptedServer, answer
from tests.support.values import inputs

pytestmark = pytest.mark.usefixtures("counted_marks")

MADE = {"id": 9, "name": "billing", "token": "t0ken", "tags": ["eu"], "your_mom": {"key": "dropbox"}, "disabled": False}


def scripted(server: ScriptedServer, clock: Clock | None = None, **changed: Any) -> Operations:
    """The operations of one process against a scripted server."""
    given = {"max_retries": 0, "create_timeout": CREATE_TIMEOUT, **changed}
    return Operations(Settings(server.base_url, "us3r-s3cret", "0rg-s3cret", **given), clock=clock or FakeClock())


def posts(api: Emulator) -> int:
    """How many times a create was sent."""
    return sum(request.method == "POST" for request in api.requests)


def folder() -> Path:
    """Where the locks of this machine are."""
    return Path(os.environ["PULUMI_HOME"]) / "pulumi-instances"


def locked() -> int:
    """How many locks are left."""
    return len([*folder().iterdir()]) if folder().is_dir() else 0


def lock_of(api: Emulator) -> str:
    """The name of the lock of the resource."""
    return f"{identity.account_of(settings_of(api))} {BILLING}"


def cut_off(api: Emulator, seconds: float = 0.0) -> None:
    """What a create leaves on this machine that was killed so many seconds ago."""
    locks.take(lock_of(api), lambda: False).end(decided=False)
    [file] = folder().iterdir()
    moment = file.stat().st_mtime - seconds
    os.utime(file, (moment, moment))


# an ordinary create


def test_an_ordinary_create_sends_one_request_beside_the_listing(api: Emulator) -> None:
    """Later creates do not list again. Each sends a mark of its line; the state gets it, and nothing stays on disk."""
    every = operations(api)
    found = [every.create(checked(name)) for name in ("billing", "other")]
    assert [(request.method, request.path) for request in api.requests] == [
        ("GET", "/instances"),
        *[("POST", "/instances")] * 2,
    ]
    assert [each["id"] for each in found] == ids(api)
    assert [each[model.MARK] for each in found] == [MARK, mark_of(OTHER, 1)]
    assert [body["tags"] for _, body in sent(api)] == [["eu", MARK], ["eu", mark_of(OTHER, 1)]]
    assert [each["tags"] for each in found] == [["eu"], ["eu"]]
    assert [instance["managed_by"] for instance in api.instances()] == ["shop/dev/billing", "shop/dev/other"]
    assert all(each[model.ACCOUNT] == identity.account_of(settings_of(api)) for each in found)
    assert all(isinstance(each[model.CREATED], int) for each in found)
    assert locked() == 0


@pytest.mark.parametrize("declared", [True, False])
def test_a_replacement_gets_a_mark_of_its_own(api: Emulator, declared: bool) -> None:
    """The old instance, which Diff has shown, was not left behind: it has another mark."""
    olds = operations(api).create(checked())
    later = operations(api)
    later.note_state(olds["id"], olds)
    later.note_declared(olds["id"], checked(your_mom="box"), replaced=True)
    if declared:
        later.note_new(BILLING)
    made = later.create(checked(your_mom="box"))
    assert made[model.MARK] == mark_of(BILLING, 2)
    later.delete(olds["id"], olds)
    assert ids(api) == [made["id"]]


def test_without_marks_none_is_sent(api: Emulator) -> None:
    """`instances:mark: false`; the same where no line is known."""
    for every, bag in ((operations(api, mark=False), checked()), (operations(api), inputs())):
        assert model.MARK not in every.create(bag)
    assert [body["tags"] for _, body in sent(api)] == [["eu"], ["eu"]]


# lost answers

LOST = {
    "connection lost": Fault.drop_after(),
    "not JSON": Fault.garbage(),
    "broken off": Fault.truncated(),
    **{f"{status} of a proxy": Fault.status_after(status) for status in (408, 500, 502, 503, 504, 524)},
    "too slow to end": Fault.trickle(0.01),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_lost_answer_ends_in_the_one_instance_that_was_made(api: Emulator, lost: str) -> None:
    """It is found by its mark, together with its token, and nothing is sent twice."""
    api.fail("POST", "/instances", LOST[lost])
    clock = Clock(sleep=lambda _: None) if lost == "too slow to end" else FakeClock()
    found = operations(api, clock, create_timeout=1.0).create(checked())
    (instance,) = api.instances()
    assert (found["id"], found["token"], found["disabled"]) == (str(instance["id"]), instance["token"], False)
    assert (found[model.MARK], posts(api), locked()) == (MARK, 1, 0)


ALTERED: dict[str, dict[str, Any]] = {
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
    shown = {**MADE, "tags": ["eu", MARK], **ALTERED[altered]}
    strangers = [{**MADE, "id": 8, "tags": ["eu", mark_of(OTHER, 1)]}, {**MADE, "id": 7}]
    script = (answer(200, []), Answer(then="reset"), answer(200, [*strangers, shown]), answer(200, MADE))
    with ScriptedServer(*script) as server:
        found = scripted(server).create(checked())
        assert (found["id"], found["token"]) == ("9", "t0ken")
        assert [request.method for request in server.received] == ["GET", "POST", "GET", "GET"]


AT_WORK = {"connection lost": Fault.drop_before(), **{str(each): Fault.status(each) for each in (408, 502, 504, 524)}}
"""What leaves open whether the API is still at work; a 500 or 503 of the API itself means that it has finished."""
NOT_MADE = {**AT_WORK, "500": Fault.status(500), "503": Fault.status(503)}


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("fault", NOT_MADE)
def test_a_create_that_made_nothing_is_lost(api: Emulator, fault: str, mark: bool) -> None:
    """However well an instance from before fits. The next run looks again, so the lock's file stays."""
    add(api, "eu")
    api.fail("POST", "/instances", NOT_MADE[fault])
    clock = FakeClock()
    with pytest.raises(CreateLost, match=r"no new instance like it was found.*run again"):
        operations(api, clock, mark=mark).create(checked())
    assert (len(ids(api)), posts(api), locked()) == (1, 1, 1)
    least, most = (CREATE_TIMEOUT * 0.9, CREATE_TIMEOUT) if fault in AT_WORK else (0, 5)
    assert least <= sum(clock.slept) <= most


@pytest.mark.parametrize("fault", AT_WORK)
def test_a_slow_create_is_waited_for(api: Emulator, fault: str) -> None:
    """A proxy has given up and the API behind it has not, so the instance appears much later."""
    api.fail("POST", "/instances", AT_WORK[fault])
    clock = FakeClock(meanwhile={CREATE_TIMEOUT * 0.9: partial(add, api, MARK)})
    assert [operations(api, clock).create(checked())["id"]] == ids(api)


def test_a_late_instance_is_looked_for_after_the_time_of_the_create(
    api: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The POST itself has used up `createTimeout`, and there is still time left to look."""
    api.fail("POST", "/instances", Fault.drop_before())
    clock, send = FakeClock(meanwhile={CREATE_TIMEOUT + 20: partial(add, api, MARK)}), Client.post

    def use_up(client: Client, *arguments: Any) -> Any:
        clock.sleep(CREATE_TIMEOUT)
        return send(client, *arguments)

    monkeypatch.setattr(Client, "post", use_up)
    assert [operations(api, clock).create(checked())["id"]] == ids(api)


def test_two_instances_with_one_mark_cannot_be_decided(api: Emulator) -> None:
    """Something between us and the API has sent the POST twice."""
    api.fail("POST", "/instances", Fault.drop_after())
    clock = FakeClock(meanwhile={0.0: partial(add, api, MARK)})
    with pytest.raises(CreateUndecided) as caught:
        operations(api, clock).create(checked())
    assert caught.value.candidates == ids(api)
    assert len(ids(api)) == 2
    assert f'adopt_id="{ids(api)[0]}" (or the right id)' in str(caught.value)


@pytest.mark.parametrize("lost", [Fault.drop_after(), Fault.status_after(500)])
def test_without_marks_a_lost_answer_names_the_candidates(api: Emulator, lost: Fault) -> None:
    """Nothing is adopted: new instances of the connector that carry no mark and that nobody here holds may be it."""

    def meanwhile() -> None:
        add(api, your_mom="box")
        add(api, MARK)

    every = operations(api, FakeClock(meanwhile={0.0: meanwhile}), mark=False)
    add(api, "eu")
    held = every.create(checked("held"))["id"]
    api.fail("POST", "/instances", lost)
    with pytest.raises(CreateUndecided) as caught:
        every.create(checked())
    assert caught.value.candidates == [ids(api)[2]]
    assert held != ids(api)[2]
    assert f'may be its result; look at it, and if it is, run again with adopt_id="{ids(api)[2]}"' in str(caught.value)
    assert (posts(api), locked()) == (2, 1)


def test_where_a_service_keeps_no_marks_a_lost_answer_names_the_candidates(caplog: pytest.LogCaptureFixture) -> None:
    """An answer before it has shown that, and a warning has said so: the user may switch marks off."""
    first = {**MADE, "id": 8}
    looks = [answer(200, [first, MADE])] * 9
    with ScriptedServer(answer(200, []), answer(200, first), Answer(then="reset"), *looks) as server:
        every = scripted(server)
        every.create(checked("other"))
        assert f"instance 8: the service has not kept the tag {mark_of(OTHER, 1)}" in caplog.text
        with pytest.raises(CreateUndecided, match="instance 9 may be its result"):
            every.create(checked())
        assert sum(request.method == "POST" for request in server.received) == 2


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
def test_nothing_is_sent_before_there_is_a_listing(api: Emulator, fault: Fault, error: type[InstancesError]) -> None:
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


def test_without_a_listing_the_mark_is_one_that_no_instance_has(api: Emulator) -> None:
    """An answer about the instance that is replaced does not pass for the new one."""
    api.fail("GET", "/instances", Fault.status(403), times=9)
    first = operations(api).create(checked())
    api.fail("POST", "/instances", Fault.answer_existing(int(first["id"])))
    with pytest.raises(CreateUndecided, match="which does not carry the mark that was sent"):
        operations(api).create(checked())


@pytest.mark.parametrize("heard", [0, 1, 2])
def test_nothing_is_sent_once_the_engine_has_ended(api: Emulator, monkeypatch: pytest.MonkeyPatch, heard: int) -> None:
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
def test_a_refusal_is_not_a_lost_answer(api: Emulator, status: int, error: type[InstancesError]) -> None:
    """The API has refused, so nothing is searched for, now or by the next run."""
    api.fail("POST", "/instances", Fault.status(status), times=99)
    with pytest.raises(error, match=str(status)):
        operations(api).create(checked())
    assert [request.method for request in api.requests].count("GET") == 1
    assert locked() == 0


# the answer to the POST


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("why", ["existed before", "another's mark", "another machine's", "held by another resource"])
def test_an_answer_that_is_about_another_instance_is_not_believed(why: str, mark: bool) -> None:
    """A cache, or a service that looks for one of the same name: it may be somebody's."""
    before = [{**MADE, "name": "somebody's"}] if why == "existed before" else []
    marked = {"another's mark": mark_of(OTHER, 1), "another machine's": mark_of(BILLING, 7)}
    given = {**MADE, "tags": [marked[why]]} if why in marked else MADE
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
def test_the_id_of_an_instance_that_no_longer_exists_may_come_back(how: str) -> None:
    """This is so with `delete_before_replace`, or after a refresh, where a service gives ids again."""
    outputs = {"your_mom": "dropbox", "name": "billing", "token": "t0ken", model.MARK: MARK}
    missing = answer(404, {"message": "No such instance"})
    last = [answer(200, MADE), answer(200)] if how == "deleted" else [missing]
    with ScriptedServer(answer(200, [MADE]), missing, *last, answer(200, MADE)) as server:
        every = scripted(server, confirm_gone=True)
        every.check_new_adoption({"adopt_id": "8", "your_mom": "dropbox"}, OTHER)  # lists what there is before
        if how == "deleted":
            every.delete("9", outputs)
        else:
            with pytest.raises(NotFound):
                every.read("9", outputs)
        assert every.create(checked())["id"] == "9"


@pytest.mark.parametrize("verb", ["read", "delete"])
def test_what_a_run_has_left_under_the_id_of_another_resource_is_taken_over(api: Emulator, verb: str) -> None:
    """The service has given the id again. The state no longer holds what had it before."""
    left = add(api, MARK)
    outputs = {"your_mom": "dropbox", "name": "other", "token": "0ld", model.MARK: mark_of(OTHER, 1)}
    every = operations(api, confirm_gone=True, take_over="yes")
    with pytest.raises(NotFound) if verb == "read" else nullcontext():
        getattr(every, verb)(left, outputs)
    assert (every.create(checked())["id"], posts(api)) == (left, 0)


NOT_FOUND = answer(404, {"message": "No such instance"})
LACKING: dict[str, tuple[dict[str, Any], Answer | None]] = {
    "another type": ({"id": 9, "valid": "yes"}, None),
    "nothing but an id": ({"id": 9}, None),
    "tags of another type": ({"id": 9.0, "tags": 5}, None),
    "no disabled": ({"id": 9, "token": "t"}, None),
    "first a 404": ({"id": 9}, NOT_FOUND),
    "first no token": ({"id": 9}, answer(200, {"id": 9, "name": "billing"})),
    "first a masked token": ({"id": 9}, answer(200, {"id": 9, "name": "billing", "token": model.MASK})),
    "first an empty body": ({"id": 9}, answer(202)),
    **{f"first a {each}": ({"id": 9}, answer(each, {"message": "Not ready"})) for each in (409, 423, 425)},
}


@pytest.mark.parametrize("lacking", LACKING)
def test_what_an_answer_lacks_is_read_from_the_instance(lacking: str) -> None:
    """The instance exists, whatever else the answer holds. Services show it, or its token, some seconds late."""
    made, early = LACKING[lacking]
    looks, clock = [early] * 2 if early else [], FakeClock()
    good = answer(200, {**MADE, "disabled": True})
    with ScriptedServer(answer(200, []), answer(200, made), *looks, good) as server:
        found = scripted(server, clock).create(checked())
        assert (found["token"], found["disabled"]) == ("t0ken", True)
        assert [request.method for request in server.received] == ["GET", "POST", "GET", *["GET" for _ in looks]]
    assert (sum(clock.slept) > 0) is bool(looks)


@pytest.mark.parametrize(
    ("last", "least"), [(answer(500), 0), (NOT_FOUND, CREATE_TIMEOUT * 0.9), (answer(200, {"id": 8, "token": "t"}), 0)]
)
def test_an_instance_whose_token_cannot_be_read_is_named(last: Answer, least: float) -> None:
    """It exists, so the error has its id and the line to adopt it. A listing may not show it yet: the file stays."""
    clock = FakeClock()
    with (
        ScriptedServer(answer(200, []), answer(200, {"id": 9}), last) as server,
        pytest.raises(CreateIncomplete, match=r'created as 9.*adopt_id="9"') as caught,
    ):
        scripted(server, clock).create(checked())
    assert (caught.value.candidates, locked()) == (["9"], 1)
    assert least <= sum(clock.slept) <= (CREATE_TIMEOUT if least else 0)


def test_an_error_that_is_not_ours_orphans_nothing(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API had acted when something in between failed: the instance is found."""
    send = Client.post

    def fail_after(client: Client, *arguments: Any) -> Any:
        send(client, *arguments)
        raise ValueError("odd")

    monkeypatch.setattr(Client, "post", fail_after)
    assert [operations(api).create(checked())["id"]] == ids(api)


# what an interrupted run has left


def test_an_instance_of_the_line_is_asked_about(api: Emulator) -> None:
    """It may be one that has moved, or that `--replace` replaces. The error names all causes, and both commands."""
    left, of_other = add(api, MARK), add(api, mark_of(OTHER, 3))
    add(api, mark_of(line_of(Place("shop", "prod", "", "billing")), 1))
    every = operations(api)
    every.note_new(BILLING)
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


def test_of_many_that_were_left_an_error_names_the_first(api: Emulator) -> None:
    """A run of hundreds that was cut off is still one line."""
    every = operations(api)
    for number in range(10, 210):
        every.note_new(line := line_of(Place("shop", "dev", "", f"box-{number}")))
        add(api, mark_of(line, 1), name=f"box-{number}")
    add(api, MARK)
    with pytest.raises(LeftBehind, match=r"\(shop/dev/box-107\) and 191 more; ") as caught:
        every.create(checked())
    assert str(caught.value).count("(shop/dev/") == 10


def test_what_a_run_has_left_is_taken_over(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """With the name and tags of today, by one PUT, and never deleted by this run: not even as the replaced one."""
    left = add(api, "old", mark_of(BILLING, 7), name="old")
    every = operations(api, take_over="yes")
    found = every.create(checked())
    assert (found["id"], found[model.MARK]) == (left, mark_of(BILLING, 2)), "it gets a new mark"
    assert sent(api) == [("PUT", {"name": "billing", "tags": ["eu", found[model.MARK]]})]
    assert f"instance {left}, made by an interrupted run, is taken over" in caplog.text
    every.delete(left, found)
    assert ids(api) == [left]


def test_a_replacement_leaves_the_instance_of_the_line(api: Emulator) -> None:
    """`takeOver: no`: a new one is created beside it."""
    left = add(api, mark_of(BILLING, 7))
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
    left = [add(api, MARK), add(api, mark_of(BILLING, 2))]
    with pytest.raises(LeftBehind, match="or delete those that nobody needs and the state does not hold") as caught:
        operations(api, take_over=take_over).create(checked())
    assert (caught.value.candidates, api.writes) == (left, [])


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
    api: Emulator, ago: float, given: dict[str, Any], least: float, most: float
) -> None:
    """Then it has made nothing, and the create goes on."""
    cut_off(api, seconds=ago)
    clock = FakeClock()
    operations(api, clock, **given).create(checked())
    assert least <= sum(clock.slept) <= most
    assert (posts(api), locked()) == (1, 0)


def test_without_marks_what_a_cut_off_create_may_have_made_is_named(api: Emulator) -> None:
    """The user decides, and until then the file stays; `takeOver: no` creates another one."""
    cut_off(api)
    left = add(api, "eu")
    for _ in range(2):
        with pytest.raises(LeftBehind, match=rf"may have made one of: {left}; .*adopt_id=.*INSTANCES_TAKE_OVER=no"):
            operations(api, mark=False).create(checked())
    assert (posts(api), locked()) == (0, 1)
    operations(api, mark=False, take_over="no").create(checked())
    assert (posts(api), locked()) == (1, 0)


def test_a_process_that_is_still_creating_is_waited_for(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Its engine is dead. When it has ended, its instance is looked for, and no second POST is sent."""
    other = locks.take(lock_of(api), lambda: False)

    def end() -> None:
        add(api, MARK)
        other.end(decided=False)

    clock = FakeClock(meanwhile={CREATE_TIMEOUT / 2: end})
    found = operations(api, clock, take_over="yes").create(checked())
    assert "waiting for a process that is still creating it, for up to 60 s" in caplog.text
    assert ([found["id"]], posts(api)) == (ids(api), 0)


def test_a_process_that_goes_on_creating_is_an_error(api: Emulator) -> None:
    """After `createTimeout`; nothing was sent."""
    clock, said = FakeClock(), "is still creating it; nothing was sent; run again later"
    locks.take(lock_of(api), lambda: False)
    with pytest.raises(CreateLost, match=said):
        operations(api, clock).create(checked())
    assert CREATE_TIMEOUT * 0.9 < sum(clock.slept) <= CREATE_TIMEOUT + 3
    assert posts(api) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled("the engine has ended", "run again")])
@pytest.mark.parametrize("is_sent", [True, False])
def test_an_interrupt_leaves_the_file_once_a_request_may_have_been_sent(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, error: BaseException, is_sent: bool
) -> None:
    """Before that, nothing was made."""

    def interrupt(_client: Client, _body: Any, may_send: Callable[[], bool]) -> Any:
        if is_sent:
            may_send()
        raise error

    monkeypatch.setattr(Client, "post", interrupt)
    with pytest.raises(type(error)):
        operations(api).create(checked())
    assert locked() == int(is_sent)


@pytest.mark.parametrize("heard", [True, False])
def test_a_create_of_which_nobody_hears_leaves_the_file(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    """The engine was killed during the POST: no state holds the instance, and a listing may not show it yet."""
    post = Client.post

    def post_then_die(client: Client, *arguments: Any) -> Any:
        made = post(client, *arguments)
        monkeypatch.setattr(process, "is_heard", lambda: heard)
        return made

    monkeypatch.setattr(Client, "post", post_then_die)
    operations(api).create(checked())
    assert locked() == int(not heard)


def test_a_file_stays_until_what_was_cut_off_is_known(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that was to look for it could not list the account, or its engine has ended."""
    cut_off(api)
    for fault in (Fault.delay(0), Fault.status(500)):  # the listing to compare with, and the one to look into
        api.fail("GET", "/instances", fault)
    with pytest.raises(ServerError):
        operations(api, max_retries=0).create(checked())
    assert locked() == 1
    monkeypatch.setattr(process, "is_heard", lambda: False)
    with pytest.raises(ConnectionFailed, match="the engine has ended"):
        operations(api).create(checked())
    assert (posts(api), locked()) == (0, 1)


# many


def test_forty_creates_at_once_lose_and_double_nothing(api: Emulator) -> None:
    """The API has as many instances as were returned, each with its token. Those that fail leave nothing behind."""
    for number, fault in enumerate([*LOST.values()][:-1]):
        api.fail("POST", "/instances", fault, probability=0.1, seed=100 + number)
    api.fail("POST", "/instances", Fault.drop_before(), probability=0.2, seed=1)
    api.fail("POST", "/instances", Fault.status(429), probability=0.05, seed=1)
    api.fail("GET", "/instances", Fault.status(503), probability=0.1, seed=1)
    every = operations(api, max_retries=9)

    def attempt(number: int) -> dict[str, Any] | None:
        try:
            return every.create({**checked(f"r{number}"), "name": "same"})
        except CreateLost:
            return None

    with ThreadPoolExecutor(16) as threads:
        kept = [found for found in threads.map(attempt, range(40)) if found]
    tokens = {str(instance["id"]): instance["token"] for instance in api.instances()}
    assert {found["id"]: found["token"] for found in kept} == tokens
    assert 0 < len(kept) == len(tokens) < 40
    assert {*Counter(item["managed_by"] for item in api.instances()).values()} == {1}
    assert [request.status for request in api.requests if request.method == "POST"].count(200) < 40


def test_an_instance_with_the_mark_of_another_ones_resource_is_named_once(
    api: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """An interrupted run, or another stack of this name, has made it."""
    ours, twin = add(api, MARK), add(api, mark_of(BILLING, 2))
    every = operations(api)
    every.check_new_adoption({"adopt_id": twin, "your_mom": "dropbox"}, OTHER)  # lists the account
    for _ in range(2):
        every.read(ours, state_of(api, ours, **{model.MARK: MARK}))
    warnings = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in warnings] == [
        f"instance {twin} carries the mark of shop/dev/billing, which has another instance in this stack"
    ]
