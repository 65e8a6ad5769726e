"""Listings of one account: what there was before the first create, how it is now, and many reads at the cost of one.

A refresh reads every instance of the stack, and all of them at once. A read by itself is one GET. While another read is
under way, a single listing serves all reads that wait, and all later ones, until the next write. It serves them page by
page, so that the engine can go on while the other pages are still being fetched.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future

from ..core import identity, model
from ..core.errors import ConnectionFailed, Forbidden, InstancesError
from . import retry
from .client import Client, Found

log = logging.getLogger("pulumi_instances")


class _Listing:
    """What a listing has returned so far. Safe to share between threads."""

    def __init__(self, began: int) -> None:
        self.began = began
        """Its place in the order of what this process has begun and seen."""
        self.found: dict[str, Found] = {}
        self._changed = threading.Condition()
        self._ended = False

    def add(self, page: Iterable[Found]) -> None:
        with self._changed:
            self.found.update((found["id"], found) for found in page)
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def get(self, instance_id: str) -> Found:
        """Return the instance, as soon as a page has it; an empty dict if the listing ends without it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or instance_id in self.found)
            return self.found.get(instance_id, {})


class Listings:
    """The listings of one account in this process. Safe to share between threads."""

    def __init__(self, client: Client) -> None:
        """Send nothing yet."""
        self._client = client
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._seen: dict[str, int] = {}
        self._first: Mapping[str, Found] | None = None
        self._latest: _Listing | None = None
        self._cannot: InstancesError | None = None
        self._before_turn = threading.Lock()
        self._fresh_turn = threading.Lock()
        self._next: Future[Mapping[str, Found]] | None = None
        self.twins: Mapping[str, list[str]] = {}
        """Of the latest whole listing: the ids of those instances whose mark differs in its number only, by line."""
        self._alone = {True: True, False: True}
        """Whether a read would be the only one: of values, and for proof."""
        self._shared: _Listing | None = None
        self._for_proof: _Listing | None = None

    # one instance

    def read(self, instance_id: str, token: str | None = None, *, values: bool = True) -> Found:
        """Return what the API says of one instance. Raises NotFound only where a GET of it says so.

        A listing may lack the instance, or fail, or show it otherwise (`********` for a token): then a GET decides.
        ``token`` is the one that is known; a listing that shows another one is not believed. With ``values`` false it
        is only asked who the instance is, which a listing from before our own writes tells as well.
        """
        if (listing := self._shared_listing(values=values)) is not None:
            found = listing.get(instance_id)
            complete = found.keys() >= {*model.LISTED} if values else bool(found)
            if complete and token in (None, identity.shown_token(found)):
                return found
        try:
            return self._client.get(instance_id)
        finally:
            with self._lock:
                self._alone[values] = values  # proofs follow one another: a listing serves all but the first

    def forget(self) -> None:
        """No later read of values is answered from a listing that began before now: something was written."""
        with self._lock:
            self._shared = None

    def note_seen(self, instance_id: str) -> None:
        """The API has just shown this instance: no listing that began before can prove that it is missing."""
        with self._lock:
            self._seen[instance_id] = next(self._order)

    def _shared_listing(self, *, values: bool) -> _Listing | None:
        """The listing that answers this read, fetched by us if need be; None while we are the only reader."""
        with self._lock:
            listing = self._shared if values else self._shared or self._for_proof
            if listing is not None:
                return listing
            if self._alone[values]:
                self._alone[values] = False
                return None
            listing = self._shared = self._for_proof = _Listing(next(self._order))
        try:
            for page in self._client.pages(lenient=True):
                listing.add(page)
            self._note_whole(listing)
        except BaseException as error:
            with self._lock:  # what it has not shown, each read asks for itself
                self._shared = None if self._shared is listing else self._shared
                self._for_proof = None if self._for_proof is listing else self._for_proof
            if not isinstance(error, InstancesError):
                raise
        finally:
            listing.end()  # whatever it was, nobody may wait any longer
        return listing

    # all of them

    def before(self) -> Mapping[str, Found] | None:
        """Return what there was before the first create, by id; None, with a warning, where we may not list.

        Creates go on without it: what cannot be compared is then never taken over. Raises what else the API answers,
        and asks again the next time.
        """
        with self._before_turn:
            if self._first is None and self._cannot is None:
                try:
                    self.fresh()
                except (Forbidden, ConnectionFailed) as error:
                    over = retry.is_over(self._client.clock)  # which says nothing about the account
                    if isinstance(error, ConnectionFailed) and (over or not error.timed_out):
                        raise
                    self._cannot = error
                    log.warning(
                        "%s. Creates continue; if the answer to one is lost, look for its instance yourself", error
                    )
            return self._first

    def fresh(self) -> Mapping[str, Found]:
        """Return a listing that began after this call, by id; all who wait at the same time share one.

        Raises what the API answers.
        """
        with self._lock:
            if self._next is None:
                self._next = Future()
            look = self._next
        with self._fresh_turn:
            if not look.done():
                with self._lock:
                    self._next = None  # who comes from now on needs a later one
                    listing = _Listing(next(self._order))
                try:
                    for page in self._client.pages(lenient=True):
                        listing.add(page)
                    self._note_whole(listing)
                    look.set_result(listing.found)
                except BaseException as error:  # whatever it is, nobody may wait any longer
                    look.set_exception(error)
        return look.result()

    def without(self, instance_id: str) -> Mapping[str, Found]:
        """Return a whole listing that can prove that an instance is missing: one that lacks it, if any does.

        Raises what the API answers.
        """
        with self._lock:
            listing, seen = self._latest, self._seen.get(instance_id, -1)
        if listing is not None and listing.began > seen and instance_id not in listing.found:
            return listing.found
        return self.fresh()

    def _note_whole(self, listing: _Listing) -> None:
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
