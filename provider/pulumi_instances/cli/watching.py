"""`drift --watch`: repeats a comparison until Ctrl-C, and shows what has changed since the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import sleep, strftime
from typing import Any

import click

from ..core.errors import InstancesError
from . import common
from .drift_report import Comparison, row
from .redaction import redacted


def watch(compare: Callable[[], Comparison], seconds: float) -> int:
    """Compare every so many seconds until Ctrl-C. Returns the exit code of the last comparison that has ended.

    A comparison that fails is reported and tried again, but for the first: then the settings are wrong, most likely.
    """
    before: list[str] = []
    code, first = 0, True
    try:
        while True:
            try:
                found = compare()
            except (click.ClickException, InstancesError) as error:
                if first:
                    raise
                text = error.message if isinstance(error, click.ClickException) else error
                _line(f"not compared: {redacted(str(text))}")
                code = 1
            else:
                now = [*map(_shown, found.differences), *found.gaps]
                news = [f"+ {text}" for text in now if text not in before]
                news += [f"- {text}" for text in before if text not in now]
                _line("; ".join([found.summary, *news]))
                before, code = now, found.exit_code
            first = False
            sleep(seconds)
    except KeyboardInterrupt:
        return code


def _line(text: str) -> None:
    click.echo(f"{strftime('%H:%M:%S')} {text}")


def _shown(difference: Mapping[str, Any]) -> str:
    shown = row(difference)
    values = " => ".join(common.shown(shown[key]) or '""' for key in ("state", "api"))
    return f"{common.shown(shown['resource'])} {shown['id']} {shown['field']}: {values}"
