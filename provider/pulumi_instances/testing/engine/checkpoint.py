"""The checkpoint: a `pulumi stack export` document in a file, rewritten after every step."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import graph
from . import state as states
from .crypto import Crypter
from .state import ResourceState
from .values import UnsupportedFeatureError

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


class Codec:
    """Turns snapshots into documents and back."""

    def __init__(self, crypter: Crypter) -> None:
        """Use the stack's own crypter."""
        self.crypter = crypter

    def encode(self, snapshot: Snapshot, *, show_secrets: bool = False) -> dict[str, Any]:
        """Write a version-3 deployment (the `deployment` of an export document)."""
        time = states.now()
        encrypt = None if show_secrets else self.crypter.encrypt
        deployment: dict[str, Any] = {
            "manifest": {
                "time": time,
                "magic": hashlib.sha256(CLI_VERSION.encode()).hexdigest(),
                "version": CLI_VERSION,
            },
            "secrets_providers": {"type": "passphrase", "state": {"salt": self.crypter.state}},
            "resources": [states.to_json(resource, encrypt) for resource in snapshot.resources],
        }
        if snapshot.pending_operations:
            deployment["pending_operations"] = [
                {"resource": states.to_json(resource, encrypt), "type": operation}
                for operation, resource in snapshot.pending_operations
            ]
        return {**deployment, "metadata": {}}

    def decode(self, deployment: dict[str, Any]) -> Snapshot:
        """Read a version-3 deployment."""
        return Snapshot(
            [states.from_json(resource, self.crypter.decrypt) for resource in deployment.get("resources") or []],
            [
                (operation["type"], states.from_json(operation["resource"], self.crypter.decrypt))
                for operation in deployment.get("pending_operations") or []
            ],
        )


def salt_of(deployment: dict[str, Any]) -> str | None:
    """The encryption salt of a deployment, None where nothing in it is encrypted."""
    provider = deployment.get("secrets_providers")
    if not provider or not provider.get("type") or '"ciphertext"' not in json.dumps(deployment):
        return None
    if provider["type"] != "passphrase":
        raise UnsupportedFeatureError(f"the secrets provider {provider['type']!r}")
    return str(provider["state"]["salt"])


def read_document(path: Path) -> dict[str, Any]:
    """Read an export document. Raises ValueError when it is not one."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return check_document(document, str(path))


def check_document(document: Any, origin: str) -> dict[str, Any]:
    """Make sure that a document is a version-3 export."""
    if not isinstance(document, dict) or document.get("version") != 3 or "deployment" not in document:
        raise ValueError(f"{origin} is not a version-3 `pulumi stack export` document; write one with the Pulumi CLI")
    return document


def write_document(path: Path, deployment: dict[str, Any]) -> None:
    """Replace the checkpoint at once, readable by its owner only."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps({"version": 3, "deployment": deployment}, ensure_ascii=False))
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


class Journal:
    """The state while an operation runs: what it has made so far, then what it has not touched yet.

    Thread-safe; with a path, every change is written through.
    """

    def __init__(self, base: Snapshot, codec: Codec, path: Path | None) -> None:
        """Begin from `base`; a preview has no path and writes nothing."""
        self.base = base
        self._codec = codec
        self._path = path
        self._lock = threading.Lock()
        self._made: list[ResourceState] = []
        self._done: set[ResourceState] = set()
        self._pending: dict[ResourceState, str] = {}

    def begin(self, operation: str, resource: ResourceState) -> None:
        """Record that an operation on a resource has begun."""
        with self._lock:
            self._pending[resource] = operation
            self._write()

    def end(
        self,
        resource: ResourceState,
        *,
        made: Sequence[ResourceState] = (),
        gone: Sequence[ResourceState] = (),
        write: bool = True,
    ) -> None:
        """Record the end of an operation, what it made, and what it replaced or removed.

        Where nothing of note has changed, the writing can be left to the next change or to the end.
        """
        with self._lock:
            self._pending.pop(resource, None)
            self._made.extend(made)
            self._done.update(gone)
            if write:
                self._write()

    def rebase(self, resources: list[ResourceState]) -> None:
        """Take over refreshed states as the new base."""
        with self._lock:
            self.base.resources = resources
            self._write()

    def save(self) -> None:
        """Write the state as it is now."""
        with self._lock:
            self._write()

    def snapshot(self) -> Snapshot:
        """The state as it is now."""
        resources = [resource for resource in (*self._made, *self.base.resources) if resource not in self._done]
        interrupted = [operation for operation in self.base.pending_operations if operation[0] == "creating"]
        pending = [(what, resource) for resource, what in self._pending.items()] + interrupted
        return Snapshot(graph.follow_aliases(resources), pending)

    def _write(self) -> None:
        if self._path is not None:
            write_document(self._path, self._codec.encode(self.snapshot()))
