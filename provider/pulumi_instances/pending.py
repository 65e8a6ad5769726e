"""A note on disk of each create under way, so that the next run finds what a killed one has left.

The engine keeps nothing of a create that it never heard the end of (engine: snapshot.go), and the API has no
idempotency key. A note holds no secret: it names the inputs by a keyed digest. It lives below `PULUMI_HOME`, and a lock
on it tells whether the process that wrote it is still at work.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import select
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .config import Settings
from .errors import CreateLost, CreateUndecided

try:
    import fcntl
except ImportError:  # Windows: no notes are kept; creates there are as safe as their process is
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Note:
    """A create that began and whose end nobody has seen. ``began`` is in seconds since 1970."""

    path: Path
    began: float
    before: frozenset[str]
    """Ids of the objects that matched already before it began."""

    def forget(self) -> None:
        """The create is accounted for, unless nobody hears of it."""
        if is_heard():
            self.path.unlink(missing_ok=True)

    def rule_out(self, instance_id: str) -> None:
        """Another create has made this object."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            told = json.loads(self.path.read_text())
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps({**told, "before": [*told["before"], instance_id]}))
            new.replace(self.path)


class Pending:
    """The notes of one account. Safe to share between threads and processes."""

    def __init__(self, settings: Settings, home: Path | None = None) -> None:
        """``home`` is where Pulumi keeps its own files: `PULUMI_HOME`, else ``~/.pulumi``."""
        home = home or Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        self._key = settings.user_secret.encode()
        self._folder = home / "pulumi-instances" / "pending" / self._digest(settings.base_url)
        self._lock = threading.Lock()
        self._ours: set[Path] = set()

    @contextlib.contextmanager
    def create(self, inputs: Mapping[str, Any], before: Collection[str]) -> Iterator[None]:
        """Keep a note while the body runs. A killed process leaves it, and so does an end that may leave an object."""
        note = self._folder / f"{self._inputs_digest(inputs)}-{uuid.uuid4().hex}.json"
        self._ours.add(note)
        file = self._write(note, before)
        decided = True
        try:
            yield
            decided = is_heard()
        except (CreateLost, CreateUndecided):
            decided = False
            raise
        finally:
            if file is not None:
                if decided:
                    note.unlink(missing_ok=True)
                file.close()
            self._ours.discard(note)

    def left(self, inputs: Mapping[str, Any] | None = None) -> list[Note]:
        """The notes that dead processes left of creates with these inputs, else of all creates; oldest first."""
        notes = []
        for path in self._paths(inputs):
            if path in self._ours:  # under way here
                continue
            with contextlib.suppress(OSError, ValueError, KeyError), path.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # fails while its writer lives
                told = json.load(file)
                notes.append(Note(path, told["began"], frozenset(told["before"])))
        return sorted(notes, key=lambda note: note.began)

    def is_under_way(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a living process is creating with these inputs. Its engine may be dead all the same."""
        return any(map(_is_locked, self._paths(inputs)))

    def account_for(self, instance_id: str, note: Note | None = None) -> None:
        """Say that the create of ``note``, or one without a note, made this object: it is taken for no other's."""
        with self._lock:
            for other in self.left():
                if note is None or other.path != note.path:
                    other.rule_out(instance_id)

    def _paths(self, inputs: Mapping[str, Any] | None) -> list[Path]:
        if fcntl is None:
            return []
        return list(self._folder.glob("*.json" if inputs is None else f"{self._inputs_digest(inputs)}-*.json"))

    def _write(self, note: Path, before: Collection[str]) -> IO[str] | None:
        """An open, locked file; None where none can be kept, which must not stop a create."""
        if fcntl is None:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            json.dump({"began": time.time(), "before": sorted(before)}, file)
            file.flush()
            os.fsync(file.fileno())
        except OSError:  # such as a full disk
            note.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                file.close()
            return None
        return file

    def _inputs_digest(self, inputs: Mapping[str, Any]) -> str:
        return self._digest(json.dumps({**inputs, "__provider": None, "adopt_id": None}, sort_keys=True, default=str))

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _is_locked(note: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), note.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


_canary = ThreadPoolExecutor(1)


def is_heard() -> bool:
    """Whether what a call answers can still reach the engine.

    One that was killed no longer reads our stdout. One that was told to stop twice has interrupted this process, whose
    calls run on, unheard, until it is killed some seconds later (engine: plugin.go).
    """
    if fcntl is None:
        return True
    stdout = select.poll()
    stdout.register(1, 0)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in stdout.poll(0)):
        return False
    try:
        _canary.submit(int)
    except RuntimeError:  # the documented sign of an interpreter that is shutting down
        return False
    return True
