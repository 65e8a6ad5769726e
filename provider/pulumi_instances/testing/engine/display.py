"""What the user sees of an operation, and what is counted: lines as it happens, then outputs and a summary.

It reads like the CLI without a terminal, as far as tests and `make demo` look at it; it is no copy of every column.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Literal

from . import diff as differ
from .project import Options, Project
from .state import PROVIDER_PREFIX, STACK_TYPE, ResourceState, make_urn, urn_name, urn_type
from .steps import Making, RefreshStep, Step
from .values import UNKNOWN, Properties, Secret, Value, equal, unwrap

Severity = Literal["debug", "info", "warning", "error"]

_HEADERS = {"preview": "Previewing update", "update": "Updating", "refresh": "Refreshing", "destroy": "Destroying"}
_SYMBOLS = {"create": "+ ", "delete": "- ", "update": "~ ", "replace": "+-", "create-replacement": "++"}
_SYMBOLS |= {"delete-replaced": "--", "refresh": "~ ", "discard": "< ", "discard-replaced": "<<"}
_SUMMARIZED = ("create", "update", "delete", "replace")
_SILENT = ("same", "read", "read-replacement")


class Display:
    """Takes what happens in one operation. Thread-safe."""

    def __init__(self, kind: str, project: Project, options: Options, write: Callable[[str], Any] | None) -> None:
        """`write` gets each line. The secrets of the configuration show as `[secret]` wherever they turn up."""
        self.counts: Counter[str] = Counter()
        """Steps by operation, as the CLI counts them."""
        self._secrets = _pattern(unwrap(value) for value in project.config.values() if isinstance(value, Secret))
        self._kind = kind
        self._options = options
        self._write = write
        self._lock = threading.RLock()
        self._lines: list[str] = []
        self._started: dict[str, float] = {}
        self._errored: set[str] = set()
        self._stack_urn = make_urn(project.stack, project.name, "", STACK_TYPE, f"{project.name}-{project.stack}")
        self._outputs: tuple[Properties, Properties] | None = None
        self.line(f"{_HEADERS[kind]} ({project.stack}):")
        self.line()

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(line + "\n" for line in self._lines)

    def line(self, text: str = "") -> None:
        """Print one more line."""
        self._lines.append(self._blotted(text))
        if self._write is not None:
            self._write(self._lines[-1])

    def _blotted(self, text: str) -> str:
        return self._secrets.sub("[secret]", text) if self._secrets else text

    def message(self, severity: Severity, text: str, urn: str = "") -> None:
        """Show a message at its resource; without a URN it belongs to the stack."""
        if severity == "debug":
            return
        label = f"{severity}: " if severity != "info" else ""
        urn = urn or self._stack_urn
        with self._lock:
            if severity == "error":
                self._errored.add(urn)
            first, *rest = (label + self._blotted(text.rstrip())).split("\n")  # in whole: a secret may have many lines
            self.line(f"    {_title(urn)}: {first}")
            for line in rest:
                self.line(f"      {line}".rstrip())

    def begin(self, step: Step) -> None:
        """A step begins."""
        ops = [op for op in dict.fromkeys((step.op, _counted(step))) if op and op not in _SILENT]
        if _is_internal(step) or not ops:
            return
        with self._lock:
            self._started[step.urn] = time.monotonic()
            changes = _changes(step)
            for op in ops:
                self._row(op, step.urn, _words(op)[0 if self._options.dry_run else 1], _summary(changes))
            if not {"update", "replace"}.isdisjoint(ops):
                self._show_changes(changes)
            elif step.op == "create" and self._options.diff:
                self._show_members(_visible(step.subject).items(), 2)

    def end(self, step: Step) -> None:
        """A step has succeeded; it is counted as the CLI counts it."""
        if _is_internal(step):
            return
        op, counted = step.op, _counted(step)
        if isinstance(step, RefreshStep) and self._kind == "refresh":
            op = counted = step.result
        with self._lock:
            self.counts.update([counted] if counted else [])
            refreshed = isinstance(step, RefreshStep)
            if op in _SILENT or not (refreshed or (step.subject.custom and not self._options.dry_run)):
                return
            changes = _changes(step) if refreshed else []
            took = "" if self._options.dry_run else f"({time.monotonic() - self._started[step.urn]:.2f}s)"
            self._row(op, step.urn, _words(op)[0 if self._options.dry_run else 2], took, _summary(changes))
            self._show_changes(changes)

    def skipped(self) -> None:
        """A create is left out because of `--target`; it is counted as unchanged."""
        with self._lock:
            self.counts["same"] += 1

    def failed(self, step: Step, text: str) -> None:
        """A step has failed."""
        internal = _is_internal(step)
        with self._lock:
            self.message("error", text, "" if internal else step.urn)
            if not internal and not self._options.dry_run:
                self._row(step.op, step.urn, f"**{_words(step.op)[1]} failed**")

    def outputs(self, old: Properties, new: Properties) -> None:
        """The stack has registered its outputs."""
        self._outputs = old, new

    def finish(self, seconds: float) -> None:
        """Print what comes last: outputs, counts and the time it took."""
        if self._outputs is not None:
            old, new = self._outputs
            if new and not (self._options.dry_run and equal(old, {**old, **new})):
                self.line("Outputs:")
                self._show_members(sorted(new.items()), 1)
                self.line()
        self.line("Resources:")
        shown = [op for op in _SUMMARIZED if self.counts[op]]
        for op in shown:
            self.line(f"    {_SYMBOLS[op]}{self.counts[op]} {f'to {op}' if self._options.dry_run else _words(op)[2]}")
        pieces = [f"{sum(self.counts[op] for op in shown)} changes"] if len(shown) > 1 else []
        if same := self.counts["same"]:
            pieces.append(f"{same} unchanged")
        if pieces:
            self.line("    " + ". ".join(pieces))
        if self._errored:
            self.line(f"    {len(self._errored)} errored")
        if not self._options.dry_run:
            self.line()
            self.line(f"Duration: {math.ceil(seconds)}s")

    def _row(self, op: str, urn: str, *info: str) -> None:
        self.line(" ".join((f" {_SYMBOLS.get(op, '  ')} {_title(urn)}", *filter(None, info))))

    def _show_changes(self, changes: Iterable[differ.Change]) -> None:
        for change in changes:
            sides = [_inline(side) for side in (change.old, change.new) if side is not None]
            self.line(f"      {change.sign} {differ.render(change.path)}: {' => '.join(sides)}")

    def _show_members(self, members: Iterable[tuple[str, Value]], indent: int) -> None:
        """One below the other, what is in them indented."""
        members = list(members)
        margin, width = "    " * indent, max((len(key) for key, _ in members), default=0)
        for key, value in members:
            title = f"{margin}{key:<{width}}: "
            if isinstance(value, dict) and value:
                self.line(f"{title}{{")
                self._show_members(sorted(value.items()), indent + 1)
                self.line(f"{margin}}}")
            elif isinstance(value, list) and value:
                self.line(f"{title}[")
                self._show_members([(f"[{n}]", each) for n, each in enumerate(value)], indent + 1)
                self.line(f"{margin}]")
            else:
                self.line(title + _inline(value))


def _is_internal(step: Step) -> bool:
    """Whether users never see the step: the engine's own default providers, and forgotten replacements."""
    default = urn_type(step.urn).startswith(PROVIDER_PREFIX) and urn_name(step.urn).startswith("default")
    return default or step.op == "remove-pending-replace"


