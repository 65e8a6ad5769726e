"""Which resource holds an object that another may have had, such as an adopted one.

Without it, the resource that had the object before would delete it when the engine deletes that resource, in a later
run or in another process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from pathlib import Path

from . import disk
from .home import Home

_LONGEST_ABSENCE = 30 * 86_400.0
"""Seconds since a run has last seen the keeper."""

_TOUCH_AFTER = 3_600.0


class Keepers:
    """The keepers of the objects of one account, each a random word in the state of its resource.

    Safe to share between threads and processes.
    """

    def __init__(self, home: Home) -> None:
        """Nothing is written yet."""
        self._home = home

    def set(self, instance_id: str, keeper: str) -> None:
        """Say that the resource whose state holds this word has the object now."""
        if (path := self._path(instance_id)) is None:
            return
        with disk.tolerating(path):
            if self.get(instance_id) == keeper and time.time() - path.stat().st_mtime < _TOUCH_AFTER:
                return
            disk.put(path, {"keeper": keeper, "stack": self._home.stack})

    def get(self, instance_id: str) -> str | None:
        """The word of the resource that has adopted this object or taken it over, as far as this machine knows."""
        path = self._path(instance_id)
        if path is None or not path.exists():
            return None
        with disk.tolerating(path):
            if time.time() - path.stat().st_mtime < _LONGEST_ABSENCE:
                return str(json.loads(path.read_text())["keeper"])
        return None

    def release_to(self, instance_id: str, words: Collection[str | None]) -> None:
        """A resource of the program has had the object from its start, and those with these words have it besides.

        So whatever else of this stack took it over is no longer in the program: the move was taken back.
        """
        path = self._path(instance_id)
        if path is None or not path.exists() or self.get(instance_id) in words:
            return
        with disk.tolerating(path):
            if json.loads(path.read_text()).get("stack", "") == self._home.stack:
                disk.remove(path)

    def release(self, instance_id: str) -> None:
        """The object is deleted."""
        if (path := self._path(instance_id)) is not None:
            disk.remove(path)

    def _path(self, instance_id: str) -> Path | None:
        folder = self._home.folder("kept")
        return None if folder is None else folder / f"{instance_id}.json"
