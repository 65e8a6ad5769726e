"""The Pulumi CLI, for what only it knows: the configuration and the state of a stack."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click


def executable() -> str:
    """The path of `pulumi`."""
    found = shutil.which("pulumi")
    if found is None:
        raise click.ClickException("there is no `pulumi` on PATH: install it (https://www.pulumi.com/docs/install/)")
    return found


def stack_config(stack: str) -> dict[str, Any]:
    """The configuration of a stack with its secrets in plain: it stays in this process."""
    told = json.loads(_ask("config", "--show-secrets", "--json", "--stack", stack))
    return {key: entry.get("value") for key, entry in told.items()}


def stack_state(stack: str) -> Any:
    """The state of a stack, its secrets encrypted."""
    return json.loads(_ask("stack", "export", "--stack", stack))


def version() -> tuple[int, ...]:
    """The version, such as (3, 260, 0)."""
    numbers = _ask("version").strip().removeprefix("v").partition("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdecimal())


def import_resources(stack: str, file: str, *, quiet: bool) -> int:
    """Run `pulumi import` and return its exit code. With ``quiet``, what it says goes to stderr.

    The state is saved once, at the end, not before and after each resource: if that is lost, no instance is. However
    this process is asked to stop, it waits, so that the CLI can save.
    """
    options = ["--generate-code=false", "--protect=false", "--skip-preview", "--yes", "--non-interactive"]
    command = [executable(), "import", "--stack", stack, "--file", file, *options]
    output = sys.stderr if quiet else None
    environment = {**_environment(), "PULUMI_SKIP_CHECKPOINTS": "true"}
    with subprocess.Popen(command, stdout=output, env=environment) as process, _signals_go_to(process):  # noqa: S603  no shell
        return process.wait()


def _ask(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  no shell
        [executable(), *arguments, *(() if arguments == ("version",) else ("--non-interactive",))],
        text=True,
        capture_output=True,
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        _fail(arguments[0], done.stderr)
    return done.stdout


def _fail(command: str, errors: str) -> NoReturn:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "it failed")
    raise click.ClickException(f"pulumi {command}: {said.removeprefix('error:').strip()}")


def _environment() -> dict[str, str]:
    return {"PULUMI_SKIP_UPDATE_CHECK": "true", **os.environ}


@contextmanager
def _signals_go_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ctrl-C reaches the CLI by itself; what else asks us to stop becomes one."""
    handlers: dict[str, Any] = {
        "SIGINT": lambda *_: None,
        "SIGTERM": lambda *_: process.send_signal(signal.SIGINT),
        "SIGHUP": lambda *_: process.send_signal(signal.SIGINT),
    }
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
