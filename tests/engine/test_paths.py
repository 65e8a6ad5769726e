"""Property paths, as `ignore_changes` and `replace_on_changes` use them, and what differs between two bags."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.engine import diff
from pulumi_instances.testing.engine.diff import DiffResult, ignoring_changes, replace_on_changes
from pulumi_instances.testing.engine.values import Secret, UnsupportedFeatureError, equal


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("root", ("root",)),
        ("root.nested", ("root", "nested")),
        ('root["a.b"].c', ("root", "a.b", "c")),
        ('["with \\"quotes\\""]', ('with "quotes"',)),
        ("foo-bar", ("foo-bar",)),
    ],
)
def test_paths_are_read_and_written_as_the_cli_does(text: str, path: tuple[str, ...]) -> None:
    """Reading what was written gives the same path."""
    assert diff.parse(text) == path
    assert diff.parse(diff.render(path)) == path


@pytest.mark.parametrize("text", ["list[0]", "list[*].x", "*", "a[", 'a["b', ".a", "a."])
def test_other_paths_are_refused(text: str) -> None:
    """The message quotes them and names the CLI."""
    with pytest.raises(UnsupportedFeatureError, match=r"list elements or wildcards \('.*'\); run .* Pulumi CLI"):
        diff.parse(text)


@pytest.mark.parametrize(
    ("path", "other", "covered"),
    [("a", "a", True), ("a", "a.b", True), ("a.b", "a", False), ("a.b", "a.c", False)],
)
def test_a_path_covers_itself_and_all_below(path: str, other: str, covered: bool) -> None:
    """A change below a named property is a change of the property."""
    found = DiffResult(True, changed=(diff.parse(other),))
    assert replace_on_changes(found, [path]).replaces is covered


@pytest.mark.parametrize(
    ("ignore", "old", "new", "result"),
    [
        ("a", {"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ("a", {}, {"a": 2}, {}),
        ("a", {"a": 1}, {}, {"a": 1}),
        ("a.b", {"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 2}}, {"a": {"b": 1, "c": 2}}),
        ("a.b", {}, {"a": {"b": 2, "c": 2}}, {"a": {"c": 2}}),
        ("a.b", {"a": Secret({"b": 1})}, {"a": {"b": 2}}, {"a": {"b": Secret(1)}}),
        ("a.b", {"a": Secret({"b": 1})}, {"a": Secret({"b": 2})}, {"a": Secret({"b": 1})}),
        ("nope", {"a": 1}, {"a": 2}, {"a": 2}),
    ],
)
def test_ignored_properties_keep_their_old_inputs(ignore: str, old: Any, new: Any, result: Any) -> None:
    """A value from a secret place stays secret."""
    ignored, invalid = ignoring_changes(new, old, [ignore])
    assert equal(ignored, result)
    assert invalid == []


def test_a_path_that_only_the_old_side_has_cannot_be_ignored() -> None:
    """It is reported, and the new inputs stand."""
    ignored, invalid = ignoring_changes({}, {"a": {"b": 1}}, ["a.b"])
    assert (ignored, invalid) == ({}, ["a.b"])


def test_ignoring_changes_leaves_its_arguments_alone() -> None:
    """The program's inputs are not changed in place."""
    new = {"a": {"b": 2}}
    ignoring_changes(new, {"a": {"b": 1}}, ["a.b"])
    assert new == {"a": {"b": 2}}


def test_differences_are_found_in_objects_and_lists() -> None:
    """Each has the path of the innermost value that is not on both sides; None counts as absent."""
    old = {"a": {"b": [1, 2], "c": None}, "d": 1, "e": {"f": 1}}
    new = {"a": {"b": [3], "c": 4}, "e": [1]}
    found = [(change.sign, diff.render(change.path)) for change in diff.changes(old, new)]
    assert found == [("~", "a.b[0]"), ("-", "a.b[1]"), ("+", "a.c"), ("-", "d"), ("~", "e")]
