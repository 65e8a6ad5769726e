"""Which resource has which object, so that no object is taken for two, or deleted while another resource has it."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ..core import model
from ..core.errors import AdoptionRefused, Problem
from .crash_notes import CrashNotes
from .home import Home
from .keepers import Keepers
from .records import Records

_BY_ADOPTION = "adopted"
"""Stands for the keeper of a resource that adopted its object with 0.1.0, which kept no such word."""


class Holdings:
    """What the resources of one account hold, as far as this process knows. Safe to share between threads."""

    def __init__(self, home: Home) -> None:
        """Nothing is held yet, except what earlier processes have left in their files."""
        self.notes = CrashNotes(home)
        self.records = Records(home)
        self._keepers = Keepers(home)
        self._lock = threading.Lock()
        self._claimed: set[str] = set()
        self._seen: set[str] = set()
        self._planned: set[str] = set()
        self._adopting: set[str] = set()
        self._managed: defaultdict[str, set[str | None]] = defaultdict(set)
        self._kept: dict[str, str] = {}
        self._doomed: set[str] = set()
        self._has_notes: bool | None = None

    def claim(self, instance_id: str) -> bool:
        """Whether the object was free; a create has it from now on, and no other resource takes it for its own."""
        with self._lock:
            free = instance_id not in self._claimed
            self._claimed.add(instance_id)
            return free

    def known(self) -> set[str]:
        """The objects that are claimed or seen in a state: a create whose answer was lost has made none of them."""
        with self._lock:
            return self._claimed | self._seen

    # adoption

    def plan_adoption(self, instance_id: str) -> Problem | None:
        """A new resource is going to adopt this object. Returns the problem where another has it or will adopt it."""
        with self._lock:
            if instance_id in self._managed:
                return _taken(instance_id)
            if instance_id in self._planned:
                fault = f"names instance {instance_id}, as it does for another resource of this program"
                return Problem("adopt_id", fault, "remove adopt_id from one of them")
            self._planned.add(instance_id)
            return None

    def begin_adoption(self, instance_id: str) -> None:
        """Claim the object for a resource that adopts it. Raises AdoptionRefused where another has it."""
        with self._lock:
            if instance_id in self._claimed:
                raise refused(_taken(instance_id))
            self._claimed.add(instance_id)
            self._adopting.add(instance_id)

    def adopted(self, inputs: Mapping[str, Any], instance_id: str) -> dict[str, str]:
        """The adoption has succeeded. Returns what the state has to hold besides: see `keep`."""
        self.notes.account_for(instance_id)
        self.notes.forget(inputs)
        with self._lock:
            self._adopting.discard(instance_id)
        return self.keep(instance_id)

    def keep(self, instance_id: str) -> dict[str, str]:
        """A resource holds an object that another may have had: the output that tells the two resources apart."""
        keeper = secrets.token_hex(8)
        with self._lock:
            self._kept[instance_id] = keeper
        self._keepers.set(instance_id, keeper)
        return {model.KEEPER: keeper}

    # what states hold

    def note_managed(
        self, instance_id: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any], *, replaced: bool = False
    ) -> None:
        """A resource in the state has this object. Raises AdoptionRefused when a new one is going to adopt it.

        ``replaced`` says that the engine is told to replace it: it may delete the object before anything is checked.
        """
        keeper = outputs.get(model.KEEPER)
        adopted = keeper is None and inputs.get("adopt_id") == instance_id
        with self._lock:
            if instance_id in self._planned:
                raise refused(_taken(instance_id))
            self._managed[instance_id].add(_BY_ADOPTION if adopted else keeper)
            self._claimed.add(instance_id)
            if replaced and inputs.get("adopt_id") == instance_id:
                self._doomed.add(instance_id)
            else:
                self._doomed.discard(instance_id)
            words = self._managed[instance_id]
            if self._has_notes is None:
                self._has_notes = bool(self.notes.left(any_stack=True))
        self.records.drop(instance_id)
        if keeper is not None:
            self._keepers.set(instance_id, keeper)
        elif not adopted:
            self._keepers.release_to(instance_id, words)
        if self._has_notes:
            self.notes.note_held(inputs, instance_id)

    def note_seen(self, instance_id: str) -> None:
        """A resource in the state has or refers to this object: no create takes it over."""
        with self._lock:
            self._seen.add(instance_id)
        self.records.drop(instance_id)

    def demand_free(self, instance_id: str, outputs: Mapping[str, Any]) -> bool:
        """Whether the resource with these outputs may delete the object: False where another resource has it now.

        Raises AdoptionRefused where a resource was going to adopt it in this run, and has failed, or is still to do so.
        """
        ours = outputs.get(model.KEEPER)
        with self._lock:
            if instance_id in self._adopting:
                raise AdoptionRefused(
                    f"delete instance {instance_id}: it is not deleted, since another resource failed to adopt it",
                    "run again",
                )
            still_to_adopt = instance_id in self._planned and instance_id not in self._kept
            if still_to_adopt or instance_id in self._doomed:
                raise AdoptionRefused(
                    f"delete instance {instance_id}: it is not deleted, since adopt_id names it and its replacement "
                    "could only adopt it again",
                    "remove adopt_id in an `up` of its own, and run again",
                )
            holders = {*self._managed.get(instance_id, ()), self._kept.get(instance_id, ours)}
        return holders == {ours} and self._keepers.get(instance_id) in (None, ours)

    def deleted(self, instance_id: str) -> None:
        """The object is no longer there."""
        self._keepers.release(instance_id)
        self.records.drop(instance_id)


def refused(problem: Problem) -> AdoptionRefused:
    """The error of an adoption that has this problem."""
    return AdoptionRefused(problem.sentence(), problem.advice)


def _taken(instance_id: str) -> Problem:
    fault = f"names instance {instance_id}, which another resource of this stack already manages"
    return Problem("adopt_id", fault, "remove adopt_id, or correct it")
