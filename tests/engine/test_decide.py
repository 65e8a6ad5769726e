"""The decisions that need no engine around them."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.engine import graph, objectdiff
from pulumi_instances.testing.engine.decide import (
    Alias,
    DiffResult,
    Identity,
    alias_urns,
    replace_on_changes,
    settle,
    trigger_fires,
)
from pulumi_instances.testing.engine.state import ResourceState
from pulumi_instances.testing.engine.values import UNKNOWN, Secret
from pulumi_instances.testing.engine.wording import display_name

GROUP = "urn:pulumi:dev::toy::toy:index:Group::app"
STACK = "urn:pulumi:dev::toy::pulumi:pulumi:Stack::toy-dev"


@pytest.mark.parametrize(
    ("says", "old", "new", "changes", "detailed"),
    [
        (None, {"a": 1}, {"a": 1}, False, None),
        (None, {"a": 1}, {"a": 2}, True, {"a": "update"}),
        (None, {"a": Secret(1)}, {"a": 1}, False, None),
        (None, {"a": {"b": [1, 2]}}, {"a": {"b": [1]}, "c": 1}, True, {"a.b[1]": "delete", "c": "add"}),
        (None, {"a": 1}, {"a": UNKNOWN}, True, {"a": "update"}),
        (True, {"a": 1}, {"a": 1}, True, None),
        (False, {"a": 1}, {"a": 2}, False, None),
    ],
)
def test_the_engine_compares_inputs_only_where_the_provider_does_not_decide(
    says: bool | None, old: Any, new: Any, changes: bool, detailed: Any
) -> None:
    """DIFF_UNKNOWN becomes SOME or NONE; SOME and NONE stand (engine-facts 2.2)."""
    diff = settle(DiffResult(says, replaces=["a"]), old, new, [])
    assert (diff.changes, diff.detailed) == (changes, detailed)
    assert diff.replaces == ["a"]


def test_what_is_ignored_makes_no_difference() -> None:
    """`ignore_changes` holds in the engine's own comparison too."""
    assert settle(DiffResult(None), {"a": 1}, {"a": 2}, ["a"]).changes is False


@pytest.mark.parametrize(
    ("options", "diff", "replaces"),
    [
        (["a"], DiffResult(True, changed=["a"], detailed={"a": "update"}), ["a"]),
        (["a"], DiffResult(True, changed=["b"], detailed={"b": "update"}), []),
        (["a.b"], DiffResult(True, changed=["a"], detailed={"a.b.c": "add"}), ["a.b.c"]),
        (["*"], DiffResult(True, changed=["b"], detailed={"b": "update"}), ["b"]),
        (["a"], DiffResult(True), []),
        (["a"], DiffResult(False, changed=["a"]), []),
        ([], DiffResult(True, replaces=["k"], changed=["a"]), ["k"]),
    ],
)
def test_replace_on_changes_needs_to_know_what_changed(
    options: list[str], diff: DiffResult, replaces: list[str]
) -> None:
    """A provider that answers True names no property, and the option does nothing (engine-facts 2.2A)."""
    assert list(replace_on_changes(diff, options).replaces) == replaces


@pytest.mark.parametrize(
    ("new", "old", "fires"),
    [
        ("2", "1", True),
        ("1", "1", False),
        (Secret("1"), "1", False),
        (None, "1", False),
        ("1", None, False),
        (UNKNOWN, "1", True),
    ],
)
def test_a_trigger_fires_when_it_changes(new: Any, old: Any, fires: bool) -> None:
    """A trigger that is not there, before or now, does not; one that is not known does."""
    assert trigger_fires(new, old) is fires


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        (Alias(urn="urn:x"), "urn:x"),
        (Alias(name="old"), "urn:pulumi:dev::toy::toy:index:Group$t:m:T::old"),
        (Alias(type="t:m:Old"), "urn:pulumi:dev::toy::toy:index:Group$t:m:Old::app-x"),
        (Alias(no_parent=True), "urn:pulumi:dev::toy::t:m:T::app-x"),
        (Alias(parent=STACK), "urn:pulumi:dev::toy::t:m:T::app-x"),
        (Alias(stack="prod", project="p"), "urn:pulumi:prod::p::toy:index:Group$t:m:T::app-x"),
    ],
)
def test_an_alias_fills_in_what_it_does_not_say(alias: Alias, expected: str) -> None:
    """From the present identity."""
    identity = Identity("dev", "toy", GROUP, "t:m:T", "app-x")
    assert alias_urns(identity, [alias], {}) == [expected]


