"""What the user sees of an operation, line by line as it happens, then messages, outputs and a summary."""

from __future__ import annotations

import io
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.text import Text

from . import objectdiff, render, wording
from .events import Diagnostic, Event, StepEvent
from .options import Options
from .state import STACK_TYPE, make_urn, urn_name, urn_type
from .steps import Step
from .values import Properties, equal
from .wording import Row


class Display:
    """Renders the events of one operation. `text` is everything shown so far."""

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
        self._secrets = _pattern(secrets)
        self._kind = kind
        self._options = options
        self._write = write
        self._always = color == "always"
        on_terminal = write is print and sys.stdout.isatty() and color in (None, "auto")
        self._colored = self._always or on_terminal
        self._console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=10_000)
        self._lines: list[str] = []
        self._stack_urn = make_urn(stack, project, "", STACK_TYPE, f"{project}-{stack}")
        self._rows: dict[str, Row] = {}
        self._row(self._stack_urn)
        self._print(Text(f"{wording.HEADERS[kind]} ({stack}):", "bold"))
        self._print(Text())

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(line + "\n" for line in self._lines)

    def show(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Diagnostic):
            self._show_message(replace(event, text=self._blotted(event.text)))  # whole: it may have many lines
        elif event.phase == "begin":
            self._show_begin(event)
        elif event.phase == "outputs":
            self._row(event.step.urn).step = event.step
        else:
            self._show_end(event)

    def note(self, text: str) -> None:
        """Print one more line."""
        self._print(Text(text))

    def finish(self, changes: dict[str, int], seconds: float) -> None:
        """Print what comes last: the stack's row, messages, outputs, counts and the time it took."""
        stack = self._row(self._stack_urn)
        if self._kind != "destroy" or stack.messages:
            if stack.op in ("create", "update") and not self._options.dry_run and not stack.failed:
                stack.status = wording.WORDS[stack.op][2]
            self._print_row(stack, self._message_counts(stack))
        self._print_messages()
        self._print_outputs(stack)
        self._print_summary(changes)
        if not self._options.dry_run:
            self._print(Text())
            self._print(Text.assemble(("Duration:", "bold"), f" {math.ceil(seconds)}s"))

    # While it happens

    def _show_begin(self, event: StepEvent) -> None:
        row, step = self._row(event.step.urn), event.step
        row.step, row.op, row.started = step, event.op, time.monotonic()
        parent = self._rows.get(step.resource.parent)
        row.depth = parent.depth + 1 if parent is not None and parent.urn != self._stack_urn else 0
        row.status = wording.WORDS[event.op][0 if self._options.dry_run else 1]
        if event.op in ("read", "read-replacement") or (event.op == "same" and not wording.metadata_changes(step)):
            return
        self._print_row(row, wording.diff_info(step))
        if event.op in ("update", "replace"):
            self._print_property_diff(step, whole=self._options.diff)
        elif event.op == "create" and self._options.diff and step.new is not None:
            self._print_properties(step.new.inputs)

    def _show_end(self, event: StepEvent) -> None:
        row, step = self._row(event.step.urn), event.step
        row.op = event.op
        if event.phase == "failed":
            row.failed = True
            words = wording.FAILED.get(event.op) or wording.WORDS[event.op][1]
            row.status = row.status if self._options.dry_run else f"**{words} failed**"
            self._print_row(row, self._message_counts(row))
            return
        refreshed = step.op == "refresh"
        lasting = step.resource.custom and event.op not in ("same", "read", "read-replacement")
        if not refreshed and (self._options.dry_run or not lasting):
            return
        row.status = wording.WORDS[event.op][0 if self._options.dry_run else 2]
        took = time.monotonic() - row.started
        row.status += f" ({took:.2f}s)" if row.status and not self._options.dry_run else ""
        self._print_row(row, wording.diff_info(step) if refreshed else "")
        if refreshed and event.op == "update":
            self._print_property_diff(step, whole=False)

    def _show_message(self, message: Diagnostic) -> None:
        if message.severity == "debug":
            return
        row = self._row(message.urn or self._stack_urn)
        if not message.ephemeral:
            row.messages.setdefault(message.stream, []).append(message)
            if message.severity == "error" and not self._options.dry_run and not row.status:
                row.status = "**failed**"
        first = wording.labelled(message).split("\n", 1)[0]
        running = "running" if row.urn == self._stack_urn and not row.status else ""
        self._print_row(row, first, status=running or None, style=wording.SEVERITY_STYLES[message.severity])

    def _print_row(self, row: Row, info: str, *, status: str | None = None, style: str = "") -> None:
        symbol = render.SYMBOLS.get(row.op, "  ")
        status = row.status if status is None else status
        line = Text(f" {symbol} ", render.STYLES.get(row.op, ""))
        line.append("  " * row.depth + f"{wording.display_name(urn_type(row.urn))} {urn_name(row.urn)} ", "")
        line.append(status, "bold red" if status.startswith("**") else render.STYLES.get(row.op, ""))
        line.append(f" {info}", style)
        line.rstrip()
        self._print(line)

    def _print_property_diff(self, step: Step, *, whole: bool) -> None:
        diff = wording.input_diff(step)
        printer = render.Printer()
        if diff is not None:
            printer.diff(diff, 2)
        elif whole and step.new is not None:
            printer.properties(step.new.inputs, 2)
        self._print_all(printer)

    def _print_properties(self, properties: Properties) -> None:
        printer = render.Printer()
        printer.properties(properties, 2)
        self._print_all(printer)

    # At the end

    def _print_messages(self) -> None:
        rows = [row for row in self._rows.values() if row.messages]
        if rows:
            self._print(Text("Diagnostics:", "bold"))
        for row in rows:
            self._print(Text(f"  {wording.display_name(urn_type(row.urn))} ({urn_name(row.urn)}):", "bright_blue"))
            for stream in row.messages.values():
                for message in stream:
                    for line in wording.labelled(message).rstrip().split("\n"):
                        self._print(Text(f"    {line}".rstrip(), wording.SEVERITY_STYLES[message.severity]))
                self._print(Text())

    def _print_outputs(self, stack: Row) -> None:
        if stack.step is None or self._options.suppress_outputs:
            return
        old = stack.step.old.outputs if stack.step.old else {}
        new = stack.step.new.outputs if stack.step.new else {}
        diff = objectdiff.compare(old, new, objectdiff.internal) if stack.step.old else None
        diff = wording.without_unknowns(diff) if diff and self._options.dry_run else diff
        printer = render.Printer()
        if diff is not None:
            sames = {} if self._options.dry_run else {k: v for k, v in new.items() if equal(v, old.get(k))}
            printer.with_sames(diff, sames, 1)
        elif not self._options.dry_run or stack.step.old is None:
            printer.properties(new, 1)
        if printer.lines:
            self._print(Text("Outputs:", "bold"))
            self._print_all(printer)
            self._print(Text())

    def _print_summary(self, changes: dict[str, int]) -> None:
        self._print(Text("Resources:", "bold"))
        shown = [op for op in wording.SUMMARIZED if changes.get(op)]
        for op in shown:
            word = f"to {op}" if self._options.dry_run else wording.WORDS[op][2]
            self._print(Text(f"    {render.SYMBOLS[op]}{changes[op]} {word}", render.STYLES[op]))
        total = sum(changes[op] for op in shown)
        pieces = [f"{total} changes"] if len(shown) > 1 else []
        if same := changes.get("same"):
            pieces.append(f"{same} unchanged")
        if pieces:
            self._print(Text("    " + ". ".join(pieces)))
        if errored := sum(row.count("error") > 0 for row in self._rows.values()):
            self._print(Text(f"    {errored} errored", "red"))

    def _message_counts(self, row: Row) -> str:
        errors, warnings, infos = row.count("error"), row.count("warning"), row.count("info")
        counts = ((errors, "error"), (warnings, "warning"), (infos, "message"))
        return "; ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in counts if n)

    # Common ground

    def _row(self, urn: str) -> Row:
        return self._rows.setdefault(urn, Row(urn))

    def _print_all(self, printer: render.Printer) -> None:
        for line in printer.lines:
            self._print(line)

    def _print(self, line: Text) -> None:
        plain = self._blotted(line.plain)
        colored = self._blotted(self._ansi(line)) if self._colored else plain
        self._lines.append(colored if self._always else plain)
        if self._write is not None:
            self._write(colored)

    def _blotted(self, text: str) -> str:
        return self._secrets.sub("[secret]", text) if self._secrets else text

    def _ansi(self, line: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(line, end="", soft_wrap=True)
        return capture.get()


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """What finds secrets, as they are and as JSON spells them. The CLI leaves out the same (logging/log.go)."""
    shown = [text for text in secrets if len(text) >= 3 and text.lower() not in ("true", "false")]
    forms = {form for text in shown for form in (text, json.dumps(text, ensure_ascii=False)[1:-1])}
    return re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None
