"""Creating exactly once over an API that has no idempotency key.

The answer of a `POST /instances` can be lost after the API has acted: repeating it would make a second instance, giving
up would leave one that nobody tracks. So a create is compared with what the API lists: an object that is new since the
first create of this process, that no other create here has claimed, and that matches in name, connector and tags, is
the one that was made.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from . import model
from .client import AnswerLost, Client
from .errors import AdoptionRefused, CreateLost, CreateUndecided, InputError, InstancesError, NotFound, UnexpectedAnswer
from .transport import Json

_FIRST_LOOKS = (0.0, 0.5, 1.0)
_LOOK_EVERY = 3.0


class Creations:
    """The creates of one account in this process: which objects were there before, and which are claimed by whom."""

    def __init__(self, client: Client) -> None:
        """Send nothing yet: the first create takes the listing to compare with."""
        self._client = client
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._before: frozenset[str] | None = None
        self._claimed: set[str] = set()
        self._adopted: set[str] = set()
        self._turns: defaultdict[object, threading.Lock] = defaultdict(threading.Lock)

    def create(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make one instance and answer what the API said of it (`model.from_wire`), however its answer fares.

        Raises CreateLost when nothing was made, CreateUndecided when it is not clear which object was, and whatever
        `Client.post` raises when the API refused.
        """
        body = model.to_create(inputs, self._client.settings.dialect)
        wanted = _Wanted(inputs)
        self._take_listing()
        # Creates that could not be told apart afterwards go one after another, so that a new match is never another's.
        with self._turn(wanted.key):
            deadline = self._client.clock.now() + self._client.settings.create_timeout
            try:
                answer = self._client.post(body, model.secret_values(inputs))
            except AnswerLost as lost:
                answer = self._find(lost, wanted, deadline)
            instance_id = model.normalise_id(answer["id"])
            self.claim(instance_id)
        return self._completed(answer, instance_id, wanted)

    def claim(self, instance_id: str) -> None:
        """Say that a resource of this stack has this object, so that no other takes it for its own."""
        with self._lock:
            self._claimed.add(instance_id)

    def adopt(self, instance_id: str, your_mom: str) -> dict[str, Any]:
        """Take over an existing object. Raises AdoptionRefused when it is gone, taken, or of another connector."""
        what = f"adopt instance {instance_id}"
        try:
            answer = self._client.get(instance_id)
        except NotFound:
            raise AdoptionRefused(f"{what}: it does not exist; correct adopt_id, or remove it to create one") from None
        found = model.from_wire(answer, self._client.settings.dialect)
        if found.get("your_mom", your_mom) != your_mom:
            raise AdoptionRefused(
                f'{what}: it is of "{found["your_mom"]}", the program says your_mom="{your_mom}"; correct one of them'
            )
        with self._lock:
            if instance_id in self._claimed:
                raise AdoptionRefused(
                    f"{what}: a resource of this stack has it already; remove adopt_id, or correct it"
                )
            self._claimed.add(instance_id)
            self._adopted.add(instance_id)
        return answer

    def has_adopted(self, instance_id: str) -> bool:
        """Whether a resource has taken over this object in this very run."""
        with self._lock:
            return instance_id in self._adopted

    def _take_listing(self) -> None:
        with self._listing:  # not the other lock: diff takes that one, and must never wait for the network
            if self._before is None:
                self._before = frozenset(_ids(self._client.list_all()))

    def _turn(self, key: object) -> threading.Lock:
        with self._lock:
            return self._turns[key]

    def _find(self, lost: AnswerLost, wanted: _Wanted, deadline: float) -> dict[str, Any]:
        """Look for what the lost create has made: a few times if the API is done, else for as long as it may take."""
        clock = self._client.clock
        blind: InstancesError | None = None
        for looks in itertools.count():
            wait = _FIRST_LOOKS[looks] if looks < len(_FIRST_LOOKS) else _LOOK_EVERY
            settled = looks >= len(_FIRST_LOOKS) and blind is None and not lost.attempt.unfinished
            if settled or (looks >= len(_FIRST_LOOKS) and clock.now() + wait > deadline):
                break
            clock.sleep(wait)
            try:
                match = self._match(lost, wanted)
            except CreateUndecided:
                raise
            except InstancesError as error:
                blind = error  # the next look may do better; the deadline bounds them
                continue
            if match is not None:
                return match
            blind = None
        if blind is not None:
            raise CreateUndecided(
                f"{lost}. Whether an instance was made cannot be found out ({blind}). Look for it before you "
                "run again, and take it over with adopt_id",
                [],
            )
        raise CreateLost(
            f"{lost}. No new instance matches, so nothing was made: run again (with a new OAuth code, if it takes one)"
        )

    def _match(self, lost: AnswerLost, wanted: _Wanted) -> dict[str, Any] | None:
        listed = self._client.list_all()
        with self._lock:
            known = (self._before or frozenset()) | self._claimed
        new = [item for item in listed if not known.issuperset(_ids([item]))]
        matches = [item for item in new if wanted.is_met_by(self._told(item))]
        if len(matches) > 1:
            ids = sorted(_ids(matches), key=int)
            raise CreateUndecided(
                f"{lost}. One of the new instances {', '.join(ids)} is its result: find out which, delete the others, "
                f'and run again with adopt_id="{ids[0]}" (or the id that is right)',
                ids,
            )
        return matches[0] if matches else None

    def _completed(self, answer: dict[str, Any], instance_id: str, wanted: _Wanted) -> dict[str, Any]:
        """What the answer says; from the object itself where the answer lacks the token or is malformed."""
        found = self._told(answer)
        if "token" in found and "disabled" in found:  # a listing lacks the latter
            return found
        try:
            return {**found, **model.from_wire(self._client.get(instance_id), self._client.settings.dialect)}
        except InstancesError as error:
            if "token" in found:
                return found
            raise CreateUndecided(
                f"create instance {wanted.name!a}: it was made as {instance_id}, but its token cannot be read "
                f'({error}): run again with adopt_id="{instance_id}"',
                [instance_id],
            ) from None

    def _told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What an answer says of an instance, or nothing where it is malformed."""
        try:
            return model.from_wire(answer, self._client.settings.dialect)
        except UnexpectedAnswer:
            return {}


class _Wanted:
    """What a create asked for, as far as the API shows it again."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.name: str = inputs["name"]
        self._expected = {key: inputs[key] for key in ("name", "your_mom", "tags")}
        self.key = (inputs["name"], inputs["your_mom"], tuple(inputs["tags"]))

    def is_met_by(self, found: Mapping[str, Any]) -> bool:
        return "name" in found and all(found.get(key, value) == value for key, value in self._expected.items())


def _ids(listed: list[Json]) -> list[str]:
    ids = []
    for item in listed:
        try:
            ids.append(model.normalise_id(item.get("id")))
        except InputError:
            continue  # an object without an id cannot be ours, nor be adopted
    return ids
