"""What a program asks for: the requests of the SDK, decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from pulumi.runtime.proto import resource_pb2

from . import diff
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, ResourceState, make_urn, urn_name, urn_type
from .values import UnsupportedFeatureError, from_struct

Alias: TypeAlias = "str | dict[str, str]"
"""An earlier identity of a resource: a whole URN, or what differs from the present one."""


class Identity(NamedTuple):
    """What makes up a resource's URN."""

    stack: str
    project: str
    parent: str
    type: str
    name: str

    @property
    def urn(self) -> str:
        """The present URN."""
        return make_urn(*self)

    def former_urns(self, aliases: Iterable[Alias], former: Mapping[str, str]) -> list[str]:
        """Every URN it may have had: by its own aliases, and through its parent, whose old URN `former` has."""
        urns = [alias if isinstance(alias, str) else self._before(alias, former).urn for alias in aliases]
        if old_parent := former.get(self.parent):
            for urn in (self.urn, *urns):
                name = urn_name(urn)
                if name.startswith(urn_name(self.parent)):  # `app-db` in `app` was named after the parent's old name
                    name = urn_name(old_parent) + name.removeprefix(urn_name(self.parent))
                urns.append(self._replace(parent=old_parent, type=urn_type(urn), name=name).urn)
        return list(dict.fromkeys(urns))

    def _before(self, alias: dict[str, str], former: Mapping[str, str]) -> Identity:
        earlier = self._replace(**alias)
        return earlier._replace(parent=former.get(earlier.parent, earlier.parent)) if "parent" in alias else earlier


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
    by_property = {key: sorted(value.urns) for key, value in request.propertyDependencies.items()}
    state = ResourceState(
        urn="",
        type=request.type,
        custom=request.custom,
        inputs=properties,
        parent=request.parent,
        provider=request.provider,
        dependencies=sorted(request.dependencies),
        property_dependencies=dict(sorted({**{key: [] for key in properties}, **by_property}.items())),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
    )
    return Goal(
        state,
        request.name,
        dict(request.providers),
        aliases=[*request.aliasURNs, *map(_alias, request.aliases)],
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
    spec = alias.spec
    if spec.type or spec.stack or spec.project:
        raise UnsupportedFeatureError("aliases of another type, stack or project")
    if alias.urn:
        return str(alias.urn)
    given = {"name": spec.name, "parent": spec.parentUrn}
    return {key: value for key, value in given.items() if value} | ({"parent": ""} if spec.noParent else {})
