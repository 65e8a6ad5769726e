"""One create of a resource at a time on this machine, also where the process that creates has lost its engine.

A killed engine leaves its plugin with a POST under way. The next run must not send a second one beside it: it waits
until the lock is free, and then looks what the first has made. A lock is an empty file, which is removed when it is
known what was made, and the engine has heard of it. One that stays says that a create was cut off, and its time says
when.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

log = logging.getLogger("pulumi_instances")

try:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
except ImportError:  # Windows
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]


_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What Linux, macOS and Windows answer where another process has the lock."""


_unusable: set[Path] = set()
"""The folders of which a warning has said that no lock can be had there."""


class Busy(Exception):
    """Another process still holds the lock."""


class Turn:
    """The lock while it is ours."""

    def __init__(self, path: Path | None = None, descriptor: int | None = None, cut_off: float | None = None) -> None:
        """Without a descriptor, no lock could be had."""
        self._path = path
        self._descriptor = descriptor
        self.cut_off = cut_off
        """How many seconds ago an earlier create was cut off; None if there was none."""
        self.has_sent = False
        """Whether a request was about to be sent (`touch`)."""
        self.waited = False
        """Whether another process was creating until now."""

    def touch(self) -> None:
        """Say that a request is about to be sent."""
        self.has_sent = True
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def end(self, *, decided: bool) -> None:
        """Free the lock. The file stays where it is not ``decided`` what the create has made."""
        if self._descriptor is None or self._path is None:
            return
        removed = not decided or _removed(self._path)
        os.close(self._descriptor)
        if not removed:  # Windows does not remove an open file
            _removed(self._path)


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def take(name: str | None, wait: Callable[[], bool]) -> Turn:
    """Wait until no other process of this machine has the lock of this name, and take it.

    ``wait`` sleeps a moment, and returns False when it has lasted long enough: then Busy is raised. Where no lock can
    be had, such as in a folder that is not writable, a warning says so, and nothing is locked; nor is anything without
    a name.
    """
    path, waited = None if name is None else _path(name), False
    while path is not None:
        try:
            if (turn := _open(path)) is not None:
                turn.waited = waited
                return turn
        except BlockingIOError:
            waited = True
            if not wait():
                raise Busy from None
        except OSError as error:
            _warn_once(path.parent, error)
            break
    return Turn()


def _warn_once(folder: Path, error: OSError) -> None:
    if folder not in _unusable:
        _unusable.add(folder)
        log.warning("no lock can be had in %s (%s); do not create twice at once", folder, error.strerror)


@contextlib.contextmanager
def taken(
    name: str | None, wait: Callable[[], bool], is_decided: Callable[[BaseException | None, Turn], bool]
) -> Iterator[Turn]:
    """Hold the lock while the body runs. Its file stays unless the end of the body, or its error, is decided."""
    turn = take(name, wait)
    try:
        yield turn
    except BaseException as error:
        turn.end(decided=is_decided(error, turn))
        raise
    turn.end(decided=is_decided(None, turn))


def _open(path: Path) -> Turn | None:
    """The lock; None where its file was removed meanwhile. Raises BlockingIOError where another process has it."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it holds a symbolic link in place of a lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        return _locked(path, descriptor, was_there=False)
    with contextlib.suppress(FileNotFoundError):
        return _locked(path, os.open(path, os.O_RDWR), was_there=True)
    return None


def _locked(path: Path, descriptor: int, *, was_there: bool) -> Turn | None:
    try:
        _try_lock(descriptor)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            cut_off = max(0.0, time.time() - path.stat().st_mtime) if was_there else None
            return Turn(path, descriptor, cut_off)
    except FileNotFoundError:
        pass
    except OSError as error:
        os.close(descriptor)
        if error.errno in _HELD:
            raise BlockingIOError from error
        raise
    os.close(descriptor)
    return None


def _path(name: str) -> Path | None:
    try:
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    except RuntimeError:  # no HOME, and no such user
        return None
    return home / "pulumi-instances" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
