"""Calls of the Pulumi CLI, which alone can read the configuration and the state of a stack.

Its failures become ClickExceptions, without secrets (`redaction`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from ..core.errors import quote
from . import redaction
from .signals import handled


def executable() -> str:
    """Return the path of `pulumi`. Raises ClickException where there is none."""
    found = shutil.which("pulumi")
    if found is None:
        raise click.ClickException("`pulumi` is not on PATH; install it (https://www.pulumi.com/docs/install/)")
    return found


def stack_config(stack: str) -> dict[str, dict[str, Any]]:
    """Return the configuration of a stack: by key, ``value``, in plain, and whether it is ``secret``."""
    found = _json("config", "--show-secrets", "--json", "--stack", stack)
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise _malformed("config")
    redaction.know(*(str(entry.get("value")) for entry in found.values() if entry.get("secret")))
    return found


def stack_state(stack: str, *, decrypt: bool = False) -> Any:
    """Return the state of a stack. With ``decrypt``, its secrets are plain where the user may decrypt them."""
    export = ("stack", "export", "--stack", stack)
    if decrypt:
        with suppress(click.ClickException):
            return _json(*export, "--show-secrets")
    return _json(*export)


def version() -> tuple[int, ...]:
    """Return the version, such as (3, 260, 0)."""
    numbers = _ask("version").strip().removeprefix("v").partition("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdecimal())


def import_resources(stack: str, file: str, *, quiet: bool) -> int:
    """Run `pulumi import` and return its exit code. With ``quiet``, its output goes to stderr.

    The CLI saves the state once, at the end, and not before and after each resource: an import that is cut off loses
    no instance. When this process is asked to stop, it waits until the CLI has saved.
    """
    options = ["--generate-code=false", "--protect=false", "--skip-preview", "--yes", "--non-interactive"]
    command = [executable(), "import", "--stack", stack, "--file", file, *options]
    output = sys.stderr if quiet else None
    environment = {**_environment(), "PULUMI_SKIP_CHECKPOINTS": "true"}
    with stops_passed_on() as watch, subprocess.Popen(command, stdout=output, env=environment) as process:  # noqa: S603  no shell
        watch(process)
        return process.wait()


def _json(*arguments: str) -> Any:
    try:
        return json.loads(_ask(*arguments))
    except (ValueError, RecursionError):
        raise _malformed(arguments[0]) from None


def _malformed(command: str) -> click.ClickException:
    return click.ClickException(f"pulumi {command}: its output is not the expected JSON; update the CLI")


def _ask(*arguments: str) -> str:
    tool = executable()
    try:
        done = ended(tool, *arguments, *(() if arguments == ("version",) else ("--non-interactive",)))
    except OSError as error:
        raise click.ClickException(f"{tool} does not run ({error.strerror}); reinstall the Pulumi CLI") from None
    if done.returncode != 0:
        _fail(arguments[0], done.stderr)
    return done.stdout


def ended(tool: str, *arguments: str, directory: str = ".", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the CLI in a directory to its end, and return its output. Variables that are set win over ``environment``."""
    return subprocess.run(  # noqa: S603  no shell
        [tool, *arguments],
        cwd=directory,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**environment, **_environment()},
        check=False,
    )


def _fail(command: str, errors: str) -> NoReturn:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "it failed")
    said = quote(redaction.redacted(said.removeprefix("error:").strip()))
    raise click.ClickException(f"pulumi {command}: {said}")


def _environment() -> dict[str, str]:
    return {"PULUMI_SKIP_UPDATE_CHECK": "true", **os.environ}


@contextmanager
def stops_passed_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Send SIGINT to the process where another signal asks to stop, even before it; Ctrl-C reaches it by itself."""
    watched: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def stop(number: int, _: object) -> None:
        asked.append(number)
        for process in watched:
            process.send_signal(signal.SIGINT)

    def watch(process: subprocess.Popen[bytes]) -> None:
        watched.append(process)
        if asked:
            process.send_signal(signal.SIGINT)

    with handled({"SIGINT": lambda *_: None, "SIGTERM": stop, "SIGHUP": stop}):
        yield watch
