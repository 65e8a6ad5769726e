"""Property paths such as `tags[0]` or `conf["a.b"].c`, as `ignore_changes` and `replace_on_changes` use them."""

from __future__ import annotations

import re
from typing import TypeAlias

from .values import Properties, Secret, Value

Path: TypeAlias = tuple[str | int, ...]

_ELEMENT = re.compile(
    r"""\.?(?:
        \["(?P<quoted>(?:\\"|[^"])*)"\]
      | \[(?P<index>-?\d+)\]
      | \[(?P<any>\*)\]
      | (?P<name>[^.\[]+)
    )""",
    re.VERBOSE,
)
_PLAIN_NAME = re.compile(r"\w+", re.ASCII)
_MISSING = object()


def parse(text: str) -> Path:
    """Read a path. Raises ValueError where the CLI would not understand it either."""
    elements: list[str | int] = []
    position = 0
    while position < len(text):
        match = _ELEMENT.match(text, position)
        if match is None or (position == 0 and text.startswith(".")):
            raise ValueError(f"invalid property path {text!r}")
        if match["index"] is not None:
            elements.append(int(match["index"]))
        elif match["quoted"] is not None:
            elements.append(match["quoted"].replace('\\"', '"'))
        else:
            elements.append(match["any"] or match["name"])
        position = match.end()
    return tuple(elements)


def render(path: Path) -> str:
    """Write a path the way the CLI does."""
    text = ""
    for element in path:
        if isinstance(element, int):
            text += f"[{element}]"
        elif _PLAIN_NAME.fullmatch(element):
            text += f".{element}" if text else element
        else:
            text += '["' + element.replace('"', '\\"') + '"]'
    return text


def covers(path: Path, other: Path) -> bool:
    """Tell whether `path` names `other` or something around it; `*` stands for any one element."""
    return len(other) >= len(path) and all(mine in ("*", theirs) for mine, theirs in zip(path, other, strict=False))


def reset(path: Path, old: Properties, new: Properties) -> bool:
    """Set what `path` names in `new`, in place, back to what it is in `old`.

    Returns False where that would need a place that only one of the two has, such as one more list element.
    """
    return bool(path) and _reset(path, old, new, secret_old=False, secret_new=False)


def _reset(path: Path, old: Value, new: Value, *, secret_old: bool, secret_new: bool) -> bool:
    while isinstance(old, Secret):
        old, secret_old = old.value, True
    while isinstance(new, Secret):
        new, secret_new = new.value, True
    head, rest = path[0], path[1:]
    if head == "*":
        return _reset_all(rest, old, new, secret_old=secret_old, secret_new=secret_new)
    container: type = list if isinstance(head, int) else dict
    old_here, new_here = _get(old, head), _get(new, head)
    if rest:
        if not isinstance(old, container) or not isinstance(new, container):
            return not isinstance(old, container) and not isinstance(new, container)
        if container is dict and old_here is _MISSING:
            # Nothing below exists on the old side: whatever the path names is taken away again.
            return new_here is _MISSING or _reset(rest, None, new_here, secret_old=False, secret_new=secret_new)
        if old_here is _MISSING or new_here is _MISSING:
            return False
        return _reset(rest, old_here, new_here, secret_old=secret_old, secret_new=secret_new)
    if container is list:
        if not isinstance(old, list) or not isinstance(new, list):
            return not isinstance(old, list) and not isinstance(new, list)
        if old_here is _MISSING or new_here is _MISSING:
            return old_here is new_here
    elif old_here is _MISSING:
        if isinstance(new, dict):
            new.pop(str(head), None)
        return True
    elif not isinstance(new, dict):
        return False
    new[head] = Secret(old_here) if secret_old and not secret_new else old_here
    return True


def _reset_all(rest: Path, old: Value, new: Value, *, secret_old: bool, secret_new: bool) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        if rest:
            return all(
                key in new and _reset(rest, old[key], new[key], secret_old=secret_old, secret_new=secret_new)
                for key in old
            )
        new.clear()
        new.update({k: Secret(v) if secret_old and not secret_new else v for k, v in old.items()})
        return True
    if isinstance(old, list) and isinstance(new, list):
        for index, (was, now) in enumerate(zip(old, new, strict=False)):
            if not rest:
                new[index] = Secret(was) if secret_old and not secret_new else was
            elif not _reset(rest, was, now, secret_old=secret_old, secret_new=secret_new):
                return False
        return len(old) == len(new)
    return not rest and isinstance(new, (dict, list))


def _get(value: Value, element: str | int) -> Value:
    if isinstance(element, str):
        return value.get(element, _MISSING) if isinstance(value, dict) else _MISSING
    return value[element] if isinstance(value, list) and 0 <= element < len(value) else _MISSING
