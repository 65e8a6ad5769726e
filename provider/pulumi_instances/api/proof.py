"""The proof that an instance is the one of the state, or that it no longer exists.

An id is a small number that another account may have as well (`core.identity`). And a wrong path, a proxy and another
account's secrets answer 404 for every instance: to believe that would empty the state (docs/engine.md, E11), and the
next `up` would make everything a second time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from ..core import identity, marks
from ..core.errors import AnotherInstance, InstancesError, NotFound, UnexpectedAnswer
from ..core.identity import Verdict
from ..core.model import ACCOUNT, CREATED
from .client import Client, Found
from .holders import Holders
from .listings import Listings

log = logging.getLogger("pulumi_instances")


class Proof:
    """The proofs of one account in this process. Safe to share between threads."""

    def __init__(self, client: Client, listings: Listings, holders: Holders, account_digest: str) -> None:
        """Send nothing. ``account_digest`` is `identity.account_of` the settings."""
        self._client = client
        self._listings = listings
        self._holders = holders
        self._account_digest = account_digest
        self._lock = threading.Lock()
        self._proven: dict[str, Found] = {}
        self._states: dict[str, tuple[str, object]] = {}
        """The token and the account of each instance, as the state has them."""
        self._warned_of: set[str] = set()

    def note_state(self, instance_id: str, outputs: Mapping[str, Any]) -> None:
        """Note what the state with these outputs has of an instance."""
        with self._lock:
            self._states[instance_id] = identity.token_in(outputs), outputs.get(ACCOUNT)

    def note(self, instance_id: str, found: Found) -> None:
        """Note that this instance, as the API has just shown it, is the one of the state."""
        self._listings.note_seen(instance_id)
        with self._lock:
            self._proven[instance_id] = found
        self._warn_of_twins()

    # that it is the one

    def proved(self, instance_id: str, outputs: Mapping[str, Any], what: str) -> Found:
        """Return the instance of the state as it was when this run proved that it is the one, now or before.

        Raises AnotherInstance where it is not, and NotFound where a GET says that there is none.
        """
        self.note_state(instance_id, outputs)
        with self._lock:
            proven = self._proven.get(instance_id)
        if proven is None or identity.judge(outputs, proven, self._account_digest) is Verdict.ANOTHER:
            proven = self._listings.read_for_proof(instance_id, identity.token_in(outputs))
            self.demand_ours(instance_id, outputs, proven, what)
            self.note(instance_id, proven)
        return proven

    def demand_ours(self, instance_id: str, outputs: Mapping[str, Any], found: Found, what: str) -> None:
        """Raise AnotherInstance unless ``found`` is the instance of the state with these outputs."""
        verdict = identity.judge(outputs, found, self._account_digest)
        if verdict is Verdict.RENEWED:
            log.warning("instance %s has a new token, which the state takes over", instance_id)
        if verdict is not Verdict.ANOTHER:
            return
        variable = self._client.variable("CONFIRM_GONE")
        raise AnotherInstance(
            f"{what}: under this id {self._client.settings.base_url} with the secrets of {self._client.account_name} "
            f"has another instance ({identity.differences(outputs, found)}), so nothing was done",
            "check instances:baseUrl and the secrets; or, if ours no longer exists, run "
            f"`{variable}=true pulumi refresh`, which drops it from the state and leaves the other alone",
        )

    def _warn_of_twins(self) -> None:
        """Log once which instances carry the mark of a resource that has another instance."""
        for line, ids in self._holders.twins(self._listings.twins).items():
            with self._lock:
                if line in self._warned_of:
                    continue
                self._warned_of.add(line)
            log.warning(
                "instance %s carries the mark of %s, which has another instance in this stack: it is still to be "
                "deleted, or an interrupted run has made it, or another stack of this name, or it has moved to another "
                "stack. If it is there after this run, find out which; if it was a run, delete it at the service",
                ", ".join(ids),
                marks.words_of(line),
            )

    # that it no longer exists

    def demand_gone(self, instance_id: str, outputs: Mapping[str, Any], what: str, missing: NotFound) -> None:
        """Raise UnexpectedAnswer unless the instance of the state with these outputs no longer exists.

        ``what`` is the operation, and ``missing`` the API's own 404 to it. The proof also needs a listing that lacks
        the instance, and the account of the state: the account in use is the same, or has another instance of it.
        """
        settings = self._client.settings
        if settings.confirm_gone:
            return
        is_elsewhere = outputs.get(ACCOUNT) != self._account_digest
        if is_young(outputs, settings.create_timeout) and not missing.repeated:
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but it was created less than "
                f"{settings.create_timeout:.0f} s ago and may not be visible yet, so nothing is dropped",
                ("check instances:baseUrl and the secrets, which were others then; or " if is_elsewhere else "")
                + "run again later",
            )
        try:
            listed = self._listings.without(instance_id)
        except InstancesError as failure:
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but without a listing that lacks it, nothing is dropped ({failure.cause})",
                failure.advice,
            ) from None
        if instance_id in listed:
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but the API lists it, so nothing is dropped", "run again later"
            )
        if is_elsewhere and not self._has_another(instance_id, outputs.get(ACCOUNT), listed):
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but {settings.base_url} with the secrets of {self._client.account_name} "
                "was not the account of this instance before, and shows no other instance of that account, so nothing "
                "is dropped",
                "check instances:baseUrl and the secrets, or, if it no longer exists, set "
                f"{self._client.variable('CONFIRM_GONE')}=true (instances:confirmGone) and run again",
            )

    def _has_another(self, instance_id: str, account: object, listed: Mapping[str, Found]) -> bool:
        """Return whether the account in use has another instance of the state that was in this account.

        Then that account has new secrets or a new host. The token proves the other instance. One that was in the
        account of the settings before says nothing of where this one is.
        """
        with self._lock:
            tokens = {each: token for each, (token, was_in) in self._states.items() if was_in == account}
            others = tokens.keys() - {instance_id}
            return any(
                each in self._proven or identity.shown_token(listed.get(each, {})) == tokens[each] for each in others
            )


def is_young(outputs: Mapping[str, Any], seconds: float) -> bool:
    """Return whether our create of the instance was answered less than so many seconds ago."""
    created = outputs.get(CREATED)
    return isinstance(created, (int, float)) and time.time() - created < seconds
