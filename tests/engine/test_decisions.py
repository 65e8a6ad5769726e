"""The decisions that need no engine around them."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.proto import alias_pb2

from pulumi_instances.testing.engine import graph
from pulumi_instances.testing.engine.diff import DiffResult, replace_on_changes, settle
from pulumi_instances.testing.engine.state import ResourceState, urn_name
from pulumi_instances.testing.engine.values import UNKNOWN, Secret

GROUP = "urn:pulumi:dev::toy::toy:index:Group::app"
CHILD = ResourceState("urn:pulumi:dev::toy::toy:index:Group$t:m:T::app-x", "t:m:T", custom=True, parent=GROUP)
STACK = "urn:pulumi:dev::toy::pulumi:pulumi:Stack::toy-dev"


@pytest.mark.parametrize(
    ("says", "old", "new", "changes", "changed"),
    [
        (None, {"a": 1}, {"a": 1}, False, ()),
        (None, {"a": 1}, {"a": 2}, True, (("a",),)),
        (None, {"a": Secret(1)}, {"a": 1}, False, ()),
        (None, {"a": {"b": [1, 2]}}, {"a": {"b": [1]}, "c": 1}, True, (("a", "b", 1), ("c",))),
        (None, {"a": 1}, {"a": UNKNOWN}, True, (("a",),)),
        (True, {"a": 1}, {"a": 1}, True, ()),
        (False, {"a": 1}, {"a": 2}, False, ()),
    ],
)
def test_the_engine_compares_inputs_only_where_the_provider_does_not_decide(
    says: bool | None, old: Any, new: Any, changes: bool, changed: Any
) -> None:
    """DIFF_UNKNOWN becomes SOME or NONE, while SOME and NONE stay."""
    diff = settle(DiffResult(says, replaces=True), old, new, [])
    assert (diff.changes, diff.changed, diff.replaces) == (changes, changed, True)


def test_what_is_ignored_makes_no_difference() -> None:
    """`ignore_changes` holds in the engine's own comparison too."""
    assert settle(DiffResult(None), {"a": 1}, {"a": 2}, ["a"]).changes is False


@pytest.mark.parametrize(
    ("options", "diff", "replaces"),
    [
        (["a"], DiffResult(True, changed=(("a",),)), True),
        (["a"], DiffResult(True, changed=(("b",),)), False),
        (["a.b"], DiffResult(True, changed=(("a", "b", "c"),)), True),
        (["a.b"], DiffResult(True, changed=(("a", "c"),)), False),
        (["a"], DiffResult(True, changed=(("a", 1),)), True),
        (["a"], DiffResult(True), False),
        (["a"], DiffResult(False, changed=(("a",),)), False),
        ([], DiffResult(True, replaces=True, changed=(("a",),)), True),
    ],
)
def test_replace_on_changes_needs_to_know_what_changed(options: list[str], diff: DiffResult, replaces: bool) -> None:
    """A provider that answers True names no property, and the option does nothing."""
    assert replace_on_changes(diff, options).replaces is replaces


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ({"urn": "urn:x"}, "urn:x"),
        ({"spec": {"name": "old"}}, "urn:pulumi:dev::toy::toy:index:Group$t:m:T::old"),
        ({"spec": {"type": "t:m:Old"}}, "urn:pulumi:dev::toy::toy:index:Group$t:m:Old::app-x"),
        ({"spec": {"noParent": True}}, "urn:pulumi:dev::toy::t:m:T::app-x"),
        ({"spec": {"parentUrn": STACK}}, "urn:pulumi:dev::toy::t:m:T::app-x"),
    ],
)
def test_an_alias_fills_in_what_it_does_not_say(alias: dict[str, Any], expected: str) -> None:
    """The present identity supplies the rest."""
    assert list(graph.former_urns(CHILD, [alias_pb2.Alias(**alias)], {})) == [expected]


def test_children_inherit_the_aliases_of_their_parent() -> None:
    """Where a child's name begins with the parent's, they inherit the old name as well."""
    former = {GROUP: "urn:pulumi:dev::toy::toy:index:Group::web"}
    assert list(graph.former_urns(CHILD, [], former)) == ["urn:pulumi:dev::toy::toy:index:Group$t:m:T::web-x"]


def _state(name: str, *needs: str, parent: str = "", custom: bool = True) -> ResourceState:
    return ResourceState(urn=_urn(name), type="t", custom=custom, dependencies=[_urn(n) for n in needs], parent=parent)


def _urn(name: str) -> str:
    return f"urn:pulumi:dev::toy::t::{name}"


def test_dependents_are_deleted_first_and_independents_at_once() -> None:
    """A group is deleted in parallel, after the group before it."""
    a, b, c = _state("a"), _state("b", "a"), _state("c", "a")
    d = _state("d", "b", "c")
    groups = graph.deletion_order([a, b, c, d], graph.Needs([a, b, c, d]))
    assert [sorted(urn_name(state.urn) for state in group) for group in groups] == [["d"], ["b", "c"], ["a"]]


def test_what_depends_on_a_component_depends_on_what_is_in_it() -> None:
    """Children are deleted after whatever named their component."""
    component = _state("group", custom=False)
    child = _state("child", parent=component.urn)
    user = _state("user", "group")
    groups = graph.deletion_order([child, user], graph.Needs([component, child, user]))
    assert [[urn_name(state.urn) for state in group] for group in groups] == [["user"], ["child"]]


def test_dependents_are_found_through_others() -> None:
    """They come in order, and children count if that is asked for."""
    a, b, c = _state("a"), _state("b", "a"), _state("c", "b")
    child = _state("child", parent=_urn("a"))
    assert graph.dependents_of(a, [a, b, c, child]) == [b, c]
    assert graph.dependents_of(a, [a, b, c, child], children=True) == [b, c, child]


def test_references_to_what_is_gone_are_dropped() -> None:
    """An orphan gets its grandparent as its parent."""
    top, gone = _state("top"), _state("gone", parent=_urn("top"))
    child = _state("child", "gone", "top", parent=gone.urn)
    child.property_dependencies = {"x": [_urn("gone")], "y": [_urn("top")]}
    assert graph.drop_dangling([(top, top), (gone, None), (child, child)]) == [top, child]
    assert (child.dependencies, child.property_dependencies) == ([_urn("top")], {"y": [_urn("top")]})
    assert child.parent == _urn("top")
