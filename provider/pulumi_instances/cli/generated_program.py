"""A generated Python program that declares instances, in the format of `ruff format`. Pure.

`import` and `import-file` write it; `pulumi preview` with it shows no changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .import_document import inputs

_WIDTH = 88
_HEADER = '''"""Existing instances, generated once by `pulumi-instances`: edit this file freely."""

from pulumi_instances import Instance

'''


def program(instances: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return a program that declares these instances under these resource names, ordered by connector and name."""
    ordered = sorted(instances, key=lambda found: (found["your_mom"], names[found["id"]]))
    return _HEADER + "".join(_declaration(found, names[found["id"]]) for found in ordered)


def _declaration(found: Mapping[str, Any], resource_name: str) -> str:
    given = {key: value for key, value in inputs(found).items() if (key, value) != ("name", resource_name)}
    line = f"Instance({', '.join([_literal(resource_name), *(f'{key}={_literal(given[key])}' for key in given)])})"
    if _fits(line, _WIDTH):
        return f"{line}\n"
    lines = [f"    {_literal(resource_name)},\n", *(_argument(key, given[key]) for key in given)]
    return f"Instance(\n{''.join(lines)})\n"


def _argument(key: str, value: Any) -> str:
    """Return an argument on a line of its own, or on several where it is a list that does not fit."""
    line = f"    {key}={_literal(value)},"
    if not isinstance(value, list) or _fits(line, _WIDTH):
        return f"{line}\n"
    return f"    {key}=[\n" + "".join(f"        {_literal(item)},\n" for item in value) + "    ],\n"


def _fits(line: str, width: int) -> bool:
    # ruff counts two columns for a wide character: a line that is not ASCII is broken.
    return len(line) <= width and line.isascii()


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return _text_literal(value) if isinstance(value, str) else repr(value)


def _text_literal(text: str) -> str:
    """Return a string literal with the quotes that ruff prefers, and escapes for invisible characters."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    escaped = {mark: f"\\{mark}", "\\": "\\\\"}
    return mark + "".join(escaped.get(c, c if c.isprintable() else repr(c)[1:-1]) for c in text) + mark
