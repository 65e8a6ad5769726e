"""`pulumi-instances emulator`: serves the API in the foreground until Ctrl-C.

The CLI imports it on use, since it needs the extra ``[testing]``.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import shlex
import signal
import sqlite3
import sys
import threading
from pathlib import Path

import click

from .emulator import Emulator
from .variants import VARIANTS
from .wrapper import log

__all__ = ["emulator"]

_PORT = 8787


@click.command(
    short_help="Run an emulator of the Instances API.",
    epilog="""\b
Examples:
  pulumi-instances emulator
  pulumi-instances emulator --data instances.db --port 0 --json
  pulumi-instances emulator --dialect elements

Exit codes: 0 stopped, 1 error.""",
)
@click.option("--port", default=_PORT, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Allow a --host that other machines can reach.")
@click.option(
    "--data", type=click.Path(dir_okay=False, path_type=Path), help="Keep instances and secrets in this file."
)
@click.option("--latency", default=0.0, type=click.FloatRange(min=0), help="Milliseconds to wait before each request.")
@click.option(
    "--dialect",
    default="default",
    show_default=True,
    type=click.Choice(list(VARIANTS)),
    help="default: as the API's document; elements: as the live services.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the settings as one line of JSON.")
def emulator(
    port: int, host: str, allow_remote: bool, data: Path | None, latency: float, dialect: str, as_json: bool
) -> None:
    """Run an emulator of the Instances API until Ctrl-C.

    It prints the base URL and the settings of the provider to paste, then one line for each request (on stderr).
    """
    if not allow_remote and not _is_loopback(host):
        raise click.UsageError(f"--host {host} is not a loopback address; add --allow-remote to accept other machines")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Emulator(port, host, data, latency=latency / 1000, dialect=dialect) as api:
            _announce(api, as_json=as_json, with_page=_is_loopback(host))
            # Without a timeout, Ctrl-C would not be noticed on Windows.
            while not stop.wait(0.5):
                pass
    except OSError as error:
        place, option = (error.filename, "--data") if error.filename else (f"{host}:{port}", "--port or --host")
        raise click.ClickException(f"{place}: {error.strerror}; choose another {option}") from None
    except sqlite3.DatabaseError as error:
        raise click.ClickException(f"{data}: {error}; give a file that the emulator wrote, or a new one") from None


def _announce(api: Emulator, *, as_json: bool, with_page: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    if as_json:
        click.echo(json.dumps(api.env))
        return
    click.echo(f"The emulator of the Instances API listens on {api.base_url}")
    for name, value in api.env.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    if with_page:
        click.echo(f"Open {api.page_url} in a browser to watch and change the instances")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
