"""The real process of the native package, driven over gRPC as the engine drives it, beside a fake of the engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, status_pb2

from pulumi_instances.core.state_format import NATIVE_TYPE
from tests.support.provider_process import ProviderProcess
from tests.support.values import Inputs

COMMAND = [sys.executable, "-c", "from pulumi_instances.native.server import main; main()"]
"""The console script, without the need to find it."""

URN = f"urn:pulumi:dev::acceptance::{NATIVE_TYPE}::crm"

Bag = dict[str, Any]


class NativeError(Exception):
    """What a call failed with: its text, and what the engine keeps in the state all the same."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(error.details())
        self.kept: Any = None
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                [detail] = status_pb2.Status.FromString(value).details
                self.kept = provider_pb2.ErrorResourceInitFailed()
                assert detail.Unpack(self.kept)


class Checked(NamedTuple):
    """The answer of Check and CheckConfig."""

    inputs: Bag
    failures: list[str]


class Diffed(NamedTuple):
    """The answer of Diff and DiffConfig."""

    changes: str
    replaces: list[str]
    detailed: dict[str, tuple[str, bool]]
    """The kind, and whether it is a difference of the inputs, by path."""


class Found(NamedTuple):
    """The answer of Create (without inputs) and Read."""

    id: str
    outputs: Bag
    inputs: Bag


class FakeEngine(engine_pb2_grpc.EngineServicer):
    """Takes the log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        """Each line, with the URN it is about."""

    def Log(self, request: Any, _context: Any) -> Any:  # noqa: N802  the protocol's name
        self.lines.append((request.urn, request.message))
        return empty_pb2.Empty()


READ = f"{URN}-read"
"""Of what is read by its id alone: a Check of the same resource would be taken for that of an import."""


class Native(ProviderProcess):
    """One process. ``env`` joins the environment; ``settings`` are the inputs of the provider called ``name``."""

    def __init__(
        self, env: Mapping[str, str] | None = None, settings: Mapping[str, Any] | None = None, name: str = "default"
    ) -> None:
        super().__init__(env)
        self._settings = dict(settings or {})
        self._name = name

    def __enter__(self) -> Native:
        self.engine = FakeEngine()
        self._server = grpc.server(ThreadPoolExecutor(4))
        engine_pb2_grpc.add_EngineServicer_to_server(self.engine, self._server)
        address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        self.start([*COMMAND, address])
        self.call("Handshake", provider_pb2.ProviderHandshakeRequest(engine_address=address))
        return self

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._server.stop(None).wait()

    def configure(self) -> Native:
        urn = f"urn:pulumi:dev::acceptance::pulumi:providers:instances::{self._name}"
        request = provider_pb2.ConfigureRequest(args=struct(self._settings), urn=urn, name=self._name)
        assert self.call("Configure", request).supportsPreview
        return self

    def check_config(self, news: Bag | None = None) -> Checked:
        urn = f"urn:pulumi:dev::acceptance::pulumi:providers:instances::{self._name}"
        news = self._settings if news is None else news
        answer = self.call("CheckConfig", provider_pb2.CheckRequest(urn=urn, name=self._name, news=struct(news)))
        return _checked(answer)

    def diff_config(self, olds: Bag, news: Bag) -> Diffed:
        request = provider_pb2.DiffRequest(old_inputs=struct(olds), olds=struct(olds), news=struct(news))
        return _diffed(self.call("DiffConfig", request))

    def check(self, news: Bag, olds: Bag | None = None, urn: str = URN) -> Checked:
        """Check; ``olds`` are the inputs in the state, none for a new resource."""
        request = provider_pb2.CheckRequest(urn=urn, olds=struct(olds or {}), news=struct(news))
        return _checked(self.call("Check", request))

    def diff(self, id_: str, olds: Bag, news: Bag, old_inputs: Bag | None = None) -> Diffed:
        """Diff; ``olds`` are the outputs in the state."""
        old_inputs = old_inputs if old_inputs is not None else _inputs_of(olds)
        request = provider_pb2.DiffRequest(
            id=id_, urn=URN, olds=struct(olds), old_inputs=struct(old_inputs), news=struct(news)
        )
        return _diffed(self.call("Diff", request))

    def create(self, inputs: Bag, *, preview: bool = False, timeout: float = 0) -> Found:
        request = provider_pb2.CreateRequest(urn=URN, properties=struct(inputs), preview=preview, timeout=timeout)
        answer = self.call("Create", request)
        return Found(answer.id, bag(answer.properties), {})

    def refresh(self, id_: str, outputs: Bag, old_inputs: Bag | None = None, timeout: float = 0) -> Found:
        old_inputs = old_inputs if old_inputs is not None else _inputs_of(outputs)
        request = provider_pb2.ReadRequest(
            id=id_, urn=URN, properties=struct(outputs), inputs=struct(old_inputs), timeout=timeout
        )
        return _found(self.call("Read", request))

    def get(self, id_: str) -> Found:
        """Read as the SDKs' `get` does: with the inputs of the program, which are none."""
        return _found(
            self.call("Read", provider_pb2.ReadRequest(id=id_, urn=READ, inputs=Struct(), properties=Struct()))
        )

    def import_(self, id_: str) -> Found:
        """Read as `pulumi import` does: by the id alone."""
        return _found(self.call("Read", provider_pb2.ReadRequest(id=id_, urn=URN, properties=Struct())))

    def update(self, id_: str, olds: Bag, news: Bag, *, preview: bool = False, old_inputs: Bag | None = None) -> Bag:
        old_inputs = old_inputs if old_inputs is not None else _inputs_of(olds)
        request = provider_pb2.UpdateRequest(
            id=id_, urn=URN, olds=struct(olds), old_inputs=struct(old_inputs), news=struct(news), preview=preview
        )
        return bag(self.call("Update", request).properties)

    def delete(self, id_: str, outputs: Bag) -> None:
        self.call("Delete", provider_pb2.DeleteRequest(id=id_, urn=URN, properties=struct(outputs)))

    def invoke(self, function: str, **arguments: Any) -> Bag:
        request = provider_pb2.InvokeRequest(tok=f"instances:index:{function}", args=struct(arguments))
        return bag(getattr(self.call("Invoke", request), "return"))

    def cancel(self) -> None:
        self.call("Cancel", empty_pb2.Empty())

    def failure(self, error: grpc.RpcError) -> NativeError:
        return NativeError(error)


