"""The proof that an instance which the API does not show no longer exists, and was not asked for in the wrong place.

A wrong path, a proxy and another account's secrets answer 404 for every instance. To believe that would empty the state
(docs/engine.md, E11), and the next `up` would make everything a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import InstancesError, NotFound, UnexpectedAnswer
from ..core.model import ACCOUNT, CREATED
from .client import Client, Found
from .listings import Listings


class Absence:
    """The proof for one account that an instance no longer exists. Safe to share between threads."""

    def __init__(
        self,
        client: Client,
        listings: Listings,
        account_digest: str,
        another_is_proven: Callable[[str, Mapping[str, Any], Mapping[str, Found]], bool],
    ) -> None:
        """Send nothing.

        ``account_digest`` is `identity.account_of` the settings; ``another_is_proven`` returns whether a listing or
        this run shows another instance that was in the same account.
        """
        self._client = client
        self._listings = listings
        self._account_digest = account_digest
        self._another_is_proven = another_is_proven

    def demand(self, instance_id: str, outputs: Mapping[str, Any], what: str, missing: NotFound) -> None:
        """Raise UnexpectedAnswer unless the instance of the state with these outputs no longer exists.

        ``what`` is the operation, and ``missing`` the API's own 404 to it. The proof also needs a listing that lacks
        the instance, and the account of the state: the account in use is the same, or has another instance of it.
        """
        if self._client.settings.confirm_gone:
            return
        if is_young(outputs, self._client.settings.create_timeout) and not missing.repeated:
            is_elsewhere = outputs.get(ACCOUNT) != self._account_digest
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but it was created less than "
                f"{self._client.settings.create_timeout:.0f} s ago and may not be visible yet, so nothing is dropped",
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
        if outputs.get(ACCOUNT) != self._account_digest and not self._another_is_proven(instance_id, outputs, listed):
            raise UnexpectedAnswer(
                f"{what}: {missing.status}, but {self._client.settings.base_url} with the secrets of "
                f"{self._client.account_name} was not the account of this instance before, and shows no other "
                "instance of that account, so nothing is dropped",
                f"check instances:baseUrl and the secrets, or, if it no longer exists, {self.how_to_confirm()}",
            )

    def how_to_confirm(self) -> str:
        """Return the end of an advice: what to do where the user knows that an instance no longer exists."""
        return f"set {self._client.variable('CONFIRM_GONE')}=true (instances:confirmGone) and run again"


def is_young(outputs: Mapping[str, Any], seconds: float) -> bool:
    """Return whether our create of the instance was answered less than so many seconds ago."""
    created = outputs.get(CREATED)
    return isinstance(created, (int, float)) and time.time() - created < seconds
