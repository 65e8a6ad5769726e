"""Listings of one account, which serve many reads, show what there was before the first create, and prove absence.

A refresh reads every instance of the stack, several at once (docs/engine.md, E22). The first read is one GET. From the
second on, a single listing serves all reads until the next write, page by page, so that the engine can go on while the
other pages are still being fetched. A listing of a large account has more pages than a small stack has instances: until
there were as many reads as it has pages, each sends a GET. That is never more than twice the fewest requests.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from math import ceil

from ..core import identity, model
from ..core.errors import ConnectionFailed, Forbidden, InstancesError
from . import retry
from .client import Client, Found, OnPage

log = logging.getLogger("pulumi_instances")


class _Listing:
    """The instances that a listing has shown so far. Safe to share between threads."""

    def __init__(self, began: int) -> None:
        """Nothing was shown yet."""
        self.began = began
        """Its place in the order of what this process has begun and seen."""
        self.found: dict[str, Found] = {}
        self._changed = threading.Condition()
        self._ended = False

    def add(self, page: Iterable[Found]) -> None:
        """Note what a page shows."""
        with self._changed:
            self.found.update((found["id"], found) for found in page)
            self._changed.notify_all()

    def end(self) -> None:
        """Note that no other page follows."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def get(self, instance_id: str) -> Found:
        """Wait until a page shows the instance, and return it; an empty dict if the listing ends without it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or instance_id in self.found)
            return self.found.get(instance_id, {})


class _TooLong(Exception):
    """A listing has more pages than there are reads that it would serve."""


class Listings:
    """The listings of one account in this process. Safe to share between threads."""

    def __init__(self, client: Client) -> None:
        """Send nothing yet."""
        self._client = client
        self._lock = threading.Lock()
        self._order = itertools.count()
        """Numbers what this process begins and sees, one after another."""
        self._seen: dict[str, int] = {}
        """When the API has shown each instance last."""
        self._first: Mapping[str, Found] | None = None
        self._latest: _Listing | None = None
        self._cannot_list: InstancesError | None = None
        self._before_turn = threading.Lock()
        self._fresh_turn = threading.Lock()
        self._next: Future[Mapping[str, Found]] | None = None
        self.twins: Mapping[str, list[str]] = {}
        """Of the latest whole listing: the ids of those instances whose mark differs in its number only, by line."""
        self._begins_with_get = {"read", "proof"}
        """Which of them send a GET where there is no listing; the next one then lists."""
        self._asked = 0
        """How many reads and proofs there were."""
        self._pages = 0
        """How many pages a listing has, as far as the API has said so."""
        self._for_reads: _Listing | None = None
        """The listing that serves reads of values, until a write."""
        self._for_proofs: _Listing | None = None
        """The listing that serves proofs."""

    # one instance

    def read(self, instance_id: str, token: str | None = None) -> Found:
        """Return what the API shows of an instance now. Raises NotFound only where a GET of it says so.

        A listing may lack the instance, or fail, or show it otherwise (`********` for a token): then a GET decides. A
        listing that shows another ``token`` than this one, of the state, is not believed; None is any.
        """
        found = self._listed(instance_id, token, for_proof=False)
        if found.keys() >= {*model.LISTED}:
            return found
        try:
            return self._client.get(instance_id)
        finally:
            with self._lock:
                self._begins_with_get.add("read")

    def read_for_proof(self, instance_id: str, token: str | None = None) -> Found:
        """Return what shows that an instance is the one of the state, as `read` does.

        A listing from before our own writes shows that as well. Proofs follow one another, in a destroy: so a listing
        serves all but the first.
        """
        return self._listed(instance_id, token, for_proof=True) or self._client.get(instance_id)

    def forget(self) -> None:
        """Note that something was written: no later `read` is served by a listing that began before now."""
        with self._lock:
            self._for_reads = None

    def note_seen(self, instance_id: str) -> None:
        """Note that the API has just shown this instance: no listing that began before proves that it is missing."""
        with self._lock:
            self._seen[instance_id] = next(self._order)

    def _listed(self, instance_id: str, token: str | None, *, for_proof: bool) -> Found:
        """Return what the listing for reads of values, or for proofs, shows; an empty dict where a GET is to decide."""
        kind = "proof" if for_proof else "read"
        with self._lock:
            self._asked += 1
            listing = self._for_reads or (self._for_proofs if for_proof else None)
            is_new = listing is None
            if listing is None:
                if self._asked < self._pages:
                    return {}
                if kind in self._begins_with_get:
                    self._begins_with_get.remove(kind)
                    return {}
                listing = self._for_reads = self._for_proofs = _Listing(next(self._order))
        if is_new:
            self._fill(listing)
        found = listing.get(instance_id)
        return found if token in (None, identity.shown_token(found)) else {}

    def _fill(self, listing: _Listing) -> None:
        """Fetch a listing for all reads that wait for it. Where it fails or is too long, each of them sends a GET."""
        try:
            self._fetch(listing, partial(self._demand_short, listing))
        except BaseException as error:
            with self._lock:
                if self._for_reads is listing:
                    self._for_reads = None
                if self._for_proofs is listing:
                    self._for_proofs = None
            if not isinstance(error, (InstancesError, _TooLong)):
                raise
        finally:
            listing.end()  # whatever happened, nobody may wait any longer

    def _demand_short(self, listing: _Listing, shown: int, total: int | None) -> None:
        """Raise _TooLong where the first page shows that a listing has more pages than there were reads."""
        if listing.found or not shown or total is None:
            return
        with self._lock:
            self._pages = ceil(total / shown)
            if self._asked < self._pages:
                raise _TooLong

    # all of them

    def first_listing(self) -> Mapping[str, Found] | None:
        """Return what there was before the first create, by id; None, with a warning, where we may not list.

        Creates go on without it, and take over only what carries their mark. Raises any other error of the listing; the
        next call lists again.
        """
        with self._before_turn:
            if self._first is None and self._cannot_list is None:
                try:
                    self.fresh()
                except (Forbidden, ConnectionFailed) as error:
                    # That the time of customTimeouts is over says nothing about the account.
                    is_over = retry.is_over(self._client.clock)
                    if isinstance(error, ConnectionFailed) and (is_over or not error.timed_out):
                        raise
                    self._cannot_list = error
                    log.warning(
                        "%s. Creates continue; if the answer to one is lost, look for its instance yourself", error
                    )
            return self._first

    def fresh(self) -> Mapping[str, Found]:
        """Return what a listing that began after this call shows, by id. All who wait at the same time share one.

        Raises the error of the listing.
        """
        with self._lock:
            if self._next is None:
                self._next = Future()
            result = self._next
        with self._fresh_turn:
            if not result.done():
                with self._lock:
                    self._next = None  # who calls from now on needs a later listing
                    listing = _Listing(next(self._order))
                try:
                    self._fetch(listing)
                    result.set_result(listing.found)
                except BaseException as error:  # whatever it is, nobody may wait any longer
                    result.set_exception(error)
        return result.result()

    def without(self, instance_id: str) -> Mapping[str, Found]:
        """Return a whole listing, by id, that can prove that an instance is missing: one that lacks it, if any does.

        The latest one does, where it lacks the instance and began after the API had shown it last. Raises the error of
        the listing.
        """
        with self._lock:
            listing, seen = self._latest, self._seen.get(instance_id, -1)
        if listing is not None and listing.began > seen and instance_id not in listing.found:
            return listing.found
        return self.fresh()

    def _fetch(self, listing: _Listing, on_page: OnPage | None = None) -> None:
        """Fetch all pages of a listing, and keep it where it is the first or the latest."""
        for page in self._client.pages(on_page, lenient=True):
            listing.add(page)
        by_line: defaultdict[str, list[str]] = defaultdict(list)
        for found in listing.found.values():
            for mark in identity.marks_on(found):
                by_line[mark.line].append(found["id"])
        with self._lock:
            if self._latest is None or self._latest.began < listing.began:
                self._latest = listing
                self.twins = {line: ids for line, ids in by_line.items() if len(ids) > 1}
            if self._first is None:
                self._first = listing.found
