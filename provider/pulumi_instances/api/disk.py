"""Files that processes share and only their owner may read. One that is wrong in any way only causes a warning."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ..core.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("pulumi_instances")

HAS_LOCKS = fcntl is not None
"""Whether it can be seen that the writer of a file still lives."""


def created(path: Path) -> IO[str]:
    """A new file that only its owner may read, open for writing. Raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")


def put(path: Path, told: Mapping[str, Any]) -> None:
    """Write a file of which nobody ever sees a part. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"{uuid.uuid4().hex}.new")
    with created(new) as file:
        json.dump(told, file)
    new.replace(path)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    with tolerating(path):
        path.unlink(missing_ok=True)


def files(folder: Path | None) -> list[Path]:
    """What the folder holds: nothing where it is not there yet, or not ours to read, which a write warns of."""
    with contextlib.suppress(OSError):
        return [] if folder is None else list(folder.iterdir())
    return []


@contextlib.contextmanager
def alone(folder: Path | None) -> Iterator[None]:
    """Keep other processes from changing the files in this folder meanwhile."""
    with contextlib.ExitStack() as held:
        if folder is not None and folder.is_dir() and fcntl is not None:
            with tolerating(folder):
                file = os.fdopen(os.open(folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w")
                fcntl.flock(held.enter_context(file), fcntl.LOCK_EX)
        yield


def lock(file: IO[str]) -> None:
    """Hold this file until it is closed or this process ends. Raises OSError."""
    fcntl.flock(file, fcntl.LOCK_EX)


def is_locked(file: IO[str]) -> bool:
    """Whether a process that still lives holds this file."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


@contextlib.contextmanager
def tolerating(path: Path) -> Iterator[None]:
    """Go on, with a warning, where a file is not as it should be: somebody else's, malformed, not writable."""
    try:
        yield
    except FileNotFoundError:
        pass  # another process was faster
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError) as error:
        warn(path, error)


_warned: set[Path] = set()


def warn(path: Path, error: Exception) -> None:
    """Say once why this file, or this folder, is ignored."""
    if path not in _warned:
        _warned.add(path)
        cause = error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is malformed"
        log.warning("The note %s is ignored (%s); remove it, or take ownership of its folder", path, cause)
