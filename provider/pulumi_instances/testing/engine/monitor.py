"""The gRPC services that a program calls: ResourceMonitor and Engine (pulumi/pulumi: proto/pulumi).

It decodes what the SDK sends, refuses what is not supported, and otherwise waits for the operation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from . import diff
from .deployment import Goal, StoppedError
from .program import THREADS
from .project import Project
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, ResourceState, make_urn
from .values import Properties, Unknown, UnsupportedFeatureError, contains, from_struct, to_struct

if TYPE_CHECKING:
    from .operation import Operation

_NOT_UNDERSTOOD = ("aliasSpecs", "outputValues", "resourceReferences", "parameterization")
"""Features that the monitor says it does not have; without `aliasSpecs` the SDK makes URNs of aliases itself.

It says that it has all others, and refuses some of them when they are used: otherwise the SDK would leave them out
without an error, or ask for a newer CLI.
"""
_REFUSED = {
    "Invoke": lambda request: f"functions of providers ({request.tok})",
    "Call": lambda request: f"methods of resources ({request.tok})",
    "RegisterStackTransform": lambda _: "transforms",
    "RegisterStackInvokeTransform": lambda _: "transforms of function calls",
    "RegisterResourceHook": lambda _: "resource hooks",
    "RegisterErrorHook": lambda _: "resource hooks",
    "RegisterPackage": lambda request: f"parameterized packages ({request.name})",
    "RequirePulumiVersion": lambda _: "a required version of the CLI (`require_pulumi_version`)",
    "StartDebugging": lambda _: "debugging a program",
}
"""Calls that the monitor does not serve, with what they are for."""


class Monitor(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """Serves one program. What the SDK asks for is decoded here and done by the Operation."""

    def __init__(self, operation: Operation) -> None:
        """Serve on a free port of the loopback interface."""
        self.operation = operation
        self.program_done = threading.Event()
        """Set when the program will register nothing more, and by `close`."""
        self.program_finished = False
        """Whether the program itself has reported that."""
        self._closing = threading.Event()
        workers = futures.ThreadPoolExecutor(max_workers=THREADS + 8)  # each of the program's threads may wait here
        self._server = grpc.server(workers, options=_GRPC_CHANNEL_OPTIONS)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(self, self._server)
        engine_pb2_grpc.add_EngineServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def release(self) -> None:
        """Answer every call that waits for the end of the operation."""
        self._closing.set()

    def close(self) -> None:
        """Stop serving."""
        self.release()
        self._server.stop(grace=None).wait()

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002, D102
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "ask SupportsFeature instead")

    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002, D102
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id not in _NOT_UNDERSTOOD)

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        with self._guarded(context):
            state = self.operation.register(_goal_of(request, self.operation.project))
        # A component's outputs are those of the last run until it registers new ones.
        outputs = state.outputs if request.custom else {}
        if not request.supportsPartialValues:
            outputs = {key: value for key, value in outputs.items() if not contains(value, Unknown)}
        struct = to_struct(outputs, keep_secrets=True)
        return resource_pb2.RegisterResourceResponse(urn=state.urn, id=state.id, object=struct)

    def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        with self._guarded(context):
            state = self.operation.register(_lookup_of(request, self.operation.project))
        struct = to_struct(state.outputs, keep_secrets=True)
        return resource_pb2.ReadResourceResponse(urn=state.urn, properties=struct)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802, D102
        with self._guarded(context):
            self.operation.register_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002, D102
        self.program_finished = True
        self.program_done.set()
        self._closing.wait()
        return empty_pb2.Empty()

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002, D102
        severity: Any = engine_pb2.LogSeverity.Name(request.severity).lower()
        # Once calls are not answered any more, what the SDK logs follows from that.
        if not self.operation.stopped.is_set() and not request.ephemeral:
            self.operation.display.message(severity, request.message, request.urn)
        return empty_pb2.Empty()

    @contextmanager
    def _guarded(self, context: Any) -> Iterator[None]:
        """Do the work of a call; one that cannot be done is answered only when the program is to end.

        An answer would make the program fail on its own while other operations are still under way.
        """
        try:
            yield
        except (StoppedError, UnsupportedFeatureError) as error:
            if isinstance(error, UnsupportedFeatureError):
                self.operation.fail(str(error))
            self.program_done.set()
            self._closing.wait()
            context.abort(grpc.StatusCode.UNAVAILABLE, "resource monitor shut down")


def _goal_of(request: resource_pb2.RegisterResourceRequest, project: Project) -> Goal:
    """Decode a registration. Raises UnsupportedFeatureError for what the local engine leaves out."""
    _reject_unsupported(request)
    for path in (*request.ignoreChanges, *request.replaceOnChanges):
        diff.parse(path)
    state = _state_of(request, project, from_struct(request.object))
    state.custom = request.custom
    by_property = {key: sorted(value.urns) for key, value in request.propertyDependencies.items()}
    state.property_dependencies = dict(sorted({**{key: [] for key in state.inputs}, **by_property}.items()))
    state.ignore_changes = list(request.ignoreChanges)
    state.replace_on_changes = list(request.replaceOnChanges)
    state.protect = request.protect
    state.retain_on_delete = request.retainOnDelete
    return Goal(state, request.aliasURNs, inherits_retention=not request.HasField("retainOnDelete"))


def _lookup_of(request: resource_pb2.ReadResourceRequest, project: Project) -> Goal:
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
        "the option 'delete_before_replace'": request.deleteBeforeReplace,
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


def _refusal(what: Callable[[Any], str]) -> Callable[[Monitor, Any, Any], NoReturn]:
    def refuse(self: Monitor, request: Any, context: Any) -> NoReturn:
        with self._guarded(context):
            raise UnsupportedFeatureError(what(request))

    return refuse


for _name, _what in _REFUSED.items():
    setattr(Monitor, _name, _refusal(_what))
