"""An instance that is not found is gone only if that is proven, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Barrier
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.api.client import Client
from pulumi_instances.api.gone import Gone
from pulumi_instances.api.operations import Operations
from pulumi_instances.core.config import Settings
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import InstancesError, NotFound, UnexpectedAnswer
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty
from tests.support.clock import FakeClock
from tests.support.harness import Harness
from tests.support.scripted import ScriptedServer, answer
from tests.support.values import inputs

THREE = """
    for number in range(3):
        Instance(f"box-{number}", your_mom="dropbox", tags=["a"])
"""
HTML = b"<html><body><h1>404 Not Found</h1></body></html>"

Environment = dict[str, str]


@contextmanager
def _wrong_path(api: Emulator) -> Iterator[Environment]:
    yield {"INSTANCES_BASE_URL": f"{api.base_url}/v3"}


@contextmanager
def _html(_api: Emulator) -> Iterator[Environment]:
    with ScriptedServer(answer(404, HTML, Content_Type="text/html")) as proxy:
        yield {"INSTANCES_BASE_URL": proxy.base_url}


@contextmanager
def _login(_api: Emulator) -> Iterator[Environment]:
    with ScriptedServer(answer(200, b"\n" + HTML, Content_Type="text/html")) as proxy:
        yield {"INSTANCES_BASE_URL": proxy.base_url}


@contextmanager
def _flaky_path(_api: Emulator) -> Iterator[Environment]:
    missing = answer(404, {"message": "no such route"})
    with ScriptedServer(*[answer(503)] * 3, missing) as proxy:
        yield {"INSTANCES_BASE_URL": proxy.base_url}


@contextmanager
def _empty_account(api: Emulator) -> Iterator[Environment]:
    yield api.add_account().env


@contextmanager
def _used_account(api: Emulator) -> Iterator[Environment]:
    other = api.add_account()
    for number in range(4):
        api.add(name=f"box-{number}", tags=["a"], account=other)
    yield other.env


WRONG: dict[str, tuple[Any, str]] = {
    "wrong path": (_wrong_path, "check that instances:baseUrl names the API"),
    "HTML page": (_html, "check that instances:baseUrl names the API"),
    "login page": (_login, "check that instances:baseUrl names the API"),
    "wrong path behind a 503": (_flaky_path, "check that instances:baseUrl names the API"),
    "empty account": (_empty_account, "INSTANCES_CONFIRM_GONE=true"),
    "used account": (_used_account, "INSTANCES_CONFIRM_GONE=true"),
}
OPERATIONS: dict[str, Callable[[Harness], object]] = {
    "refresh": lambda stack: stack.refresh(),
    "up --refresh": lambda stack: stack.up(refresh=True),
    "destroy": lambda stack: stack.destroy(),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("what", WRONG)
def test_whoever_is_asked_in_place_of_the_api_the_state_stays(
    stack: Harness, instances_api: Emulator, instances_dialect: str, what: str, operation: str
) -> None:
    """Nothing is dropped, nothing is deleted, and the next `up` creates nothing a second time."""
    stack.program(THREE)
    stack.up()
    before = {name: state["id"] for name, state in stack.instances().items()}
    right = dict(stack.env)
    place, said = WRONG[what]
    if what.startswith("wrong path") and DIALECTS[instances_dialect].empty_is_404:
        said = "INSTANCES_CONFIRM_GONE=true"  # it looks like an account without instances
    with place(instances_api) as changed:
        stack.env.update(changed)
        with pytest.raises(auto.CommandError, match=said):
            OPERATIONS[operation](stack)
    stack.env.clear()
    stack.env.update(right)
    assert {name: state["id"] for name, state in stack.instances().items()} == before
    assert sorted(str(each["id"]) for each in instances_api.instances()) == sorted(before.values())
    assert stack.up().summary.resource_changes == {"same": 4}
    assert len(instances_api.instances()) == 3


@pytest.mark.parametrize("operation", ["refresh", "destroy"])
def test_an_account_that_was_emptied_is_confirmed(stack: Harness, instances_api: Emulator, operation: str) -> None:
    """All really are gone: the error names the setting, and with it the state follows."""
    stack.program(THREE)
    stack.up()
    for each in instances_api.instances():
        instances_api.remove(each["id"])
    with pytest.raises(auto.CommandError, match=r"the default account.*INSTANCES_CONFIRM_GONE=true"):
        OPERATIONS[operation](stack)
    assert len(stack.instances()) == 3
    stack.env["INSTANCES_CONFIRM_GONE"] = "true"
    OPERATIONS[operation](stack)
    assert stack.instances() == {}


@pytest.mark.parametrize("operation", ["refresh", "destroy"])
def test_one_of_several_that_is_gone_is_dropped_and_named(
    stack: Harness, instances_api: Emulator, operation: str
) -> None:
    """The others prove that the API and the account are the right ones."""
    stack.program(THREE)
    stack.up()
    lost = stack.instances()["box-1"]["id"]
    instances_api.remove(lost)
    OPERATIONS[operation](stack)
    assert f"instance {lost} no longer exists" in stack.said[-2 if operation == "refresh" else -1] + stack.said[-1]
    assert set(stack.instances()) == ({"box-0", "box-2"} if operation == "refresh" else set())


@pytest.mark.parametrize("operation", ["up", "destroy"])
def test_a_false_404_to_a_delete_after_a_refresh_leaves_no_orphan(
    stack: Harness, instances_api: Emulator, operation: str
) -> None:
    """One process does both, so that its listing is older than its last sight of the instance."""
    stack.program(THREE)
    stack.up()
    instance_id = stack.instances()["box-1"]["id"]
    instances_api.fail("DELETE", f"/instances/{instance_id}", Fault.status(404))
    stack.program("")

    with pytest.raises(auto.CommandError, match="the API lists it, so nothing is dropped"):
        getattr(stack, operation)(refresh=True)

    held = {resource["id"] for resource in stack.instances().values()}
    assert instance_id in held
    assert held == {str(instance["id"]) for instance in instances_api.instances()}
    assert_ends_empty(stack, instances_api)


# what it costs, and each way to fail, without an engine


def operations(api: Emulator, **changed: Any) -> Operations:
    """The operations of a process that retries nothing."""
    given = {"user_secret": api.user_secret, "organization_secret": api.organization_secret, **changed}
    return Operations(replace(Settings(api.base_url, "", "", max_retries=0), **given))


@pytest.fixture(autouse=True)
def _home(home: Mapping[str, str]) -> None:
    """Notes of creates go to a directory of the test's own."""