def _counted(step: Step) -> str:
    """What the summary counts a step as, "" for nothing: of a replacement, only that something new is made."""
    return "replace" if step.op.endswith("-replacement") else step.op if step.logical else ""


def _title(urn: str) -> str:
    return f"{urn_type(urn)} {urn_name(urn)}"


def _words(op: str) -> tuple[str, str, str]:
    """An operation as planned, under way, and done."""
    verb, _, rest = op.partition("-")
    what = {"replacement": " replacement", "replaced": " original"}.get(rest, "")
    stem = verb.removesuffix("e")
    return verb + what, f"{stem}ing{what}", f"{stem}ed{what}"


def _visible(state: ResourceState) -> Properties:
    """The inputs, but for what is the engine's own business (`__provider`)."""
    return {key: value for key, value in sorted(state.inputs.items()) if not key.startswith("__")}


def _changes(step: Step) -> list[differ.Change]:
    """What a step changes in the inputs."""
    if not isinstance(step, (Making, RefreshStep)) or step.op == "same" or not (step.old and step.new):
        return []
    return list(differ.changes(_visible(step.old), _visible(step.new)))


def _summary(changes: Iterable[differ.Change]) -> str:
    """Name the changed properties, in brackets."""
    signs = {str(change.path[0]): change.sign if len(change.path) == 1 else "~" for change in changes}
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
