"""What the provider is asked on the way. What comes of it is compared with the CLI (test_parity.py)."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import NewStack, resources
from .toy_cloud import Cloud


def thing(**properties: Any) -> Any:
    """A program with one thing, `first`; `opts` are its options."""
    options = properties.pop("opts", {})

    def program() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        Thing("first", opts=pulumi.ResourceOptions(**options), **properties)

    return program


def nothing() -> None:
    pass


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


def test_a_preview_only_checks_and_compares(new_stack: NewStack, cloud: Cloud) -> None:
    """It creates, updates and deletes nothing, and leaves the state alone."""
    stack = new_stack(thing(name="a", kind="1"))
    stack.up()
    before = stack.export_stack().deployment
    assert before
    cloud.forget_calls()

    assert new_stack(thing(name="b", kind="1")).preview().change_summary == {"same": 1, "update": 1}
    assert new_stack(thing(name="b", kind="2")).preview().change_summary == {"same": 1, "replace": 1}
    assert new_stack(nothing).preview().change_summary == {"same": 1, "delete": 1}
    assert {call["call"] for call in cloud.calls()} == {"configure", "check", "diff"}
    after = stack.export_stack().deployment or {}
    assert after["resources"] == before["resources"]


@pytest.mark.parametrize(
    ("says", "options", "changes"),
    [
        ("unknown", {}, {"update": 1, "same": 1}),
        ("unknown", {"replace_on_changes": ["name"]}, {"replace": 1, "same": 1}),
        ("unknown", {"replace_on_changes": ["kind"]}, {"update": 1, "same": 1}),
        ("unknown", {"ignore_changes": ["name"]}, {"same": 2}),
        ("some", {}, {"update": 1, "same": 1}),
        ("some", {"replace_on_changes": ["name"]}, {"update": 1, "same": 1}),
        ("none", {}, {"same": 2}),
    ],
)
def test_options_meet_the_answer_of_diff(
    says: str, options: dict[str, Any], changes: dict[str, int], new_stack: NewStack
) -> None:
    """`replace_on_changes` needs an answer of None; an answer of False stands (docs/engine.md, E2 and E3)."""
    new_stack(thing(name="a", diff_says=says)).up()
    assert new_stack(thing(name="b", diff_says=says, opts=options)).up().summary.resource_changes == changes


def test_a_same_answer_still_stores_new_inputs(new_stack: NewStack) -> None:
    """The old outputs stay."""
    new_stack(thing(name="a", diff_says="none")).up()
    stack = new_stack(thing(name="b", diff_says="none"))
    stack.up()
    first = resources(stack)["first"]
    assert (first["inputs"]["name"], first["outputs"]["name"]) == ("b", "a")
