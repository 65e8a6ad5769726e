"""An instance that is not found is gone only if that is proven, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty
from tests.support.harness import Harness
from tests.support.scripted import ScriptedServer, answer

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


NO_API, NO_ACCOUNT = "check that instances:baseUrl names the API", "INSTANCES_CONFIRM_GONE=true"
OPERATIONS: dict[str, Callable[[Harness], object]] = {
    "refresh": lambda stack: stack.refresh(),
    "up --refresh": lambda stack: stack.up(refresh=True),
    "destroy": lambda stack: stack.destroy(),
}
WRONG: dict[str, tuple[Any, str, str]] = {
    "wrong path": (_wrong_path, "refresh", NO_API),
    "HTML page": (_html, "destroy", NO_API),
    "login page": (_login, "up --refresh", NO_API),
    "wrong path behind a 503": (_flaky_path, "destroy", NO_API),
    "empty account": (_empty_account, "up --refresh", NO_ACCOUNT),
    "used account": (_used_account, "destroy", NO_ACCOUNT),
}
"""What is asked, by which operation, and what is said. How an answer is judged is in tests/unit/test_absence.py."""


def test_whoever_is_asked_in_place_of_the_api_the_state_stays(
    stack: Harness, instances_api: Emulator, instances_dialect: str
) -> None:
    """Nothing is dropped, nothing is deleted, and the next `up` creates nothing a second time."""
    stack.program(THREE)
    stack.up()
    before = {name: state["id"] for name, state in stack.instances().items()}
    right = dict(stack.env)
    for what, (place, operation, said) in WRONG.items():
        if what.startswith("wrong path") and DIALECTS[instances_dialect].empty_is_404:
            said = NO_ACCOUNT  # it looks like an account without instances
        with place(instances_api) as changed, stack.later():
            stack.env.update(changed)
            with pytest.raises(auto.CommandError) as failure:
                OPERATIONS[operation](stack)
        assert said in str(failure.value), what
        stack.env.clear()
        stack.env.update(right)
        assert {name: state["id"] for name, state in stack.instances().items()} == before, what
        assert sorted(str(each["id"]) for each in instances_api.instances()) == sorted(before.values()), what
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
