"""Child processes, and what ends them when the one that started them is gone, however that came about.

A child's standard input is a pipe that nobody writes to once it runs: it ends when the parent does. Run as a
script, this file runs a module like `python -m`, under such a watch; it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO


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

        `on_line` gets its output, `on_exit` its exit code after the last line; both on threads of ours. It calls
        `hold` to receive the payload.
        """
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(  # noqa: S603 -- our own interpreter and modules
            command, cwd=cwd, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
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

    def stop(self, grace: float = 5.0) -> None:
        """Interrupt it, kill it after `grace` seconds, as the CLI does, and reap it."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self.wait()


def hold(payload: int = 0) -> bytes:
    """Read so many bytes from standard input, then watch it. What runs here finds its standard input empty."""
    pipe = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    received = b""
    while len(received) < payload:
        part = os.read(pipe, payload - len(received))
        if not part:
            os._exit(1)
        received += part
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    return received


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # noqa: PTH109 -- text, as `python -m` has it
    sys.argv = sys.argv[1:]
    # What a script runs in the background has SIGINT ignored, and this would inherit it: nobody could ask it to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hold()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
