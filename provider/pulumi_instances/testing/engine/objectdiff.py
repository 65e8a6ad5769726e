"""What differs between two property bags: for the engine's own comparison, and for the display."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .paths import Path, render
from .values import Properties, Value, equal

Kind: TypeAlias = Literal["add", "delete", "update"]
DetailedDiff: TypeAlias = dict[str, Kind]
"""Property path to what happens there."""

INVERSE: dict[Kind, Kind] = {"add": "delete", "delete": "add", "update": "update"}


@dataclass(frozen=True)
class ValueDiff:
    """One changed value; `nested` when both sides are objects or both are lists."""

    old: Value
    new: Value
    nested: Diff | None = None


@dataclass(frozen=True)
class Diff:
    """Changes by key (objects) or index (lists)."""

    adds: dict[str | int, Value] = field(default_factory=dict)
    deletes: dict[str | int, Value] = field(default_factory=dict)
    updates: dict[str | int, ValueDiff] = field(default_factory=dict)

    @property
    def keys(self) -> list[str | int]:
        """Every changed key, sorted."""
        return sorted([*self.adds, *self.deletes, *self.updates], key=lambda key: (isinstance(key, str), key))


def never(_key: str) -> bool:
    """Ignore no key."""
    return False


def internal(key: str) -> bool:
    """Tell whether a key is the engine's own business and never displayed (`__provider`, `__internal`)."""
    return key.startswith("__")


def compare(old: Properties, new: Properties, ignore: Callable[[str], bool] = never) -> Diff | None:
    """Compare two objects; None when they are the same. A key with the value None counts as absent."""
    diff = Diff()
    for key in old.keys() | new.keys():
        if not ignore(key):
            _compare_at(diff, key, old.get(key), new.get(key), ignore)
    return diff if diff.keys else None


def _compare_at(diff: Diff, key: str | int, old: Value, new: Value, ignore: Callable[[str], bool]) -> None:
    if old is None and new is None:
        return
    if old is None:
        diff.adds[key] = new
    elif new is None:
        diff.deletes[key] = old
    elif (changed := compare_values(old, new, ignore)) is not None:
        diff.updates[key] = changed


def compare_values(old: Value, new: Value, ignore: Callable[[str], bool] = never) -> ValueDiff | None:
    """Compare two values; None when they are the same."""
    if isinstance(old, dict) and isinstance(new, dict):
        nested = compare(old, new, ignore)
        return ValueDiff(old, new, nested) if nested else None
    if isinstance(old, list) and isinstance(new, list):
        diff = Diff()
        for index, (was, now) in enumerate(zip(old, new, strict=False)):
            if (changed := compare_values(was, now, ignore)) is not None:
                diff.updates[index] = changed
        shared = min(len(old), len(new))
        diff.adds.update(enumerate(new[shared:], shared))
        diff.deletes.update(enumerate(old[shared:], shared))
        return ValueDiff(old, new, diff) if diff.keys else None
    return None if equal(old, new) else ValueDiff(old, new)


def detailed(diff: Diff) -> DetailedDiff:
    """List the changed leaves by path."""
    return dict(_leaves((), diff))


def _leaves(prefix: Path, diff: Diff) -> Iterator[tuple[str, Kind]]:
    for key, changed in diff.updates.items():
        path = (*prefix, key)
        if changed.nested is not None:
            yield from _leaves(path, changed.nested)
        else:
            yield render(path), "update"
    yield from ((render((*prefix, key)), "add") for key in diff.adds)
    yield from ((render((*prefix, key)), "delete") for key in diff.deletes)