def all_at_once(every: Operations, ids: list[str], verb: str) -> list[object]:
    """The result of each call, or the error that it raised."""
    together = Barrier(len(ids))

    def call(instance_id: str) -> object:
        together.wait()
        try:
            return getattr(every, verb)(instance_id)
        except InstancesError as error:
            return error

    with ThreadPoolExecutor(len(ids)) as threads:
        return list(threads.map(call, ids))


def listings(api: Emulator) -> int:
    return sum(request.path == "/instances" for request in api.requests)


def test_deletes_whose_answers_were_all_lost_are_done(api: Emulator) -> None:
    """The API knows none of them any more, because of our own requests; a listing still has to lack them."""
    made = [str(api.add()) for _ in range(3)]
    api.fail("DELETE", None, Fault.drop_after(), times=3)
    assert all_at_once(operations(api, max_retries=2), made, "delete") == [None] * 3
    assert (api.instances(), listings(api)) == ([], 1)


def test_deletes_whose_answers_are_lost_one_after_another_are_done(api: Emulator) -> None:
    """The listing that proves the first still has the second."""
    made = [str(api.add()) for _ in range(3)]
    every = operations(api, max_retries=2)
    for instance_id in made:
        api.fail("DELETE", f"/instances/{instance_id}", Fault.drop_after())
        every.delete(instance_id)
    assert (api.instances(), listings(api)) == ([], 3)


