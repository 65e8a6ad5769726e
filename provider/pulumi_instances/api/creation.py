"""Creating exactly once over an API that has no idempotency key.

The answer of a `POST /instances` can be lost after the API has acted: repeating it would make a second instance, giving
up would leave one that nobody tracks. So a create is compared with what the API lists: an object that is new since the
first create of this process, that no other create here has claimed, and that is what the service makes of these inputs,
is the one that was made. `crash_notes` extends that to creates that a killed process has left.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .. import process
from ..core import model
from ..core.errors import (
    ConnectionFailed,
    CreateIncomplete,
    CreateLost,
    CreateUndecided,
    InstancesError,
    StatusError,
    UnexpectedAnswer,
)
from . import limits
from .attempt import Attempt, Json
from .client import Client
from .crash_notes import Note, OpenNote
from .holdings import Holdings
from .home import LONGEST_MEMORY
from .listings import Before, Found, Listings
from .matching import Wanted
from .responses import AnswerLost

log = logging.getLogger("pulumi_instances")

_FIRST_LOOKS = (0.0, 0.5, 1.0)
_LOOK_EVERY = 3.0
_LONGEST_GRACE = 30.0
"""Seconds to look for an object after the time of its create is over."""


@dataclass(frozen=True)
class _Lost:
    """A create whose end nobody has seen, and how to look for what it has made."""

    wanted: Wanted
    why: str
    """What happened, as a message begins."""
    may_be: Callable[[str], bool] | None
    """Whether it may have made the object with this id; None where no earlier listing tells what is new."""
    deadline: float
    patient: bool
    """Whether the API may still be at work on it."""
    otherwise: str = ""
    """What to do if none of the candidates is right, as a message ends."""


class Creations:
    """The creates of one account in this process."""

    def __init__(self, client: Client, listings: Listings, holdings: Holdings) -> None:
        """Send nothing yet: the first create takes the listing to compare with."""
        self._client = client
        self._listings = listings
        self._holdings = holdings
        self._notes = holdings.notes
        self._records = holdings.records
        self._lock = threading.Lock()
        self._made: defaultdict[object, set[str]] = defaultdict(set)
        self._turns: defaultdict[object, threading.Lock] = defaultdict(threading.Lock)

    # create

    def create(self, inputs: Mapping[str, Any]) -> Found:
        """Make one instance and answer what the API said of it (`model.from_wire`), even if the answer is lost.

        Raises CreateLost when no instance was found, CreateUndecided when it is not clear which object was made, and
        whatever `Client.post` raises when the API refused.
        """
        wanted = Wanted(inputs, self._client.settings.dialect)
        before = self._listings.before()
        # Creates that could not be told apart afterwards go one after another, so that a new match is never another's.
        with self._turn(wanted.key):
            found = self._made_before(inputs, wanted, before) or self._left_behind(inputs, wanted)
            if found is not None:
                return found
            if before is not None:
                self._name_twins(before.by_name.get(wanted.name, []), wanted)
            highest = None if before is None else before.highest
            with self._records.during_create(), self._notes.create(inputs, highest, self._made[wanted.key]) as note:
                known = None if before is None else before.by_id
                found = self._post(inputs, wanted, known, note)
                self._made[wanted.key].add(found["id"])  # in our turn: nobody else uses this set
                self._notes.account_for(found["id"])
                if process.is_heard():
                    self._records.add(inputs, found["id"])
                    note.drop()
                return found

    def _turn(self, key: object) -> threading.Lock:
        with self._lock:
            return self._turns[key]

    def _post(self, inputs: Mapping[str, Any], wanted: Wanted, known: Collection[str] | None, note: OpenNote) -> Found:
        clock, settings = self._client.clock, self._client.settings
        deadline = limits.end(clock, settings.create_timeout)
        try:
            return self._completed(self._client.post(model.to_create(inputs, settings.dialect)), wanted)
        except AnswerLost as error:
            why, attempt = error.cause, error.attempt
        except (StatusError, ConnectionFailed, UnexpectedAnswer):  # refused, or never sent: nothing was made
            note.drop()
            raise
        except InstancesError:
            raise
        except Exception as error:  # whatever it is, the API may have acted
            why, attempt = f"create instance {wanted.name!a}: {type(error).__name__}", Attempt()
        if not attempt.unfinished:
            note.say_answered()
        grace = limits.end(clock, min(settings.create_timeout, _LONGEST_GRACE))
        may_be = None if known is None else lambda instance_id: instance_id not in known
        found = self._search(_Lost(wanted, why, may_be, max(deadline, grace), attempt.unfinished))
        if found is None:
            raise CreateLost(f"{why}; no new instance like it was found, but one may still appear") from None
        return found

    def _completed(self, answer: Json, wanted: Wanted) -> Found:
        """The object in an answer to our POST, and what the answer lacks."""
        instance_id = model.normalise_id(answer["id"])
        if not self._holdings.claim(instance_id):
            raise CreateUndecided(
                f"create instance {wanted.name!a}: the API answered with instance {instance_id}, which another "
                "resource already manages",
                "find out which instance was created before you run again",
                [instance_id],
            )
        found = model.told(answer, self._client.settings.dialect)
        return found if "token" in found and "disabled" in found else {**found, **self._read(instance_id, wanted)}

    def _read(self, instance_id: str, wanted: Wanted) -> Found:
        """What a GET says: a listing may mask the token, and lacks `disabled`."""
        try:
            found = model.from_wire(self._client.get(instance_id), self._client.settings.dialect)
            if "token" not in found:
                raise UnexpectedAnswer("the answer has no token")
        except InstancesError as error:
            raise CreateIncomplete(
                f"create instance {wanted.name!a}: it was created as {instance_id}, but its token cannot be read "
                f"({error.cause})",
                f'run again with adopt_id="{instance_id}"',
                [instance_id],
                error.cause,
            ) from None
        return found

    def _name_twins(self, namesakes: Collection[Found], wanted: Wanted) -> None:
        """Never make a duplicate silently: say which objects look like one that another run has left."""
        alike = {found["id"] for found in namesakes if wanted.is_met_by(found)}
        twins = sorted(alike - self._holdings.known(), key=int)
        if twins:
            log.warning(
                "create instance %a: the API already has %s with this name, connector and tags. Ignore this if this "
                "create replaces it. Otherwise check whether a stack manages it (`pulumi-instances orphans`); if none "
                'does, keep only one of the two: to keep the old one, delete the new one and set adopt_id="%s"',
                wanted.name,
                ", ".join(twins),
                twins[0],
            )

    # what an interrupted run has left

    def _made_before(self, inputs: Mapping[str, Any], wanted: Wanted, before: Before | None) -> Found | None:
        """The object that a run of this stack has made for this very resource, and that no state came to hold.

        It is there, and no other resource is known to have it.
        """
        made = set(self._records.made(inputs)) - self._holdings.known()
        if before is None or len(made) != 1 or not made <= before.by_id.keys():
            return None
        [instance_id] = made
        found = self._read(instance_id, wanted)
        if not self._holdings.claim(instance_id):
            return None
        self._notes.account_for(instance_id)
        return self._take_over(found)

    def _take_over(self, found: Found) -> Found:
        log.warning("instance %s, made by an interrupted run, is taken over", found["id"])
        return {**found, **self._holdings.keep(found["id"])}

    def _left_behind(self, inputs: Mapping[str, Any], wanted: Wanted) -> Found | None:
        """The object that a killed run of this stack has made for these very inputs, and reported to nobody."""
        clock, settings = self._client.clock, self._client.settings
        deadline = limits.end(clock, settings.create_timeout)
        # A plugin process outlives a killed engine until its last call ends: better to wait than to make another.
        if self._notes.is_under_way(inputs):
            _say_waiting(wanted, settings.create_timeout)
            while self._notes.is_under_way(inputs) and clock.now() < deadline:
                clock.sleep(_FIRST_LOOKS[1])
        for note in self._notes.left(inputs):
            if note.age > LONGEST_MEMORY:
                self._name_old(note, wanted)
            elif (found := self._taken_over(note, wanted)) is not None:
                return found
            note.forget()
        return None

    def _taken_over(self, note: Note, wanted: Wanted) -> Found | None:
        clock, settings = self._client.clock, self._client.settings
        remaining = 0.0 if note.answered else max(0.0, settings.create_timeout - note.age)
        if remaining > 0:
            _say_waiting(wanted, remaining)
        found = self._search(
            _Lost(
                wanted,
                f"create instance {wanted.name!a}: an earlier run was interrupted while creating it",
                note.may_be if note.highest is not None else None,
                min(clock.now() + remaining, limits.end(clock, remaining)),
                patient=remaining > 0,
                otherwise=f"; if it created none, remove {note.path}",
            )
        )
        if found is None:
            return None
        self._notes.account_for(found["id"], note)
        note.forget()
        return self._take_over(found)

    def _name_old(self, note: Note, wanted: Wanted) -> None:
        candidates = [
            found["id"]
            for found in self._listings.fresh()
            if note.may_be(found["id"]) and (wanted.is_met_by(found) or wanted.resembles(found))
        ]
        if candidates:
            log.warning(
                "create instance %a: a run of %s was interrupted while creating it and may have left instance %s, too "
                "long ago to adopt it automatically. A new one is created. To use the old one instead, delete the new "
                'one and set adopt_id="%s"',
                wanted.name,
                datetime.fromtimestamp(note.began, timezone.utc).date().isoformat(),
                ", ".join(candidates),
                candidates[0],
            )

    # looking for the result of a create

    def _search(self, lost: _Lost) -> Found | None:
        """Look for what a create has made: a few times, or until the deadline while the API may still be at work."""
        clock = self._client.clock
        blind: InstancesError | None = None
        alike: list[str] = []
        for looks in itertools.count():
            wait = _FIRST_LOOKS[looks] if looks < len(_FIRST_LOOKS) else _LOOK_EVERY
            settled = blind is None and not lost.patient
            if looks >= len(_FIRST_LOOKS) and (settled or clock.now() + wait > lost.deadline):
                break
            clock.sleep(wait)
            try:
                listed = self._listings.fresh()
            except InstancesError as error:
                blind = error  # the next look may do better; the deadline bounds them
                if limits.is_over(clock):
                    break
                continue
            blind = None
            match, alike = self._match(listed, lost)
            if match is not None:
                return {**match, **self._read(match["id"], lost.wanted)}
        if blind is not None:
            raise CreateUndecided(
                f"{lost.why}; whether an instance was created is unknown, since the listing failed ({blind.cause})",
                f"look for it before you run again, and if there is one, adopt it with adopt_id{lost.otherwise}",
                [],
            )
        if alike:
            raise _undecided(lost, alike)
        return None

    def _match(self, listed: list[Found], lost: _Lost) -> tuple[Found | None, list[str]]:
        """The one object that must be the result, claimed for us; else the ids of those that may be."""
        known = self._holdings.known()
        new = [
            found for found in listed if found["id"] not in known and (lost.may_be is None or lost.may_be(found["id"]))
        ]
        exact = {found["id"]: found for found in new if lost.wanted.is_met_by(found)}
        if len(exact) == 1 and lost.may_be is not None:
            [match] = exact.values()
            # Where another resource was faster, what is left may still hold the result.
            return (match, []) if self._holdings.claim(match["id"]) else self._match(listed, lost)
        if len(exact) > 1:
            raise _undecided(lost, list(exact))
        return None, [found["id"] for found in new if found["id"] in exact or lost.wanted.resembles(found)]


def _say_waiting(wanted: Wanted, seconds: float) -> None:
    log.warning(
        "create instance %a: waiting up to %.0f s for what an interrupted run may still be creating",
        wanted.name,
        seconds,
    )


def _undecided(lost: _Lost, candidates: list[str]) -> CreateUndecided:
    ids = sorted(candidates, key=int)
    if len(ids) == 1:
        which, advice = f"instance {ids[0]} may be its result", "look at it, and if it is"
        right = ""
    else:
        which, advice = f"one of the instances {', '.join(ids)} may be its result", "find out which, delete the others"
        right = " (or the right id)"
    advice = f'{advice}, run again with adopt_id="{ids[0]}"{right}{lost.otherwise}'
    return CreateUndecided(f"{lost.why}; {which}", advice, ids)
