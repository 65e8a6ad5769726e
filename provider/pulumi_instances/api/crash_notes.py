"""What has to outlive a process, on disk below `PULUMI_HOME`. A file that is wrong in any way only causes a warning.

*Notes* record creates under way, so that the next run finds what a killed run left behind. The engine keeps nothing
about a create that did not return (docs/engine.md, E14), and the API has no idempotency key. A note contains no
secret: it identifies the inputs by a keyed digest. A lock on it shows whether its writer is still working.

*Records* say which instance a create has made. The engine writes an answer down some time after it was given, a large
state long after, and a killed one does not. A record stays until the engine ends this process, which it does when all
is written, or else until a later call shows that a state holds the instance.

*Keepers* record which resource holds an adopted instance. Without them, the resource that had the instance before would
delete it when the engine deletes that resource, in a later run or in another process.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .. import process
from ..core import codes, model
from ..core.config import Settings
from ..core.errors import InputError
from ..core.state_format import PROVIDER

try:
    import fcntl
except ImportError:  # Windows: no notes are kept; creates there are as safe as their process is
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("pulumi_instances")

OLDEST_NOTE = 7 * 86_400.0
"""Seconds. What a create of longer ago may have left is named, not taken over."""

_OLDEST_KEEPER = 30 * 86_400.0
"""Seconds since a run has last seen the keeper."""

_TOUCH_AFTER = 3_600.0


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
        with _aid(self.path):
            told = json.loads(self.path.read_text())
            told["others"] = sorted({*map(model.normalise_id, told["others"]), *instance_ids}, key=int)
            _put(self.path, told)

    def forget(self) -> None:
        """The create is accounted for, unless nobody hears of it."""
        if process.is_heard():
            _remove(self.path)


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
            _remove(self._path)

    def say_answered(self) -> None:
        """The API is no longer at work on it, whatever it has done."""
        if self._file is not None:
            with _aid(self._path):
                self._file.seek(0)
                self._file.truncate()
                _write(self._file, {**self._told, "answered": True})


class CrashNotes:
    """The notes and keepers of one account. Safe to share between threads and processes."""

    def __init__(self, settings: Settings, home: Path | None = None) -> None:
        """``home`` is where Pulumi keeps its own files: `PULUMI_HOME`, else ``~/.pulumi``. Nothing is written yet."""
        self.stack: str | None = None
        """``organization/project/stack`` of this process, once it is known: notes of other stacks are not ours."""
        self._settings = settings
        self._lock = threading.Lock()
        self._ours: set[Path] = set()
        self._records: dict[str, list[Path]] | None = None
        self._recorded: list[Path] = []
        self._cut_off = False
        self._home = _home() if home is None else home / "pulumi-instances"
        self._secret: bytes | None = None

    # notes

    @contextlib.contextmanager
    def create(self, inputs: Mapping[str, Any], highest: str | None, others: Collection[str]) -> Iterator[OpenNote]:
        """Keep a note while the body runs, and after it unless the body drops it: a kill leaves it, too."""
        folder = self._folder("pending")
        path = (folder or Path()) / f"{self.digest_of(inputs)}-{uuid.uuid4().hex}.json"
        told = {
            "began": time.time(),
            "stack": self.stack,
            "account": self._account(),
            "highest": highest,
            "others": sorted(others, key=int),
            "answered": False,
        }
        self._ours.add(path)
        file = None if folder is None or fcntl is None else _create(path, told)
        try:
            yield OpenNote(path, file, told)
        finally:
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
            self._ours.discard(path)
            self._cut_off = self._cut_off or not process.is_heard()

    def left(self, inputs: Mapping[str, Any] | None = None, *, any_stack: bool = False) -> list[Note]:
        """The notes that dead processes of this stack left, of creates with these inputs or of all; oldest first."""
        notes = []
        for path in self._paths(inputs):
            if path in self._ours:  # under way here
                continue
            with _aid(path), path.open("r") as file:
                if _is_locked(file):  # its writer lives
                    continue
                told = json.load(file)
                if (any_stack or told["stack"] == self.stack) and set(told["account"]) & set(self._account()):
                    others, highest = frozenset(map(model.normalise_id, told["others"])), told["highest"]
                    highest = None if highest is None else model.normalise_id(highest)
                    notes.append(Note(path, _moment(told["began"]), highest, others, told["answered"] is True))
        return sorted(notes, key=lambda note: note.began)

    def is_under_way(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a live process is creating with these inputs, even if its engine has died."""
        for path in self._paths(inputs):
            with contextlib.suppress(OSError), path.open("r") as file:
                if _is_locked(file):
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
        with self._lock, _alone(self._folder("pending")):
            for note in notes:
                note.rule_out(instance_ids)

    # records

    def record(self, inputs: Mapping[str, Any], instance_id: str, names: Collection[str]) -> None:
        """Say that a create with these inputs, of a resource with one of these names, has made this object."""
        folder = self._folder("made")
        if folder is None or fcntl is None:
            return
        path = folder / f"{self.digest_of(inputs)}-{instance_id}.json"
        told = {"made": time.time(), "stack": self.stack, "account": self._account(), "names": self._digests(names)}
        with _aid(folder):
            _put(path, told)
            with self._lock:
                self._recorded.append(path)
                if len(self._recorded) == 1:
                    atexit.register(self._end)

    def _end(self) -> None:
        """This process ends: if its engine lives, and waited for all creates, it has all that was recorded."""
        if process.has_engine() and not self._cut_off:
            for path in self._recorded:
                _remove(path)

    def made(self, inputs: Mapping[str, Any], names: Collection[str]) -> list[str]:
        """The objects that earlier runs of this stack made for these inputs and for the one resource of this name."""
        start, found = f"{self.digest_of(inputs)}-", []
        if len(names) != 1:  # it is not known which of them it is
            return []
        for instance_id, paths in list(self._earlier().items()):
            for path in paths:
                if not path.name.startswith(start):
                    continue
                with _aid(path):
                    told = json.loads(path.read_text())
                    same = told["stack"] == self.stack and told["names"] == self._digests(names)
                    if same and set(told["account"]) & set(self._account()):
                        found.append(instance_id)
        return found

    def hold(self, instance_id: str) -> None:
        """A resource of a state holds this object, or it is deleted: what was recorded of it has served."""
        for path in self._earlier().pop(instance_id, ()):
            _remove(path)

    def _earlier(self) -> dict[str, list[Path]]:
        """What earlier processes have recorded, by id, as this one found it; what is too old goes."""
        with self._lock:
            if self._records is None:
                self._records = {}
                folder = self._folder("made")
                with contextlib.suppress(OSError):  # no such folder yet, or not ours to read: `record` warns of that
                    for path in () if folder is None else folder.iterdir():
                        if time.time() - path.stat().st_mtime > OLDEST_NOTE:
                            _remove(path)
                        elif path.suffix == ".json":
                            self._records.setdefault(path.stem.rpartition("-")[2], []).append(path)
            return self._records

    def _digests(self, names: Collection[str]) -> list[str]:
        return sorted(map(self._digest, names))

    # keepers

    def keep(self, instance_id: str, keeper: str) -> None:
        """Say that the resource whose state holds this random word has the object now."""
        if (path := self._keeper_path(instance_id)) is None:
            return
        with _aid(path):
            if self.keeper(instance_id) == keeper and time.time() - path.stat().st_mtime < _TOUCH_AFTER:
                return
            _put(path, {"keeper": keeper, "stack": self.stack})

    def keeper(self, instance_id: str) -> str | None:
        """The word of the resource that has adopted this object or taken it over, as far as this machine knows."""
        path = self._keeper_path(instance_id)
        if path is None or not path.exists():
            return None
        with _aid(path):
            if time.time() - path.stat().st_mtime < _OLDEST_KEEPER:
                return str(json.loads(path.read_text())["keeper"])
        return None

    def release_to(self, instance_id: str, words: Collection[str | None]) -> None:
        """A resource of the program has had the object from its start, and those with these words have it besides.

        So whatever else of this stack took it over is no longer in the program: the move was taken back.
        """
        path = self._keeper_path(instance_id)
        if path is None or not path.exists() or self.keeper(instance_id) in words:
            return
        with _aid(path):
            if json.loads(path.read_text()).get("stack", "") == self.stack:
                _remove(path)

    def release(self, instance_id: str) -> None:
        """The object is deleted."""
        if (path := self._keeper_path(instance_id)) is not None:
            _remove(path)

    def _keeper_path(self, instance_id: str) -> Path | None:
        folder = self._folder("kept")
        return None if folder is None else folder / f"{instance_id}.json"

    # where

    def _folder(self, kind: str) -> Path | None:
        """The folder of this API; None where there can be none."""
        return None if self._home is None else self._home / kind / _name_of(self._settings.base_url)

    def _paths(self, inputs: Mapping[str, Any] | None) -> list[Path]:
        folder = self._folder("pending")
        if folder is None or fcntl is None:
            return []
        start = "" if inputs is None else f"{self.digest_of(inputs)}-"
        with contextlib.suppress(OSError):  # no such folder yet, or not ours to read: `create` warns of that
            return [path for path in folder.iterdir() if path.name.startswith(start) and path.suffix == ".json"]
        return []

    def _account(self) -> list[str]:
        """What both secrets come to: either may be rotated."""
        return [self._digest(self._settings.user_secret), self._digest(self._settings.organization_secret)]

    def digest_of(self, inputs: Mapping[str, Any]) -> str:
        """What stands for these inputs: it tells nothing of them, and is the same whether a code is sealed or not."""
        compared = {**codes.without_codes(inputs), PROVIDER: None, "adopt_id": None}
        return self._digest(json.dumps(model.plain(compared), sort_keys=True, default=str))

    def _digest(self, text: str) -> str:
        with self._lock:
            if self._secret is None:
                self._secret = _shared_secret(self._home)
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _moment(value: Any) -> float:
    """Seconds since 1970. Raises ValueError for what no clock shows."""
    if not 0 <= float(value) < 1e11:
        raise ValueError
    return float(value)