def test_nothing_is_listed_while_nothing_is_missing(api: Emulator) -> None:
    """The proof is taken when it is needed."""
    made = [str(api.add()) for _ in range(3)]
    every = operations(api, batch_reads=False)
    for instance_id in made:
        every.read(instance_id)
        every.delete(instance_id)
    assert listings(api) == 0


@pytest.mark.parametrize("verb", ["read", "delete"])
def test_the_proof_is_taken_once(api: Emulator, verb: str) -> None:
    """The number of missing instances does not matter."""
    made = str(api.add())
    missing = [str(number) for number in range(1, 21)]
    every = operations(api, batch_reads=False)
    found = all_at_once(every, [made, *missing], verb)[1:]
    assert {type(each) for each in found} == {NotFound if verb == "read" else type(None)}
    assert listings(api) == 1


def test_a_single_one_may_be_gone(api: Emulator) -> None:
    """There is nothing to compare with, so the API's answer and the listing decide."""
    with pytest.raises(NotFound):
        operations(api).read("7")
    operations(api).delete("7")


@pytest.mark.parametrize("verb", ["read", "delete"])
@pytest.mark.parametrize("status", [401, 403, 404, 410, 500, 503])
def test_a_listing_that_fails_proves_nothing(api: Emulator, verb: str, status: int) -> None:
    """It is asked once, and the error says why nothing is dropped."""
    made = str(api.add())
    api.fail("GET", "/instances", Fault.status(status), times=99)
    every = operations(api, batch_reads=False)
    every.read(made)
    for instance_id in ("7", "8"):
        with pytest.raises(
            UnexpectedAnswer, match=rf"nothing is dropped \(list instances: {status}.*CONFIRM_GONE=true"
        ):
            getattr(every, verb)(instance_id)
    assert listings(api) == 1


@pytest.mark.parametrize("verb", ["read", "delete"])
def test_what_the_listing_holds_is_not_gone(api: Emulator, verb: str) -> None:
    """Only one path, or only one of several servers, answers 404."""
    made = str(api.add())
    api.fail(None, f"/instances/{made}", Fault.status(404))
    with pytest.raises(UnexpectedAnswer, match="the API lists it, so nothing is dropped"):
        getattr(operations(api), verb)(made)


@pytest.mark.parametrize("strangers", [0, 3])
@pytest.mark.parametrize("verb", ["read", "delete"])
def test_none_of_several_is_known(api: Emulator, verb: str, strangers: int) -> None:
    """The line names the URL, the account and the setting."""
    for _ in range(strangers):
        api.add()
    every = operations(api, batch_reads=False)
    for error in all_at_once(every, ["7", "8", "9"], verb):
        assert type(error) is UnexpectedAnswer
        assert f"{api.base_url} knows none of" in str(error)
        assert "the default account" in str(error)
        assert "INSTANCES_CONFIRM_GONE=true" in str(error)


def test_an_account_of_the_program_is_named(api: Emulator) -> None:
    """The error names its own environment variable."""
    given = Settings(api.base_url, api.user_secret, api.organization_secret)
    every = Operations(given, account="eu")
    for error in all_at_once(every, ["7", "8"], "delete"):
        assert 'account "eu"' in str(error)
        assert "INSTANCES_EU_CONFIRM_GONE=true" in str(error)


def test_what_diff_has_seen_counts_as_asked_for(api: Emulator) -> None:
    """An `up` with another account's secrets may replace one instance of many, and then sends a single delete."""
    every = operations(api)
    for instance_id in ("7", "8", "9"):
        every.note_managed(instance_id, {}, {})
    with pytest.raises(UnexpectedAnswer, match="knows none"):
        every.delete("7")


