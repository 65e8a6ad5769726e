"""Whether an instance that the API does not know is gone, or we ask the wrong API or the wrong account.

A wrong path, a proxy and another account's secrets answer 404 for every instance. Taken at its word, that would empty
the state, and the next `up` would make everything a second time. So an instance counts as gone only if a listing lacks
it, and if the API knows at least one of the instances that this process has asked for, unless it is the only one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..core.errors import InstancesError, NotFound, UnexpectedAnswer
from ..core.model import told
from .client import Client

_MOMENT = 0.5
"""Seconds in which the engine hands over the other instances of the state: it asks for all of them at once."""

_PATIENCE = 5.0
"""Seconds for the answer to the DELETE of another instance."""


class Gone:
    """The proof for one account, which all calls of this process share. Safe to share between threads."""

    def __init__(self, client: Client) -> None:
        """Send nothing: most runs miss nothing."""
        self._client = client
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._asked: set[str] = set()
        self._not_alone = threading.Event()
        self._deleting: set[str] = set()
        self._settled = threading.Event()
        """No DELETE is under way whose answer could be the first that shows an instance."""
        self._settled.set()
        self._seen = threading.Event()
        self._waited = False
        self._listed: frozenset[str] | None = None
        self._seen_since: set[str] = set()
        """What the API was seen to have since that listing began, which proves nothing about them."""
        self._failure: InstancesError | None = None

    def ask(self, instance_id: str) -> None:
        """The state holds this instance. To be called before the API is asked for it."""
        with self._lock:
            self._asked.add(instance_id)
            if len(self._asked) > 1:
                self._not_alone.set()

    def see(self, instance_id: str) -> None:
        """The API has answered a request for this instance with success."""
        with self._lock:
            self._not_alone.set()
            self._seen.set()
            self._settled.set()
            self._seen_since.add(instance_id)

    @contextmanager
    def deleting(self, instance_id: str) -> Iterator[None]:
        """What runs inside is a DELETE of an instance that the state holds."""
        self.ask(instance_id)
        with self._lock:
            self._deleting.add(instance_id)
            if not self._seen.is_set():
                self._settled.clear()
        try:
            yield
            self.see(instance_id)
        finally:
            with self._lock:
                self._deleting.discard(instance_id)
                if not self._deleting:
                    self._settled.set()

    def note_listing(self, ids: Iterable[str]) -> None:
        """A whole listing was fetched for another purpose: it is as good a proof as one of our own."""
        with self._lock:
            if self._listed is None:
                self._listed = frozenset(ids)

    def check(self, instance_id: str, what: str, missing: NotFound) -> None:
        """Raise UnexpectedAnswer unless the instance is gone. ``missing`` is the API's 404 to this operation."""
        settings = self._client.settings
        if settings.confirm_gone:
            return
        self._client.clock.wait(self._not_alone, _MOMENT)
        try:
            listed = self._listing_for(instance_id, missing)
        except InstancesError as failure:
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but without a listing that lacks it, it does not count as gone, so "
                f"nothing is dropped ({failure.cause})",
                f"{failure.advice}, or, if it is gone, {self._how_to_confirm()}",
            ) from None
        if instance_id in listed:
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but the API lists it, so nothing is dropped", "run again later"
            )
        with self._lock:
            # Where our own DELETE, whose answer was lost, explains the 404, the others may have gone the same way.
            surprising = len(self._asked) > 1 and not missing.repeated
            # A wrong path answers like an account without instances: that explains nothing.
            doubtful = surprising or (settings.dialect.empty_is_404 and not listed)
            known = bool(listed & self._asked)
        if doubtful and not (known or self._another_is_seen()):
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, and {settings.base_url} knows none of the instances of the state with "
                f"the secrets of {self._client.account_name}, so nothing is dropped",
                f"check instances:baseUrl and the secrets, or, if all instances are gone, {self._how_to_confirm()}",
            )

    def _another_is_seen(self) -> bool:
        """Whether the API knows an instance that was asked for, or is about to answer that it does.

        A DELETE under way takes its instance off the listing before it is answered. One wait in vain is enough.
        """
        if not self._waited and len(self._asked) > 1:
            if not self._client.clock.wait(self._seen, _MOMENT):
                self._client.clock.wait(self._settled, _PATIENCE)
            self._waited = True
        return self._seen.is_set()

    def _listing_for(self, instance_id: str, missing: NotFound) -> frozenset[str]:
        """The ids of a listing that can prove that the instance is gone. Raises why there is none.

        One is not enough that is older than our last sight of the instance, or than our own DELETE of it.
        """
        with self._listing:
            with self._lock:
                listed, failure = self._listed, self._failure
                seen_since = instance_id in self._seen_since
            if listed is not None and not (seen_since or (missing.repeated and instance_id in listed)):
                return listed
            if failure is not None:
                raise failure
            return self._list()

    def _list(self) -> frozenset[str]:
        """Take a listing. Where it fails, the one from before proves what it did."""
        with self._lock:
            seen, self._seen_since = self._seen_since, set()
        try:
            answers = self._client.list_all()
        except InstancesError as error:
            with self._lock:
                self._failure = error
                self._seen_since |= seen
            raise
        found = (told(answer, self._client.settings.dialect) for answer in answers)
        listed = frozenset(each["id"] for each in found if each)
        with self._lock:
            self._listed = listed
        return listed

    def _how_to_confirm(self) -> str:
        return f"set {self._client.variable('CONFIRM_GONE')}=true (instances:confirmGone) and run again"
