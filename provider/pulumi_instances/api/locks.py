"""Locks by which only one process of this machine creates a resource at a time.

After an engine was killed, its plugin may still wait for the answer to a POST (docs/engine.md, E28). The next run must
not send a second POST meanwhile: it waits until the lock is free, and then looks up what the first run has made. A lock
is an empty file. It is removed when it is known what was made, and the engine has got it as an answer. A file that
stays says that a create was cut off, and the time of the file says when.
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
        """Lock an open file. Raises OSError where another process has the lock."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
except ImportError:  # Windows
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        """Lock an open file. Raises OSError where another process has the lock."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]


_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""The errors of Linux, macOS and Windows where another process has the lock."""


_unusable: set[Path] = set()
"""Folders without locks, of which a warning was logged."""


class Busy(Exception):
    """Another process still holds the lock."""


class Turn:
    """The lock while this process has it."""

    def __init__(self, path: Path | None = None, descriptor: int | None = None, cut_off: float | None = None) -> None:
        """Hold the lock of an open file. Without one, nothing is locked."""
        self._path = path
        self._descriptor = descriptor
        self.cut_off = cut_off
        """Seconds since an earlier create was cut off; None if there was none."""
        self.has_sent = False
        """Whether a request was about to be sent (`touch`)."""
        self.waited = False
        """Whether another process was creating until now."""

    def touch(self) -> None:
        """Note that a request is about to be sent."""
        self.has_sent = True
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def end(self, *, decided: bool) -> None:
        """Free the lock. The file stays unless it is ``decided`` what the create has made."""
        if self._descriptor is None or self._path is None:
            return
        removed = decided and _remove(self._path)
        os.close(self._descriptor)
        if decided and not removed:  # Windows does not remove an open file
            _remove(self._path)


def _remove(path: Path) -> bool:
    """Remove a file. Return whether that was possible."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def take(name: str | None, wait: Callable[[], bool]) -> Turn:
    """Wait until no other process of this machine has the lock of this name, and take it.

    ``wait`` sleeps a moment, and returns False when the time to wait is over: then Busy is raised. Nothing is locked
    without a name, or, with a warning, where locking fails, such as in a folder that is not writable.
    """
    path = None if name is None else _path(name)
    waited = False
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
    """Log that there are no locks in this folder, if that was not logged before."""
    if folder not in _unusable:
        _unusable.add(folder)
        log.warning("no lock can be had in %s (%s); do not create twice at once", folder, error.strerror)


@contextlib.contextmanager
def held(
    name: str | None, wait: Callable[[], bool], is_decided: Callable[[BaseException | None, Turn], bool]
) -> Iterator[Turn]:
    """Hold the lock while the block runs. ``is_decided`` gets the error of the block, or None (`Turn.end`)."""
    turn = take(name, wait)
    try:
        yield turn
    except BaseException as error:
        turn.end(decided=is_decided(error, turn))
        raise
    turn.end(decided=is_decided(None, turn))


def _open(path: Path) -> Turn | None:
    """Return the lock; None where its file was removed meanwhile. Raises BlockingIOError where another has it."""
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
    """Lock an open file. Return the lock as `_open` does; where the file ``was_there``, a create was cut off."""
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
    """Return the file of a lock, whose name says nothing of the account; None without a home directory."""
    try:
        pulumi_home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    except RuntimeError:  # no HOME, and no such user
        return None
    return pulumi_home / "pulumi-instances" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
