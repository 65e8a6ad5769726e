"""CPU and memory of the provider processes below this one, and memory of the engine that runs them."""

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
_API = "bench.api"
"""What the command of an API names: it belongs to no engine."""


class Usage:
    """Watches for as long as the ``with`` block runs. What a process does in its last 50 ms is not seen."""

    def __enter__(self) -> Usage:
        """Start watching."""
        self._cpu: dict[int, float] = {}
        self._memory: dict[int, int] = {}
        self._engine_memory: dict[int, int] = {}
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

    @property
    def engine_memory(self) -> int:
        """The most bytes resident, of all other processes of the engine together."""
        return sum(self._engine_memory.values())

    def _watch(self) -> None:
        providers: list[psutil.Process] = []
        looks = 0
        while not self._end.wait(_EVERY):
            if looks % round(_LOOK_EVERY / _EVERY) == 0:
                providers, others = _processes()
                for process in others:
                    _note_memory(process, self._engine_memory)
            looks += 1
            for process in providers:
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    self._cpu[process.pid] = times.user + times.system
                _note_memory(process, self._memory)


def _note_memory(process: psutil.Process, most: dict[int, int]) -> None:
    with contextlib.suppress(psutil.Error):
        most[process.pid] = max(process.memory_info().rss, most.get(process.pid, 0))


def _processes() -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The provider processes, and the others of the engine."""
    providers, others = [], []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if _PLUGINS & {Path(part).name for part in command}:
                providers.append(process)
            elif _API not in command:
                others.append(process)
    return providers, others
