"""An instance that is not found is gone only if that is proven, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.core import identity, model
from pulumi_instances.core.config import load
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import InstancesError
from pulumi_instances.engine_calls import EngineCalls
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty
from tests.support.clock import FakeClock
from tests.support.harness import Harness
from tests.support.scripted import ScriptedServer, answer
from tests.support.values import outputs

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


def test_whoever_is_asked_in_place_of_the_api_the_state_stays(
    stack: Harness, instances_api: Emulator, instances_dialect: str
) -> None:
    """Nothing is dropped, nothing is deleted, and the next `up` creates nothing a second time."""
    stack.program(THREE)
    stack.up()
    before = {name: state["id"] for name, state in stack.instances().items()}
    right = dict(stack.env)
    for what, (place, said) in WRONG.items():
        if what.startswith("wrong path") and DIALECTS[instances_dialect].empty_is_404:
            said = "INSTANCES_CONFIRM_GONE=true"  # it looks like an account without instances
        for operation, act in OPERATIONS.items():
            with place(instances_api) as changed, stack.later():
                stack.env.update(changed)
                with pytest.raises(auto.CommandError) as failure:
                    act(stack)
            assert said in str(failure.value), (what, operation)
            stack.env.clear()
            stack.env.update(right)
            assert {name: state["id"] for name, state in stack.instances().items()} == before, (what, operation)
            there = sorted(str(each["id"]) for each in instances_api.instances())
            assert there == sorted(before.values()), (what, operation)
    assert stack.up().summary.resource_changes == {"same": 4}
    assert len(instances_api.instances()) == 3


def test_with_other_secrets_an_emptied_account_proves_nothing(stack: Harness, instances_api: Emulator) -> None:
    """The error names the setting that confirms it. With the secrets of the state, nothing has to be confirmed."""
    stack.program(THREE)
    stack.up()
    for each in instances_api.instances():
        instances_api.remove(each["id"])
    right = dict(stack.env)
    with stack.later():
        stack.env.update(instances_api.add_account().env)
        for operation in ("refresh", "destroy"):
            with pytest.raises(auto.CommandError, match=r"the default account.*INSTANCES_CONFIRM_GONE=true"):
                OPERATIONS[operation](stack)
            assert len(stack.instances()) == 3
        stack.env["INSTANCES_CONFIRM_GONE"] = "true"
        stack.refresh()
        assert stack.instances() == {}
    stack.env.clear()
    stack.env.update(right)
    stack.up()
    for each in instances_api.instances():
        instances_api.remove(each["id"])
    with stack.later():
        assert_ends_empty(stack, instances_api)


def test_one_of_several_that_is_gone_is_dropped_and_named(stack: Harness, instances_api: Emulator) -> None:
    """The others prove that the API and the account are the right ones."""
    stack.program(THREE)
    stack.up()
    ids = {name: state["id"] for name, state in stack.instances().items()}
    with stack.later():
        instances_api.remove(ids["box-1"])
        stack.refresh()
        assert f"instance {ids['box-1']} no longer exists" in stack.said[-1]
        assert set(stack.instances()) == {"box-0", "box-2"}
        instances_api.remove(ids["box-2"])
        assert_ends_empty(stack, instances_api)
        assert f"instance {ids['box-2']} no longer exists" in stack.said[-1]


def test_a_false_404_to_a_delete_after_a_refresh_leaves_no_orphan(stack: Harness, instances_api: Emulator) -> None:
    """One process does both, so that its listing is older than its last sight of the instance."""
    stack.program(THREE)
    stack.up()
    instance_id = stack.instances()["box-1"]["id"]
    stack.program("")

    for operation in (stack.up, stack.destroy):
        instances_api.fail("DELETE", f"/instances/{instance_id}", Fault.status(404))
        with stack.later(), pytest.raises(auto.CommandError, match="the API lists it, so nothing is dropped"):
            operation(refresh=True)
        held = {resource["id"] for resource in stack.instances().values()}
        assert instance_id in held
        assert held == {str(instance["id"]) for instance in instances_api.instances()}

    assert_ends_empty(stack, instances_api)


# what the engine calls, without an engine

NOT_GONE = {
    **{str(status): Fault.status(status) for status in (400, 401, 403, 405, 409, 429, 500, 502, 503, 504)},
    "502 of a proxy": Fault.status_after(502),
    "HTML": Fault.status(200, body="<html>"),
    "empty": Fault.status(200, body=""),
    "an empty list": Fault.status(200, body="[]"),
    "an empty object": Fault.status(200, body="{}"),
    "null": Fault.status(200, body="null"),
    "a stranger": Fault.status(200, body='{"id": 1, "name": "of another"}'),
    "a list of strangers": Fault.status(200, body='[{"id": 1, "name": "x"}]'),
    "garbage": Fault.garbage(),
    "truncated": Fault.truncated(),
    "connection lost": Fault.drop_before(),
    "answer lost": Fault.drop_after(),
    "redirect": Fault.redirect("http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("path", ["/instances", "/instances/{id}", None], ids=["listing", "by id", "both"])
def test_a_refresh_of_many_drops_nothing_that_it_cannot_read(api: Emulator, path: str | None) -> None:
    """Six reads share a listing: each is served or is an error, and no instance counts as missing."""
    account = identity.account_of(load(lambda _: None, api.env))
    for what, fault in NOT_GONE.items():
        api.reset()
        for _ in range(6):
            api.add(your_mom="dropbox", name="billing", tags=["eu"])
        states = {str(each["id"]): outputs(token=each["token"], **{model.ACCOUNT: account}) for each in api.instances()}
        calls = EngineCalls(FakeClock())
        config = {"baseUrl": api.base_url, "userSecret": api.user_secret, "organizationSecret": api.organization_secret}
        calls.configure({f"instances:{key}": value for key, value in {**config, "maxRetries": "0"}.items()}.get)
        api.fail("GET", path, fault, times=99)
        with ThreadPoolExecutor(6) as threads:
            assert list(threads.map(partial(_refreshed, calls, states), states)) == [*states], what


def _refreshed(calls: EngineCalls, states: dict[str, Any], instance_id: str) -> str | None:
    """The id of what was read, or could not be read; None for what counts as gone."""
    try:
        found = calls.read(instance_id, states[instance_id])
    except InstancesError as error:
        return instance_id if f"read instance {instance_id}: " in str(error) else str(error)
    return None if found is None else found.id
