"""The creates of instances, each of which ends in exactly one, though the API has no idempotency key.

The answer of a `POST /instances` can be lost after the API has acted: to repeat the POST would make a second instance,
to give up would leave one that nobody tracks. So each create sends a mark that no instance has yet (`core.marks`), and
by it, on any machine, a later listing shows what a POST without an answer, or an interrupted run, has made. The engine
itself keeps nothing of a failed create (docs/engine.md, E14).
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from .. import process
from ..core import identity, marks, model
from ..core.errors import (
    Cancelled,
    CreateIncomplete,
    CreateLost,
    CreateUndecided,
    InstancesError,
    LeftBehind,
    NotFound,
    UnexpectedAnswer,
    first_of,
)
from . import locks, retry
from .adoption import Adoptions
from .client import Client, Found
from .holders import Holders
from .listings import Listings
from .outcome import AnswerLost

log = logging.getLogger("pulumi_instances")

_PAUSE = 3.0
"""Seconds between two looks at what the API is still making, after the first looks."""
_FIRST_LOOKS = 3
"""How often to look at least for what a create has made."""
_NOT_READY = (409, 423, 425)
"""Statuses, beside 404, with which a service may answer a GET of an instance that it is still making."""
_INCOMPLETE = ("the answer has no token", "the body is empty")
"""The ends of errors about an answer that lacks what the service is still making."""
_LONGEST_GRACE = 30.0
"""Seconds to look for an instance after the time of its create is over."""


class _Create(NamedTuple):
    """One create under way."""

    inputs: Mapping[str, Any]
    what: str
    """The operation and its object, as a message begins."""
    line: str | None
    """The line of the resource (`marks.line_of`); None where it is not known."""
    mark: str | None
    """The mark that is sent; None where the line is not known, or the settings want none."""
    before: Mapping[str, Found] | None
    """What there was before the first create of this run; None where the account cannot be listed."""


class Creations:
    """The creates of one account in this process. Safe to share between threads."""

    def __init__(
        self,
        client: Client,
        listings: Listings,
        holders: Holders,
        adoptions: Adoptions,
        account_digest: str,
    ) -> None:
        """Send nothing yet. ``account_digest`` is `identity.account_of` the settings."""
        self._client = client
        self._listings = listings
        self._holders = holders
        self._adoptions = adoptions
        self._account_digest = account_digest
        self._keeps_marks = True
        """Whether the service keeps the tag of a create, as far as it has answered."""

    def create(self, inputs: Mapping[str, Any]) -> Found:
        """Make one instance. Return what the API shows of it, even if the answer to the POST is lost.

        The result also holds what a state needs besides (`model.HIDDEN`). Where an interrupted run has made an instance
        for this resource, the setting `takeOver` decides.

        Raises LeftBehind where the user has to decide, CreateLost when no instance was found, CreateUndecided when it
        is not clear which one was made, and whatever `Client.post` raises when the API refused.
        """
        line = inputs.get(model.LINE)
        line = line if isinstance(line, str) else None
        mark = marks.new_mark(line) if line is not None and self._client.settings.mark else None
        what = f"create instance {inputs['name']!r}"
        create = _Create(inputs, what, line, mark, self._listings.first_listing())
        wait = self._waiting(f"{what}: waiting for a process that is still creating it")
        try:
            # Without a line, it may be any resource.
            lock_name = None if line is None else f"{self._account_digest} {line}"
            with locks.held(lock_name, wait, partial(_is_decided, create)) as turn:
                listed = self._listing_after_earlier_create(create, turn)
                found = self._take_over(create, turn, listed)
                return self._post(create, turn) if found is None else found
        except locks.Busy:
            raise CreateLost(
                f"{what}: a process of an earlier run is still creating it; nothing was sent", "run again later"
            ) from None

    def _waiting(self, why: str) -> Callable[[], bool]:
        """Return a function that sleeps a moment, and returns False when `createTimeout` is over.

        Its first call begins the time, and logs ``why`` it waits.
        """
        clock = self._client.clock
        end: float | None = None

        def wait() -> bool:
            nonlocal end
            if end is None:
                end = retry.deadline(clock, self._client.settings.create_timeout)
                log.warning("%s, for up to %.0f s", why, max(0.0, end - clock.now()))
            clock.sleep(_PAUSE)
            return clock.now() < end and process.is_heard()

        return wait

    # what an interrupted run has left

    def _listing_after_earlier_create(self, create: _Create, turn: locks.Turn) -> Mapping[str, Found]:
        """Return a listing that has what an earlier create of this resource has made.

        Where that was cut off, the API may still be at work on it: then look until its own `createTimeout` is over.
        """
        clock, settings = self._client.clock, self._client.settings
        if create.before is None or (turn.cut_off is None and not turn.waited):
            return create.before or {}
        wait = self._waiting(f"{create.what}: looking for what an interrupted run may still be creating")
        began = clock.now()
        while True:
            listed = self._listings.fresh()
            if turn.cut_off is None or settings.take_over == "no" or self._left_behind(create, listed):
                return listed
            if turn.cut_off + clock.now() - began >= settings.create_timeout:
                return listed
            if not wait():
                return self._listings.fresh()

    def _left_behind(self, create: _Create, listed: Mapping[str, Found]) -> list[str]:
        """Return the ids of the listed instances that carry a mark of this resource, and that nobody holds."""
        if create.line is None or create.mark is None:
            return []
        return self._holders.left_behind([create.line], listed.values()).get(create.line, [])

    def _take_over(self, create: _Create, turn: locks.Turn, listed: Mapping[str, Found]) -> Found | None:
        """Take over what an interrupted run has made for this resource; return None where there is nothing.

        Raises LeftBehind where the user has to decide.
        """
        setting = self._client.settings.take_over
        if setting == "no":
            return None
        if create.mark is None:
            was_cut_off = turn.waited or turn.cut_off is not None
            if was_cut_off and (alike := self._alike(create, listed)):
                raise self._unmarked(create, alike)
            return None
        ids = self._left_behind(create, listed)
        if not ids:
            return None
        if setting != "yes" or len(ids) > 1:
            raise self._undecided_by_user(create, ids, listed)
        return self._take_over_one(create, ids[0])

    def _unmarked(self, create: _Create, ids: list[str]) -> LeftBehind:
        """Return the error of a create where an earlier one was cut off, and no mark shows what that has made."""
        return LeftBehind(
            f"{create.what}: an earlier create was cut off, and may have made one of: {', '.join(ids)}",
            f"if one is, set {self._adopting(ids[0])} (or the right id); else run again with "
            f"{self._client.variable('TAKE_OVER')}=no",
            ids,
        )

    def _undecided_by_user(self, create: _Create, ids: list[str], listed: Mapping[str, Found]) -> LeftBehind:
        """Return the error that names what was left behind, for all resources that the program has declared so far."""
        variable = self._client.variable("TAKE_OVER")
        lines = self._holders.new_lines() | ({create.line} if create.line else set())
        every = self._holders.left_behind(lines, listed.values())
        shown = first_of([f"{each} ({marks.words_of(own)})" for own in sorted(every) for each in every[own]])
        if len(ids) > 1:
            return LeftBehind(
                f"{create.what}: instances {', '.join(ids)} carry the mark of this resource: interrupted runs have "
                "made them, they were retained on delete, or the state holds one that is to be replaced",
                f"set {self._adopting(ids[0])} (or the right id) to have one of them, or delete those that nobody "
                "needs and the state does not hold (`pulumi stack --show-ids`), and run again; to create another one "
                f"beside them, run `{variable}=no pulumi up` with the same options",
                ids,
            )
        return LeftBehind(
            f"{create.what}: instance {ids[0]} carries the mark of this resource already: an interrupted run or a lost "
            "state has left it, or it was retained on delete, has moved, or is to be replaced (--replace, taint). This "
            f"run has found: {shown}",
            f"after an interrupted run or a lost state, run `{variable}=yes pulumi up`, which takes it over; to "
            f"create another one, run `{variable}=no pulumi up` with the same options",
            ids,
        )

    def _take_over_one(self, create: _Create, instance_id: str) -> Found:
        """Make this instance, which an interrupted run has made, that of the resource."""
        found = self._client.get(instance_id)
        ours, theirs = create.inputs["your_mom"], found.get("your_mom", create.inputs["your_mom"])
        if ours.casefold() != theirs.casefold():
            raise LeftBehind(
                f"{create.what}: instance {instance_id}, which an interrupted run has made, is of another connector",
                f"delete it, or run again with {self._client.variable('TAKE_OVER')}=no to create one beside it",
                [instance_id],
            )
        if not self._holders.take(instance_id, create.line, over=True):
            raise CreateUndecided(
                f"{create.what}: another resource has taken {instance_id}", "run again", [instance_id]
            )
        log.warning(
            "instance %s, made by an interrupted run, is taken over with the configuration and login of that run",
            instance_id,
        )
        return self._adoptions.bring_in_line(found, create.inputs, over=True)

    # the request

    def _post(self, create: _Create, turn: locks.Turn) -> Found:
        """Send the POST, and return the instance that it has made, whether it is answered or not."""
        clock, settings = self._client.clock, self._client.settings
        deadline = retry.deadline(clock, settings.create_timeout)
        body = model.to_create(create.inputs, settings.dialect)
        if create.mark is not None:
            body["tags"] = [*body.get("tags", []), create.mark]

        def may_send() -> bool:
            if not process.is_heard():
                return False
            turn.touch()
            return True

        try:
            found = self._client.post(body, may_send)
            return self._completed(create, found, deadline)
        except AnswerLost as lost:
            cause, may_be_unfinished = lost.cause, lost.outcome.unfinished
        except InstancesError:
            raise  # it was refused, never sent, or says itself what is known
        except Exception as error:  # whatever it is, the API may have acted
            cause, may_be_unfinished = f"{create.what}: {type(error).__name__}", True
        grace = retry.deadline(clock, min(settings.create_timeout, _LONGEST_GRACE))
        return self._search(create, cause, max(deadline, grace), may_be_unfinished=may_be_unfinished)

    def _completed(self, create: _Create, found: Found, deadline: float) -> Found:
        """Return the instance in the answer to our POST, with what the answer lacks.

        Raises CreateUndecided where the POST cannot have made it.
        """
        instance_id, mark = found["id"], create.mark
        if self._holders.existed(instance_id, create.before):
            raise self._not_made(create, instance_id, "which existed before")
        if create.before is None and mark is not None and not identity.carries(found, mark):
            # It is not known what there was before: the mark alone proves that it is the one.
            found = {**found, **self._read(create, instance_id, deadline)}
            if not identity.carries(found, mark):
                raise self._not_made(create, instance_id, "which does not carry the mark that was sent")
        if any(each.text != mark for each in identity.marks_on(found)) or not self._holders.take(
            instance_id, create.line
        ):
            raise self._not_made(create, instance_id, "which another resource manages")
        self._listings.note_seen(instance_id)
        if mark is not None and model.MARKS in found and not identity.carries(found, mark):
            self._keeps_marks = False
            log.warning(
                "instance %s: the service has not kept the tag %s, so an interrupted create cannot be found by it; set "
                "instances:mark to false if it keeps no such tags",
                instance_id,
                mark,
            )
        if identity.shown_token(found) and "disabled" in found:
            return {**found, **self._hidden(create)}
        return {**found, **self._read(create, instance_id, deadline)}

    def _not_made(self, create: _Create, instance_id: str, why: str) -> CreateUndecided:
        """Return the error of an answer to our POST that is about an instance which it cannot have made."""
        return CreateUndecided(
            f"{create.what}: the API answered with instance {instance_id}, {why}",
            "look at it: the service may have changed it, or created another one",
            [instance_id],
        )

    def _read(self, create: _Create, instance_id: str, deadline: float) -> Found:
        """Return what a GET shows: an answer or a listing may mask the token, and lack `disabled`.

        A service may show a new instance, or its token, some time after it has answered. Raises CreateIncomplete where
        it has not by the deadline.
        """
        clock = self._client.clock
        for pause in _pauses():
            try:
                found = self._client.get(instance_id)
                if identity.shown_token(found):
                    return {**found, **self._hidden(create)}
                raise UnexpectedAnswer("the answer has no token")
            except InstancesError as error:
                if not (_is_early(error) and clock.now() + pause < deadline and process.is_heard()):
                    raise CreateIncomplete(
                        f"{create.what}: it was created as {instance_id}, but its token cannot be read ({error.cause})",
                        f"run again with {self._adopting(instance_id)}",
                        [instance_id],
                        error.cause,
                        self._hidden(create),
                    ) from None
            clock.sleep(pause)
        raise AssertionError

    def _hidden(self, create: _Create) -> dict[str, Any]:
        """Return what a state holds of a create besides what the API shows."""
        known = {model.CREATED: int(time.time()), model.ACCOUNT: self._account_digest}
        return {**known, model.MARK: create.mark} if create.mark else known

    # looking for the result of a create

    def _search(self, create: _Create, cause: str, until: float, *, may_be_unfinished: bool) -> Found:
        """Return the instance that a create without an answer has made.

        Look a few times, and ``until`` then where the API may still be at work or a listing has failed. Raises
        CreateLost or CreateUndecided, which begin with the ``cause`` for which there is no answer.
        """
        clock = self._client.clock
        failure: InstancesError | None = None
        for number, pause in enumerate(itertools.chain([0.0], _pauses()), start=1):
            goes_on = may_be_unfinished or failure is not None
            if number > _FIRST_LOOKS and (not goes_on or clock.now() + pause > until):
                break
            clock.sleep(pause)
            try:
                listed = self._listings.fresh()
            except InstancesError as error:
                failure = error
                if retry.is_over(clock):
                    break
                continue
            failure = None
            if found := self._take_marked(create, cause, listed):
                return {**found, **self._read(create, found["id"], max(until, clock.now() + _PAUSE))}
            if number >= _FIRST_LOOKS and (create.mark is None or not self._keeps_marks):
                new = {key: found for key, found in listed.items() if key not in (create.before or {})}
                if alike := self._alike(create, new):
                    raise self._undecided(cause, alike)  # only the user knows, however long we look
        if failure is None:
            raise CreateLost(f"{cause}; no new instance like it was found, but one may still appear")
        adopt_id = self._client.words.name("adopt_id")
        raise CreateUndecided(
            f"{cause}; whether an instance was created is unknown, since the listing failed ({failure.cause})",
            "run again, which looks for it first (with a new OAuth code, if it takes one)"
            if create.mark
            else f"look for it before you run again, and if there is one, adopt it with {adopt_id}",
            [],
        )

    def _take_marked(self, create: _Create, cause: str, listed: Mapping[str, Found]) -> Found | None:
        """Take the listed instance that carries our mark, and return it; None where there is none.

        Raises CreateUndecided where several carry it.
        """
        marked = [found for found in listed.values() if identity.carries(found, create.mark)]
        if len(marked) > 1:
            raise self._undecided(cause, [found["id"] for found in marked])
        if not marked or not self._holders.take(marked[0]["id"], create.line):
            return None
        self._listings.note_seen(marked[0]["id"])
        return marked[0]

    def _alike(self, create: _Create, listed: Mapping[str, Found]) -> list[str]:
        """Return the ids of the listed instances that a create without a mark may have made.

        They are new, or have its name; their connector is that of the create; and nobody here holds them.
        """
        your_mom, name, before = create.inputs["your_mom"], create.inputs["name"], create.before
        alike = (
            found["id"]
            for found in listed.values()
            if not self._holders.is_known(found["id"])
            and not found.get(model.MARKS)
            and found.get("your_mom", your_mom) == your_mom
            and (before is None or found["id"] not in before or found.get("name") == name)
        )
        return sorted(alike, key=int)

    def _adopting(self, instance_id: str) -> str:
        """Return the argument with which a program adopts this instance, for an advice."""
        return self._client.words.argument("adopt_id", f'"{instance_id}"')

    def _undecided(self, cause: str, candidates: list[str]) -> CreateUndecided:
        """Return the error of a create without an answer that may have made one of these instances."""
        ids = sorted(candidates, key=int)
        if len(ids) == 1:
            return CreateUndecided(
                f"{cause}; instance {ids[0]} may be its result",
                f"look at it, and if it is, run again with {self._adopting(ids[0])}",
                ids,
            )
        return CreateUndecided(
            f"{cause}; one of the instances {', '.join(ids)} may be its result",
            f"find out which, and whose the others are; run again with {self._adopting(ids[0])} (or the right id)",
            ids,
        )


def _is_decided(create: _Create, error: BaseException | None, turn: locks.Turn) -> bool:
    """Return whether it is known what this create, and an earlier one that was cut off, have made.

    ``error`` is the one in which this create has ended. Without an error, the engine must have got the answer: a state
    has to hold the instance, since no listing may show it yet to a run that begins now.
    """
    if error is None:
        return process.is_heard()
    if isinstance(error, LeftBehind):
        return create.line is not None and turn.cut_off is None
    if not turn.has_sent:
        return turn.cut_off is None
    return isinstance(error, InstancesError) and not isinstance(error, (CreateLost, CreateUndecided, Cancelled))


def _is_early(error: InstancesError) -> bool:
    """Return whether a GET of a new instance may have failed because the service is still making it."""
    is_not_ready = isinstance(error, NotFound) or getattr(error, "status", None) in _NOT_READY
    return is_not_ready or error.cause.endswith(_INCOMPLETE)


def _pauses() -> Iterator[float]:
    """Yield the seconds to wait before each further look, without end."""
    yield from (0.5, 1.0)
    yield from itertools.repeat(_PAUSE)
