"""Adopting existing objects: whether `adopt_id` names one that can be adopted."""

from __future__ import annotations

import logging
from typing import Any

from ..core import model
from ..core.errors import InstancesError, NotFound, Problem, quote
from .attempt import Json
from .client import Client
from .holdings import Holdings, refused
from .listings import Found, Listings

log = logging.getLogger("pulumi_instances")


class Adoptions:
    """The adoptions of one account in this process."""

    def __init__(self, client: Client, listings: Listings, holdings: Holdings) -> None:
        """Send nothing yet."""
        self._client = client
        self._listings = listings
        self._holdings = holdings

    def plan(self, instance_id: str, your_mom: Any) -> Problem | None:
        """A new resource is going to adopt this object. Returns the problem where it is known that it cannot.

        That the object is there is looked up in the listing that the first create takes. Where the API does not answer,
        nothing is said: the adoption itself will.
        """
        if (problem := self._holdings.plan_adoption(instance_id)) is not None:
            return problem
        try:
            before = self._listings.before()
            found = None if before is None else before.by_id.get(instance_id)
            return _of_another_connector(found or self._told(self._client.get(instance_id)), instance_id, your_mom)
        except NotFound:
            return _missing(instance_id)
        except InstancesError as error:
            log.debug("adopt instance %s: not looked up in advance (%s)", instance_id, error)
        return None

    def begin(self, instance_id: str, your_mom: str) -> Json:
        """Claim an existing object. Raises AdoptionRefused when it is gone, taken, or of another connector."""
        try:
            answer = self._client.get(instance_id)
        except NotFound:
            raise refused(_missing(instance_id)) from None
        if (problem := _of_another_connector(self._told(answer), instance_id, your_mom)) is not None:
            raise refused(problem)
        self._holdings.begin_adoption(instance_id)
        return answer

    def _told(self, answer: Json) -> Found:
        return model.told(answer, self._client.settings.dialect)


def _missing(instance_id: str) -> Problem:
    fault = f"names instance {instance_id}, which does not exist"
    return Problem("adopt_id", fault, "correct adopt_id, or remove it to create an instance")


def _of_another_connector(found: Found, instance_id: str, your_mom: Any) -> Problem | None:
    if not isinstance(your_mom, str) or found.get("your_mom", your_mom) == your_mom:
        return None
    theirs, ours = quote(found["your_mom"]), quote(your_mom)
    fault = f'names instance {instance_id}, which is of "{theirs}", but the program has your_mom="{ours}"'
    return Problem("adopt_id", fault, "correct one of them")
