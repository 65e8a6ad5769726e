"""Property paths, as `ignore_changes` and `replace_on_changes` use them, and what differs between two bags."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.engine import diff
from pulumi_instances.testing.engine.diff import ignoring_changes
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
def test_paths_are_read_as_the_cli_does(text: str, path: tuple[str, ...]) -> None:
    """Quotes are for keys with dots in them."""
    assert diff.parse(text) == path


@pytest.mark.parametrize("text", ["list[0]", "list[*].x", "*", "a[", 'a["b', ".a", "a."])
def test_other_paths_are_refused(text: str) -> None:
    """The message quotes them and names the CLI."""
    with pytest.raises(UnsupportedFeatureError, match=r"list elements or wildcards \('.*'\); run .* Pulumi CLI"):
        diff.parse(text)


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
