"""Provider processes: the real `python -m pulumi.dynamic`, one for each provider resource."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from . import lifeline
from .decide import DiffResult
from .state import ResourceState, urn_name, urn_type
from .values import Properties, copy_secretness, from_struct, to_struct, unwrap, without_unknowns

_CHANGES = {
    provider_pb2.DiffResponse.DIFF_UNKNOWN: None,
    provider_pb2.DiffResponse.DIFF_NONE: False,
    provider_pb2.DiffResponse.DIFF_SOME: True,
}


class ProviderError(Exception):
    """A provider call failed; the text is what the provider answered."""


class Process:
    """A child process whose output is read line by line and which is always reaped."""

    def __init__(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        on_exit: Callable[[int], None],
        payload: bytes = b"",
    ) -> None:
        """Start it, in a session of its own: Ctrl-C reaches it through `stop` only.

        Its standard input brings the payload and ends when this process does (see `lifeline`). `on_line` gets
        its output, `on_exit` its exit code after the last line; both on threads of ours.
        """
        self._popen = subprocess.Popen(  # noqa: S603 -- our own interpreter and modules
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._popen.stdin is not None  # noqa: S101 -- it was asked for
        self._lifeline = self._popen.stdin
        self._on_line = on_line
        self._on_exit = on_exit
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._popen.stdout, self._popen.stderr)
        ]
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        for thread in (*self._readers, self._watcher):
            thread.start()
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.write(payload)
            self._lifeline.flush()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._on_line(line.decode(errors="replace").rstrip("\r\n"))

    def _watch(self) -> None:
        code = self._popen.wait()
        for reader in self._readers:
            reader.join()
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.close()
        self._on_exit(code)

    def wait(self) -> None:
        """Wait for the end and the last of the output."""
        self._watcher.join()

    def stop(self, grace: float) -> None:
        """Interrupt it, kill it after `grace` seconds, and reap it."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self.wait()


@dataclass(frozen=True)
class ReadResult:
    """What is there now; `id` is "" when nothing is, `inputs` None when the provider has no say on them."""

    id: str
    outputs: Properties
    inputs: Properties | None


class ProviderProcess:
    """The server of one provider resource. It is told plain values; secrets are marked again in its answers."""

    def __init__(self, cwd: Path, env: Mapping[str, str], on_line: Callable[[str], None], *, dry_run: bool) -> None:
        """Start the server; the first call waits for it."""
        self._dry_run = dry_run
        self._on_line = on_line
        self._port: Future[int] = Future()
        self._process = Process(
            [sys.executable, "-u", lifeline.__file__, "pulumi.dynamic", ""],
            cwd=cwd,
            env=env,
            on_line=self._take_line,
            on_exit=self._ended,
        )
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self.config_known = True

    def _take_line(self, line: str) -> None:
        if self._port.done():
            self._on_line(line)
        elif line.isdecimal():
            self._port.set_result(int(line))
        else:  # an import warning, or the traceback of a server that cannot start
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
        self._call("Configure", provider_pb2.ConfigureRequest(args=_plain(unwrap(config))))

    def check(self, urn: str, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        """Validate inputs. Returns the checked inputs and the failures, as (property, reason)."""
        sent = _plain(news if self._dry_run else without_unknowns(news))  # what `--target` leaves out stays unknown
        answer = self._call("Check", provider_pb2.CheckRequest(**_identity(urn), olds=_plain(olds), news=sent))
        return _marked(answer.inputs, news), [(failure.property, failure.reason) for failure in answer.failures]

    def diff(self, state: ResourceState, new_inputs: Properties, ignore_changes: list[str]) -> DiffResult:
        """Compare the state with new inputs."""
        sides = {"old_inputs": _plain(state.inputs), "olds": _plain(state.outputs), "news": _plain(new_inputs)}
        answer = self._call(
            "Diff", provider_pb2.DiffRequest(**_identity(state.urn), id=state.id, ignoreChanges=ignore_changes, **sides)
        )
        return DiffResult(_CHANGES[answer.changes], bool(answer.replaces), answer.deleteBeforeReplace)

    def create(self, urn: str, inputs: Properties) -> tuple[str, Properties]:
        """Make the object. Returns its id and outputs."""
        answer = self._call("Create", provider_pb2.CreateRequest(**_identity(urn), properties=_plain(inputs)))
        if not answer.id:
            raise ProviderError(f"plugin returned empty resource.ID from create '{urn}'")
        return answer.id, _marked(answer.properties, inputs)

    def update(self, urn: str, old: ResourceState, inputs: Properties) -> Properties:
        """Change the object. Returns its outputs."""
        sides = {"old_inputs": _plain(old.inputs), "olds": _plain(old.outputs), "news": _plain(inputs)}
        answer = self._call("Update", provider_pb2.UpdateRequest(**_identity(urn), id=old.id, **sides))
        return _marked(answer.properties, inputs)

    def read(self, urn: str, id_: str, inputs: Properties, state: Properties) -> ReadResult:
        """Look at the object."""
        answer = self._call(
            "Read",
            provider_pb2.ReadRequest(**_identity(urn), id=id_, inputs=_plain(inputs), properties=_plain(state)),
        )
        read_inputs = _marked(answer.inputs, inputs) if answer.HasField("inputs") else None
        return ReadResult(answer.id, _marked(answer.properties, state), read_inputs)

    def delete(self, state: ResourceState) -> None:
        """Remove the object."""
        sides = {"old_inputs": _plain(state.inputs), "properties": _plain(state.outputs)}
        self._call("Delete", provider_pb2.DeleteRequest(**_identity(state.urn), id=state.id, **sides))

    def close(self, grace: float = 5.0) -> None:
        """End the process: interrupted as the CLI does it, killed if it will not go."""
        if self._channel is not None:
            self._channel.close()
        self._process.stop(grace)


def _plain(properties: Properties) -> Any:
    return to_struct(properties, keep_secrets=False)


def _marked(answer: Any, source: Properties) -> Properties:
    """Decode an answer; what is secret in `source` is secret in it."""
    properties = from_struct(answer)
    copy_secretness(source, properties)
    return properties


def _identity(urn: str) -> dict[str, Any]:
    return {"urn": urn, "name": urn_name(urn), "type": urn_type(urn)}


def provider_environment(base: Mapping[str, str], project: str) -> dict[str, str]:
    """The environment of a provider process: it learns the project, and nothing of the stack."""
    return {**os.environ, **base, "PULUMI_PROJECT": project, "PULUMI_CONFIG": "{}"}
