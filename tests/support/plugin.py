"""The real plugin process, driven over gRPC as the engine drives it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2

from pulumi_instances.lifecycle import InstanceProvider
from tests.support.provider_process import ProviderProcess
from tests.support.values import plain

PICKLE: str = serialize_provider(InstanceProvider())

Bag = dict[str, Any]
"""Properties on the wire, without ``__provider``. Numbers are doubles."""


class PluginError(Exception):
    """What a call failed with: the text that the engine shows."""


class Checked(NamedTuple):
    """The answer of Check."""

    inputs: Bag
    failures: list[tuple[str, str]]


class Diffed(NamedTuple):
    """The answer of Diff; ``changes`` is NONE, SOME or UNKNOWN."""

    changes: str
    replaces: list[str]


class Found(NamedTuple):
    """The answer of Create (without inputs) and Read."""

    id: str
    outputs: Bag
    inputs: Bag


class Plugin(ProviderProcess):
    """One process. ``env`` is added to the environment, and ``config`` is passed to Configure."""

    ends_within = 20

    def __init__(self, env: Mapping[str, str] | None = None, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(env)
        self._config = dict(config or {})

    def __enter__(self) -> Plugin:
        self.start([sys.executable, "-u", "-m", "pulumi.dynamic"])
        self.call("Configure", provider_pb2.ConfigureRequest(args=_struct(self._config, None)))
        return self

    def check(self, news: Bag, olds: Bag | None = None) -> Checked:
        """Check; ``olds`` are the inputs in the state, none for a new resource."""
        request = provider_pb2.CheckRequest(olds=_struct(olds) if olds else Struct(), news=_struct(news))
        answer = self.call("Check", request)
        return Checked(_bag(answer.inputs), [(failure.property, failure.reason) for failure in answer.failures])

    def diff(self, id_: str, olds: Bag, news: Bag, pickled: str = PICKLE) -> Diffed:
        """Diff; ``olds`` are the outputs in the state."""
        request = provider_pb2.DiffRequest(id=id_, olds=_struct(olds), news=_struct(news, pickled))
        answer = self.call("Diff", request)
        changes = provider_pb2.DiffResponse.DiffChanges.Name(answer.changes)
        return Diffed(changes.removeprefix("DIFF_"), list(answer.replaces))

    def create(self, inputs: Bag, pickled: str = PICKLE) -> Found:
        """Create, from checked inputs."""
        answer = self.call("Create", provider_pb2.CreateRequest(properties=_struct(inputs, pickled)))
        return Found(answer.id, _bag(answer.properties), {})

    def refresh(self, id_: str, outputs: Bag) -> Found:
        """Read as refresh does: with the outputs in the state."""
        return self._read(provider_pb2.ReadRequest(id=id_, properties=_struct(outputs), inputs=_struct(outputs)))

    def get(self, id_: str) -> Found:
        """Read as ``.get`` does: with the program's inputs, which are none."""
        return self._read(provider_pb2.ReadRequest(id=id_, inputs=_struct({})))

    def update(self, id_: str, olds: Bag, news: Bag) -> Bag:
        """Update; ``olds`` are the outputs in the state. Returns the new outputs."""
        answer = self.call("Update", provider_pb2.UpdateRequest(id=id_, olds=_struct(olds), news=_struct(news)))
        return _bag(answer.properties)

    def delete(self, id_: str, outputs: Bag) -> None:
        """Delete."""
        self.call("Delete", provider_pb2.DeleteRequest(id=id_, properties=_struct(outputs)))

    def _read(self, request: Any) -> Found:
        answer = self.call("Read", request)
        return Found(answer.id, _bag(answer.properties), _bag(answer.inputs))

    def failure(self, error: grpc.RpcError) -> PluginError:
        return PluginError(error.details())


def _struct(bag: Bag, pickled: str | None = PICKLE) -> Struct:
    provider = {} if pickled is None else {"__provider": pickled}
    return ParseDict({**plain(bag), **provider}, Struct())


def _bag(struct: Struct) -> Bag:
    return {key: value for key, value in MessageToDict(struct).items() if key != "__provider"}