def settings_of(api: Any) -> Bag:
    """The inputs of a provider for this API."""
    return {
        "baseUrl": api.base_url,
        "userSecret": api.user_secret,
        "organizationSecret": api.organization_secret,
    }


def inputs(**changed: Any) -> Inputs:
    """Inputs of a small instance, as Check answers them; ``None`` for a property leaves it out."""
    given = {"yourMom": "dropbox", "name": "billing", "tags": ["eu"], **changed}
    return {key: value for key, value in given.items() if value is not None}


def struct(values: Mapping[str, Any]) -> Struct:
    message = Struct()
    message.update(values)
    return message


def bag(message: Struct) -> Bag:
    return dict(MessageToDict(message))


def _inputs_of(outputs: Bag) -> Bag:
    return {key: value for key, value in outputs.items() if key not in ("token", "valid", "disabled", "__defaults")}


def _checked(answer: Any) -> Checked:
    assert all(failure.property == "" for failure in answer.failures)
    return Checked(bag(answer.inputs), [failure.reason for failure in answer.failures])


def _diffed(answer: Any) -> Diffed:
    detailed = {
        path: (provider_pb2.PropertyDiff.Kind.Name(diff.kind), diff.inputDiff)
        for path, diff in answer.detailedDiff.items()
    }
    changes = provider_pb2.DiffResponse.DiffChanges.Name(answer.changes).removeprefix("DIFF_")
    return Diffed(changes, list(answer.replaces), detailed)


def _found(answer: Any) -> Found:
    return Found(answer.id, bag(answer.properties), bag(answer.inputs))
