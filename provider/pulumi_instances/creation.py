"""Creating exactly once over an API that has no idempotency key.

The answer of a `POST /instances` can be lost after the API has acted: repeating it would make a second instance, giving
up would leave one that nobody tracks. So a create is compared with what the API lists: an object that is new since the
first create of this process, that no other create here has claimed, and that matches in name, connector and tags, is
the one that was made. `pending` extends that to creates that a killed process has left.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from . import model
from .answers import AnswerLost
from .attempt import Json
from .client import Client
from .errors import AdoptionRefused, CreateLost, CreateUndecided, InstancesError, NotFound
from .pending import Pending

log = logging.getLogger("pulumi_instances")

_FIRST_LOOKS = (0.0, 0.5, 1.0)
_LOOK_EVERY = 3.0
_TAKEN = "adopt instance {id}: a resource of this stack has it already; remove adopt_id, or correct it"


class Creations:
    """The creates of one account in this process: which objects were there before, and which are claimed by whom."""

    def __init__(self, client: Client) -> None:
        """Send nothing yet: the first create takes the listing to compare with."""
        self._client = client
        self._pending = Pending(client.settings)
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._before: set[str] = set()
        self._namesakes: dict[str, list[dict[str, Any]]] | None = None
        self._claimed: set[str] = set()
        self._adopted: set[str] = set()
        self._planned: set[str] = set()
        self._managed: set[str] = set()
        self._made: defaultdict[object, set[str]] = defaultdict(set)
        self._turns: defaultdict[object, threading.Lock] = defaultdict(threading.Lock)

    def create(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make one instance and answer what the API said of it (`model.from_wire`), however its answer fares.

        Raises CreateLost when nothing was made, CreateUndecided when it is not clear which object was, and whatever
        `Client.post` raises when the API refused.
        """
        wanted = _Wanted(inputs)
        namesakes = self._take_listing().get(wanted.name, [])
        # Creates that could not be told apart afterwards go one after another, so that a new match is never another's.
        with self._turn(wanted.key):
            found = self._left_behind(inputs, wanted)
            if found is not None:
                return found
            twins = {found["id"] for found in namesakes if wanted.is_met_by(found)}
            self._name_twins(twins, wanted)
            with self._pending.create(inputs, twins | self._made[wanted.key]):
                answer = self._post(inputs, wanted, self._before)
                found = self._completed(answer, wanted)
                self._pending.account_for(found["id"])
                return found

    def claim(self, instance_id: str) -> None:
        """Say that a resource of this stack has this object, so that no other takes it for its own."""
        with self._lock:
            self._claimed.add(instance_id)

    def plan_adoption(self, instance_id: str) -> None:
        """A new resource is going to adopt this object. Raises AdoptionRefused when the state has it already."""
        with self._lock:
            if instance_id in self._managed:
                raise AdoptionRefused(_TAKEN.format(id=instance_id))
            self._planned.add(instance_id)

    def note_managed(self, instance_id: str) -> None:
        """A resource in the state has this object. Raises AdoptionRefused when a new one is going to adopt it."""
        with self._lock:
            if instance_id in self._planned:
                raise AdoptionRefused(_TAKEN.format(id=instance_id))
            self._managed.add(instance_id)
            self._claimed.add(instance_id)

    def adopt(self, instance_id: str, your_mom: str) -> dict[str, Any]:
        """Take over an existing object. Raises AdoptionRefused when it is gone, taken, or of another connector."""
        what = f"adopt instance {instance_id}"
        try:
            answer = self._client.get(instance_id)
        except NotFound:
            raise AdoptionRefused(f"{what}: it does not exist; correct adopt_id, or remove it to create one") from None
        found = self._told(answer)
        if found.get("your_mom", your_mom) != your_mom:
            raise AdoptionRefused(
                f'{what}: it is of "{found["your_mom"]}", the program says your_mom="{your_mom}"; correct one of them'
            )
        with self._lock:
            if instance_id in self._claimed:
                raise AdoptionRefused(_TAKEN.format(id=instance_id))
            self._claimed.add(instance_id)
            self._adopted.add(instance_id)
            self._planned.discard(instance_id)
        self._pending.account_for(instance_id)
        return answer

    def has_adopted(self, instance_id: str) -> bool:
        """Whether a resource has taken over this object in this very run."""
        with self._lock:
            return instance_id in self._adopted

    def _take_listing(self) -> Mapping[str, list[dict[str, Any]]]:
        """What the account held before our first create, by name: a create in a large account has few to look at."""
        with self._listing:  # not the other lock: diff takes that one, and must never wait for the network
            if self._namesakes is None:
                namesakes = defaultdict(list)
                for found in filter(None, map(self._told, self._client.list_all())):
                    namesakes[found.get("name", "")].append(found)
                    self._before.add(found["id"])
                self._namesakes = dict(namesakes)
            return self._namesakes

    def _turn(self, key: object) -> threading.Lock:
        with self._lock:
            return self._turns[key]

    def _post(self, inputs: Mapping[str, Any], wanted: _Wanted, before: Collection[str]) -> Json:
        clock, settings = self._client.clock, self._client.settings
        deadline = clock.now() + settings.create_timeout
        try:
            return self._client.post(model.to_create(inputs, settings.dialect))
        except AnswerLost as lost:
            answer = self._search(wanted, before, str(lost), deadline, patient=lost.attempt.unfinished)
            if answer is None:
                raise CreateLost(
                    f"{lost}. No new instance matches, so nothing was made: run again (with a new OAuth code, if it "
                    "takes one)"
                ) from None
            return answer

    def _left_behind(self, inputs: Mapping[str, Any], wanted: _Wanted) -> dict[str, Any] | None:
        """The object that a killed run has made for these very inputs, and told nobody of."""
        clock, settings = self._client.clock, self._client.settings
        deadline = clock.now() + settings.create_timeout
        # A plugin process outlives a killed engine until its last call ends: better to wait than to make another.
        while self._pending.is_under_way(inputs) and clock.now() < deadline:
            clock.sleep(_FIRST_LOOKS[1])
        for note in self._pending.left(inputs):
            remaining = note.began + settings.create_timeout - time.time()
            why = f"create instance {wanted.name!a}: an earlier run was interrupted in it"
            answer = self._search(wanted, note.before, why, clock.now() + remaining, patient=remaining > 0)
            if answer is not None:
                found = self._completed(answer, wanted)
                self._pending.account_for(found["id"], note)
                note.forget()
                log.warning("instance %s, made by an interrupted run, is taken over", found["id"])
                return found
            note.forget()
        return None

    def _name_twins(self, twins: Collection[str], wanted: _Wanted) -> None:
        """Never make a duplicate silently: say which objects look like one that another run has left."""
        with self._lock:
            strangers = sorted(set(twins) - self._claimed, key=int)
        if strangers:
            log.warning(
                "create instance %a: the API has %s with this name, connector and tags already; if an interrupted run "
                'left it, delete the new one and set adopt_id="%s"',
                wanted.name,
                ", ".join(strangers),
                strangers[0],
            )

    def _search(
        self, wanted: _Wanted, before: Collection[str], why: str, deadline: float, *, patient: bool
    ) -> Json | None:
        """Look for what a create has made: a few times, or until the deadline while the API may still be at work."""
        clock = self._client.clock
        blind: InstancesError | None = None
        for looks in itertools.count():
            wait = _FIRST_LOOKS[looks] if looks < len(_FIRST_LOOKS) else _LOOK_EVERY
            settled = blind is None and not patient
            if looks >= len(_FIRST_LOOKS) and (settled or clock.now() + wait > deadline):
                break
            clock.sleep(wait)
            try:
                listed = self._client.list_all()
            except InstancesError as error:
                blind = error  # the next look may do better; the deadline bounds them
                continue
            blind = None
            if (match := self._match(listed, wanted, before, why)) is not None:
                return match
        if blind is not None:
            raise CreateUndecided(
                f"{why}. Whether an instance was made cannot be found out ({blind}). Look for it before you run again, "
                "and take it over with adopt_id",
                [],
            )
        return None

    def _match(self, listed: list[Json], wanted: _Wanted, before: Collection[str], why: str) -> Json | None:
        with self._lock:
            known = {*before, *self._claimed}
        matches = {}
        for answer in listed:
            found = self._told(answer)
            if found and found["id"] not in known and wanted.is_met_by(found):
                matches[found["id"]] = answer
        if len(matches) > 1:
            ids = sorted(matches, key=int)
            raise CreateUndecided(
                f"{why}. One of the new instances {', '.join(ids)} is its result: find out which, delete the others, "
                f'and run again with adopt_id="{ids[0]}" (or the id that is right)',
                ids,
            )
        return next(iter(matches.values()), None)

    def _completed(self, answer: Json, wanted: _Wanted) -> dict[str, Any]:
        """Claim the object, and ask it for what the answer lacks: a listing's has no `disabled`."""
        instance_id = model.normalise_id(answer["id"])
        self.claim(instance_id)
        self._made[wanted.key].add(instance_id)  # in our turn: nobody else uses this set
        found = self._told(answer)
        if "token" in found and "disabled" in found:
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

    def _told(self, answer: Json) -> dict[str, Any]:
        return model.told(answer, self._client.settings.dialect)


class _Wanted:
    """What a create asked for, as far as the API shows it again."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.name: str = inputs["name"]
        # Tags that are not given are not compared: the service may add one of its own.
        self._expected = {key: inputs[key] for key in ("name", "your_mom", "tags") if key in inputs}
        self.key = (inputs["name"], inputs["your_mom"], tuple(inputs.get("tags", ())))

    def is_met_by(self, found: Mapping[str, Any]) -> bool:
        return "name" in found and all(found.get(key, value) == value for key, value in self._expected.items())
