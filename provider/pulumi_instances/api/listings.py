"""Listings of the account that the creates of one process share."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ..core import model
from ..core.errors import ConnectionFailed, Forbidden, InstancesError
from . import limits
from .client import Client

log = logging.getLogger("pulumi_instances")

Found = dict[str, Any]
"""What the API says of an instance (`model.from_wire`)."""


@dataclass(frozen=True)
class Before:
    """What the account held before the first create of this process."""

    by_id: Mapping[str, Found]
    by_name: Mapping[str, list[Found]]
    """So that a create in a large account has few to look at."""

    @property
    def highest(self) -> str:
        """The highest id; "0" in an empty account."""
        return max(self.by_id, key=int, default="0")


class Listings:
    """The listings of one account. Safe to share between threads."""

    def __init__(self, client: Client) -> None:
        """Send nothing yet."""
        self._client = client
        self._first = threading.Lock()
        self._before: Before | None = None
        self._cannot: InstancesError | None = None
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._next: Future[list[Found]] | None = None

    def before(self) -> Before | None:
        """What there was before the first create; None, with a warning, where the account does not let us list.

        Creates go on without it: what cannot be compared is then never taken over. Raises what else the API answers,
        and asks again the next time.
        """
        with self._first:
            if self._before is None and self._cannot is None:
                try:
                    self._before = self._compared()
                except (Forbidden, ConnectionFailed) as error:
                    over = limits.is_over(self._client.clock)  # which says nothing about the account
                    if isinstance(error, ConnectionFailed) and (over or not error.timed_out):
                        raise
                    self._cannot = error
                    log.warning(
                        "%s. Creates continue; if the answer to one is lost, look for its instance yourself", error
                    )
            return self._before

    def fresh(self) -> list[Found]:
        """A listing that began after this call; all who wait at the same time share one.

        Raises what the API answers.
        """
        with self._lock:
            if self._next is None:
                self._next = Future()
            look = self._next
        with self._turn:
            if not look.done():
                with self._lock:
                    self._next = None  # who comes from now on needs a later one
                try:
                    look.set_result(self._listed())
                except BaseException as error:  # whatever it is, nobody may wait any longer
                    look.set_exception(error)
        return look.result()

    def _compared(self) -> Before:
        by_name: defaultdict[str, list[Found]] = defaultdict(list)
        by_id = {found["id"]: found for found in self._listed()}
        for found in by_id.values():
            by_name[found.get("name", "")].append(found)
        return Before(by_id, dict(by_name))

    def _listed(self) -> list[Found]:
        """Page by page, and without the descriptions of the connectors, which are most of a page."""
        dialect = self._client.settings.dialect
        return [found for page in self._client.pages() for answer in page if (found := model.told(answer, dialect))]
