"""What the engine remembers of a resource, its URN, and its form in a version-3 checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .values import Properties, Value, from_state, to_state

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
DYNAMIC_PACKAGE = "pulumi-python"
UNKNOWN_ID = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass(eq=False)
class ResourceState:
    """One resource in the checkpoint. Compared by identity: a URN can be there twice, once pending deletion."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    protect: bool = False
    retain_on_delete: bool = False
    external: bool = False
    delete: bool = False
    pending_replacement: bool = False
    taint: bool = False
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list)
    replacement_trigger: Value = None
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    hide_diff: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    created: str = ""
    modified: str = ""
    source_position: str = ""
    other: dict[str, Any] = field(default_factory=dict)
    """What a checkpoint of the CLI holds beyond this, kept as it is."""

    def copy(self) -> ResourceState:
        """Make a state that can be changed without changing this one."""
        return copy.copy(self)

    @property
    def name(self) -> str:
        """The logical name."""
        return urn_name(self.urn)

    @property
    def is_provider(self) -> bool:
        """Whether this is an (explicit or default) provider."""
        return self.type.startswith(PROVIDER_PREFIX)

    @property
    def provider_urn(self) -> str:
        """The URN of the provider that manages this resource, or ""."""
        return split_reference(self.provider)[0]

    @property
    def reference(self) -> str:
        """How resources refer to this provider."""
        return f"{self.urn}::{self.id or UNKNOWN_ID}"


_RESOURCE_KEYS = {
    "urn": "urn",
    "custom": "custom",
    "delete": "delete",
    "id": "id",
    "type": "type",
    "inputs": "inputs",
    "outputs": "outputs",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "provider": "provider",
    "propertyDependencies": "property_dependencies",
    "pendingReplacement": "pending_replacement",
    "taint": "taint",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
    "customTimeouts": "custom_timeouts",
    "retainOnDelete": "retain_on_delete",
    "deletedWith": "deleted_with",
    "replaceWith": "replace_with",
    "created": "created",
    "modified": "modified",
    "sourcePosition": "source_position",
    "ignoreChanges": "ignore_changes",
    "hideDiff": "hide_diff",
    "replaceOnChanges": "replace_on_changes",
    "replacementTrigger": "replacement_trigger",
}
_ENCRYPTED = ("inputs", "outputs", "replacement_trigger")
_ALWAYS = ("urn", "custom", "type")


def to_json(state: ResourceState, encrypt: Callable[[str], str] | None) -> dict[str, Any]:
    """Write a resource for the checkpoint; empty fields are left out, as the CLI does. See `values.to_state`."""
    document: dict[str, Any] = {}
    for key, attribute in _RESOURCE_KEYS.items():
        value = getattr(state, attribute)
        if value or attribute in _ALWAYS:
            document[key] = to_state(value, encrypt) if attribute in _ENCRYPTED else value
    return {**document, **state.other}


def from_json(document: dict[str, Any], decrypt: Callable[[str], str]) -> ResourceState:
    """Read a resource from a checkpoint."""
    known: dict[str, Any] = {}
    for key, attribute in _RESOURCE_KEYS.items():
        if key in document:
            known[attribute] = from_state(document[key], decrypt) if attribute in _ENCRYPTED else document[key]
    known["other"] = {key: value for key, value in document.items() if key not in _RESOURCE_KEYS}
    return ResourceState(**known)


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Build a URN; the stack itself does not show in the URNs of its children."""
    qualified = qualified_type(parent) if parent else ""
    if qualified and qualified != STACK_TYPE:
        type_ = f"{qualified}${type_}"
    return f"urn:pulumi:{stack}::{project}::{type_}::{name}"


def urn_name(urn: str) -> str:
    """The logical name in a URN; it may itself contain `::`."""
    return urn.split("::", 3)[3]


def qualified_type(urn: str) -> str:
    """The types of all parents and of the resource, joined by `$`."""
    return urn.split("::", 3)[2]


def urn_type(urn: str) -> str:
    """The resource's own type."""
    return qualified_type(urn).rsplit("$", 1)[-1]


def split_reference(reference: str) -> tuple[str, str]:
    """Split a provider reference into URN and id; ("", "") for none."""
    urn, _, id_ = reference.rpartition("::")
    return urn, id_


def is_default_provider(urn: str) -> bool:
    """Whether a URN is that of a provider the engine made by itself; users never see those."""
    return urn_type(urn).startswith(PROVIDER_PREFIX) and urn_name(urn).startswith("default")


def now() -> str:
    """The current time as the checkpoint has it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
