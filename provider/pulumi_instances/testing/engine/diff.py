"""Comparison of property bags, and the paths by which options name properties. Pure.

A path is `tags` or `conf["a.b"].c`; list elements and wildcards are refused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from .values import Properties, Secret, UnsupportedFeatureError, Value, equal, unwrap

Path: TypeAlias = tuple[str | int, ...]

_ELEMENT = re.compile(r'\.?\["(?P<quoted>(?:\\"|[^"])*)"\]|(?:^|\.)(?P<name>[^.\[\]"*]+)')
_ABSENT = object()


def changes(old: Value, new: Value, path: Path = ()) -> Iterator[Path]:
    """Find what differs, down into objects and lists that are on both sides. None counts as absent."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from changes(old.get(key), new.get(key), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            was, now = (side[index] if index < len(side) else None for side in (old, new))
            yield from changes(was, now, (*path, index))
    elif not equal(old, new):
        yield path


@dataclass(frozen=True)
class DiffResult:
    """A provider's answer to Diff, as far as a Python provider can give one.

    `changes` is None where the provider leaves the comparison to the engine. `changed` is the engine's own
    comparison, by path; () where there was none.
    """

    changes: bool | None
    replaces: bool = False
    changed: tuple[Path, ...] = ()


def settle(diff: DiffResult, old: Properties, new: Properties, ignore_changes: Iterable[str]) -> DiffResult:
    """Answer an undecided diff by comparing inputs with inputs, secrets unwrapped."""
    if diff.changes is not None:
        return diff
    new, _ = ignoring_changes(new, old, ignore_changes)
    changed = tuple(changes(unwrap(old), unwrap(new)))
    return replace(diff, changes=bool(changed), changed=changed)


def replace_on_changes(diff: DiffResult, options: Iterable[str]) -> DiffResult:
    """Turn a change of one of the named properties, or of what is in it, into a replacement.

    Only what is known to have changed counts: a provider that answers "something changed" names nothing.
    """
    wanted = [parse(option) for option in options]
    named = any(changed[: len(path)] == path for path in wanted for changed in diff.changed)
    return replace(diff, replaces=diff.replaces or named) if diff.changes else diff


def ignoring_changes(new: Properties, old: Properties, ignored: Iterable[str]) -> tuple[Properties, list[str]]:
    """Set the ignored properties back to their old inputs.

    Returns the new inputs and the paths that could not be ignored, because only one side has them.
    """
    result: Properties = copy.deepcopy(new)
    return result, [path for path in ignored if not _reset(parse(path), old, result)]


def parse(text: str) -> tuple[str, ...]:
    """Read a path of keys, such as `tags` or `conf["a.b"].c`.

    Raises UnsupportedFeatureError for what else the CLI understands: list elements and wildcards.
    """
    keys: list[str] = []
    position = 0
    while position < len(text):
        match = _ELEMENT.match(text, position)
        if match is None or text.startswith("."):
            raise UnsupportedFeatureError(f"property paths with list elements or wildcards ({text!r})")
        keys.append(match["name"] if match["quoted"] is None else match["quoted"].replace('\\"', '"'))
        position = match.end()
    return tuple(keys)


def _reset(path: Sequence[str], old: Properties, new: Properties) -> bool:
    """Set what `path` names in `new`, in place, back to what it is in `old`; a secret stays one.

    Returns False where that would need an object that only one of the two has.
    """
    *above, last = path
    was: Value = old
    now: Value = new
    was_hidden = is_hidden = False  # whether a key above is inside of a secret
    for key in above:
        was = was.get(key, _ABSENT) if isinstance(was, dict) else _ABSENT
        now = now.get(key, _ABSENT) if isinstance(now, dict) else _ABSENT
        was_hidden = was_hidden or isinstance(was, Secret)
        is_hidden = is_hidden or isinstance(now, Secret)
        was, now = (side.value if isinstance(side, Secret) else side for side in (was, now))
        if not isinstance(now, dict):
            return not isinstance(was, dict)
    value = was.get(last, _ABSENT) if isinstance(was, dict) else _ABSENT
    if value is _ABSENT:
        now.pop(last, None)
    else:
        now[last] = Secret(value) if was_hidden and not is_hidden else value
    return True
