"""What the engine remembers of a resource, its URN, and its form in a version-3 checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Any

from .values import UNKNOWN_SENTINEL, Properties, UnsupportedFeatureError, from_state, to_state

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
DYNAMIC_PACKAGE = "pulumi-python"


@dataclass(eq=False)
class ResourceState:
    """One resource in the checkpoint. Compared by identity: a URN can be there twice, once pending deletion."""

    urn: str
    type: str
    custom: bool
    delete: bool = False
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    external: bool = False
    dependencies: list[str] = field(default_factory=list)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    pending_replacement: bool = False
    taint: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    retain_on_delete: bool = False
    created: str = ""
    modified: str = ""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    other: dict[str, Any] = field(default_factory=dict)
    """What a checkpoint of the CLI holds beyond this, kept as it is."""

    @property
    def is_provider(self) -> bool:
        """Whether this is an (explicit or default) provider."""
        return self.type.startswith(PROVIDER_PREFIX)

    @property
    def provider_urn(self) -> str:
        """The URN of the provider that manages this resource, or ""."""
        return self.provider.rpartition("::")[0]

    @property
    def reference(self) -> str:
        """How resources refer to this provider."""
        return f"{self.urn}::{self.id or UNKNOWN_SENTINEL}"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


_KEYS = {_camel(each.name): each.name for each in fields(ResourceState) if each.name != "other"}
_ENCRYPTED = ("inputs", "outputs")
_ALWAYS = ("urn", "type", "custom")
_REFUSED = {"deletedWith": "deleted_with", "replaceWith": "replace_with", "replacementTrigger": "replacement_trigger"}


def to_json(state: ResourceState, encrypt: Callable[[str], str] | None) -> dict[str, Any]:
    """Write a resource for the checkpoint; empty fields are left out, as the CLI does. See `values.to_state`."""
    document: dict[str, Any] = {}
    for key, attribute in _KEYS.items():
        value = getattr(state, attribute)
        if value or attribute in _ALWAYS:
            document[key] = to_state(value, encrypt) if attribute in _ENCRYPTED else value
    return {**document, **state.other}


def from_json(document: dict[str, Any], decrypt: Callable[[str], str]) -> ResourceState:
    """Read a resource from a checkpoint. Raises UnsupportedFeatureError for options that would be forgotten."""
    for key, option in _REFUSED.items():
        if document.get(key):
            raise UnsupportedFeatureError(f"states of resources with the option {option!r} ({document['urn']})")
    known: dict[str, Any] = {}
    for key, attribute in _KEYS.items():
        if key in document:
            known[attribute] = from_state(document[key], decrypt) if attribute in _ENCRYPTED else document[key]
    known["other"] = {key: value for key, value in document.items() if key not in _KEYS}
    return ResourceState(**known)


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Build a URN; the stack itself does not show in the URNs of its children."""
    qualified = qualified_type(parent) if parent else ""
    if qualified and qualified != STACK_TYPE:
        type_ = f"{qualified}${type_}"
    return f"urn:pulumi:{stack}::{project}::{type_}::{name}"


def moved_urn(urn: str, parent: str, name: str, type_: str = "") -> str:
    """The URN that a resource would have under another parent, by another name, and maybe of another type."""
    stack, project = urn.removeprefix("urn:pulumi:").split("::", 2)[:2]
    return make_urn(stack, project, parent, type_ or urn_type(urn), name)


def urn_name(urn: str) -> str:
    """The logical name in a URN; it may itself contain `::`."""
    return urn.split("::", 3)[3]


def qualified_type(urn: str) -> str:
    """The types of all parents and of the resource, joined by `$`."""
    return urn.split("::", 3)[2]


def urn_type(urn: str) -> str:
    """The resource's own type."""
    return qualified_type(urn).rsplit("$", 1)[-1]


def now() -> str:
    """The current time as the checkpoint has it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
