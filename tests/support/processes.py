"""Processes that tests start, and waiting for them."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMMAND = [sys.executable, "-c", "from pulumi_instances.cli import main; main()"]
"""The command line in a process of its own."""

LIMIT = 60.0
"""Seconds that anything here may take before the test fails."""


def until(happens: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    pause, deadline = threading.Event(), time.monotonic() + LIMIT
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        pause.wait(0.01)


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Ignore SIGINT, as a shell has the background job of a script do. What is started in the block inherits that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
