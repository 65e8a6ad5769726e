"""Property paths, as `ignore_changes` and `replace_on_changes` use them."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.engine import paths
from pulumi_instances.testing.engine.decide import ignoring_changes
from pulumi_instances.testing.engine.values import Secret, equal


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("root", ("root",)),
        ("root.nested", ("root", "nested")),
        ('root["a.b"].c', ("root", "a.b", "c")),
        ('["with \\"quotes\\""]', ('with "quotes"',)),
        ("list[0][12].x", ("list", 0, 12, "x")),
        ("list[*].x", ("list", "*", "x")),
        ("foo-bar", ("foo-bar",)),
    ],
)
def test_paths_are_read_and_written_as_the_cli_does(text: str, path: paths.Path) -> None:
    """Reading what was written gives the same path."""
    assert paths.parse(text) == path
    if "*" not in path:
        assert paths.parse(paths.render(path)) == path


@pytest.mark.parametrize("text", [".a", "a.", "a[", 'a["b', "a[x]", 'a["b"'])
def test_a_malformed_path_is_refused(text: str) -> None:
    """With an error that quotes it."""
    with pytest.raises(ValueError, match="invalid property path"):
        paths.parse(text)


@pytest.mark.parametrize(
    ("path", "other", "covered"),
    [
        ("a", "a", True),
        ("a", "a.b", True),
        ("a.b", "a", False),
        ("*", "anything", True),
        ("a[*].c", "a[3].c.d", True),
        ("a[*].c", "a[3].d", False),
        ("a[1]", "a[2]", False),
    ],
)
def test_a_path_covers_itself_and_all_below(path: str, other: str, covered: bool) -> None:
    """A star is any one element."""
    assert paths.covers(paths.parse(path), paths.parse(other)) is covered


@pytest.mark.parametrize(
    ("ignore", "old", "new", "result"),
    [
        ("a", {"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ("a", {}, {"a": 2}, {}),
        ("a", {"a": 1}, {}, {"a": 1}),
        ("a.b", {"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 2}}, {"a": {"b": 1, "c": 2}}),
        ("a.b", {}, {"a": {"b": 2, "c": 2}}, {"a": {"c": 2}}),
        ("a[1]", {"a": [1, 2]}, {"a": [3, 4]}, {"a": [3, 2]}),
        ("a[*].b", {"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 3}, {"b": 4}]}, {"a": [{"b": 1}, {"b": 2}]}),
        ("a.*", {"a": {"x": 1}}, {"a": {"x": 2, "y": 3}}, {"a": {"x": 1}}),
        ("a.b", {"a": Secret({"b": 1})}, {"a": {"b": 2}}, {"a": {"b": Secret(1)}}),
        ("nope", {"a": 1}, {"a": 2}, {"a": 2}),
    ],
)
def test_ignored_properties_keep_their_old_inputs(ignore: str, old: Any, new: Any, result: Any) -> None:
    """A value from a secret place stays secret."""
    ignored, invalid = ignoring_changes(new, old, [ignore])
    assert equal(ignored, result)
    assert invalid == []


@pytest.mark.parametrize(
    ("ignore", "old", "new"),
    [
        ("a[2]", {"a": [1, 2]}, {"a": [1, 2, 3]}),
        ("a.b", {"a": {"b": 1}}, {}),
        ("a[*]", {"a": [1]}, {"a": [1, 2]}),
    ],
)
def test_a_path_that_only_one_side_has_cannot_be_ignored(ignore: str, old: Any, new: Any) -> None:
    """It is reported, and the new inputs stand."""
    ignored, invalid = ignoring_changes(new, old, [ignore])
    assert equal(ignored, new)
    assert invalid == [ignore]


def test_ignoring_changes_leaves_its_arguments_alone() -> None:
    """The program's inputs are not changed in place."""
    new = {"a": {"b": 2}}
    ignoring_changes(new, {"a": {"b": 1}}, ["a.b"])
    assert new == {"a": {"b": 2}}
