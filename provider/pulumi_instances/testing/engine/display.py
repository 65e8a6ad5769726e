"""What the user sees of an operation, and what is counted: lines as it happens, then messages, outputs, a summary.

It reads like the CLI without a terminal, as far as tests and people look at it; it is no copy of every column.
"""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from . import diff as differ
from .options import Options
from .state import STACK_TYPE, is_default_provider, make_urn, urn_name, urn_type
from .steps import Making, ReadStep, RefreshStep, Step
from .values import UNKNOWN, Properties, Secret, Value, equal

Severity = Literal["debug", "info", "warning", "error"]

_HEADERS = {"preview": "Previewing update", "update": "Updating", "refresh": "Refreshing", "destroy": "Destroying"}
_SYMBOLS = {"create": "+ ", "delete": "- ", "update": "~ ", "replace": "+-", "create-replacement": "++"}
_SYMBOLS |= {"delete-replaced": "--", "read": "> ", "read-replacement": ">>", "refresh": "~ "}
_SYMBOLS |= {"discard": "< ", "discard-replaced": "<<"}
_SUMMARIZED = ("create", "update", "delete", "replace", "refresh")
_BOLD, _RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN = "1", "31", "32", "33", "94", "35", "36"
_COLORS = {"+": _GREEN, "-": _RED, "~": _YELLOW, ">": _CYAN, "<": _RED, "+-": _MAGENTA, "++": _GREEN, "--": _RED}
_SEVERITY_COLORS = {"error": _RED, "warning": _YELLOW, "info": "", "debug": ""}


@dataclass
class _Row:
    """What is known of one resource."""

    urn: str
    op: str = "same"
    status: str = ""
    depth: int = 0
    started: float = 0.0
    messages: dict[int, list[tuple[Severity, str]]] = field(default_factory=dict)
    """By stream: the output of one process is shown together; 0 is the stream of everything else."""

    def count(self, severity: Severity) -> int:
        return sum(each == severity for stream in self.messages.values() for each, _ in stream)


