"""Properties and their changes as the CLI prints them: `~ name: "a" => "b"`. Secrets are never printed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from rich.text import Text

from .objectdiff import Diff, ValueDiff, internal
from .values import UNKNOWN, Properties, Secret, Value

STYLES = {
    "create": "green",
    "update": "yellow",
    "delete": "red",
    "replace": "magenta",
    "create-replacement": "green",
    "delete-replaced": "red",
    "discard": "red",
    "discard-replaced": "red",
    "refresh": "yellow",
    "read": "cyan",
    "read-replacement": "magenta",
    "same": "",
}
SYMBOLS = {
    "same": "  ",
    "create": "+ ",
    "delete": "- ",
    "update": "~ ",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "read": "> ",
    "read-replacement": ">>",
    "refresh": "~ ",
    "discard": "< ",
    "discard-replaced": "<<",
}
_INDENT = "    "


class Printer:
    """Collects lines of text; `lines` is the result."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: list[Text] = []

    def properties(self, properties: Properties, indent: int, op: str = "same", *, marked: bool = False) -> None:
        """Print an object's members, one below the other; `marked` puts the operation's symbol before each."""
        shown = sorted(key for key in properties if not internal(key))
        width = max(map(len, shown), default=0)
        for key in shown:
            self._title(f"{key:<{width}}: ", indent, op, marked=marked)
            self._value(properties[key], indent, op, marked=marked)

    def diff(self, diff: Diff, indent: int) -> None:
        """Print what differs between two objects."""
        width = max((len(str(key)) for key in diff.keys), default=0)
        for key in diff.keys:
            self._change(diff, key, f"{key:<{width}}: ", indent, indent)

    def with_sames(self, diff: Diff, sames: Properties, indent: int) -> None:
        """Print an object's members, marked where they differ from before."""
        width = max(len(str(key)) for key in (*diff.keys, *sames))
        for key in sorted((*map(str, diff.keys), *sames)):
            if key in sames:
                self.properties_aligned(key, sames[key], width, indent)
            else:
                self._change(diff, key, f"{key:<{width}}: ", indent, indent)

    def properties_aligned(self, key: str, value: Value, width: int, indent: int) -> None:
        """Print one member, its value in a given column."""
        self._title(f"{key:<{width}}: ", indent, "same", marked=False)
        self._value(value, indent, "same", marked=False)

    def _change(self, diff: Diff, key: str | int, title: str, title_indent: int, indent: int) -> None:
        if key in diff.adds:
            self._one_sided("create", diff.adds[key], title, title_indent, indent)
        elif key in diff.deletes:
            self._one_sided("delete", diff.deletes[key], title, title_indent, indent)
        else:
            self._update(diff.updates[key], title, title_indent, indent)

    def _one_sided(self, op: str, value: Value, title: str, title_indent: int, indent: int) -> None:
        self._title(title, title_indent, op, marked=True)
        self._value(value, indent, op, marked=True)

    def _update(self, change: ValueDiff, title: str, title_indent: int, indent: int) -> None:
        if change.nested is not None:
            brackets = "{}" if isinstance(change.new, dict) else "[]"
            self._title(title, title_indent, "update", marked=True)
            self._append(brackets[0], "update")
            if isinstance(change.new, dict):
                self.diff(change.nested, indent + 1)
            else:
                for index in change.nested.keys:
                    self._change(change.nested, index, f"[{index}]: ", indent + 1, indent + 2)
            self._line(brackets[1], indent, "update")
        elif _is_scalar(change.old) and _is_scalar(change.new):
            self._title(title, title_indent, "update", marked=True)
            self._append(scalar(change.old), "delete")
            self._append(" => ", "update")
            self._append(scalar(change.new), "create")
        else:
            self._one_sided("delete", change.old, title, title_indent, indent)
            self._one_sided("create", change.new, title, title_indent, indent)

    def _value(self, value: Value, indent: int, op: str, *, marked: bool) -> None:
        if isinstance(value, list) and value:
            self._append("[", op)
            for index, item in enumerate(value):
                self._title(f"{_INDENT}[{index}]: ", indent, op, marked=marked)
                self._value(item, indent + 1, op, marked=marked)
            self._line("]", indent, op)
        elif isinstance(value, dict) and value:
            self._append("{", op)
            self.properties(value, indent + 1, op, marked=marked)
            self._line("}", indent, op)
        else:
            self._append(scalar(value), op)

    def _title(self, text: str, indent: int, op: str, *, marked: bool) -> None:
        margin = _INDENT * indent
        if marked:
            margin = margin[:-2] + SYMBOLS[op]
        self.lines.append(Text(margin + text, STYLES[op]))

    def _line(self, text: str, indent: int, op: str) -> None:
        self.lines.append(Text(_INDENT * indent + text, STYLES[op]))

    def _append(self, text: str, op: str) -> None:
        self.lines[-1].append(text, STYLES[op])


def scalar(value: Value) -> str:
    """Write one plain value."""
    if isinstance(value, Secret):
        return "[secret]"
    if value is UNKNOWN:
        return "[unknown]"
    if value is None:
        return "<null>"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "[]"
    return "{}" if isinstance(value, dict) else str(value)


def _is_scalar(value: Value) -> bool:
    return not isinstance(value, (list, dict))


def only(diff: Diff, keys: Iterable[str]) -> Diff:
    """Leave out of a diff what is not under one of the keys."""
    kept = set(keys)
    return Diff(
        {key: value for key, value in diff.adds.items() if key in kept},
        {key: value for key, value in diff.deletes.items() if key in kept},
        {key: value for key, value in diff.updates.items() if key in kept},
    )


def summary(diff: Diff) -> str:
    """Name the changed keys: `+a~b,c`."""
    parts = (("+", diff.adds), ("-", diff.deletes), ("~", diff.updates))
    return "".join(symbol + ",".join(sorted(map(str, keys))) for symbol, keys in parts if keys)
