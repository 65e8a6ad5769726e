"""Creating exactly once over an API that has no idempotency key.

The answer of a `POST /instances` can be lost after the API has acted: repeating it would make a second instance, giving
up would leave one that nobody tracks. So each create sends a mark that no instance has yet (`core.marks`). What a lost
answer was about, and what an interrupted run has left, is found by it, on any machine.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping
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
from .outcome import AnswerLost, Outcome

log = logging.getLogger("pulumi_instances")

_FIRST_LOOKS = (0.0, 0.5, 1.0)
_LOOK_EVERY = 3.0
_NOT_READY = (409, 423, 425)
"""What a service may answer to a GET of what it is still making, beside 404 ..."""
_EMPTY = ("the answer has no token", "the body is empty")
"""... and how the errors end of what it then leaves out."""
_LONGEST_GRACE = 30.0
"""Seconds to look for an instance after the time of its create is over."""


class _Create(NamedTuple):
    """One create under way."""

    inputs: Mapping[str, Any]
    what: str
    """The operation and its object, as a message begins."""
    line: str | None
    """Of the mark; None where no mark is sent."""
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
        account: str,
    ) -> None:
        """Send nothing yet. ``account`` is that of `identity`."""
        self._client = client
        self._listings = listings
        self._holders = holders
        self._adoptions = adoptions
        self._account = account
        self._keeps_marks = True
        """Whether the service keeps the tag of a create, as far as it has answered."""

    def create(self, inputs: Mapping[str, Any]) -> Found:
        """Make one instance, and return what the API said of it even if the answer is lost.

        It holds what a state needs besides (`model.HIDDEN`). Where an interrupted run has made one for this resource,
        the setting `takeOver` decides.

        Raises LeftBehind where the user has to decide, CreateLost when no instance was found, CreateUndecided when it
        is not clear which one was made, and whatever `Client.post` raises when the API refused.
        """
        line, what = inputs.get(model.LINE), f"create instance {inputs['name']!r}"
        create = _Create(inputs, what, line if self._client.settings.mark else None, self._listings.before())
        waiting = self._waiting(f"{what}: waiting for a process that is still creating it")
        try:
            name = None if line is None else f"{self._account} {line}"  # without a line, it may be any resource
            with locks.taken(name, waiting, partial(_is_decided, create)) as turn:
                listed = self._settled(create, turn)
                found = self._left_behind(create, turn, listed)
                return self._post(create, turn) if found is None else found
        except locks.Busy:
            raise CreateLost(
                f"{what}: a process of an earlier run is still creating it; nothing was sent", "run again later"
            ) from None

    def _waiting(self, why: str) -> Callable[[], bool]:
        """Return a function that sleeps a moment, and returns False when `createTimeout` is over."""
        clock, deadlines = self._client.clock, list[float]()

        def wait() -> bool:
            if not deadlines:
                deadlines.append(retry.deadline(clock, self._client.settings.create_timeout))
                log.warning("%s, for up to %.0f s", why, max(0.0, deadlines[0] - clock.now()))
            clock.sleep(_LOOK_EVERY)
            return clock.now() < deadlines[0] and process.is_heard()

        return wait

    # what an interrupted run has left

    def _left_behind(self, create: _Create, turn: locks.Turn, listed: Mapping[str, Found]) -> Found | None:
        """Take over what an interrupted run has made for this resource, where there is such and the user wants it."""
        if self._client.settings.take_over == "no":
            return None
        if create.line is None:
            was_cut_off = turn.waited or turn.cut_off is not None
            if was_cut_off and (alike := self._alike(create, listed)):
                raise self._unmarked(create, alike)
            return None
        ids = self._holders.left_behind([create.line], listed.values()).get(create.line, [])
        if not ids:
            return None
        if self._client.settings.take_over != "yes" or len(ids) > 1:
            raise self._undecided_by_user(create, create.line, ids, listed)
        return self._taken_over(create, ids[0])

    def _settled(self, create: _Create, turn: locks.Turn) -> Mapping[str, Found]:
        """Return a listing that has what an earlier create of this resource has made.

        Where one was cut off, the API may still be at work on it: then look until `createTimeout` is over for it.
        """
        if create.before is None or not (turn.waited or turn.cut_off is not None):
            return create.before or {}
        wait = self._waiting(f"{create.what}: looking for what an interrupted run may still be creating")
        began, is_over = self._client.clock.now(), False
        while True:
            listed = self._listings.fresh()
            found = create.line is not None and self._holders.left_behind([create.line], listed.values())
            if found or is_over or turn.cut_off is None or self._client.settings.take_over == "no":
                return listed
            if turn.cut_off + self._client.clock.now() - began >= self._client.settings.create_timeout:
                return listed
            is_over = not wait()

    def _unmarked(self, create: _Create, ids: list[str]) -> LeftBehind:
        """The error of a create where an earlier one was cut off, and no mark says what it has made."""
        return LeftBehind(
            f"{create.what}: an earlier create was cut off, and may have made one of: {', '.join(ids)}",
            f"if one is, set {self._adopting(ids[0])} (or the right id); else run again with "
            f"{self._client.variable('TAKE_OVER')}=no",
            ids,
        )

    def _undecided_by_user(self, create: _Create, line: str, ids: list[str], listed: Mapping[str, Found]) -> LeftBehind:
        """The error that says what there is, for all resources that the program has declared so far."""
        variable = self._client.variable("TAKE_OVER")
        lines = {*self._holders.new_lines(), line}
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
            "state has left it, it was retained on delete, it has moved to another resource or stack, or it is to be "
            f"replaced (--replace, taint, or an option of the resource). This run has found: {shown}",
            f"if a run was interrupted or the state was lost, run `{variable}=yes pulumi up`, which takes over what is "
            f"found; otherwise, to create another one, run `{variable}=no pulumi up` with the same options",
            ids,
        )

    def _taken_over(self, create: _Create, instance_id: str) -> Found:
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
        clock, settings = self._client.clock, self._client.settings
        deadline = retry.deadline(clock, settings.create_timeout)
        body = model.to_create(create.inputs, settings.dialect)
        mark = None if create.line is None else marks.new_mark(create.line)
        if mark is not None:
            body["tags"] = [*body.get("tags", []), mark]

        def may_send() -> bool:
            if is_heard := process.is_heard():
                turn.touch()
            return is_heard

        try:
            found = self._client.post(body, may_send)
            return self._completed(create, found, deadline, mark)
        except AnswerLost as error:
            why, outcome = error.cause, error.outcome
        except InstancesError:
            raise  # it was refused, never sent, or its outcome is named
        except Exception as error:  # whatever it is, the API may have acted
            why, outcome = f"{create.what}: {type(error).__name__}", Outcome()
        grace = retry.deadline(clock, min(settings.create_timeout, _LONGEST_GRACE))
        return self._searched(create, mark, why, max(deadline, grace), patient=outcome.unfinished)

    def _completed(self, create: _Create, found: Found, deadline: float, mark: str | None) -> Found:
        """The instance in an answer to our POST, with what the answer lacks."""
        instance_id = found["id"]
        why = "which existed before" if self._holders.existed(instance_id, create.before) else ""
        if create.before is None and mark is not None:
            # Nobody knows what there was before: the mark alone proves that it is the one.
            if not identity.carries(found, mark):
                found = {**found, **self._read(create, instance_id, deadline, mark)}
            why = "" if identity.carries(found, mark) else "which does not carry the mark that was sent"
        if not why and (identity.other_marks(found, mark) or not self._holders.take(instance_id, self._line(create))):
            why = "which another resource manages"
        if why:
            raise CreateUndecided(
                f"{create.what}: the API answered with instance {instance_id}, {why}",
                "look at it: the service may have changed it, or created another one",
                [instance_id],
            )
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
            return {**found, **self._hidden(mark)}
        return {**found, **self._read(create, instance_id, deadline, mark)}

    def _line(self, create: _Create) -> str | None:
        line = create.inputs.get(model.LINE)
        return line if isinstance(line, str) else None

    def _read(self, create: _Create, instance_id: str, deadline: float, mark: str | None) -> Found:
        """What a GET says: an answer or a listing may mask the token, and lack `disabled`.

        A service may show a new instance, or its token, some time after it has answered.
        """
        clock = self._client.clock
        for looks in itertools.count():
            wait = _FIRST_LOOKS[looks + 1] if looks + 1 < len(_FIRST_LOOKS) else _LOOK_EVERY
            try:
                found = self._client.get(instance_id)
                if identity.shown_token(found):
                    return {**found, **self._hidden(mark)}
                raise UnexpectedAnswer("the answer has no token")
            except InstancesError as error:
                is_early = isinstance(error, NotFound) or getattr(error, "status", None) in _NOT_READY
                is_early = is_early or error.cause.endswith(_EMPTY)
                if is_early and clock.now() + wait < deadline and process.is_heard():
                    clock.sleep(wait)
                    continue
                raise CreateIncomplete(
                    f"{create.what}: it was created as {instance_id}, but its token cannot be read ({error.cause})",
                    f"run again with {self._adopting(instance_id)}",
                    [instance_id],
                    error.cause,
                    self._hidden(mark),
                ) from None
        raise AssertionError

    def _hidden(self, mark: str | None) -> dict[str, Any]:
        """What a state holds of a create besides what the API says."""
        known = {model.CREATED: int(time.time()), model.ACCOUNT: self._account}
        return {**known, model.MARK: mark} if mark else known

    # looking for the result of a create

    def _searched(self, create: _Create, mark: str | None, why: str, until: float, *, patient: bool) -> Found:
        """Look for what a create has made: a few times, or ``until`` then where the API may still be at work."""
        clock = self._client.clock
        blind: InstancesError | None = None
        listed: Mapping[str, Found] = {}
        for looks in itertools.count():
            wait = _FIRST_LOOKS[looks] if looks < len(_FIRST_LOOKS) else _LOOK_EVERY
            if looks >= len(_FIRST_LOOKS) and ((blind is None and not patient) or clock.now() + wait > until):
                break
            clock.sleep(wait)
            try:
                listed, blind = self._listings.fresh(), None
            except InstancesError as error:
                blind = error  # the next look may do better
                if retry.is_over(clock):
                    break
                continue
            if found := self._marked(create, mark, why, listed):
                return {**found, **self._read(create, found["id"], max(until, clock.now() + _LOOK_EVERY), mark)}
            new = {key: found for key, found in listed.items() if key not in (create.before or {})}
            if (
                (mark is None or not self._keeps_marks)
                and looks >= len(_FIRST_LOOKS) - 1
                and (alike := self._alike(create, new))
            ):
                raise self._undecided(why, alike)  # it is for the user to decide, however long we look
        if blind is not None:
            adopt_id = self._client.words.name("adopt_id")
            raise CreateUndecided(
                f"{why}; whether an instance was created is unknown, since the listing failed ({blind.cause})",
                "run again, which looks for it first (with a new OAuth code, if it takes one)"
                if mark
                else f"look for it before you run again, and if there is one, adopt it with {adopt_id}",
                [],
            )
        raise CreateLost(f"{why}; no new instance like it was found, but one may still appear")

    def _marked(self, create: _Create, mark: str | None, why: str, listed: Mapping[str, Found]) -> Found | None:
        """The one listed instance that carries this mark, which our request has made."""
        marked = [found for found in listed.values() if identity.carries(found, mark)]
        if len(marked) > 1:
            raise self._undecided(why, [found["id"] for found in marked])
        if not marked or not self._holders.take(marked[0]["id"], create.line):
            return None
        self._listings.note_seen(marked[0]["id"])
        return marked[0]

    def _alike(self, create: _Create, listed: Mapping[str, Found] | None) -> list[str]:
        """The ids of what a create without a mark may have made: new ones that nobody here holds, of its connector."""
        your_mom = create.inputs["your_mom"]
        return sorted(
            (
                found["id"]
                for found in (listed or {}).values()
                if not self._holders.is_known(found["id"])
                and not found.get(model.MARKS)
                and found.get("your_mom", your_mom) == your_mom
                and (create.before is None or found["id"] not in create.before or _is_called(found, create.inputs))
            ),
            key=int,
        )

    def _adopting(self, instance_id: str) -> str:
        """What a program has to give to adopt this instance."""
        return self._client.words.argument("adopt_id", f'"{instance_id}"')

    def _undecided(self, why: str, candidates: list[str]) -> CreateUndecided:
        ids = sorted(candidates, key=int)
        if len(ids) == 1:
            return CreateUndecided(
                f"{why}; instance {ids[0]} may be its result",
                f"look at it, and if it is, run again with {self._adopting(ids[0])}",
                ids,
            )
        return CreateUndecided(
            f"{why}; one of the instances {', '.join(ids)} may be its result",
            f"find out which, and whose the others are; run again with {self._adopting(ids[0])} (or the right id)",
            ids,
        )


def _is_decided(create: _Create, error: BaseException | None, turn: locks.Turn) -> bool:
    """Whether it is known what a create that ended so, and an earlier one that was cut off, have made.

    A state has to hold it: no listing may show it yet to a run that begins now.
    """
    if error is None:
        return process.is_heard()
    if isinstance(error, LeftBehind):
        return create.line is not None and turn.cut_off is None
    if not turn.has_sent:
        return turn.cut_off is None
    return isinstance(error, InstancesError) and not isinstance(error, (CreateLost, CreateUndecided, Cancelled))


def _is_called(found: Found, inputs: Mapping[str, Any]) -> bool:
    return bool(found.get("name") == inputs["name"])
