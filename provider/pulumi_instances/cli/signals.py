"""What asks a command to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def handled(handlers: Mapping[str, Any]) -> Iterator[None]:
    """Have these handlers for as long as the block runs, by the names of the signals.

    Those that this system does not have are passed over, and those that are ignored stay so, as nohup wants it.
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
