"""What the user sees of an operation, and what is counted: lines as it happens, then outputs and a summary.

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
_BOLD, _RED, _GREEN, _YELLOW, _MAGENTA, _CYAN = "1", "31", "32", "33", "35", "36"
_COLORS = {"+": _GREEN, "-": _RED, "~": _YELLOW, ">": _CYAN, "<": _RED, "+-": _MAGENTA, "++": _GREEN, "--": _RED}
_SEVERITY_COLORS = {"error": _RED, "warning": _YELLOW, "info": "", "debug": ""}


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
        self._started: dict[str, float] = {}
        self._errored: set[str] = set()
        self._stack_urn = make_urn(stack, project, "", STACK_TYPE, f"{project}-{stack}")
        self._outputs: tuple[Properties, Properties] | None = None
        self._print(f"{_HEADERS[kind]} ({stack}):", _BOLD)
        self._print()

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(line + "\n" for line in self._lines)

    def info(self, text: str, urn: str = "") -> None:
        """Tell the user something; without a URN it belongs to the stack."""
        self.message("info", text, urn)

    def warning(self, text: str, urn: str = "") -> None:
        """Warn the user."""
        self.message("warning", text, urn)

    def error(self, text: str, urn: str = "") -> None:
        """Tell the user what went wrong."""
        self.message("error", text, urn)

    def message(self, severity: Severity, text: str, urn: str = "") -> None:
        """Show a message at its resource."""
        if severity == "debug":
            return
        label = f"{severity}: " if severity != "info" else ""
        urn = urn or self._stack_urn
        with self._lock:
            if severity == "error":
                self._errored.add(urn)
            first, *rest = (label + self._blotted(text.rstrip())).split("\n")  # in whole: a secret may have many lines
            self._print(f"    {_title(urn)}: {first}", _SEVERITY_COLORS[severity])
            for line in rest:
                self._print(f"      {line}".rstrip(), _SEVERITY_COLORS[severity])

    def begin(self, step: Step) -> None:
        """A step begins."""
        if _is_internal(step) or step.op in ("same", "read", "read-replacement"):
            return
        with self._lock:
            self._started[step.urn] = time.monotonic()
            changes = _changes(step)
            self._print_row(step.op, step.urn, _words(step.op)[0 if self._dry_run else 1], _summary(changes))
            if step.op in ("update", "replace"):
                self._print_changes(changes)
            elif step.op == "create" and self._diff:
                self._print_value("", _visible(step.subject.inputs), 2)

    def end(self, step: Step) -> None:
        """A step has succeeded; it is counted as the CLI counts it."""
        if _is_internal(step):
            return
        refreshed = isinstance(step, RefreshStep)
        op, counted = step.op, step.logical
        if isinstance(step, RefreshStep) and self._kind == "refresh":
            op, counted = step.result, True
        elif isinstance(step, ReadStep):
            counted = step.counts()
        with self._lock:
            self.counts[op] += counted
            lasting = step.subject.custom and not self._dry_run
            if op in ("same", "read", "read-replacement") or not (refreshed or lasting):
                return
            changes = _changes(step) if refreshed else []
            took = "" if self._dry_run else f"({time.monotonic() - self._started[step.urn]:.2f}s)"
            self._print_row(op, step.urn, _words(op)[0 if self._dry_run else 2], took, _summary(changes))
            self._print_changes(changes)

    def failed(self, step: Step, text: str) -> None:
        """A step has failed."""
        internal = _is_internal(step)
        with self._lock:
            self.error(text, "" if internal else step.urn)
            if not internal and not self._dry_run:
                self._print_row(step.op, step.urn, f"**{_words(step.op)[1]} failed**")

    def outputs(self, old: Properties, new: Properties) -> None:
        """The stack has registered its outputs."""
        self._outputs = old, new

    def note(self, text: str) -> None:
        """Print one more line."""
        self._print(text)

    def finish(self, seconds: float) -> None:
        """Print what comes last: outputs, counts and the time it took."""
        if self._outputs is not None:
            old, new = self._outputs
            if new and not (self._dry_run and equal(old, {**old, **new})):
                self._print("Outputs:", _BOLD)
                self._print_value("", new, 1)
                self._print()
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
        if self._errored:
            self._print(f"    {len(self._errored)} errored", _RED)
        if not self._dry_run:
            self._print()
            self._print(f"Duration: {math.ceil(seconds)}s")

    def _print_row(self, op: str, urn: str, *info: str) -> None:
        self._print(" ".join((f" {_SYMBOLS.get(op, '  ')} {_title(urn)}", *filter(None, info))), _color(op))

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


def _title(urn: str) -> str:
    return f"{urn_type(urn)} {urn_name(urn)}"


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
