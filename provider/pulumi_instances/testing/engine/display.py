"""The output of an operation: a line for each step and message, then the counts.

Unlike the CLI it shows no values of properties.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from .project import Project
from .state import PROVIDER_PREFIX, STACK_TYPE, make_urn, urn_name, urn_type

Severity = Literal["debug", "info", "warning", "error"]

_HEADERS = {"preview": "Previewing update", "update": "Updating", "refresh": "Refreshing", "destroy": "Destroying"}
_SYMBOLS = {"create": "+ ", "delete": "- ", "update": "~ ", "replace": "+-", "create-replacement": "++"}
_SYMBOLS |= {"delete-replaced": "--", "discard": "< ", "discard-replaced": "<<"}
_SUMMARIZED = ("create", "update", "delete", "replace")
_SILENT = ("", "same", "read", "read-replacement")


class Display:
    """Takes what happens in one operation. Thread-safe."""

    def __init__(self, kind: str, project: Project, write: Callable[[str], Any] | None) -> None:
        """Write the header. `write` gets each line."""
        self.counts: Counter[str] = Counter()
        """Steps by operation, as the CLI counts them."""
        self._preview = kind == "preview"
        self._write = write
        self._lock = threading.RLock()
        self._lines: list[str] = []
        self._stack_urn = make_urn(project.stack, project.name, "", STACK_TYPE, f"{project.name}-{project.stack}")
        self.line(f"{_HEADERS[kind]} ({project.stack}):")
        self.line()

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(line + "\n" for line in self._lines)

    def line(self, text: str = "") -> None:
        """Print one more line."""
        with self._lock:
            self._lines.append(text)
            if self._write is not None:
                self._write(self._lines[-1])

    def message(self, severity: Severity, text: str, urn: str = "") -> None:
        """Show a message at its resource; without a URN it belongs to the stack."""
        if severity == "debug":
            return
        label = f"{severity}: " if severity != "info" else ""
        first, *rest = (label + text.rstrip()).split("\n")
        with self._lock:
            self.line(f"    {_title(urn or self._stack_urn)}: {first}")
            for line in rest:
                self.line(f"      {line}".rstrip())

    def step(self, op: str, urn: str, how: Literal["planned", "begun", "done", "failed"]) -> None:
        """Show a step, unless it is the engine's own, as those of default providers are."""
        if op in _SILENT or is_default_provider(urn):
            return
        verb, _, rest = op.partition("-")
        what = {"replacement": " replacement", "replaced": " original"}.get(rest, "")
        stem = verb.removesuffix("e")
        words = {"planned": verb, "begun": f"{stem}ing", "done": f"{stem}ed", "failed": f"**{stem}ing failed**"}
        self.line(f" {_SYMBOLS[op]} {_title(urn)} {words[how]}{what}")

    def count(self, op: str) -> None:
        """Count a step."""
        with self._lock:
            self.counts[op] += 1

    def finish(self) -> None:
        """Print the counts."""
        self.line("Resources:")
        shown = [op for op in _SUMMARIZED if self.counts[op]]
        for op in shown:
            done = f"to {op}" if self._preview else f"{op.removesuffix('e')}ed"
            self.line(f"    {_SYMBOLS[op]}{self.counts[op]} {done}")
        pieces = [f"{sum(self.counts[op] for op in shown)} changes"] if len(shown) > 1 else []
        pieces += [f"{self.counts['same']} unchanged"] if self.counts["same"] else []
        if pieces:
            self.line("    " + ". ".join(pieces))


def is_default_provider(urn: str) -> bool:
    """Return whether this is a provider that the engine made by itself, which users never see."""
    return urn_type(urn).startswith(PROVIDER_PREFIX) and urn_name(urn).startswith("default")


def _title(urn: str) -> str:
    return f"{urn_type(urn)} {urn_name(urn)}"
