"""Assertions of every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi_instances.core.marks import is_mark
from pulumi_instances.testing.emulator import Emulator

from .harness import Harness


def assert_settled(stack: Harness, api: Emulator) -> None:
    """Nothing is left to do: a preview and a refresh find no difference, and nothing is written."""
    writes = len(api.writes)
    assert set(stack.preview().change_summary) == {"same"}
    assert set(stack.refresh().summary.resource_changes or {}) == {"same"}
    assert len(api.writes) == writes


def assert_ends_empty(stack: Harness, api: Emulator) -> None:
    """Destroy leaves nothing, in the API as in the state."""
    stack.destroy()
    assert api.instances() == []
    assert stack.resources() == []


def without_mark(body: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body of a request, of whose tags the mark is left out."""
    body = body or {}
    shown = {"tags": [tag for tag in body["tags"] if not is_mark(tag)]} if "tags" in body else {}
    return {**body, **shown}


def calls(api: Emulator) -> list[str]:
    """The writes so far, such as ``PUT /instances/4001``."""
    return [f"{request.method} {request.path}" for request in api.writes]


def held(api: Emulator, instance_id: object) -> tuple[str, list[str]]:
    """The name and the tags of an instance at the API."""
    instance = api.instance(str(instance_id))
    return instance["name"], sorted(instance["tags"])
