"""What programs of the scenarios import from `pulumi_instances`, made of the SDK of the native package."""

from __future__ import annotations

import re
from typing import Any

import pulumi
from pulumi_instances_native import (  # type: ignore[import-not-found]  # generated: see harness.py
    Instance,
    Provider,
    get_instance,
    get_instance_output,
)
from pulumi_instances_native import get_instances as _get_instances

__all__ = ["Instance", "account", "get_instance", "get_instance_output", "get_instances"]


def account(
    name: str, *, settings: dict[str, Any] | None = None, opts: pulumi.ResourceOptions | None = None, **given: Any
) -> Any:
    """A provider of the native package, whose settings are arguments in snake_case."""
    others = {re.sub(r"([A-Z])", r"_\1", key).lower(): value for key, value in (settings or {}).items()}
    return Provider(name, **given, **others, opts=opts)


def get_instances(**given: Any) -> Any:
    """The list itself. A function of the native package can only answer an object that holds it."""
    return _get_instances(**given).instances
