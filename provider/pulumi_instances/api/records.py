"""Records of which instance a create has made, until the engine has written that into the state.

The engine writes an answer down some time after it was given, a large state long after, and a killed one does not. A
record stays until the engine ends this process, which it does when all is written, or else until a later call shows
that a state holds the instance.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import process
from . import disk
from .home import LONGEST_MEMORY, Home


class Records:
    """The records of one account. Safe to share between threads and processes."""

    def __init__(self, home: Home) -> None:
        """Nothing is written yet."""
        self._home = home
        self._lock = threading.Lock()
        self._declared: list[tuple[dict[str, Any], str]] = []
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._earlier: dict[str, list[Path]] | None = None
        self._ours: list[Path] = []
        self._cut_off = False

    def note_declared(self, inputs: Mapping[str, Any], name: str) -> None:
        """The program declares a resource of this name with these inputs: a create does not say for which it is.

        Nothing is worked out before a create asks, and so nothing is written in a preview.
        """
        with self._lock:
            self._declared.append((dict(inputs), name))

    def add(self, inputs: Mapping[str, Any], instance_id: str) -> None:
        """A create with these inputs has made this object."""
        folder = self._home.folder_of_creates("made")
        if folder is None:
            return
        path = folder / f"{self._home.digest_of(inputs)}-{instance_id}.json"
        told = {
            "stack": self._home.stack,
            "account": self._home.account(),
            "names": self._digests(self._names_of(inputs)),
        }
        with disk.tolerating(folder):
            disk.put(path, told)
            with self._lock:
                self._ours.append(path)
                if len(self._ours) == 1:
                    atexit.register(self._end)

    @contextlib.contextmanager
    def during_create(self) -> Iterator[None]:
        """An engine that ends this process meanwhile may not have written down what was answered before."""
        try:
            yield
        finally:
            self._cut_off = self._cut_off or not process.is_heard()

    def _end(self) -> None:
        """This process ends: if its engine lives, and waited for all creates, it has all that was recorded."""
        if process.has_engine() and not self._cut_off:
            for path in self._ours:
                disk.remove(path)

    def made(self, inputs: Mapping[str, Any]) -> list[str]:
        """The ids of what earlier runs of this stack made for the one resource that has these inputs."""
        names = self._names_of(inputs)
        if len(names) != 1:  # it is not known which of them it is
            return []
        start, found = f"{self._home.digest_of(inputs)}-", []
        for instance_id, paths in list(self._left().items()):
            for path in paths:
                if not path.name.startswith(start):
                    continue
                with disk.tolerating(path):
                    told = json.loads(path.read_text())
                    same = told["stack"] == self._home.stack and told["names"] == self._digests(names)
                    if same and self._home.is_ours(told["account"]):
                        found.append(instance_id)
        return found

    def drop(self, instance_id: str) -> None:
        """A resource of a state holds this object, or it is deleted: what was recorded of it has served."""
        for path in self._left().pop(instance_id, ()):
            disk.remove(path)

    def _left(self) -> dict[str, list[Path]]:
        """What earlier processes have recorded, by id, as this one found it; what is too old goes."""
        with self._lock:
            if self._earlier is None:
                self._earlier = {}
                for path in disk.files(self._home.folder_of_creates("made")):
                    with disk.tolerating(path):
                        if time.time() - path.stat().st_mtime > LONGEST_MEMORY:
                            disk.remove(path)
                        elif path.suffix == ".json":
                            self._earlier.setdefault(path.stem.rpartition("-")[2], []).append(path)
            return self._earlier

    def _names_of(self, inputs: Mapping[str, Any]) -> set[str]:
        with self._lock:
            for declared, name in self._declared:
                self._names[self._home.digest_of(declared)].add(name)
            self._declared.clear()
            return set(self._names[self._home.digest_of(inputs)])

    def _digests(self, names: Collection[str]) -> list[str]:
        return sorted(map(self._home.digest, names))
