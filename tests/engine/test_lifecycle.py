"""What the provider is asked on the way. What comes of it is compared with the CLI (test_parity.py)."""

from __future__ import annotations

from typing import Any

from .conftest import NewStack, resources
from .toy_cloud import Cloud


def thing(**properties: Any) -> Any:
    """A program with one thing, `first`."""

    def program() -> None:
        from tests.engine.toy_cloud import Thing

        Thing("first", **properties)

    return program


def test_the_provider_is_called_as_by_the_engine(new_stack: NewStack, cloud: Cloud) -> None:
    """Check gets the old inputs, {} for a new resource and for the second check of a replacement."""
    stack = new_stack(thing(name="a", kind="1"))
    stack.up()
    assert [call["call"] for call in cloud.calls()] == ["configure", "check", "create"]
    cloud.forget_calls()

    stack = new_stack(thing(name="b", kind="1"))
    stack.up()
    old = {"name": "a", "kind": "1", "filled": "new"}
    assert [call["call"] for call in cloud.calls()] == ["configure", "check", "diff", "update"]
    assert cloud.calls("check")[0]["olds"] == old
    assert cloud.calls("update")[0]["olds"] == old
    cloud.forget_calls()

    stack = new_stack(thing(name="b", kind="2"))
    stack.up()
    assert [call["call"] for call in cloud.calls()] == ["configure", "check", "diff", "check", "create", "delete"]
    assert [call["olds"] for call in cloud.calls("check")] == [{**old, "name": "b"}, {}]


def test_a_same_answer_still_stores_new_inputs(new_stack: NewStack) -> None:
    """The old outputs stay."""
    new_stack(thing(name="a", diff_says="none")).up()
    stack = new_stack(thing(name="b", diff_says="none"))
    stack.up()
    first = resources(stack)["first"]
    assert (first["inputs"]["name"], first["outputs"]["name"]) == ("b", "a")
