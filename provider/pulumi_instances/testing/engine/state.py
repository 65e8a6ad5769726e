"""Resources as a state has them, their URNs, and the document of `pulumi stack export`. Pure.

The names of the fields follow pulumi/pulumi: sdk/go/common/apitype, core.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .values import UNKNOWN_SENTINEL, Properties, UnsupportedFeatureError, from_state, to_state

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
DYNAMIC_PACKAGE = "pulumi-python"


@dataclass(eq=False)
class ResourceState:
    """One resource in the state. Compared by identity: a URN can be there twice, once pending deletion."""

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
    additional_secret_outputs: list[str] = field(default_factory=list)
    retain_on_delete: bool = False
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)

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
        """The text by which resources refer to this provider."""
        return f"{self.urn}::{self.id or UNKNOWN_SENTINEL}"

    def needs(self) -> Iterator[str]:
        """Yield the URNs of what this resource depends on."""
        yield from (self.parent, self.provider_urn, *self.dependencies)
        for urns in self.property_dependencies.values():
            yield from urns


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


_KEYS = {_camel(each.name): each.name for each in fields(ResourceState)}
_BAGS = ("inputs", "outputs")
_ALWAYS = ("urn", "type", "custom")
_REFUSED = ("deletedWith", "pendingReplacement", "replaceWith", "replacementTrigger", "taint")


def to_deployment(resources: Iterable[ResourceState]) -> dict[str, Any]:
    """Write the `deployment` of an export document, with its secrets marked and in plain."""
    return {
        "manifest": {"time": "0001-01-01T00:00:00Z", "magic": "", "version": ""},
        "resources": [_to_json(state) for state in resources],
        "metadata": {},
    }


def from_deployment(deployment: Mapping[str, Any]) -> list[ResourceState]:
    """Read a `deployment`. Raises UnsupportedFeatureError for what would be lost or cannot be read."""
    return [_from_json(each) for each in deployment.get("resources") or []]


def _to_json(state: ResourceState) -> dict[str, Any]:
    """Write one resource, without its empty fields, as the CLI does."""
    values = {key: getattr(state, name) for key, name in _KEYS.items()}
    kept = {key: value for key, value in values.items() if value or key in _ALWAYS}
    return {key: to_state(value) if key in _BAGS else value for key, value in kept.items()}


def _from_json(document: dict[str, Any]) -> ResourceState:
    for key in filter(document.get, _REFUSED):
        raise UnsupportedFeatureError(f"states of resources with {key!r} ({document['urn']})")
    known = {_KEYS[key]: (key, value) for key, value in document.items() if key in _KEYS}
    return ResourceState(**{name: from_state(value) if key in _BAGS else value for name, (key, value) in known.items()})


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Build a URN; the stack itself does not show in the URNs of its children."""
    qualified = _qualified_type(parent) if parent else ""
    if qualified and qualified != STACK_TYPE:
        type_ = f"{qualified}${type_}"
    return f"urn:pulumi:{stack}::{project}::{type_}::{name}"


def urn_name(urn: str) -> str:
    """Return the logical name in a URN; it may itself contain `::`."""
    return urn.split("::", 3)[3]


def urn_type(urn: str) -> str:
    """Return the resource's own type."""
    return _qualified_type(urn).rsplit("$", 1)[-1]


def _qualified_type(urn: str) -> str:
    """Return the types of all parents and of the resource, joined by `$`."""
    return urn.split("::", 3)[2]


def former_urns(urn: str, parent: str, aliases: Iterable[str], former: dict[str, str]) -> Iterator[str]:
    """Yield every URN that a resource may have had: its own aliases, and those by its parent, as `former` has them."""
    own = list(aliases)
    yield from own
    if old_parent := former.get(parent):
        for each in (urn, *own):
            name = urn_name(each)
            if name.startswith(urn_name(parent)):  # `app-db` in `app` was named after the parent's old name
                name = urn_name(old_parent) + name.removeprefix(urn_name(parent))
            yield _moved(each, old_parent, name)


def _moved(urn: str, parent: str, name: str) -> str:
    """Return the URN that a resource would have with another parent and another name."""
    stack, project = urn.removeprefix("urn:pulumi:").split("::", 2)[:2]
    return make_urn(stack, project, parent, urn_type(urn), name)
