"""On which engines the tests ran, for the last lines of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

NO_CLI = "no `pulumi`"
"""How the reason begins for which a test that needs the CLI is skipped."""
STARTED = "CI_STARTED"
"""The environment variable in which `.ci/run` keeps when it began, in seconds since 1970."""
_NAMES = {
    "cli": "the Pulumi CLI",
    "cli-native": "the Pulumi CLI with the native package",
    "local": "the local engine, a test double",
}


def note(item: pytest.Item) -> None:
    """Let the reports of a test say which engine it runs on: workers of xdist send nothing else of it."""
    parameters = getattr(item, "callspec", None)
    engine = parameters.params.get("engine") if parameters is not None else None
    if engine is None and any(NO_CLI in mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif")):
        engine = "cli"
    if engine in _NAMES:
        item.user_properties.append(("engine", engine))


def lines(reporter: pytest.TerminalReporter) -> list[str]:
    """What is to be said of the engines; nothing, where no test needs one."""
    passed = Counter(_engines(reporter.getreports("passed")))
    skipped = [report for report in reporter.getreports("skipped") if NO_CLI in str(report.longrepr)]
    missed = Counter("/".join(report.nodeid.split("/")[:2]) for report in skipped)
    return [*_said(passed, missed, _version()), *_minutes()] if passed or missed else []


def _engines(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    for report in reports:
        if report.when == "call":
            yield from (str(value) for key, value in report.user_properties if key == "engine")


def _said(passed: Counter[str], missed: Counter[str], version: str) -> Iterator[str]:
    if missed:
        yield f"THE PULUMI ENGINE WAS NOT THERE: {missed.total()} tests did not run. `make cli` brings it."
        for directory, count in sorted(missed.items()):
            yield f"  not run: {count} of {directory}"
    elif passed["cli"] or passed["cli-native"]:
        yield f"The Pulumi engine was there: {version}"
    for engine, name in _NAMES.items():
        if passed[engine]:
            yield f"  passed: {passed[engine]} on {name}"


def _version() -> str:
    command = shutil.which("pulumi")
    if command is None:
        return ""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    done = subprocess.run([command, "version"], env=env, text=True, capture_output=True, check=False)
    return f"{done.stdout.strip()}, {command}"


def _minutes() -> Iterator[str]:
    if started := os.environ.get(STARTED):
        yield f"  {(time.time() - float(started)) / 60:.0f} minutes since .ci/run began"
