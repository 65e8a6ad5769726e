"""Ends a process when the one that started it is gone, however that came about.

A child's standard input is a pipe that nobody writes to once it runs: it ends when the parent does. Run as a
script, this file runs a module like `python -m`, under such a watch; it imports nothing but the standard library.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


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
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    return received


def _watch(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # noqa: PTH109 -- text, as `python -m` has it
    sys.argv = sys.argv[1:]
    # What a script runs in the background has SIGINT ignored, and this would inherit it: nobody could ask it to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hold()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
