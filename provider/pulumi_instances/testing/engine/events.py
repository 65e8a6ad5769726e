"""What an operation reports: diagnostics, steps and counts, on their way to the display."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .read_steps import ReadStep, RefreshStep
from .state import is_default_provider
from .steps import Step

Severity = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True)
class Diagnostic:
    """A message for the user; without a URN it belongs to the stack.

    Messages of one `stream` (a process's output) are shown together, 0 is the stream of everything else.
    An ephemeral message is shown in passing only.
    """

    severity: Severity
    text: str
    urn: str = ""
    stream: int = 0
    ephemeral: bool = False


@dataclass(frozen=True)
class StepEvent:
    """A step that begins, ends or fails; `op` is what became of a refresh, else the step's own."""

    phase: Literal["begin", "end", "failed", "outputs"]
    step: Step
    op: str


Event = Diagnostic | StepEvent


@dataclass
class Sink:
    """Takes the events of one operation. Thread-safe."""

    show: Callable[[Event], None]
    refresh_only: bool = False
    """Whether this is `refresh`: only then refreshed resources are counted."""
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def emit(self, event: Event) -> None:
        """Pass an event on, one at a time."""
        with self._lock:
            self.show(event)

    def info(self, text: str, urn: str = "", *, stream: int = 0, ephemeral: bool = False) -> None:
        """Tell the user something."""
        self.emit(Diagnostic("info", text, urn, stream, ephemeral))

    def warning(self, text: str, urn: str = "") -> None:
        """Warn the user."""
        self.emit(Diagnostic("warning", text, urn))

    def error(self, text: str, urn: str = "") -> None:
        """Tell the user what went wrong."""
        self.emit(Diagnostic("error", text, urn))

    def begin(self, step: Step) -> None:
        """A step begins."""
        if not is_internal(step):
            self.emit(StepEvent("begin", step, step.op))

    def end(self, step: Step) -> None:
        """A step has succeeded; it is counted as the CLI counts it."""
        op, counted = step.op, step.logical
        if isinstance(step, RefreshStep) and self.refresh_only:
            op, counted = step.result, True
        elif isinstance(step, ReadStep) and not step.replacing:
            counted = step.counts()
        if is_internal(step):
            return
        with self._lock:
            self.counts[op] += counted
            self.show(StepEvent("end", step, op))

    def failed(self, step: Step, text: str) -> None:
        """A step has failed."""
        self.error(text, "" if is_internal(step) else step.urn)
        if not is_internal(step):
            self.emit(StepEvent("failed", step, step.op))

    def outputs(self, step: Step) -> None:
        """A component or the stack has registered its outputs."""
        self.emit(StepEvent("outputs", step, step.op))

    def changes(self) -> dict[str, int]:
        """The counts by operation, as the CLI's summary has them."""
        with self._lock:
            return {op: count for op, count in self.counts.items() if count}


def is_internal(step: Step) -> bool:
    """Whether users never see the step: the engine's own default providers, and forgotten replacements."""
    return step.op == "remove-pending-replace" or is_default_provider(step.urn)
