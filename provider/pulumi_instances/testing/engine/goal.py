"""What a program asks for: the requests of the SDK, decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.runtime.proto import resource_pb2

from . import diff
from .project import Project
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, ResourceState, make_urn, moved_urn, urn_name
from .values import Properties, UnsupportedFeatureError, from_struct


@dataclass
class Goal:
    """The desired state of one resource: to register, or to look up by id (`.get`) where it is external."""

    state: ResourceState
    aliases: Iterable[Any] = ()
    """Earlier identities, as the SDK sends them."""
    inherits_retention: bool = False
    """Whether it says nothing of `retain_on_delete`; the SDK itself passes on what else a child inherits."""
    delete_before_replace: bool | None = None


def goal_of(request: resource_pb2.RegisterResourceRequest, project: Project) -> Goal:
    """Decode a registration. Raises UnsupportedFeatureError for what the local engine leaves out."""
    _reject_unsupported(request)
    for path in (*request.ignoreChanges, *request.replaceOnChanges):
        diff.parse(path)
    defined = request.deleteBeforeReplaceDefined or request.deleteBeforeReplace
    state = _state_of(request, project, from_struct(request.object))
    state.custom = request.custom
    by_property = {key: sorted(value.urns) for key, value in request.propertyDependencies.items()}
    state.property_dependencies = dict(sorted({**{key: [] for key in state.inputs}, **by_property}.items()))
    state.ignore_changes = list(request.ignoreChanges)
    state.replace_on_changes = list(request.replaceOnChanges)
    state.protect = request.protect
    state.retain_on_delete = request.retainOnDelete
    return Goal(
        state,
        request.aliases,
        inherits_retention=not request.HasField("retainOnDelete"),
        delete_before_replace=request.deleteBeforeReplace if defined else None,
    )


def lookup_of(request: resource_pb2.ReadResourceRequest, project: Project) -> Goal:
    """Decode a lookup."""
    _require_dynamic(request.type, request.packageRef)
    state = _state_of(request, project, from_struct(request.properties))
    state.id = request.id
    state.external = True
    return Goal(state)


def _state_of(request: Any, project: Project, inputs: Properties) -> ResourceState:
    return ResourceState(
        urn=make_urn(project.stack, project.name, request.parent, request.type, request.name),
        type=request.type,
        custom=True,
        inputs=inputs,
        parent=request.parent,
        provider=request.provider,
        dependencies=sorted(request.dependencies),
        additional_secret_outputs=list(request.additionalSecretOutputs),
    )


def former_urns(goal: Goal, former: Mapping[str, str]) -> Iterator[str]:
    """Every URN a resource may have had: by its own aliases, and through its parent, whose old URN `former` has."""
    urn, parent = goal.state.urn, goal.state.parent
    aliases = [_alias_urn(alias, urn, parent, former) for alias in goal.aliases]
    yield from aliases
    if old_parent := former.get(parent):
        for each in (urn, *aliases):
            name = urn_name(each)
            if name.startswith(urn_name(parent)):  # `app-db` in `app` was named after the parent's old name
                name = urn_name(old_parent) + name.removeprefix(urn_name(parent))
            yield moved_urn(each, old_parent, name)


def _alias_urn(alias: Any, urn: str, parent: str, former: Mapping[str, str]) -> str:
    spec = alias.spec
    if spec.type or spec.stack or spec.project:
        raise UnsupportedFeatureError("aliases of another type, stack or project")
    if alias.urn:
        return str(alias.urn)
    if spec.parentUrn or spec.noParent:
        parent = former.get(spec.parentUrn, spec.parentUrn)
    return moved_urn(urn, parent, spec.name or urn_name(urn))


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
