"""The providers of an operation: the real `python -m pulumi.dynamic`, one process for each provider resource.

`ProviderProcess` is the client of one; its methods are the calls of the protocol (pulumi/pulumi: provider.proto).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from . import lifeline
from .diff import DiffResult, settle
from .project import Project
from .state import ResourceState, urn_name, urn_type
from .values import (
    FailedError,
    Properties,
    Unknown,
    UnsupportedFeatureError,
    contains,
    copy_secretness,
    equal,
    from_struct,
    to_struct,
)

_CHANGES = {provider_pb2.DiffResponse.DIFF_NONE: False, provider_pb2.DiffResponse.DIFF_SOME: True}


class ProviderProcess:
    """The server of one provider resource. It gets plain values; secrets are marked again in its answers."""

    def __init__(self, project: Project, on_line: Callable[[str], None], *, dry_run: bool) -> None:
        """Start the server; the first call waits for it. It gets the name of the project, and nothing of the stack."""
        self._dry_run = dry_run
        self._on_line = on_line
        self._channel: Future[grpc.Channel] = Future()
        self._process = lifeline.Process(
            [sys.executable, "-u", lifeline.__file__, "pulumi.dynamic", ""],
            cwd=project.cwd,
            env={**os.environ, **project.environment, "PULUMI_PROJECT": project.name, "PULUMI_CONFIG": "{}"},
            on_line=self._take_line,
            on_exit=self._ended,
        )

    def _take_line(self, line: str) -> None:
        if line.isdecimal() and not self._channel.done():
            self._channel.set_result(grpc.insecure_channel(f"127.0.0.1:{line}", options=_GRPC_CHANNEL_OPTIONS))
        else:  # before the port: an import warning, or the traceback of a server that cannot start
            self._on_line(line)

    def _ended(self, code: int) -> None:
        if not self._channel.done():
            text = f"the provider process exited with code {code} before it could be used"
            self._channel.set_exception(FailedError(text))

    def _call(self, method: str, urn: str = "", **fields: Any) -> Any:
        stub = provider_pb2_grpc.ResourceProviderStub(self._channel.result())
        for field, value in fields.items():
            if isinstance(value, dict):
                fields[field] = to_struct(value, keep_secrets=False)
        if urn:
            fields |= {"urn": urn, "name": urn_name(urn), "type": urn_type(urn)}
        try:
            return getattr(stub, method)(getattr(provider_pb2, f"{method}Request")(**fields))
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise FailedError("error reading from server: EOF") from None
            raise FailedError(error.details()) from None

    def configure(self, config: Properties) -> None:
        """Hand over the configuration; the provider's own `configure` runs before its first call."""
        if contains(config, Unknown):
            raise UnsupportedFeatureError("previews of accounts whose settings are not known yet")
        self._call("Configure", args=config)

    def check(self, urn: str, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        """Validate inputs. Returns the checked inputs and the failures, as (property, reason)."""
        answer = self._call("Check", urn, olds=olds, news=news)
        return _marked(answer.inputs, news), [(failure.property, failure.reason) for failure in answer.failures]

    def diff(self, state: ResourceState, new_inputs: Properties, ignore_changes: list[str]) -> DiffResult:
        """Compare the state with new inputs; where the provider leaves that to the engine, inputs with inputs."""
        sides = {"old_inputs": state.inputs, "olds": state.outputs, "news": new_inputs}
        answer = self._call("Diff", state.urn, id=state.id, **sides, ignoreChanges=ignore_changes)
        if answer.deleteBeforeReplace:
            raise UnsupportedFeatureError("providers that ask for `delete_before_replace`")
        diff = DiffResult(_CHANGES.get(answer.changes), bool(answer.replaces))
        return settle(diff, state.inputs, new_inputs, ignore_changes)

    def create(self, urn: str, inputs: Properties) -> tuple[str, Properties]:
        """Make the object. Returns its id and outputs; in a preview no id and the inputs."""
        if self._dry_run:
            return "", dict(inputs)
        answer = self._call("Create", urn, properties=inputs)
        if not answer.id:
            raise FailedError(f"plugin returned empty resource.ID from create '{urn}'")
        return answer.id, _marked(answer.properties, inputs)

    def update(self, urn: str, old: ResourceState, inputs: Properties) -> Properties:
        """Change the object. Returns its outputs."""
        if self._dry_run:
            return dict(inputs)
        answer = self._call("Update", urn, id=old.id, old_inputs=old.inputs, olds=old.outputs, news=inputs)
        return _marked(answer.properties, inputs)

    def read(self, state: ResourceState) -> tuple[str, Properties, Properties | None]:
        """Read the object. Returns its id ("" if it no longer exists), its outputs, and its inputs if it has some."""
        answer = self._call("Read", state.urn, id=state.id, inputs=state.inputs, properties=state.outputs)
        inputs = _marked(answer.inputs, state.inputs) if answer.HasField("inputs") else None
        return answer.id, _marked(answer.properties, state.outputs), inputs

    def delete(self, state: ResourceState) -> None:
        """Remove the object."""
        if not self._dry_run:
            self._call("Delete", state.urn, id=state.id, old_inputs=state.inputs, properties=state.outputs)

    def close(self) -> None:
        """End the process."""
        if self._channel.done() and not self._channel.exception():
            self._channel.result().close()
        self._process.stop()


def _marked(answer: Any, source: Properties) -> Properties:
    """Decode an answer, in which the properties are secret that are so in `source`."""
    properties = from_struct(answer)
    copy_secretness(source, properties)
    return properties


class Providers:
    """Starts, configures and ends the provider processes of one operation."""

    def __init__(
        self, project: Project, on_line: Callable[[str], None], known: Mapping[str, Properties], *, dry_run: bool
    ) -> None:
        """Start one process. `known` are the configurations of the providers in the state, by reference."""
        self._start = partial(ProviderProcess, project, on_line, dry_run=dry_run)
        self._configurations = dict(known)
        self._lock = threading.Lock()
        self._spare = [self._start()]  # ahead, since nearly every operation needs one
        self._in_use: dict[str, ProviderProcess] = {}

    def register(self, reference: str, configuration: Properties) -> None:
        """Start a provider with this configuration, in the place of one that has another."""
        if reference in self._in_use:
            if equal(self._configurations[reference], configuration):
                return
            self._in_use.pop(reference).close()
        self._configurations[reference] = configuration
        self.get(reference)

    def get(self, reference: str) -> ProviderProcess:
        """Return the provider that a resource refers to, and start one that only the state has."""
        with self._lock:
            if reference not in self._in_use:
                if reference not in self._configurations:
                    raise FailedError(f"unknown provider '{reference}'")
                process = self._in_use[reference] = self._spare.pop() if self._spare else self._start()
                process.configure(self._configurations[reference])
            return self._in_use[reference]

    def close(self) -> None:
        """End all processes."""
        for process in (*self._spare, *self._in_use.values()):
            process.close()