class Display:
    """Takes what happens in one operation. Thread-safe."""

    def __init__(
        self,
        kind: str,
        stack: str,
        project: str,
        options: Options,
        *,
        secrets: Iterable[str] = (),
        write: Callable[[str], Any] | None = None,
        color: str | None = None,
    ) -> None:
        """`write` gets each line; `color` is "always", "never" or None for colours on a terminal only.

        `secrets`, those of the stack's configuration, show as `[secret]` wherever they turn up.
        """
        self.counts: Counter[str] = Counter()
        """Steps by operation, as the CLI counts them."""
        self._secrets = _pattern(secrets)
        self._kind = kind
        self._dry_run = options.dry_run
        self._diff = options.diff
        self._write = write
        self._always = color == "always"
        self._colored = self._always or (write is print and sys.stdout.isatty() and color in (None, "auto"))
        self._lock = threading.RLock()
        self._lines: list[str] = []
        self._rows: dict[str, _Row] = {}
        self._stack = self._row(make_urn(stack, project, "", STACK_TYPE, f"{project}-{stack}"))
        self._outputs: tuple[Properties, Properties] | None = None
        self._print(f"{_HEADERS[kind]} ({stack}):", _BOLD)
        self._print()

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(line + "\n" for line in self._lines)

    # Messages

    def info(self, text: str, urn: str = "", *, stream: int = 0) -> None:
        """Tell the user something; without a URN it belongs to the stack."""
        self.message("info", text, urn, stream=stream)

    def warning(self, text: str, urn: str = "") -> None:
        """Warn the user."""
        self.message("warning", text, urn)

    def error(self, text: str, urn: str = "") -> None:
        """Tell the user what went wrong."""
        self.message("error", text, urn)

    def message(
        self, severity: Severity, text: str, urn: str = "", *, stream: int = 0, ephemeral: bool = False
    ) -> None:
        """Show a message at its resource now, and in whole at the end, unless it is ephemeral."""
        if severity == "debug":
            return
        label = f"{severity}: " if severity != "info" else ""
        with self._lock:
            row = self._row(urn or self._stack.urn)
            text = label + self._blotted(text)  # in whole: a secret may have many lines
            if not ephemeral:
                row.messages.setdefault(stream, []).append((severity, text))
            self._print_row(row, text.split("\n", 1)[0])

    # Steps

    def begin(self, step: Step) -> None:
        """A step begins."""
        if _is_internal(step):
            return
        with self._lock:
            row = self._row(step.urn)
            row.op, row.started = step.op, time.monotonic()
            parent = self._rows.get(step.subject.parent, self._stack)
            row.depth = parent.depth + 1 if parent is not self._stack else 0
            row.status = "" if step.op == "same" else _words(step.op)[0 if self._dry_run else 1]
            if step.op in ("same", "read", "read-replacement"):
                return
            changes = _changes(step)
            self._print_row(row, _summary(changes))
            if step.op in ("update", "replace"):
                self._print_changes(changes)
            elif step.op == "create" and self._diff:
                self._print_value("", _visible(step.subject.inputs), 2)

    def end(self, step: Step) -> None:
        """A step has succeeded; it is counted as the CLI counts it."""
        if _is_internal(step):
            return
        with self._lock:
            row, op, counted = self._row(step.urn), step.op, step.logical
            if isinstance(step, RefreshStep) and self._kind == "refresh":
                op, counted = step.result, True
            elif isinstance(step, ReadStep):
                counted = step.counts()
            self.counts[op] += counted
            refreshed = isinstance(step, RefreshStep)
            lasting = step.subject.custom and op not in ("same", "read", "read-replacement")
            if op == "same" or not (refreshed or (lasting and not self._dry_run)):
                row.status = "" if op == "same" else row.status
                return
            changes = _changes(step) if refreshed else []
            row.op, row.status = op, _words(op)[0 if self._dry_run else 2]
            if not self._dry_run:
                row.status += f" ({time.monotonic() - row.started:.2f}s)"
            self._print_row(row, _summary(changes))
            self._print_changes(changes)

    def failed(self, step: Step, text: str) -> None:
        """A step has failed."""
        with self._lock:
            self.error(text, "" if _is_internal(step) else step.urn)
            if not _is_internal(step):
                row = self._row(step.urn)
                row.status = row.status if self._dry_run else f"**{_words(step.op)[1]} failed**"
                self._print_row(row)

    def outputs(self, old: Properties, new: Properties) -> None:
        """The stack has registered its outputs."""
        self._outputs = old, new

    # The end

    def note(self, text: str) -> None:
        """Print one more line."""
        self._print(text)

    def finish(self, seconds: float) -> None:
        """Print what comes last: messages, outputs, counts and the time it took."""
        rows = [row for row in self._rows.values() if row.messages]
        if rows:
            self._print("Diagnostics:", _BOLD)
        for row in rows:
            self._print(f"  {urn_type(row.urn)} ({urn_name(row.urn)}):", _BLUE)
            for severity, text in (message for stream in row.messages.values() for message in stream):
                for line in text.rstrip().split("\n"):
                    self._print(f"    {line}".rstrip(), _SEVERITY_COLORS[severity])
            self._print()
        if self._outputs is not None:
            old, new = self._outputs
            if new and not (self._dry_run and equal(old, {**old, **new})):
                self._print("Outputs:", _BOLD)
                self._print_value("", new, 1)
                self._print()
        self._print_summary()
        if not self._dry_run:
            self._print()
            self._print(f"Duration: {math.ceil(seconds)}s")

    def _print_summary(self) -> None:
        self._print("Resources:", _BOLD)
        shown = [op for op in _SUMMARIZED if self.counts[op]]
        for op in shown:
            word = f"to {op}" if self._dry_run else _words(op)[2]
            self._print(f"    {_SYMBOLS[op]}{self.counts[op]} {word}", _color(op))
        pieces = [f"{sum(self.counts[op] for op in shown)} changes"] if len(shown) > 1 else []
        if same := self.counts["same"]:
            pieces.append(f"{same} unchanged")
        if pieces:
            self._print("    " + ". ".join(pieces))
        if errored := sum(row.count("error") > 0 for row in self._rows.values()):
            self._print(f"    {errored} errored", _RED)

    # Lines

    def _row(self, urn: str) -> _Row:
        return self._rows.setdefault(urn, _Row(urn))

    def _print_row(self, row: _Row, info: str = "") -> None:
        what = f"{'  ' * row.depth}{urn_type(row.urn)} {urn_name(row.urn)}"
        self._print(f" {_SYMBOLS.get(row.op, '  ')} {what} {row.status} {info}".rstrip(), _color(row.op))

    def _print_changes(self, changes: Iterable[differ.Change]) -> None:
        for change in changes:
            sides = [_inline(side) for side in (change.old, change.new) if side is not None]
            self._print(f"      {change.sign} {differ.render(change.path)}: {' => '.join(sides)}", _COLORS[change.sign])

    def _print_value(self, title: str, value: Value, indent: int) -> None:
        """Print a value, its members one below the other; of a whole bag (no title) only the members."""
        margin = "    " * indent
        if not isinstance(value, (dict, list)) or not value:
            self._print(margin + title + _inline(value))
            return
        inner = indent
        if title:
            self._print(margin + title + ("{" if isinstance(value, dict) else "["))
            inner += 1
        members = (
            sorted(value.items()) if isinstance(value, dict) else [(f"[{n}]", each) for n, each in enumerate(value)]
        )
        width = max(len(key) for key, _ in members)
        for key, member in members:
            self._print_value(f"{key:<{width}}: ", member, inner)
        if title:
            self._print(margin + ("}" if isinstance(value, dict) else "]"))

    def _print(self, text: str = "", color: str = "") -> None:
        plain = self._blotted(text)
        colored = f"\x1b[{color}m{plain}\x1b[0m" if self._colored and color and plain else plain
        self._lines.append(colored if self._always else plain)
        if self._write is not None:
            self._write(colored)

    def _blotted(self, text: str) -> str:
        return self._secrets.sub("[secret]", text) if self._secrets else text


