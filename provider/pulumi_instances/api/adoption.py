"""The adoption of an existing instance by a resource: by `adopt_id`, or because an interrupted run has made it.

An adopted instance gets what a PUT changes, and the mark of the resource, by one PUT at most. No instance is taken from
another resource: neither from one of this run (`holders`), nor from one whose mark it carries (`core.marks`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from ..core import identity, marks, model
from ..core.errors import AdoptionRefused, InstancesError, NotFound, Problem, quote
from .client import Client, Found
from .holders import Holders, Line
from .listings import Listings

log = logging.getLogger("pulumi_instances")

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds to wait for what a service does not show yet, one after another."""

TO_MOVE = "to move it, use aliases, `pulumi state rename` or `pulumi state move`"


class Adoptions:
    """The adoptions of one account in this process. Safe to share between threads."""

    def __init__(self, client: Client, listings: Listings, holders: Holders) -> None:
        """Send nothing yet."""
        self._client = client
        self._listings = listings
        self._holders = holders
        self._words = client.words
        self._lock = threading.Lock()
        self._kept_tags: set[tuple[str, ...]] = set()
        """The sets of tags that the service has kept as a PUT has sent them."""

    def plan(self, instance_id: str, your_mom: Any, line: Line) -> tuple[Problem | None, Found]:
        """Note that a new resource is going to adopt this instance. Return the problem, if any, and the instance.

        The instance comes from the listing that the first create takes, or a GET. It is empty where the API does not
        answer: the adoption itself then shows why.
        """
        if (problem := self._holders.plan_adoption(instance_id, line)) is not None:
            return problem, {}
        try:
            found = (self._listings.first_listing() or {}).get(instance_id) or self._client.get(instance_id)
            return self._problem(found, your_mom, line), found
        except NotFound:
            return self._missing(instance_id), {}
        except InstancesError as error:
            log.debug("adopt instance %s: not looked up in advance (%s)", instance_id, error)
        return None, {}

    def import_problems(self, found: Found, line: Line) -> list[Problem]:
        """Give the instance to a resource that imports it, and return an empty list; else return the problem."""
        what = f"of instance {found['id']} is refused: "
        if identity.of_others(found, line):
            manages = f"{identity.managed_by(found)} manages it, as its tags say"
            return [Problem("the import", what + manages, f"{TO_MOVE}; or remove that tag at the service")]
        if not self._holders.take(found["id"], line):
            advice = f"{TO_MOVE}; or run `pulumi state delete` for the other one first"
            return [Problem("the import", f"{what}another resource of this stack manages it", advice)]
        return []

    def adopt(self, inputs: Mapping[str, Any]) -> Found:
        """Make ``adopt_id`` the instance of a resource, and bring it in line by one PUT where anything differs.

        Raises AdoptionRefused where it does not exist, is of another connector, or is another resource's.
        """
        instance_id, line = model.normalise_id(inputs["adopt_id"]), inputs.get(model.LINE)
        try:
            found = self._client.get(instance_id)
        except NotFound:
            raise _refused(self._missing(instance_id)) from None
        if (problem := self._problem(found, inputs["your_mom"], line)) is not None:
            raise _refused(problem)
        if not self._holders.take(instance_id, line):
            raise _refused(self._holders.held_problem(instance_id))
        return self.bring_in_line(found, inputs)

    def bring_in_line(self, found: Found, inputs: Mapping[str, Any], *, over: bool = False) -> Found:
        """Give an instance what a PUT changes of these inputs, and the mark of their resource, by one PUT at most.

        With ``over`` it is taken over, and gets a new mark in any case: another resource or stack whose state holds it
        with the old mark does not delete it then.
        """
        line = inputs.get(model.LINE)
        mark, is_new = self._mark_for(found, inputs, over=over)
        body = model.to_update(inputs)
        changes = not model.is_met(body, found)
        if is_new:
            body.setdefault("tags", found.get("tags", []))
        if changes or is_new:
            kept = identity.of_others(found, line) if over and is_new else identity.marks_on(found)
            tags = [*body.get("tags", ()), *(each.tag for each in kept), *([mark] if is_new and mark else [])]
            sent = {**body, "tags": tags} if "tags" in body else body
            answer = self.with_tags(self._client.put(found["id"], sent), body, found)
            found = {**found, **body, **answer}
        return {**found, model.MARK: mark} if mark else found

    def with_tags(self, answer: Found, sent: Mapping[str, Any], before: Found) -> Found:
        """Return the answer to a PUT, which may lack the tags that it has changed (API document): a GET shows them.

        An answer without tags stays so where this run has seen that the service keeps the same tags as they are sent.
        """
        tags = sent.get("tags", [])
        if "tags" not in sent or "tags" in answer or model.same("tags", before.get("tags"), tags):
            return answer
        with self._lock:
            if tuple(tags) in self._kept_tags:
                return answer
        seen, _ = seen_after(self._client, answer["id"], {"tags": tags}, before)
        if "tags" in seen and model.same("tags", seen["tags"], tags):
            with self._lock:
                self._kept_tags.add(tuple(tags))
        return {**seen, **answer}

    def _mark_for(self, found: Found, inputs: Mapping[str, Any], *, over: bool) -> tuple[str | None, bool]:
        """Return the mark of the resource, if any, and whether it is new to the instance."""
        line = inputs.get(model.LINE)
        ours, has_tags = identity.own_mark(found, line), "tags" in found or "tags" in inputs
        if ours and not (over and has_tags):
            return ours, False
        # Tags that are neither shown nor given would be lost by a PUT with the mark alone.
        if line is None or not self._client.settings.mark or not has_tags:
            return None, False
        return marks.new_mark(line), True

    def _problem(self, found: Found, your_mom: Any, line: Line) -> Problem | None:
        """Return why a resource cannot adopt this instance; None if it can."""
        words = self._words
        if isinstance(your_mom, str) and found.get("your_mom", your_mom).casefold() != your_mom.casefold():
            theirs, ours = quote(found["your_mom"]), words.argument("your_mom", f'"{quote(your_mom)}"')
            fault = f'names instance {found["id"]}, which is of "{theirs}", but the program has {ours}'
            return Problem(words.name("adopt_id"), fault, "correct one of them")
        if identity.of_others(found, line):
            return Problem(
                words.name("adopt_id"),
                f"names instance {found['id']}, which {identity.managed_by(found)} manages, as its tags say",
                f"{TO_MOVE}; or remove that tag at the service",
            )
        return None

    def _missing(self, instance_id: str) -> Problem:
        """Return the problem of an ``adopt_id`` that names no instance."""
        name = self._words.name("adopt_id")
        fault = f"names instance {instance_id}, which does not exist"
        return Problem(name, fault, f"correct {name}, or remove it to create an instance")


def seen_after(
    client: Client, instance_id: str, sent: Mapping[str, Any], before: Found, *, despite_errors: bool = False
) -> tuple[Found, bool]:
    """Return what a GET shows after a write, and whether that is new: a service may take seconds to show it.

    The id alone is returned where the instance cannot be read: at once, or ``despite_errors`` after those seconds.
    """
    seen: Found = {"id": instance_id}
    keys = [key for key in model.UPDATABLE if key in sent and not model.same(key, before.get(key), sent[key])]
    for pause in (0.0, *PAUSES):
        client.clock.sleep(pause)
        try:
            seen = client.get(instance_id)
        except InstancesError as error:
            log.debug("instance %s: not seen after its update (%s)", instance_id, error)
            if despite_errors:
                continue
            break
        if not any(model.same(key, before.get(key), seen.get(key)) for key in keys):
            return seen, True
    return seen, False


def _refused(problem: Problem) -> AdoptionRefused:
    """Return a problem as the error of an adoption."""
    return AdoptionRefused(problem.sentence(), problem.advice)
