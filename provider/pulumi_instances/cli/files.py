"""Files that commands write: whole or not at all, and only where a regular file belongs.

Functions that begin with `demand` raise ClickException; all of them are called before anything is written.
"""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

# Their entries are devices, and files that this process has open: a file written there would replace one of them for
# the whole machine. `/dev/shm` is an ordinary folder in memory.
_SYSTEM_FOLDERS = ("/dev", "/proc", "/sys")
_ORDINARY = "/dev/shm"  # noqa: S108  nothing is written there unasked


def demand_file(path: Path) -> None:
    """Raise ClickException for a path where no regular file can be written, before the API or the CLI is asked.

    A link to a device is refused, as the device is; `write` replaces any other link.
    """
    try:
        _demand_file(path)
        _demand_folder(path.parent)
    except OSError as error:  # such as a folder on the way that may not be read
        raise click.ClickException(f"{path}: {error.strerror}; give a path that can be written") from None


def _demand_file(path: Path) -> None:
    folder = Path(os.path.realpath(path.parent))
    if any(map(folder.is_relative_to, _SYSTEM_FOLDERS)) and not folder.is_relative_to(_ORDINARY):
        top = "/".join(folder.parts[:2]).replace("//", "/")
        raise click.ClickException(f"{path} is not a regular file; give a file path outside {top}")
    if path.is_dir():
        raise click.ClickException(f"{path} is a folder; give the path of a file in it")
    if path.exists() and not path.is_file():
        raise click.ClickException(f"{path} is not a regular file; give a file path")


def _demand_folder(folder: Path) -> None:
    if not folder.exists():
        raise click.ClickException(f"the folder {folder} does not exist; create it, or give another path")
    if not folder.is_dir():
        raise click.ClickException(f"{folder} is not a folder; give another path")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise click.ClickException(f"the folder {folder} is not writable; give another path")


def demand_free(path: Path, text: str) -> None:
    """Raise ClickException where a program exists that this text would change: neither empty nor the same."""
    demand_file(path)
    try:
        written = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}; give another --program") from None
    if written not in (b"", text.encode()):
        raise click.ClickException(f"{path} exists and is not overwritten; give another --program, or remove it")


def write(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a file under another name and rename it, so that a reader sees all of it or none.

    It gets this mode, less the umask, even where a file existed. A symbolic link is replaced, and its target stays: a
    user who can place a link in a shared folder must not choose which file is overwritten, or where tokens go.
    """
    demand_file(path)
    unfinished = path.with_name(f".{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}; give a path that can be written") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


@contextmanager
def readable(text: str) -> Iterator[str]:
    """Yield a path from which only processes of this user can read this text while the block runs.

    On Linux the text is in memory, and the kernel frees it however this process ends. Elsewhere it is a file that only
    its owner may read, which a SIGKILL leaves behind.
    """
    if sys.platform == "linux" and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("resources.json"), "wb") as memory:
            os.fchmod(memory.fileno(), 0o600)
            memory.write(text.encode())
            memory.flush()
            yield f"/proc/{os.getpid()}/fd/{memory.fileno()}"
        return
    with tempfile.TemporaryDirectory(prefix="pulumi-instances-") as directory:
        file = Path(directory) / "resources.json"
        write(file, text, mode=0o600)
        yield str(file)
