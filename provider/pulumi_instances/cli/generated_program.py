"""Writing a Python program that declares instances, as `ruff format` would leave it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_WIDTH = 88
_HEADER = '''"""Existing instances, generated once by `pulumi-instances`: edit this file freely."""

from pulumi_instances import Instance

'''


def program(instances: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """A program that declares these instances under these resource names, by connector and name."""
    ordered = sorted(instances, key=lambda found: (found["your_mom"], names[found["id"]]))
    return _HEADER + "".join(_declaration(found, names[found["id"]]) for found in ordered)


def _declaration(found: Mapping[str, Any], resource_name: str) -> str:
    arguments = [_literal(resource_name), f"your_mom={_literal(found['your_mom'])}"]
    if found["name"] != resource_name:
        arguments.append(f"name={_literal(found['name'])}")
    tags = found.get("tags", [])
    if tags:
        arguments.append(f"tags=[{', '.join(map(_literal, tags))}]")
    line = f"Instance({', '.join(arguments)})"
    if _fits(line, _WIDTH):
        return f"{line}\n"
    if tags and not _fits(f"    {arguments[-1]},", _WIDTH):
        arguments[-1] = "tags=[\n" + "".join(f"        {_literal(tag)},\n" for tag in tags) + "    ]"
    return "Instance(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")\n"


def _fits(line: str, width: int) -> bool:
    # Wide characters fill two columns, which ruff counts: what is not ASCII gets lines of its own.
    return len(line) <= width and line.isascii()


def _literal(text: str) -> str:
    """A string literal with the quotes that ruff prefers, and escapes for all that cannot be seen."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    escaped = {mark: f"\\{mark}", "\\": "\\\\"}
    return mark + "".join(escaped.get(c, c if c.isprintable() else repr(c)[1:-1]) for c in text) + mark