def test_what_was_just_made_proves_nothing(api: Emulator) -> None:
    """Another account's secrets make the replacement there, and must not pass for the account of the old one."""
    every = operations(api)
    for instance_id in ("7", "8"):
        every.note_managed(instance_id, {}, {})
    every.create(inputs())
    with pytest.raises(UnexpectedAnswer, match="knows none"):
        every.delete("7")


@pytest.mark.parametrize("known", ["listed", "read", "updated", "deleted", "looked up"])
def test_one_that_the_api_knows_is_enough(api: Emulator, known: str) -> None:
    """It does not matter what was done to it."""
    made = str(api.add())
    every = operations(api, batch_reads=False)
    if known == "listed":
        every.note_managed(made, {}, {})
    elif known == "updated":
        every.update(made, inputs())
    else:
        calls: dict[str, Callable[[str], object]] = {"read": every.read, "deleted": every.delete}
        calls.get(known, every.look_up)(made)
    every.delete("7")
    every.delete("8")


def test_an_empty_listing_that_is_a_404_proves_little() -> None:
    """In a dialect that answers so, a wrong path looks the same, so not even a single instance is dropped."""
    with Emulator(empty_list_404=True) as api:
        every = operations(api, dialect=DIALECTS["elements"])
        with pytest.raises(UnexpectedAnswer, match="knows none"):
            every.read("7")
        every = operations(api, dialect=DIALECTS["elements"])
        made = str(api.add())
        every.delete(made)
        every.delete("7")


def test_confirmed_the_apis_word_is_enough(api: Emulator) -> None:
    """No listing is fetched; a page of a proxy is still no proof."""
    every = operations(api, confirm_gone=True)
    for instance_id in ("7", "8"):
        every.delete(instance_id)
        with pytest.raises(NotFound):
            every.read(instance_id)
    assert listings(api) == 0
    api.fail("DELETE", None, Fault.status(404, body=HTML))
    with pytest.raises(UnexpectedAnswer):
        every.delete("7")


def test_a_listing_of_a_refresh_is_proof_enough(api: Emulator) -> None:
    """No second one is fetched for what it lacks."""
    made = [str(api.add(name=f"n{number}")) for number in range(12)]
    api.remove(made[5])
    every = operations(api)
    every._reads._alone = False  # another read is under way, so that even the first of these wants the listing
    found = all_at_once(every, made, "read")
    assert isinstance(found[5], NotFound)
    assert sum(isinstance(each, dict) for each in found) == 11
    assert listings(api) == 1


@pytest.mark.parametrize("seen", ["read", "look_up"])
@pytest.mark.parametrize("verb", ["read", "delete"])
def test_a_listing_proves_nothing_about_what_was_seen_after_it(api: Emulator, seen: str, verb: str) -> None:
    """Another one is taken, which tells whether it is gone."""
    other = str(api.add())
    every = operations(api, batch_reads=False)
    every.read(other)
    every.delete("7")  # takes the listing
    made = str(api.add())
    getattr(every, seen)(made)
    api.fail(None, f"/instances/{made}", Fault.status(404))
    with pytest.raises(UnexpectedAnswer, match="the API lists it, so nothing is dropped"):
        getattr(every, verb)(made)


def seen_after_a_listing(api: Emulator) -> tuple[Operations, str]:
    """An instance, one of two, that was seen only after a missing one had caused a listing."""
    made, other = str(api.add()), str(api.add())
    every = operations(api, batch_reads=False)
    every.read(other)
    every.delete("7")  # takes the listing
    every.read(made)
    return every, made


def test_a_listing_that_fails_leaves_the_proof_of_the_one_before(api: Emulator) -> None:
    """It proves nothing about what was seen after it; about the others it proves what it did."""
    every, made = seen_after_a_listing(api)
    api.fail("GET", "/instances", Fault.status(503))
    api.fail("DELETE", f"/instances/{made}", Fault.status(404), times=2)
    for _ in range(2):
        with pytest.raises(UnexpectedAnswer, match=r"nothing is dropped \(list instances: 503"):
            every.delete(made)
    every.delete("8")
    assert listings(api) == 2