def _is_internal(step: Step) -> bool:
    """Whether users never see the step: the engine's own default providers, and forgotten replacements."""
    return step.op == "remove-pending-replace" or is_default_provider(step.urn)


def _words(op: str) -> tuple[str, str, str]:
    """An operation as planned, under way, and done."""
    verb, _, rest = op.partition("-")
    what = {"replacement": " replacement", "replaced": " original"}.get(rest, "")
    stem = verb.removesuffix("e")
    return verb + what, f"{stem}ing{what}", ("read" if verb == "read" else f"{stem}ed") + what


def _color(op: str) -> str:
    return _COLORS.get(_SYMBOLS.get(op, "").strip(), "")


def _visible(properties: Properties) -> Properties:
    """Without what is the engine's own business (`__provider`)."""
    return {key: value for key, value in properties.items() if not key.startswith("__")}


def _changes(step: Step) -> list[differ.Change]:
    """What a step changes in the inputs."""
    old, new = None, None
    if isinstance(step, RefreshStep):
        old, new = step.before, step.after
    elif isinstance(step, Making) and step.op != "same":
        old, new = step.old, step.new
    return list(differ.changes(_visible(old.inputs), _visible(new.inputs))) if old and new else []


def _summary(changes: Iterable[differ.Change]) -> str:
    """Name the changed properties, in brackets."""
    signs: dict[str, str] = {}
    for change in changes:
        key = str(change.path[0])
        signs[key] = change.sign if len(change.path) == 1 else "~"
    parts = {sign: [key for key, each in signs.items() if each == sign] for sign in "+-~"}
    text = "".join(sign + ",".join(keys) for sign, keys in parts.items() if keys)
    return f"[diff: {text}]" if text else ""


def _inline(value: Value) -> str:
    """A value in one line; secrets are never shown."""
    if isinstance(value, Secret):
        return "[secret]"
    if value is UNKNOWN:
        return "[unknown]"
    if value is None:
        return "<null>"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_inline(each)}" for key, each in sorted(value.items())) + "}"
    return json.dumps(value, ensure_ascii=False)


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """What finds secrets, as they are and as JSON spells them. The CLI leaves out the same (logging/log.go)."""
    shown = [text for text in secrets if len(text) >= 3 and text.lower() not in ("true", "false")]
    forms = {form for text in shown for form in (text, json.dumps(text, ensure_ascii=False)[1:-1])}
    return re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None
