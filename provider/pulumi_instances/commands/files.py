"""Writing files whole, and over nothing that is no file."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import click


def demand_regular(path: Path) -> None:
    """Refuse a device or a pipe: a file would take its place."""
    if path.exists() and not path.is_file():
        raise click.ClickException(f"{path} is no file: name one")


def demand_free(path: Path, text: str) -> None:
    """Refuse a program that somebody has written: only an empty one, or the same, gives way to this text."""
    demand_regular(path)
    if path.exists() and path.read_bytes() not in (b"", text.encode()):
        raise click.ClickException(f"{path} exists: it is not written over; name another --program, or remove it")


def write(path: Path, text: str, mode: int = 0o666) -> None:
    """Write all of a file or nothing, with this mode (less the umask) whatever was there before."""
    demand_regular(path)
    unfinished = path.with_name(f".{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}; name a file that can be written") from None
    finally:
        unfinished.unlink(missing_ok=True)