def test_children_inherit_the_aliases_of_their_parent() -> None:
    """And its old name, where theirs begins with it."""
    identity = Identity("dev", "toy", GROUP, "t:m:T", "app-x")
    former = {GROUP: "urn:pulumi:dev::toy::toy:index:Group::web"}
    assert alias_urns(identity, [], former) == ["urn:pulumi:dev::toy::toy:index:Group$t:m:T::web-x"]


def _state(name: str, *needs: str, parent: str = "", custom: bool = True) -> ResourceState:
    return ResourceState(urn=_urn(name), type="t", custom=custom, dependencies=[_urn(n) for n in needs], parent=parent)


def _urn(name: str) -> str:
    return f"urn:pulumi:dev::toy::t::{name}"


def test_dependents_are_deleted_first_and_independents_at_once() -> None:
    """A group is deleted in parallel, after the group before it."""
    a, b, c = _state("a"), _state("b", "a"), _state("c", "a")
    d = _state("d", "b", "c")
    groups = graph.deletion_order([a, b, c, d], [a, b, c, d])
    assert [sorted(state.name for state in group) for group in groups] == [["d"], ["b", "c"], ["a"]]


def test_what_depends_on_a_component_depends_on_what_is_in_it() -> None:
    """Children are deleted after whatever named their component."""
    component = _state("group", custom=False)
    child = _state("child", parent=component.urn)
    user = _state("user", "group")
    groups = graph.deletion_order([child, user], [component, child, user])
    assert [[state.name for state in group] for group in groups] == [["user"], ["child"]]


def test_dependents_are_found_through_others() -> None:
    """In order; children count where asked for."""
    a, b, c = _state("a"), _state("b", "a"), _state("c", "b")
    child = _state("child", parent=_urn("a"))
    assert graph.dependents_of(a, [a, b, c, child]) == [b, c]
    assert graph.dependents_of(a, [a, b, c, child], children=True) == [b, c, child]


def test_references_to_what_is_gone_are_dropped() -> None:
    """An orphan moves to its grandparent."""
    top, child = _state("top"), _state("child", "gone", "top", parent=_urn("gone"))
    child.property_dependencies = {"x": [_urn("gone")], "y": [_urn("top")]}
    graph.drop_dangling([top, child])
    assert (child.dependencies, child.property_dependencies, child.parent) == ([_urn("top")], {"y": [_urn("top")]}, "")


@pytest.mark.parametrize(
    ("type_", "shown"),
    [
        ("pulumi-python:dynamic/instances:Instance", "pulumi-python:dynamic/instances:Instance"),
        ("pulumi-python:dynamic/toy:Toy", "pulumi-python:dynamic:Toy"),
        ("pulumi:pulumi:Stack", "pulumi:pulumi:Stack"),
        ("odd", "odd"),
    ],
)
def test_types_are_shown_as_the_cli_shows_them(type_: str, shown: str) -> None:
    """Shortened where the module repeats the name."""
    assert display_name(type_) == shown


def test_internal_keys_can_be_left_out_of_a_comparison() -> None:
    """The display never shows `__provider`."""
    assert objectdiff.compare({"__provider": "a"}, {"__provider": "b"}, objectdiff.internal) is None
    assert objectdiff.compare({"__provider": "a"}, {"__provider": "b"}) is not None
