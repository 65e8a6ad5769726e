"""Reading many instances at the cost of a listing.

A refresh reads every instance of the stack, and all of them at once. Alone, a read is one GET; while another is under
way, one listing answers all that wait, and all that come after, until the next write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from . import model
from .client import Client
from .errors import InstancesError, UnexpectedAnswer

Found = dict[str, Any]


class Reads:
    """The reads of one account. Safe to share between threads."""

    def __init__(self, client: Client, get: Callable[[str], Found]) -> None:
        """``get`` reads one instance by a GET of it."""
        self._client = client
        self._get = get
        self._lock = threading.Lock()
        self._alone = True
        self._listing: Future[dict[str, Found]] | None = None

    def read(self, instance_id: str) -> Found:
        """What the API says of one instance (`model.from_wire`). Raises NotFound only where a GET of it says so.

        A listing may lack the instance, or fail: then a GET decides. It has no `disabled` and another `valid` than a
        GET (API document), so that neither is taken from it: both stay as they were, and are never a difference.
        """
        if self._client.settings.batch_reads and (listing := self._shared_listing()) is not None:
            try:
                found = listing.result().get(instance_id, {})
            except InstancesError:
                found = {}
            if {"name", "tags", "your_mom", "token"} <= found.keys():
                return {key: value for key, value in found.items() if key not in ("valid", "disabled")}
        try:
            return self._get(instance_id)
        finally:
            with self._lock:
                self._alone = True

    def forget(self) -> None:
        """Something was written: no later read may be answered from a listing that began before."""
        with self._lock:
            self._listing = None

    def _shared_listing(self) -> Future[dict[str, Found]] | None:
        """The listing that answers this read, fetched by us if need be; None while we are the only reader."""
        with self._lock:
            if self._listing is None and self._alone:
                self._alone = False
                return None
            ours = self._listing is None
            if self._listing is None:
                self._listing = Future()
            listing = self._listing
        if ours:
            self._fetch(listing)
        return listing

    def _fetch(self, listing: Future[dict[str, Found]]) -> None:
        try:
            told = map(self._told, self._client.list_all())
            listing.set_result({found["id"]: found for found in told if found})
        except BaseException as error:  # whatever it is, those who wait must learn of it
            self.forget()
            listing.set_exception(error)

    def _told(self, answer: dict[str, Any]) -> Found:
        try:
            return model.from_wire(answer, self._client.settings.dialect)
        except UnexpectedAnswer:
            return {}
