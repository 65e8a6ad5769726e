"""What programs of the scenarios import from `pulumi_instances`, made of the SDK of the native package."""

from __future__ import annotations

import re
from typing import Any

import pulumi
from pulumi_instances_native import (
    Instance,
    Provider,
    get_instance_output,
)
from pulumi_instances_native import get_instance as _get_instance
from pulumi_instances_native import get_instances as _get_instances
from pulumi_instances_native import get_instances_output as _get_instances_output

__all__ = ["Instance", "account", "get_instance", "get_instance_output", "get_instances", "get_instances_output"]


def account(
    name: str, *, settings: dict[str, Any] | None = None, opts: pulumi.ResourceOptions | None = None, **given: Any
) -> Any:
    """A provider of the native package, whose settings are arguments in snake_case."""
    others = {re.sub(r"([A-Z])", r"_\1", key).lower(): value for key, value in (settings or {}).items()}
    return Provider(name, **given, **others, opts=opts)


class _Found:
    """What a plain look-up finds, with the token as docs/native.md tells programs to pass it on."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self.token = pulumi.Output.secret(found.token)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)


def get_instance(**given: Any) -> Any:
    """The SDK does not keep the mark of a secret in a plain answer."""
    return _Found(_get_instance(**given))


def get_instances(**given: Any) -> Any:
    """The list itself. A function of the native package can only answer an object that holds it."""
    return _get_instances(**given).instances


def get_instances_output(**given: Any) -> Any:
    """The same, of the output form."""
    return _get_instances_output(**given).instances
