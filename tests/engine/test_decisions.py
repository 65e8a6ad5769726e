"""The decisions that need no engine around them."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.engine.deployment import _without_dangling
from pulumi_instances.testing.engine.diff import DiffResult, replace_on_changes, settle
from pulumi_instances.testing.engine.state import ResourceState
from pulumi_instances.testing.engine.values import UNKNOWN, Secret


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


def _state(name: str, *needs: str, parent: str = "", custom: bool = True) -> ResourceState:
    return ResourceState(urn=_urn(name), type="t", custom=custom, dependencies=[_urn(n) for n in needs], parent=parent)


def _urn(name: str) -> str:
    return f"urn:pulumi:dev::toy::t::{name}"


def test_references_to_what_is_gone_are_dropped() -> None:
    """An orphan gets its grandparent as its parent."""
    top, gone = _state("top"), _state("gone", parent=_urn("top"))
    child = _state("child", "gone", "top", parent=gone.urn)
    child.property_dependencies = {"x": [_urn("gone")], "y": [_urn("top")]}
    assert _without_dangling([(top, top), (gone, None), (child, child)]) == [top, child]
    assert (child.dependencies, child.property_dependencies) == ([_urn("top")], {"y": [_urn("top")]})
    assert child.parent == _urn("top")
