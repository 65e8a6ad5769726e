"""Reading many instances at the cost of a listing.

A refresh reads every instance of the stack, and all of them at once. A read by itself is one GET. While another read is
under way, a single listing serves all reads that wait, and all later ones, until the next write. It serves them page by
page, so that the engine can continue while the other pages are still being fetched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from ..core import model
from ..core.errors import InstancesError
from .client import Client

Found = dict[str, Any]


class _Listing:
    """What a listing has returned so far. Safe to share between threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._found: dict[str, Found] = {}
        self._ended = False

    def add(self, page: Iterable[Found]) -> None:
        with self._changed:
            self._found.update((found["id"], found) for found in page)
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def get(self, instance_id: str) -> Found:
        """The instance, as soon as a page contains it; an empty dict if the listing ends without it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or instance_id in self._found)
            return self._found.get(instance_id, {})


class Reads:
    """The reads of one account. Safe to share between threads."""

    def __init__(
        self,
        client: Client,
        get: Callable[[str], Found],
        on_listing: Callable[[Iterable[str]], object] = lambda _: None,
    ) -> None:
        """``get`` reads one instance by a GET of it; ``on_listing`` is told the ids of each whole listing."""
        self._client = client
        self._get = get
        self._on_listing = on_listing
        self._lock = threading.Lock()
        self._alone = True
        self._listing: _Listing | None = None

    def read(self, instance_id: str, token: str | None = None) -> Found:
        """What the API says of one instance (`model.from_wire`). Raises NotFound only where a GET of it says so.

        A listing may lack the instance, or fail, or alter what it shows (`********` for a token): then a GET decides.
        ``token`` is the one that is known; a listing that shows another one is not believed. What a listing lacks,
        such as `disabled`, the answer lacks too.
        """
        if (listing := self._shared_listing()) is not None:
            found = listing.get(instance_id)
            if found.keys() >= {*model.LISTED} and token in (None, found["token"]):
                return found
        try:
            return self._get(instance_id)
        finally:
            with self._lock:
                self._alone = True

    def forget(self) -> None:
        """Something was written: no later read may be answered from a listing that began before."""
        with self._lock:
            self._listing = None

    def _shared_listing(self) -> _Listing | None:
        """The listing that answers this read, fetched by us if need be; None while we are the only reader."""
        with self._lock:
            if self._listing is None and self._alone:
                self._alone = False
                return None
            ours = self._listing is None
            if self._listing is None:
                self._listing = _Listing()
            listing = self._listing
        if ours:
            self._fetch(listing)
        return listing

    def _fetch(self, listing: _Listing) -> None:
        try:
            ids: set[str] = set()
            for page in self._client.pages():
                told = [model.told(answer, self._client.settings.dialect) for answer in page]
                listing.add(found for found in told if found)
                ids.update(found["id"] for found in told if found)
            self._on_listing(ids)
        except InstancesError:
            self.forget()  # what it has not told, each read asks for itself
        except BaseException:
            self.forget()
            raise
        finally:
            listing.end()  # whatever it was, nobody may wait any longer
