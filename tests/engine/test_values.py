"""The value model: encodings, equality, secrets."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.engine.values import (
    UNKNOWN,
    Secret,
    copy_secretness,
    equal,
    from_struct,
    to_struct,
    unwrap,
)

BAG = {
    "text": "x",
    "number": 3,
    "fraction": 1.5,
    "yes": True,
    "nothing": None,
    "list": [1, None, {"deep": Secret([1, "s"])}],
    "unknown": UNKNOWN,
    "secret": Secret({"a": UNKNOWN}),
}


def test_a_bag_survives_the_wire() -> None:
    """Integral numbers come back as int, secrets and unknowns as what they are."""
    there = to_struct(BAG, keep_secrets=True)
    back = from_struct(there)

    assert equal(unwrap(back), unwrap(BAG))
    assert isinstance(back["number"], int)
    assert isinstance(back["list"][2]["deep"], Secret)
    assert back["unknown"] is UNKNOWN


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ([1, 2], [1], False),
        ({"a": None}, {}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}]}, True),
        (Secret("x"), "x", False),
        (Secret("x"), Secret("x"), True),
        (Secret(Secret("x")), Secret("x"), True),
        (UNKNOWN, UNKNOWN, True),
        (UNKNOWN, "x", False),
    ],
)
def test_equality_is_the_engines(left: Any, right: Any, same: bool) -> None:
    """Types and secretness matter, and a missing key equals a null."""
    assert equal(left, right) is same
    assert equal(right, left) is same


@pytest.mark.parametrize(
    ("source", "target", "marked"),
    [
        ({"a": Secret(1)}, {"a": 1}, {"a": Secret(1)}),
        ({"a": Secret(1)}, {"b": 1}, {"b": 1}),
        ({"a": {"b": Secret(1), "c": 2}}, {"a": {"b": 1, "c": 2}}, {"a": {"b": Secret(1), "c": 2}}),
        ({"a": [1, Secret(2)]}, {"a": [1, 2]}, {"a": Secret([1, 2])}),
        ({"a": {"b": Secret(1)}}, {"a": "text"}, {"a": Secret("text")}),
        ({"a": Secret(1)}, {"a": Secret(2)}, {"a": Secret(2)}),
        ({"a": 1}, {"a": 1}, {"a": 1}),
    ],
)
def test_secretness_is_copied_by_key_into_objects_and_onto_whole_lists(source: Any, target: Any, marked: Any) -> None:
    """The engine marks outputs in this way (docs/engine.md, E9)."""
    copy_secretness(source, target)
    assert equal(target, marked)
