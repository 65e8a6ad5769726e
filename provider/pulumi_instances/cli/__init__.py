"""Internal: the command line `pulumi-instances`, its commands and how it ends.

A command is imported when it is asked for. None writes to the API but `fleet`, which runs the Pulumi CLI.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import click

__all__ = ["main"]

_CLI = {"click", "rich"}
_TESTING = {"starlette", "uvicorn"}

_COMMANDS = {
    "list": "listing:list_command",
    "show": "listing:show",
    "drift": "audit:drift",
    "orphans": "audit:orphans",
    "import-file": "importing:import_file",
    "import": "importing:import_",
    "doctor": "doctor:doctor",
    "fleet": "fleet:fleet",
    "emulator": ".testing.emulator.command:emulator",
}

_HELP = """List and compare the existing instances of an account, and import them into a stack.

Settings come from the environment (INSTANCES_BASE_URL, INSTANCES_USER_SECRET, INSTANCES_ORGANIZATION_SECRET) and, with
--stack, from the configuration of a stack; the environment wins. The command line takes no secrets, and tokens are
shown only with --show-secrets. No command writes to the API but `fleet`, which runs `pulumi` for many stacks.
"""

_EPILOG = """\b
Exit codes:
  0  success
  1  an error (including usage errors)
  2  drift, orphans, doctor or fleet drift found something

\b
Completion, for bash (or zsh_source, fish_source):
  eval "$(_PULUMI_INSTANCES_COMPLETE=bash_source pulumi-instances)"
"""


def main() -> None:
    """Run the command line. Without the extra ``[cli]``, say that it is needed and exit with 1."""
    _open_closed_streams()
    try:
        group = _group()
    except ModuleNotFoundError as error:
        if error.name not in _CLI:
            raise
        sys.exit("The command line needs an extra: pip install 'pulumi-instances[cli]'")
    import click

    from ..core.errors import InstancesError
    from .signals import handled

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the locale cannot write is escaped
    try:
        with handled({"SIGTERM": _interrupt, "SIGHUP": _interrupt}):  # clean up as after Ctrl-C
            code = group.main(prog_name="pulumi-instances", standalone_mode=False)
    except click.Abort:
        click.echo("Stopped.", err=True)
        code = 1
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        _write_error(message.getvalue())
        code = 1  # for usage errors as well: 2 means that a command has found something
    except InstancesError as error:
        _write_error(f"Error: {error}\n")
        code = 1
    except OSError as error:  # of stdout, on a full disk; commands report those of other files themselves
        _write_error(f"Error: {error.strerror or error}\n")
        code = 1
    sys.exit(code or 0)


def _open_closed_streams() -> None:
    """Open /dev/null for each standard stream that the shell has closed (``>&-``), or the next file would become it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this stream's
            setattr(sys, name, os.fdopen(opened, "w" if number else "r", encoding="utf-8"))


def _write_error(failure: str) -> None:
    import click

    from .redaction import redacted  # here, since it imports the SDK

    click.echo(redacted(failure), err=True, nl=False)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _group() -> click.Group:
    import click
    import rich  # noqa: F401  every command needs it, so a missing one is reported here

    from ..core.errors import InstancesError

    class Commands(click.Group):
        """Imports a command when it is asked for, so that each starts at the cost of its own imports."""

        def invoke(self, ctx: click.Context) -> Any:
            try:
                return super().invoke(ctx)
            except InstancesError as error:
                if ctx.obj is not None:
                    ctx.obj.place(error)
                raise

        def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
            return list(_COMMANDS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
            if cmd_name not in _COMMANDS:
                return None
            module, _, attribute = _COMMANDS[cmd_name].partition(":")
            try:
                return cast("click.Command", getattr(import_module(f".{module}", __package__), attribute))
            except ModuleNotFoundError as error:
                if error.name not in _TESTING:
                    raise
                return _unavailable(cmd_name)

    group = Commands("pulumi-instances", help=_HELP, epilog=_EPILOG)
    return click.version_option(version("pulumi-instances"))(group)


def _unavailable(name: str) -> click.Command:
    import click

    @click.command(name, help="Needs the extra [testing].")
    @click.argument("_", nargs=-1, type=click.UNPROCESSED)
    def refuse(_: tuple[str, ...]) -> None:
        raise click.ClickException("this command needs an extra: pip install 'pulumi-instances[testing]'")

    return refuse
