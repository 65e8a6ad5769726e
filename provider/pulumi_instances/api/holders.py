"""The instance that each resource of this run holds, as far as the engine has shown it. Nothing outlives the process.

No two resources may hold one instance, and the engine does not prevent it. It shows in its calls who holds what: Check
says that a resource is new, Diff that the program declares one that is in the state, and Read, Update and Delete what
the state holds of it (docs/engine.md).
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ..core import identity
from ..core.errors import AdoptionRefused, Problem
from ..core.marks import parse
from ..core.model import MARK
from ..core.words import PYTHON, Words

Line = str | None
"""What names a resource (`marks.line_of`); None where it is not known."""


class Holders:
    """The resources and instances of one account in this run. Safe to share between threads."""

    def __init__(self, words: Words = PYTHON) -> None:
        """Know nothing yet. Messages are put in these ``words``."""
        self._adopt_id = words.name("adopt_id")
        self._lock = threading.Lock()
        self._known: set[str] = set()
        """Ids of the instances that the state or a resource of this run holds."""
        self._lines: set[str] = set()
        """Lines of the marks in the state."""
        self._new: set[str] = set()
        """Lines of the resources that get a new instance."""
        self._holders: defaultdict[str, set[str]] = defaultdict(set)
        """The lines of the resources that hold each instance."""
        self._deleted: set[str] = set()
        self._adopters: dict[str, Line] = {}
        """The resource that is going to adopt each of these instances."""
        self._taken_over: set[str] = set()
        self._replaced_adopted: set[str] = set()
        """Instances to be replaced whose ``adopt_id`` still names them."""
        self._refresh_reads: Counter[str] = Counter()
        """How many reads of a refresh no Diff has followed yet."""

    # what the engine shows

    def note_new(self, line: Line) -> None:
        """Note that the program declares a resource that gets a new instance: it is new, or replaced."""
        if line is not None:
            with self._lock:
                self._new.add(line)
                for lines in self._holders.values():
                    lines.discard(line)

    def note_refresh_read(self, instance_id: str) -> None:
        """Note that a refresh has read this instance. The Diff that follows says nothing about the program."""
        with self._lock:
            self._refresh_reads[instance_id] += 1

    def pop_refresh_read(self, instance_id: str) -> bool:
        """Take back one note of a refresh that has read the instance. Return whether there was one."""
        with self._lock:
            there_was = self._refresh_reads[instance_id] > 0
            self._refresh_reads[instance_id] -= there_was
            return there_was

    def note_state(self, instance_id: str, outputs: Mapping[str, Any]) -> None:
        """Note that the state holds this instance, with these outputs."""
        with self._lock:
            self._known.add(instance_id)
            mark = parse(str(outputs.get(MARK)))
            if mark is not None:
                self._lines.add(mark.line)

    def note_declared(self, instance_id: str, line: Line, *, replaced: bool, adopts: bool) -> None:
        """Note that the program declares the resource of this line, whose state holds this instance.

        ``replaced`` says that the instance is to be replaced, ``adopts`` that ``adopt_id`` still names it. Raises
        AdoptionRefused where another resource holds the instance, or is going to adopt it.
        """
        with self._lock:
            if self._adopters.get(instance_id, line) != line or self._holders[instance_id] - {line}:
                raise AdoptionRefused(
                    f"instance {instance_id} is held by two resources of this stack",
                    f"remove {self._adopt_id} or the import from one of them, or run `pulumi state delete` for one",
                )
            if replaced and adopts:
                self._replaced_adopted.add(instance_id)
            else:
                self._replaced_adopted.discard(instance_id)
            if line is not None and not replaced:
                self._holders[instance_id].add(line)

    # creates and adoptions

    def is_known(self, instance_id: str) -> bool:
        """Return whether a resource of this run holds the instance: no create can have made it, or takes it over."""
        with self._lock:
            return instance_id in self._known

    def existed(self, instance_id: str, before: Mapping[str, object] | None) -> bool:
        """Return whether an instance was there ``before``. The id of one that this run deleted may be given again."""
        with self._lock:
            return before is not None and instance_id in before and instance_id not in self._deleted

    def left_behind(self, lines: Iterable[str], listed: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
        """Return, by line, the ids of the listed instances of these lines that no resource of this run holds."""
        wanted, found = {*lines}, defaultdict(list)
        with self._lock:
            for each in listed:
                for mark in identity.marks_on(each):
                    if mark.line in wanted and each["id"] not in self._known:
                        found[mark.line].append(each["id"])
        return found

    def twins(self, listed: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Return, of the instances ``listed`` by line, those whose line another instance of the state has."""
        with self._lock:
            lines = self._lines - self._new
            others = {line: [*{*ids} - self._known] for line, ids in listed.items() if line in lines}
        return {line: ids for line, ids in others.items() if ids}

    def new_lines(self) -> set[str]:
        """Return the lines of the resources that the program has declared so far and that get a new instance."""
        with self._lock:
            return {*self._new}

    def take(self, instance_id: str, line: Line, *, over: bool = False) -> bool:
        """Give the resource of this line the instance, and return True; return False where another one has it.

        With ``over`` it is taken over from an interrupted run: this run does not delete it.
        """
        with self._lock:
            held = instance_id in self._known and instance_id not in self._deleted
            if held and (line is None or line not in self._holders[instance_id]):
                return False
            self._known.add(instance_id)
            self._deleted.discard(instance_id)
            self._adopters.pop(instance_id, None)
            if line is not None:
                self._holders[instance_id].add(line)
            if over:
                self._taken_over.add(instance_id)
            return True

    def plan_adoption(self, instance_id: str, line: Line) -> Problem | None:
        """Note that a new resource is going to adopt the instance; return the problem where another has it, or will."""
        with self._lock:
            if instance_id in self._known:
                return self.held_problem(instance_id)
            if instance_id in self._adopters:
                fault = f"names instance {instance_id}, as it does for another resource of this program"
                return Problem(self._adopt_id, fault, f"remove {self._adopt_id} from one of them")
            self._adopters[instance_id] = line
            return None

    def held_problem(self, instance_id: str) -> Problem:
        """Return the problem of an ``adopt_id`` that names an instance which another resource has."""
        fault = f"names instance {instance_id}, which another resource of this stack already manages"
        return Problem(self._adopt_id, fault, f"remove {self._adopt_id}, or correct it")

    # deletes

    def why_spared(self, instance_id: str, outputs: Mapping[str, Any]) -> str | None:
        """Return why the instance of the resource with these outputs is not to be deleted; None if it may be.

        Raises AdoptionRefused where the resource has to stay in the state.
        """
        with self._lock:
            if instance_id in self._taken_over:
                return "this run has taken it over"
            if instance_id in self._adopters or instance_id in self._replaced_adopted:
                raise AdoptionRefused(
                    f"delete instance {instance_id}: it is not deleted, since {self._adopt_id} names it",
                    f"remove {self._adopt_id} in an `up` of its own, and run again",
                )
            others = self._holders[instance_id] - {identity.line_in(outputs)}
        return "another resource of this program manages it" if others else None

    def note_dropped(self, instance_id: str) -> None:
        """Note that the state no longer holds the instance: the one that has the id by now is another."""
        with self._lock:
            self._known.discard(instance_id)

    def note_deleted(self, instance_id: str) -> None:
        """Note that the instance no longer exists: another one may get its id."""
        with self._lock:
            self._deleted.add(instance_id)
