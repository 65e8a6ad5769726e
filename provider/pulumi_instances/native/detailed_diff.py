"""The differences that the engine shows for a change: per member of an object, and per tag.

Their paths and kinds follow pulumi/pulumi: proto/pulumi/provider.proto (PropertyDiff).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pulumi.runtime.proto import provider_pb2

from ..core import model
from ..core.model import camel

ADD, DELETE, UPDATE = "ADD", "DELETE", "UPDATE"


def of(
    changed: Collection[str],
    replaces: Collection[str],
    outputs: Mapping[str, Any],
    old_inputs: Mapping[str, Any],
    inputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the differences of the changed inputs by their paths.

    The engine shows them beside the old inputs, or beside the ``outputs`` where only these differ (``inputDiff``).
    """
    found = {}
    for key in changed:
        in_inputs = not model.same(key, old_inputs.get(key), inputs.get(key))
        old = (old_inputs if in_inputs else outputs).get(key)
        for path, kind in _of_property(key, old, inputs.get(key)):
            name = f"{kind}_REPLACE" if key in replaces else kind
            found[path] = provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(name), inputDiff=in_inputs
            )
    return found


def of_secrets(paths: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Return the differences of values that become secret, by their paths. As added ones they show no old value."""
    added = provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.Kind.Value(ADD), inputDiff=True)
    return {functools.reduce(_member, keys, first): added for first, *keys in paths}


def _of_property(key: str, old: Any, new: Any) -> list[tuple[str, str]]:
    differences = list(_of_tags(old, new) if key == "tags" else _of_value(camel(key), old, new))
    return differences or [(camel(key), _kind(old, new))]


def _of_tags(old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """Yield the changed tags. Tags are a set: one that is only at another position is not changed."""
    if not isinstance(old, list) or not isinstance(new, list):
        yield "tags", _kind(old, new)
        return
    removed = {position for position, tag in enumerate(old) if tag not in new}
    added = {position for position, tag in enumerate(new) if tag not in old}
    for position in sorted(removed | added):
        if position in removed & added:
            yield f"tags[{position}]", UPDATE
        else:
            yield f"tags[{position}]", DELETE if position in removed else ADD


def _of_value(path: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield path, _kind(old, new)
        return
    for name in sorted({*old, *new}):
        if name not in new or name not in old or model.changed_members(old, {name: new[name]}):
            yield from _of_value(_member(path, name), old.get(name), new.get(name))


def _kind(old: Any, new: Any) -> str:
    if old is None:
        return UPDATE if new is None else ADD
    return DELETE if new is None else UPDATE


def _member(path: str, name: str) -> str:
    if re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", name):
        return f"{path}.{name}"
    return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
