"""Child processes that end when the process that started them ends, even if it is killed.

The standard input of a child is a pipe that stays open while its parent runs. Run as a script, this file runs a module
like `python -m`, and ends with its parent; it imports nothing but the standard library.
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
    """A child process whose output is read line by line."""

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

        `on_line` gets its output, `on_exit` its exit code after the last line; both on threads of ours. It finds
        the payload at the beginning of its standard input, and then calls `end_with_parent`.
        """
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(  # noqa: S603 -- our own interpreter and modules
            command, cwd=cwd, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        self._on_line = on_line
        self._on_exit = on_exit
        streams = (self._popen.stdout, self._popen.stderr)
        self._readers = [threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in streams]
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        for thread in (*self._readers, self._watcher):
            thread.start()
        assert self._popen.stdin is not None  # noqa: S101 -- it was asked for
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.write(payload)
            self._popen.stdin.flush()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._on_line(line.decode(errors="replace").rstrip("\r\n"))

    def _watch(self) -> None:
        code = self._popen.wait()
        for reader in self._readers:
            reader.join()
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()  # type: ignore[union-attr]
        self._on_exit(code)

    def wait(self) -> None:
        """Wait for the end and the last of the output."""
        self._watcher.join()

    def stop(self) -> None:
        """Interrupt it, kill it after five seconds, as the CLI does, and wait for its end."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)
            try:
                self._popen.wait(5)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self.wait()


def end_with_parent() -> None:
    """End this process with the one that started it. What runs here finds its standard input empty.

    It ends on SIGINT, too, which is ignored in what a script runs in the background.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pipe, null = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def watch() -> None:
        os.read(pipe, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # noqa: PTH109 -- text, as `python -m` has it
    sys.argv = sys.argv[1:]
    end_with_parent()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
