"""Processes that tests start, and waiting for them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

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
