"""The command line: `pulumi-instances`."""

from __future__ import annotations

import sys
from importlib.metadata import version

__all__ = ["main"]

_EXTRA = {"click", "starlette", "uvicorn"}


def main() -> None:
    """Run the command line. Its commands come with the extra ``[testing]``; without it, say so and exit 1."""
    try:
        import click

        from .testing.emulator.command import emulator
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.exit("The command line needs its extra: pip install 'pulumi-instances[testing]'")

    group = click.Group("pulumi-instances", commands=[emulator], help="Tools around the Instance resource.")
    click.version_option(version("pulumi-instances"))(group)
    group(prog_name="pulumi-instances")
