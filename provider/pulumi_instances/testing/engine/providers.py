"""The providers of an operation: the real `python -m pulumi.dynamic`, one process for each provider resource."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from . import lifeline
from .diff import DiffResult
from .project import Project
from .state import UNKNOWN_ID, ResourceState, split_reference, urn_name, urn_type
from .values import Properties, Unknown, contains, copy_secretness, from_struct, to_struct, unwrap, without_unknowns

_CHANGES = {
    provider_pb2.DiffResponse.DIFF_UNKNOWN: None,
    provider_pb2.DiffResponse.DIFF_NONE: False,
    provider_pb2.DiffResponse.DIFF_SOME: True,
}


class ProviderError(Exception):
    """A provider call failed; the text is what the provider answered."""


class ReadResult(NamedTuple):
    """What is there now; `id` is "" when nothing is, `inputs` None when the provider has no say on them."""

    id: str
    outputs: Properties
    inputs: Properties | None


class ProviderProcess:
    """The server of one provider resource. It is told plain values; secrets are marked again in its answers."""

    def __init__(self, project: Project, on_line: Callable[[str], None], *, dry_run: bool) -> None:
        """Start the server; the first call waits for it. It learns the project, and nothing of the stack."""
        self._dry_run = dry_run
        self._on_line = on_line
        self._port: Future[int] = Future()
        self._process = lifeline.Process(
            [sys.executable, "-u", lifeline.__file__, "pulumi.dynamic", ""],
            cwd=project.cwd,
            env={**os.environ, **project.environment, "PULUMI_PROJECT": project.name, "PULUMI_CONFIG": "{}"},
            on_line=self._take_line,
            on_exit=self._ended,
        )
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self.config_known = True

    def _take_line(self, line: str) -> None:
        if line.isdecimal() and not self._port.done():
            self._port.set_result(int(line))
        else:  # before the port: an import warning, or the traceback of a server that cannot start
            self._on_line(line)

    def _ended(self, code: int) -> None:
        if not self._port.done():
            self._port.set_exception(
                ProviderError(f"the provider process exited with code {code} before it could be used")
            )

    def _call(self, method: str, request: Any) -> Any:
        port = self._port.result()
        with self._lock:
            if self._channel is None:
                self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_GRPC_CHANNEL_OPTIONS)
        stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        try:
            return getattr(stub, method)(request)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise ProviderError("error reading from server: EOF") from None
            raise ProviderError(error.details()) from None

    def configure(self, config: Properties) -> None:
        """Hand over the configuration; the provider's own `configure` runs before its first call."""
        self.config_known = not contains(config, Unknown)
        if self.config_known:
            self._call("Configure", provider_pb2.ConfigureRequest(args=_plain(unwrap(config))))

    def check(self, urn: str, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        """Validate inputs. Returns the checked inputs and the failures, as (property, reason)."""
        sent = _plain(news if self._dry_run else without_unknowns(news))  # what `--target` leaves out stays unknown
        answer = self._call("Check", provider_pb2.CheckRequest(**_identity(urn), olds=_plain(olds), news=sent))
        return _marked(answer.inputs, news), [(failure.property, failure.reason) for failure in answer.failures]

    def diff(self, state: ResourceState, new_inputs: Properties, ignore_changes: list[str]) -> DiffResult:
        """Compare the state with new inputs."""
        sides = {**_olds(state), "news": _plain(new_inputs), "ignoreChanges": ignore_changes}
        answer = self._call("Diff", provider_pb2.DiffRequest(**_identity(state.urn), id=state.id, **sides))
        return DiffResult(_CHANGES[answer.changes], bool(answer.replaces), answer.deleteBeforeReplace)

    def create(self, urn: str, inputs: Properties) -> tuple[str, Properties]:
        """Make the object. Returns its id and outputs."""
        answer = self._call("Create", provider_pb2.CreateRequest(**_identity(urn), properties=_plain(inputs)))
        if not answer.id:
            raise ProviderError(f"plugin returned empty resource.ID from create '{urn}'")
        return answer.id, _marked(answer.properties, inputs)

    def update(self, urn: str, old: ResourceState, inputs: Properties) -> Properties:
        """Change the object. Returns its outputs."""
        sides = {**_olds(old), "news": _plain(inputs)}
        answer = self._call("Update", provider_pb2.UpdateRequest(**_identity(urn), id=old.id, **sides))
        return _marked(answer.properties, inputs)

    def read(self, urn: str, id_: str, inputs: Properties, state: Properties) -> ReadResult:
        """Look at the object."""
        sides = {"inputs": _plain(inputs), "properties": _plain(state)}
        answer = self._call("Read", provider_pb2.ReadRequest(**_identity(urn), id=id_, **sides))
        read_inputs = _marked(answer.inputs, inputs) if answer.HasField("inputs") else None
        return ReadResult(answer.id, _marked(answer.properties, state), read_inputs)

    def delete(self, state: ResourceState) -> None:
        """Remove the object."""
        sides = {"old_inputs": _plain(state.inputs), "properties": _plain(state.outputs)}
        self._call("Delete", provider_pb2.DeleteRequest(**_identity(state.urn), id=state.id, **sides))

    def close(self) -> None:
        """End the process."""
        if self._channel is not None:
            self._channel.close()
        self._process.stop()


def _plain(properties: Properties) -> Any:
    return to_struct(properties, keep_secrets=False)


def _olds(state: ResourceState) -> dict[str, Any]:
    return {"old_inputs": _plain(state.inputs), "olds": _plain(state.outputs)}


def _marked(answer: Any, source: Properties) -> Properties:
    """Decode an answer; what is secret in `source` is secret in it."""
    properties = from_struct(answer)
    copy_secretness(source, properties)
    return properties


def _identity(urn: str) -> dict[str, Any]:
    return {"urn": urn, "name": urn_name(urn), "type": urn_type(urn)}


class Providers:
    """Starts, configures and ends the provider processes of one operation. Thread-safe.

    One process is started ahead, since nearly every operation needs one.
    """

    def __init__(self, spawn: Callable[[], ProviderProcess], *, dry_run: bool) -> None:
        """`spawn` starts a process; the first is started at once."""
        self._spawn = spawn
        self.dry_run = dry_run
        self._lock = threading.RLock()
        self._spare = [spawn()]
        self._all = set(self._spare)
        self._by_reference: dict[tuple[str, str], ProviderProcess] = {}

    def get(self, reference: str) -> ProviderProcess:
        """The configured provider that a resource refers to. Raises ProviderError when there is none."""
        with self._lock:
            try:
                return self._by_reference[split_reference(reference)]
            except KeyError:
                raise ProviderError(f"unknown provider '{reference}'") from None

    def create(self, urn: str, config: Properties) -> str:
        """Configure a new provider. Returns its id, made up by the engine."""
        id_ = UNKNOWN_ID if self.dry_run else str(uuid.uuid4())
        self.configure(urn, id_, config)
        return id_

    def configure(self, urn: str, id_: str, config: Properties) -> None:
        """Configure a provider under its id, in the place of one that was configured otherwise."""
        with self._lock:
            process = self._spare.pop() if self._spare else self._spawn()
            self._all.add(process)
            self._by_reference[urn, id_] = process
        process.configure(config)

    def ensure(self, urn: str, id_: str, config: Properties) -> None:
        """Configure a provider as it was, unless that was done."""
        with self._lock:
            if (urn, id_) not in self._by_reference:
                self.configure(urn, id_, config)

    def close(self) -> None:
        """End all processes, at once."""
        closers = [threading.Thread(target=process.close) for process in self._all]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
