"""CPU and memory of the provider processes below this one."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType

import psutil

_EVERY = 0.05
_LOOK_EVERY = 0.25

_PLUGINS = {"pulumi.dynamic", "pulumi-resource-instances", "terraform-provider-restapi"}
"""What the command of a provider process names."""


class Usage:
    """Watches for as long as the ``with`` block runs. What a process does in its last 50 ms is not seen."""

    def __enter__(self) -> Usage:
        """Start watching."""
        self._cpu: dict[int, float] = {}
        self._memory: dict[int, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""
        self._end.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        """Seconds of CPU, of all provider processes together, their start included."""
        return sum(self._cpu.values())

    @property
    def memory(self) -> int:
        """The most bytes resident, of all provider processes together."""
        return sum(self._memory.values())

    def _watch(self) -> None:
        providers: list[psutil.Process] = []
        looks = 0
        while not self._end.wait(_EVERY):
            if looks % round(_LOOK_EVERY / _EVERY) == 0:
                providers = _providers()
            looks += 1
            for process in providers:
                with contextlib.suppress(psutil.Error), process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info().rss
                    self._cpu[process.pid] = times.user + times.system
                    self._memory[process.pid] = max(memory, self._memory.get(process.pid, 0))


def _providers() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if _PLUGINS & {Path(part).name for part in process.cmdline()}:
                found.append(process)
    return found