def test_what_was_there_after_the_listing_may_go(api: Emulator) -> None:
    """The new listing lacks it, and serves the next as well."""
    every, made = seen_after_a_listing(api)
    api.remove(made)
    with pytest.raises(NotFound):
        every.read(made)
    every.delete(made)
    assert listings(api) == 2


def waited(
    api: Emulator, before: Callable[[Gone], object], meanwhile: Callable[[Gone], object], after: float = 0.4
) -> float:
    """How long one that misses instance 7 waits for the others that the engine is about to ask for."""
    clock = FakeClock(meanwhile={after: lambda: meanwhile(gone)})
    gone = Gone(Client(Settings(api.base_url, api.user_secret, api.organization_secret), clock=clock))
    gone.ask("7")
    before(gone)
    gone.check("7", "read instance 7", NotFound("not found", 404))
    return sum(clock.slept)


def nothing(_: Gone) -> None:
    """What happens most of the time."""


def test_the_first_that_is_missing_waits_for_the_others(api: Emulator) -> None:
    """The engine asks for all of them at once, so the first one is not mistaken for the only one."""
    with pytest.raises(UnexpectedAnswer, match="knows none of the instances of the state"):
        waited(api, nothing, lambda gone: gone.ask("8"))
    assert 0 < waited(api, nothing, nothing) < 5, "it may be the only one"


@pytest.mark.parametrize("answered", [0.4, 3.0])
def test_one_whose_delete_is_under_way_proves_the_account(api: Emulator, answered: float) -> None:
    """The API has taken it off the listing by then, and its answer is on its way."""
    with ExitStack() as delete:
        begun = lambda gone: delete.enter_context(gone.deleting("8"))  # noqa: E731
        assert waited(api, begun, lambda _: delete.close(), answered) >= answered


def test_the_first_that_is_known_ends_the_wait(api: Emulator) -> None:
    """Other DELETEs may take much longer."""
    with ExitStack() as quick, ExitStack() as slow:

        def begin(gone: Gone) -> None:
            quick.enter_context(gone.deleting("8"))
            slow.enter_context(gone.deleting("9"))

        assert 3 <= waited(api, begin, lambda _: quick.close(), 3.0) < 4


def test_one_whose_delete_fails_proves_nothing(api: Emulator) -> None:
    """It is waited for no longer than it takes, and not at all where none is under way."""

    def fails(gone: Gone) -> None:
        with pytest.raises(NotFound), gone.deleting("8"):
            raise NotFound("not found", 404)

    with pytest.raises(UnexpectedAnswer, match="knows none of the instances of the state"):
        waited(api, fails, nothing)


def test_nobody_waits_who_is_not_alone(api: Emulator) -> None:
    """A wait could only bring another instance that the state holds, or one that the API knows."""
    here = str(api.add())
    assert waited(api, lambda gone: gone.ask(here), nothing) == 0
    assert waited(api, lambda gone: gone.see(here), nothing) == 0


@pytest.mark.parametrize("call", ["look_up", "update", "adopt"])
def test_a_page_of_a_proxy_is_no_answer_to_anything(api: Emulator, call: str) -> None:
    """`.get`, update and adoption ask to check the base URL as well."""
    api.fail(None, "/instances/{id}", Fault.status(404, body=HTML))
    every = operations(api)
    calls: dict[str, Callable[[], object]] = {
        "look_up": lambda: every.look_up("7"),
        "update": lambda: every.update("7", inputs()),
        "adopt": lambda: every.adopt(inputs(adopt_id="7")),
    }
    with pytest.raises(UnexpectedAnswer, match="check that instances:baseUrl names the API"):
        calls[call]()
