"""Start the local engine's processes warm: forked from one that has imported the SDK, which costs more than most tests.

What runs is the same: its own process with its own session, directory, environment and pipes, the real SDK, and our
package, imported anew. Nothing is forked once gRPC has threads. `tests/conftest.py` says when the start is cold.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future, TimeoutError
from pathlib import Path
from typing import Any

LARGEST = 1 << 20
"""Bytes of a request: the arguments and the environment."""


class Starter:
    """Takes the place of the module `subprocess` in the local engine."""

    PIPE = subprocess.PIPE
    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def __enter__(self) -> Starter:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._control is not None:
            self._control.close()
            self._process.wait()

    def _started(self) -> socket.socket:
        """Started on first use, as most test files need none."""
        with self._lock:
            if self._control is None:
                self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                command = [sys.executable, "-u", __file__, str(theirs.fileno())]
                environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
                with theirs:
                    self._process = subprocess.Popen(
                        command,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        pass_fds=[theirs.fileno()],
                        start_new_session=True,
                    )
            return self._control

    def Popen(self, command: list[str], *, cwd: Path, env: Mapping[str, str], **_pipes: Any) -> Warm:  # noqa: N802
        return Warm(self._started(), {"argv": command[2:], "cwd": str(cwd), "env": dict(env)})


class Warm:
    """What the local engine uses of `subprocess.Popen`, all streams being pipes."""

    def __init__(self, control: socket.socket, request: dict[str, Any]) -> None:
        self.args = request["argv"]
        stdin, ours = os.pipe()
        out, stdout = os.pipe()
        err, stderr = os.pipe()
        self.stdin, self.stdout, self.stderr = os.fdopen(ours, "wb"), os.fdopen(out, "rb"), os.fdopen(err, "rb")
        self._answers, theirs = socket.socketpair()
        socket.send_fds(control, [json.dumps(request).encode()], [stdin, stdout, stderr, theirs.fileno()])
        theirs.close()
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        lines = self._answers.makefile()
        self.pid = int(lines.readline())
        self._code: Future[int] = Future()
        threading.Thread(target=self._receive, args=(lines,), daemon=True).start()

    def _receive(self, lines: Any) -> None:
        with self._answers, lines:
            self._code.set_result(int(lines.readline() or -signal.SIGKILL))

    def poll(self) -> int | None:
        return self._code.result() if self._code.done() else None

    def wait(self, timeout: float | None = None) -> int:
        try:
            return self._code.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def serve(control: socket.socket) -> list[str]:
    """Fork for each request. Returns in the new process, with the arguments of what it is to run."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LARGEST, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not message:
            os._exit(0)
        if not os.fork():
            break
        for descriptor in descriptors:
            os.close(descriptor)
    control.close()
    *streams, answers = descriptors
    request = json.loads(message)
    child = os.fork()
    if child:
        _report(child, streams, answers)
    os.close(answers)
    os.setsid()
    os.chdir(request["cwd"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["env"])
    return list(request["argv"])


def _report(child: int, streams: list[int], answers: int) -> None:
    """In a process between, as only a parent learns how its child ends: the child's id, and then its exit code."""
    for stream in (*streams, 1, 2):
        os.close(stream)
    os.write(answers, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(argv: list[str]) -> None:
    """Run a module (`-m`) or a script as a new interpreter would."""
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    first = os.getcwd() if argv[0] == "-m" else str(Path(argv[0]).parent)  # noqa: PTH109  text, as Python has it
    sys.path[:] = [first, *filter(None, added), *sys.path[1:]]
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    import pulumi  # noqa: F401
    import requests  # noqa: F401

    assert "pulumi_instances" not in sys.modules
    assert len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  no thread, not even one of gRPC's own
    gc.freeze()  # the collector need not go through the SDK in each of them
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