def _name_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def _home() -> Path | None:
    try:
        return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "pulumi-instances"
    except RuntimeError as error:  # no HOME, and no such user
        log.warning("Notes of creates in progress cannot be kept (%s); set PULUMI_HOME", error)
        return None


def _shared_secret(home: Path | None) -> bytes:
    """A random key for the digests of this home: they cover short secrets, and outlive a rotation of the account's."""
    if home is None:
        return secrets.token_bytes(32)
    path = home / "key"
    with _aid(path):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            new = home / f"{uuid.uuid4().hex}.new"
            with _created(new) as file:
                file.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(new, path)
            new.unlink()
        return path.read_bytes()
    return secrets.token_bytes(32)


# files


@contextlib.contextmanager
def _aid(path: Path) -> Iterator[None]:
    """Go on, with a warning, where a file is not as it should be: somebody else's, malformed, not writable."""
    try:
        yield
    except FileNotFoundError:
        pass  # another process was faster
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError) as error:
        _warn(path, error)


_warned: set[Path] = set()


def _warn(path: Path, error: Exception) -> None:
    if path not in _warned:
        _warned.add(path)
        cause = error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is malformed"
        log.warning("The note %s is ignored (%s); remove it, or take ownership of its folder", path, cause)


@contextlib.contextmanager
def _alone(folder: Path | None) -> Iterator[None]:
    """Keep other processes from changing the notes in this folder meanwhile: each change rewrites a whole note."""
    with contextlib.ExitStack() as held:
        if folder is not None and folder.is_dir() and fcntl is not None:
            with _aid(folder):
                file = os.fdopen(os.open(folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w")
                fcntl.flock(held.enter_context(file), fcntl.LOCK_EX)
        yield


def _remove(path: Path) -> None:
    with _aid(path):
        path.unlink(missing_ok=True)


def _created(path: Path) -> IO[str]:
    """A new file that only its owner may read, open for writing."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")


def _put(path: Path, told: Mapping[str, Any]) -> None:
    """Write a file of which nobody sees a half. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"{uuid.uuid4().hex}.new")
    with _created(new) as file:
        json.dump(told, file)
    new.replace(path)


def _create(path: Path, told: Mapping[str, Any]) -> IO[str] | None:
    """An open, locked file; None where none can be kept, which must not stop a create.

    It gets its name last: under that name nobody finds one that is not yet locked, or not yet written.
    """
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = _created(new)
    except OSError as error:
        _warn(path.parent, error)
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        _write(file, told)
        new.replace(path)
    except OSError as error:  # such as a full disk
        _warn(path.parent, error)
        _remove(new)
        with contextlib.suppress(OSError):
            file.close()
        return None
    return file


def _write(file: IO[str], told: Mapping[str, Any]) -> None:
    json.dump(told, file)
    file.flush()
    os.fsync(file.fileno())


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
