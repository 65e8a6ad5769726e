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
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
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
        """The create is accounted for."""
        self.path.unlink(missing_ok=True)


class Pending:
    """The notes of one account. Safe to share between threads and processes."""

    def __init__(self, settings: Settings, home: Path | None = None) -> None:
        """``home`` is where Pulumi keeps its own files: `PULUMI_HOME`, else ``~/.pulumi``."""
        home = home or Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        self._key = settings.user_secret.encode()
        self._folder = home / "pulumi-instances" / "pending" / self._digest(settings.base_url)

    @contextlib.contextmanager
    def create(self, inputs: Mapping[str, Any], before: Collection[str]) -> Iterator[None]:
        """Keep a note while the body runs. A killed process leaves it, and so does an end that may leave an object."""
        note = self._folder / f"{self._inputs_digest(inputs)}-{uuid.uuid4().hex}.json"
        file = self._write(note, before)
        decided = True
        try:
            yield
        except (CreateLost, CreateUndecided):
            decided = False
            raise
        finally:
            if file is not None:
                if decided:
                    note.unlink(missing_ok=True)
                file.close()

    def left(self, inputs: Mapping[str, Any]) -> list[Note]:
        """The notes that dead processes left of creates with these inputs, oldest first."""
        if fcntl is None or not self._folder.is_dir():
            return []
        notes = []
        for path in self._folder.glob(f"{self._inputs_digest(inputs)}-*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError), path.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # fails while its writer lives
                told = json.load(file)
                notes.append(Note(path, told["began"], frozenset(told["before"])))
        return sorted(notes, key=lambda note: note.began)

    def _write(self, note: Path, before: Collection[str]) -> IO[str] | None:
        """An open, locked file; None where none can be kept, which must not stop a create."""
        if fcntl is None:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
            fcntl.flock(file, fcntl.LOCK_EX)
            json.dump({"began": time.time(), "before": sorted(before)}, file)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            return None
        return file

    def _inputs_digest(self, inputs: Mapping[str, Any]) -> str:
        return self._digest(json.dumps({**inputs, "__provider": None, "adopt_id": None}, sort_keys=True, default=str))

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]
