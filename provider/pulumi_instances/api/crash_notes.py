"""Notes of creates under way, so that the next run finds what a killed run has left behind.

The engine keeps nothing about a create that did not return (docs/engine.md, E14), and the API has no idempotency key. A
lock on a note shows whether its writer is still working.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .. import process
from ..core import model
from . import disk
from .home import Home


@dataclass(frozen=True)
class Note:
    """A create that began and whose end nobody has seen. ``began`` is in seconds since 1970."""

    path: Path
    began: float
    highest: str | None
    """The highest id in the account before it began; None where the account could not be listed."""
    others: frozenset[str]
    """Ids that other creates or resources have."""
    answered: bool
    """Whether the API had answered, so that it is no longer at work."""

    @property
    def age(self) -> float:
        """In seconds; never negative, whatever has been done to the clock since."""
        return max(0.0, time.time() - self.began)

    def may_be(self, instance_id: str) -> bool:
        """Whether this create may have made the object: it is newer than the create, and nobody else's."""
        return instance_id not in self.others and (self.highest is None or int(instance_id) > int(self.highest))

    def rule_out(self, instance_ids: Iterable[str]) -> None:
        """These objects are somebody else's: beside those that the note names by now, whoever has added them."""
        with disk.tolerating(self.path):
            told = json.loads(self.path.read_text())
            told["others"] = sorted({*map(model.normalise_id, told["others"]), *instance_ids}, key=int)
            disk.put(self.path, told)

    def forget(self) -> None:
        """The create is accounted for, unless nobody hears of it."""
        if process.is_heard():
            disk.remove(self.path)


class OpenNote:
    """The note of a create of this process."""

    def __init__(self, path: Path, file: IO[str] | None, told: dict[str, Any]) -> None:
        """``file`` is open and locked; None where no note could be written."""
        self._path = path
        self._file = file
        self._told = told

    def drop(self) -> None:
        """The create has succeeded, or was refused for certain."""
        if self._file is not None:
            disk.remove(self._path)

    def say_answered(self) -> None:
        """The API is no longer at work on it, whatever it has done."""
        if self._file is not None:
            with disk.tolerating(self._path):
                self._file.seek(0)
                self._file.truncate()
                _write(self._file, {**self._told, "answered": True})


class CrashNotes:
    """The notes of one account. Safe to share between threads and processes."""

    def __init__(self, home: Home) -> None:
        """Nothing is written yet."""
        self._home = home
        self._lock = threading.Lock()
        self._ours: set[Path] = set()

    @contextlib.contextmanager
    def create(self, inputs: Mapping[str, Any], highest: str | None, others: Collection[str]) -> Iterator[OpenNote]:
        """Keep a note while the body runs, and after it unless the body drops it: a kill leaves it, too."""
        folder = self._folder()
        path = (folder or Path()) / f"{self._home.digest_of(inputs)}-{uuid.uuid4().hex}.json"
        told = {
            "began": time.time(),
            "stack": self._home.stack,
            "account": self._home.account(),
            "highest": highest,
            "others": sorted(others, key=int),
            "answered": False,
        }
        self._ours.add(path)
        file = None if folder is None else _create(path, told)
        try:
            yield OpenNote(path, file, told)
        finally:
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
            self._ours.discard(path)

    def left(self, inputs: Mapping[str, Any] | None = None, *, any_stack: bool = False) -> list[Note]:
        """The notes that dead processes of this stack left, of creates with these inputs or of all; oldest first."""
        notes = []
        for path in self._paths(inputs):
            if path in self._ours:  # under way here
                continue
            with disk.tolerating(path), path.open("r") as file:
                if disk.is_locked(file):  # its writer lives
                    continue
                told = json.load(file)
                if (any_stack or told["stack"] == self._home.stack) and self._home.is_ours(told["account"]):
                    others, highest = frozenset(map(model.normalise_id, told["others"])), told["highest"]
                    highest = None if highest is None else model.normalise_id(highest)
                    notes.append(Note(path, _moment(told["began"]), highest, others, told["answered"] is True))
        return sorted(notes, key=lambda note: note.began)

    def is_under_way(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a live process is creating with these inputs, even if its engine has died."""
        for path in self._paths(inputs):
            with contextlib.suppress(OSError), path.open("r") as file:
                if disk.is_locked(file):
                    return True
        return False

    def account_for(self, instance_id: str, note: Note | None = None) -> None:
        """Say that the create of ``note``, or one without a note, made this object: it is taken for no other's."""
        others = self.left(any_stack=True)
        self._rule_out([instance_id], [other for other in others if note is None or other.path != note.path])

    def account_for_all(self, instance_ids: Collection[str]) -> None:
        """Say that resources hold these objects, such as those of an import."""
        self._rule_out(instance_ids, self.left(any_stack=True))

    def note_held(self, inputs: Mapping[str, Any], instance_id: str) -> None:
        """Say that a resource with these inputs holds the object: no left create of the same inputs made it."""
        self._rule_out([instance_id], [note for note in self.left(inputs) if note.may_be(instance_id)])

    def forget(self, inputs: Mapping[str, Any]) -> None:
        """The user has decided what became of the creates with these inputs."""
        for note in self.left(inputs):
            note.forget()

    def _rule_out(self, instance_ids: Collection[str], notes: Collection[Note]) -> None:
        if not notes:
            return
        with self._lock, disk.alone(self._folder()):  # each rewrites a whole note
            for note in notes:
                note.rule_out(instance_ids)

    def _folder(self) -> Path | None:
        return self._home.folder_of_creates("pending")

    def _paths(self, inputs: Mapping[str, Any] | None) -> list[Path]:
        folder = self._folder()
        start = "" if inputs is None or folder is None else f"{self._home.digest_of(inputs)}-"
        return [path for path in disk.files(folder) if path.name.startswith(start) and path.suffix == ".json"]


def _moment(value: Any) -> float:
    """Seconds since 1970. Raises ValueError for what no clock shows."""
    if not 0 <= float(value) < 1e11:
        raise ValueError
    return float(value)


def _create(path: Path, told: Mapping[str, Any]) -> IO[str] | None:
    """An open, locked file; None where none can be kept, which must not stop a create.

    It gets its name last: under that name nobody finds one that is not yet locked, or not yet written.
    """
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = disk.created(new)
    except OSError as error:
        disk.warn(path.parent, error)
        return None
    try:
        disk.lock(file)
        _write(file, told)
        new.replace(path)
    except OSError as error:  # such as a full disk
        disk.warn(path.parent, error)
        disk.remove(new)
        with contextlib.suppress(OSError):
            file.close()
        return None
    return file


def _write(file: IO[str], told: Mapping[str, Any]) -> None:
    json.dump(told, file)
    file.flush()
    os.fsync(file.fileno())
