"""States of two stacks, made comparable."""

from __future__ import annotations

import json
from typing import Any

from pulumi_instances.core.model import ACCOUNT, CREATED
from pulumi_instances.core.state_format import SIGNATURE_KEY
from tests.support.marks import without_ends

_OF_ONE_RUN = ("created", "modified", "sourcePosition", "stackTrace")
_PROVIDER = "pulumi:providers:"


def comparable(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources of an exported state by URN, without what differs by chance and the settings of the provider."""
    return sorted(map(_comparable, resources), key=lambda resource: (resource["urn"], resource.get("delete", False)))


def _comparable(resource: dict[str, Any]) -> dict[str, Any]:
    kept = {key: _revealed(value) for key, value in resource.items() if key not in (*_OF_ONE_RUN, "id")}
    if "provider" in kept:
        kept["provider"] = kept["provider"].rpartition("::")[0]
    if "dependencies" in kept:
        kept["dependencies"] = sorted(kept["dependencies"])
    for bag in ("inputs", "outputs"):
        if kept["type"].startswith(_PROVIDER):
            kept[bag] = sorted(kept.get(bag, {}))
        elif "token" in kept.get(bag, {}):
            theirs = {key: True for key in (ACCOUNT, CREATED) if key in kept[bag]}
            kept[bag] = {**kept[bag], **theirs, "token": sorted(kept[bag]["token"])}
    return kept


def _revealed(value: Any) -> Any:
    """A secret as ``{"secret": value}``, at any depth, and marks without their ends."""
    if isinstance(value, str):
        return without_ends(value)
    if isinstance(value, dict):
        if SIGNATURE_KEY in value:
            return {"secret": json.loads(value["plaintext"])}
        return {key: _revealed(item) for key, item in value.items()}
    return [_revealed(item) for item in value] if isinstance(value, list) else value
