"""The state on disk: a `pulumi stack export` document, and a journal of what an operation has done to it so far.

An operation appends a line to `<document>.journal` for each step, so that its cost does not grow with the stack.
At its end the document is written as a whole and the journal removed. When a process was killed in between, the
next one that opens the stack finds the journal and goes on from there; a line cut off at the end did not happen.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeAlias

from . import graph
from . import state as states
from .crypto import Crypter
from .state import ResourceState
from .values import FailedError, UnsupportedFeatureError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two operations apart
    fcntl = None  # type: ignore[assignment]

States: TypeAlias = Iterable[ResourceState]

CLI_VERSION = "v3.260.0"
"""The CLI whose behaviour is reproduced; the manifest of a checkpoint names the version that wrote it."""


@dataclass
class Snapshot:
    """The resources of a stack, dependencies first, and the operations that were cut off."""

    resources: list[ResourceState] = field(default_factory=list)
    pending_operations: list[tuple[str, ResourceState]] = field(default_factory=list)

    def current(self) -> dict[str, ResourceState]:
        """Resources by URN, without those that wait for their deletion."""
        return {resource.urn: resource for resource in self.resources if not resource.delete}

    def encode(self, crypter: Crypter, *, show_secrets: bool = False) -> dict[str, Any]:
        """Write a version-3 deployment (the `deployment` of an export document)."""
        write = partial(states.to_json, encrypt=None if show_secrets else crypter.encrypt)
        pending = [{"resource": write(state), "type": operation} for operation, state in self.pending_operations]
        return _deployment(crypter.state, list(map(write, self.resources)), pending)

    @staticmethod
    def decode(deployment: dict[str, Any], crypter: Crypter) -> Snapshot:
        """Read a version-3 deployment."""
        read = partial(states.from_json, decrypt=crypter.decrypt)
        pending = [(each["type"], read(each["resource"])) for each in deployment.get("pending_operations") or []]
        return Snapshot(graph.follow_aliases(list(map(read, deployment.get("resources") or []))), pending)


def _deployment(salt: str, resources: list[Any], pending: list[Any]) -> dict[str, Any]:
    return {
        "manifest": {"time": states.now(), "magic": _sha256(CLI_VERSION.encode()), "version": CLI_VERSION},
        "secrets_providers": {"type": "passphrase", "state": {"salt": salt}},
        "resources": resources,
        **({"pending_operations": pending} if pending else {}),
        "metadata": {},
    }


def salt_of(deployment: dict[str, Any]) -> str | None:
    """The encryption salt of a deployment, None where nothing in it is encrypted."""
    provider = deployment.get("secrets_providers")
    if not provider or not provider.get("type") or '"ciphertext"' not in json.dumps(deployment):
        return None
    if provider["type"] != "passphrase":
        raise UnsupportedFeatureError(f"the secrets provider {provider['type']!r}")
    return str(provider["state"]["salt"])


def check_document(document: Any, origin: str) -> dict[str, Any]:
    """Make sure that a document is a version-3 export."""
    if not isinstance(document, dict) or document.get("version") != 3 or "deployment" not in document:
        raise ValueError(f"{origin} is not a version-3 `pulumi stack export` document; write one with the Pulumi CLI")
    return document


def read_deployment(path: Path) -> dict[str, Any]:
    """Read the state, what a journal adds to it included; {} when there is none. Raises ValueError."""
    text = path.read_bytes() if path.exists() else b""
    deployment = check_document(json.loads(text), str(path))["deployment"] if text else {}
    with contextlib.suppress(FileNotFoundError):
        lines = _journal(path).read_bytes().split(b"\n")[:-1]  # what is after the last line's end was cut off
        start, *records = map(json.loads, lines or [b"{}"])
        if start.get("base") == _sha256(text):
            return _replay(deployment, start["salt"], records)
    return deployment


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[IO[bytes]]:
    """Keep other operations away from a state, also when this process is killed. Raises FailedError.

    Gives the journal, with what a killed operation may have left in it.
    """
    while True:
        descriptor = os.open(_journal(path), os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FailedError(f"another operation on {path} is under way; wait for its end") from None
            if not os.fstat(file.fileno()).st_nlink:
                continue  # the other operation has just ended, and removed what was opened here
            try:
                yield file
            finally:
                now = os.fstat(file.fileno())
                if now.st_nlink and not now.st_size:
                    _journal(path).unlink()
            return


def write_document(path: Path, deployment: dict[str, Any]) -> None:
    """Write the document, and remove the journal that led to it."""
    _write(path, deployment)
    _journal(path).unlink(missing_ok=True)


def _write(path: Path, deployment: dict[str, Any]) -> None:
    """Replace the document at once, readable by its owner only."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps({"version": 3, "deployment": deployment}, ensure_ascii=False))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}.journal")


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _replay(deployment: dict[str, Any], salt: str, records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    base = dict(enumerate(deployment.get("resources") or []))
    made: dict[int, Any] = {}
    pending: dict[int, Any] = {}
    first = len(base)
    for record in records:
        if "pending" in record:
            key, resource = record["pending"]
            pending[key] = {"resource": resource, "type": record["type"]}
        pending.pop(record.get("done", -1), None)
        for key, resource in record.get("kept", ()):
            (made if key >= first else base)[key] = resource
        for key in record.get("gone", ()):
            (made if key >= first else base).pop(key, None)
    earlier = deployment.get("pending_operations") or []
    return _deployment(salt, [*made.values(), *base.values()], [*pending.values(), *earlier])


class Journal:
    """Writes down what an operation does to the state. Thread-safe; a preview has no file and writes nothing."""

    def __init__(self, base: Snapshot, crypter: Crypter, path: Path | None, journal: IO[bytes] | None) -> None:
        """Begin from `base`, the state before. `journal` is the file that `exclusive` gave."""
        self.base = base
        self._crypter = crypter
        self._path = path
        self._file = journal
        self._mutex = threading.Lock()
        self.rebase(base.resources)

    def rebase(self, resources: list[ResourceState]) -> None:
        """Go on from these resources: write them as a whole, and start the journal of what is done to them."""
        with self._mutex:
            self.base.resources = resources
            self._keys = {resource: key for key, resource in enumerate(resources)}
            if self._path is not None and self._file is not None:
                pending = [operation for operation in self.base.pending_operations if operation[0] == "creating"]
                _write(self._path, Snapshot(resources, pending).encode(self._crypter))
                self._file.seek(0)
                self._file.truncate()
                self._append({"base": _sha256(self._path.read_bytes()), "salt": self._crypter.state})

    def _append(self, record: dict[str, Any]) -> None:
        if self._file is not None:
            line, start = json.dumps(record, ensure_ascii=False).encode() + b"\n", self._file.tell()
            if self._file.write(line) != len(line):  # what follows must not be joined to half a line
                self._file.truncate(start)
                self._file.seek(start)
                raise OSError(errno.ENOSPC, "the disk is full", str(self._path))

    def _entry(self, resource: ResourceState) -> tuple[int, dict[str, Any]]:
        return self._key(resource), states.to_json(resource, self._crypter.encrypt)

    def _key(self, resource: ResourceState) -> int:
        return self._keys.setdefault(resource, len(self._keys))

    def begin(self, operation: str, resource: ResourceState) -> None:
        """Record that an operation on a resource has begun."""
        with self._mutex:
            if self._file is not None:
                self._append({"type": operation, "pending": self._entry(resource)})

    def end(self, resource: ResourceState | None = None, *, kept: States = (), gone: States = ()) -> None:
        """Record the end of an operation: what it made or changed, and what it replaced or removed."""
        with self._mutex:
            if self._file is not None:
                record: dict[str, Any] = {"kept": list(map(self._entry, kept)), "gone": list(map(self._key, gone))}
                self._append({**record, "done": self._key(resource) if resource else None})

    def close(self) -> None:
        """Write the state as a whole: what the next to open it would make of the journal."""
        with self._mutex:
            if self._path is not None:
                found = Snapshot.decode(read_deployment(self._path), self._crypter)
                write_document(self._path, found.encode(self._crypter))
