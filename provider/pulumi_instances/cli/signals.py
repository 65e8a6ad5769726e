"""Handlers of the signals that ask a command to stop.

A block has them (`handled`), and its end restores those before.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def handled(handlers: Mapping[str, Any]) -> Iterator[None]:
    """Set these handlers, by the names of their signals, while the block runs.

    Signals that this system does not have are left out, and those that are ignored stay so, as under nohup.
    """
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    before = {
        number: signal.signal(number, handler)
        for number, handler in numbers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
