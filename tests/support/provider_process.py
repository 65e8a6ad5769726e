"""A provider in a process of its own, which prints its port and is driven over gRPC."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from tests.support.processes import LIMIT


class ProviderProcess:
    """One process, from `start` to the end of the block. ``env`` joins the environment."""

    ends_within = LIMIT
    """Seconds from an interrupt to the end."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = dict(env or {})

    def start(self, command: Sequence[str]) -> None:
        """Start it and connect to it."""
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed at the end of the block
        self.process = subprocess.Popen(
            command, env={**os.environ, **self._env}, stdout=subprocess.PIPE, stderr=self._stderr
        )
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline())
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def __exit__(self, *_raised: object) -> None:
        self._channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._stderr.close()

    def interrupt(self, *, main_thread: bool = True) -> int:
        """Send the signal of Ctrl-C, and of the engine's end, and wait. Returns the exit code.

        The system may give it to any thread, and only the main one wakes for it (docs/engine.md, E16).
        """
        pid = self.process.pid
        if sys.platform == "linux":
            threads = sorted(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())
            assert ctypes.CDLL(None).tgkill(pid, pid if main_thread else threads[-1], signal.SIGINT) == 0
        else:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=self.ends_within)

    def log(self) -> str:
        """What the process has written to stderr so far."""
        self._stderr.seek(0)
        return self._stderr.read()

    def call(self, method: str, request: Any) -> Any:
        """One RPC. Raises what `failure` makes of a failed one."""
        try:
            return getattr(self.stub, method)(request, timeout=LIMIT)
        except grpc.RpcError as error:
            raise self.failure(error) from None

    def failure(self, error: grpc.RpcError) -> Exception:
        """The exception for a failed call."""
        raise NotImplementedError
