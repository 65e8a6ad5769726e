"""What a program asks for: the requests of the SDK, decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import resource_pb2

from . import diff
from .decide import Alias
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, ResourceState
from .values import UnsupportedFeatureError, from_struct


@dataclass
class Goal:
    """The desired state of one resource: to register, or to look up by id (`.get`) where it is external."""

    state: ResourceState
    """Its URN is not known yet."""
    name: str
    providers: dict[str, str] = field(default_factory=dict)
    aliases: Sequence[Alias] = ()
    protect: bool | None = None
    retain_on_delete: bool | None = None
    delete_before_replace: bool | None = None

    def inherit(self, parent: Goal | None) -> None:
        """Take over what a child has from its parent unless it says otherwise."""
        if parent is not None:
            self.protect = parent.protect if self.protect is None else self.protect
            if self.retain_on_delete is None:
                self.retain_on_delete = parent.retain_on_delete
            if not self.state.custom:
                self.providers = {**parent.providers, **self.providers}
        self.state.protect = bool(self.protect)
        self.state.retain_on_delete = bool(self.retain_on_delete)


def goal_of(request: resource_pb2.RegisterResourceRequest) -> Goal:
    """Decode a registration. Raises UnsupportedFeatureError for what the local engine leaves out."""
    _reject_unsupported(request)
    for path in (*request.ignoreChanges, *request.replaceOnChanges):
        diff.parse(path)
    defined = request.deleteBeforeReplaceDefined or request.deleteBeforeReplace
    properties = from_struct(request.object)
    dependencies = sorted(request.dependencies)
    if request.propertyDependencies:
        by_property = {key: sorted(value.urns) for key, value in request.propertyDependencies.items()}
    else:  # an SDK that names none means that every property may depend on everything
        by_property = dict.fromkeys(properties, dependencies)
    state = ResourceState(
        urn="",
        type=request.type,
        custom=request.custom,
        inputs=properties,
        parent=request.parent,
        provider=request.provider,
        dependencies=dependencies,
        property_dependencies=dict(sorted({**{key: [] for key in properties}, **by_property}.items())),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
    )
    return Goal(
        state,
        request.name,
        dict(request.providers),
        aliases=[*(Alias(urn=urn) for urn in request.aliasURNs), *map(_alias, request.aliases)],
        protect=request.protect if request.HasField("protect") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        delete_before_replace=request.deleteBeforeReplace if defined else None,
    )


def lookup_of(request: resource_pb2.ReadResourceRequest) -> Goal:
    """Decode a lookup."""
    _require_dynamic(request.type, request.packageRef)
    state = ResourceState(
        urn="",
        type=request.type,
        custom=True,
        id=request.id,
        inputs=from_struct(request.properties),
        parent=request.parent,
        provider=request.provider,
        dependencies=sorted(request.dependencies),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        external=True,
    )
    return Goal(state, request.name)


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
        "the option 'deleted_with'": request.deletedWith,
        "the option 'replace_with'": request.replace_with,
        "the option 'replacement_trigger'": request.HasField("replacement_trigger"),
        "the option 'hide_diffs'": request.hideDiffs,
        "the option 'custom_timeouts'": request.customTimeouts.ByteSize(),
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
    return Alias("", spec.name, spec.type, spec.stack, spec.project, spec.parentUrn, spec.noParent)
