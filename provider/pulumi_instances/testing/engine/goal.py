"""What a program asks for: the requests of the SDK, decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from google.protobuf import struct_pb2
from pulumi.runtime.proto import resource_pb2, source_pb2

from .decide import Alias
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX
from .values import Properties, UnsupportedFeatureError, Value, from_struct, from_wire


@dataclass
class Goal:
    """The desired state of one resource."""

    type: str
    name: str
    custom: bool
    properties: Properties
    parent: str = ""
    provider: str = ""
    providers: dict[str, str] = field(default_factory=dict)
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: Sequence[Alias] = ()
    protect: bool | None = None
    retain_on_delete: bool | None = None
    delete_before_replace: bool | None = None
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list)
    replacement_trigger: Value = None
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    hide_diff: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    source_position: str = ""

    @property
    def package(self) -> str:
        """The package whose provider manages the resource."""
        return self.type.split(":", 1)[0]

    @property
    def is_provider(self) -> bool:
        """Whether the resource is itself a provider."""
        return self.type.startswith(PROVIDER_PREFIX)

    def inherit(self, parent: Goal) -> None:
        """Take over what a child has from its parent unless it says otherwise."""
        self.deleted_with = self.deleted_with or parent.deleted_with
        if self.protect is None:
            self.protect = parent.protect
        if self.retain_on_delete is None:
            self.retain_on_delete = parent.retain_on_delete
        if not self.custom:
            self.providers = {**parent.providers, **self.providers}


@dataclass
class ReadGoal:
    """A resource to look up by id (`.get`)."""

    type: str
    name: str
    id: str
    properties: Properties
    parent: str = ""
    provider: str = ""
    dependencies: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    source_position: str = ""

    @property
    def package(self) -> str:
        """The package whose provider manages the resource."""
        return self.type.split(":", 1)[0]


def goal_of(request: resource_pb2.RegisterResourceRequest, project_root: Path) -> Goal:
    """Decode a registration. Raises UnsupportedFeatureError for what the local engine leaves out."""
    _reject_unsupported(request)
    defined = request.deleteBeforeReplaceDefined or request.deleteBeforeReplace
    properties = from_struct(request.object)
    dependencies = sorted(request.dependencies)
    if request.propertyDependencies:
        by_property = {key: sorted(value.urns) for key, value in request.propertyDependencies.items()}
    else:  # an SDK that names none means that every property may depend on everything
        by_property = dict.fromkeys(properties, dependencies)
    for key in properties:
        by_property.setdefault(key, [])
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        properties=properties,
        parent=request.parent,
        provider=request.provider,
        providers=dict(request.providers),
        dependencies=dependencies,
        property_dependencies=dict(sorted(by_property.items())),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        aliases=[*(Alias(urn=urn) for urn in request.aliasURNs), *map(_alias, request.aliases)],
        protect=request.protect if request.HasField("protect") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        delete_before_replace=request.deleteBeforeReplace if defined else None,
        deleted_with=request.deletedWith,
        replace_with=list(request.replace_with),
        replacement_trigger=_trigger(request),
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        hide_diff=list(request.hideDiffs),
        custom_timeouts=_timeouts(request.customTimeouts),
        source_position=_position(request.sourcePosition, project_root),
    )


def read_goal_of(request: resource_pb2.ReadResourceRequest, project_root: Path) -> ReadGoal:
    """Decode a lookup."""
    _require_dynamic(request.type, request.packageRef)
    return ReadGoal(
        type=request.type,
        name=request.name,
        id=request.id,
        properties=from_struct(request.properties),
        parent=request.parent,
        provider=request.provider,
        dependencies=sorted(request.dependencies),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        source_position=_position(request.sourcePosition, project_root),
    )


def _reject_unsupported(request: resource_pb2.RegisterResourceRequest) -> None:
    if request.remote:
        raise UnsupportedFeatureError(f"components of other packages ({request.type})")
    if request.custom:
        _require_dynamic(request.type, request.packageRef)
    for feature, used in {
        "importing resources (`import_`)": request.importId,
        "transforms": request.transforms,
        "resource hooks": request.HasField("hooks") and request.hooks.ByteSize(),
        "environment variable mappings of providers": request.envVarMappings,
        "state migrations": getattr(request, "state_migrations", ()),
    }.items():
        if used:
            raise UnsupportedFeatureError(feature)


def _require_dynamic(type_: str, package_ref: str) -> None:
    if type_ == "pulumi:pulumi:StackReference":
        raise UnsupportedFeatureError("stack references")
    package = type_.removeprefix(PROVIDER_PREFIX).split(":", 1)[0]
    if package != DYNAMIC_PACKAGE or package_ref:
        raise UnsupportedFeatureError(f"resources of the package {package!r} ({type_})")


def _alias(alias: Any) -> Alias:
    if alias.WhichOneof("alias") == "urn":
        return Alias(urn=alias.urn)
    spec = alias.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


def _trigger(request: resource_pb2.RegisterResourceRequest) -> Value:
    trigger: struct_pb2.Value = request.replacement_trigger
    return from_wire(trigger) if request.HasField("replacement_trigger") else None


_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def _timeouts(timeouts: Any) -> dict[str, float]:
    """Timeouts are kept in state in seconds; a Python provider never learns them (engine-facts 2.10)."""
    import re

    found = {}
    for key in ("create", "update", "delete", "read"):
        if text := getattr(timeouts, key, ""):
            parts = re.findall(r"([\d.]+)(h|ms|us|µs|ns|m|s)", text)
            if "".join(number + unit for number, unit in parts) != text:
                raise ValueError(f"unable to parse customTimeout Value {text}")
            found[key] = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return found


def _position(position: source_pb2.SourcePosition, project_root: Path) -> str:
    url = urlsplit(position.uri)
    if url.scheme != "file" or not position.line:
        return ""
    import os

    relative = os.path.relpath(unquote(url.path), project_root)
    return f"project:///{Path(relative).as_posix()}#{position.line}"
