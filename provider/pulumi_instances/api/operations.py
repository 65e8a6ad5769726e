"""The operations on one account's instances: inputs in, what the API said out."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..core import model
from ..core.config import Settings
from ..core.errors import InputError, InstancesError, NotFound, Problem, UnexpectedAnswer
from . import limits, selection
from .adoption import Adoptions
from .attempt import Clock
from .batched_reads import Reads
from .client import Client
from .creation import Creations
from .gone import Gone
from .holdings import Holdings
from .home import Home
from .listings import Listings
from .responses import AnswerLost

log = logging.getLogger("pulumi_instances")

_LONGEST_PAUSE = 10.0
"""Seconds between two looks at a connection that is to become valid."""


class Concealed(str):
    """Text that goes to the API as it is, and into messages, which show names by their repr, as ``[secret]``."""

    __slots__ = ()

    def __repr__(self) -> str:
        """What messages show."""
        return "[secret]"


class Operations:
    """CRUD of one account. One object serves all threads of the plugin process.

    Answers are dicts as `model.from_wire` makes them: always ``id``, and what else the API said.
    """

    def __init__(self, settings: Settings, *, account: str | None = None, clock: Clock | None = None) -> None:
        """Send nothing yet."""
        self._client = Client(settings, account=account, clock=clock)
        self._home = Home(settings)
        self._holdings = Holdings(self._home)
        listings = Listings(self._client)
        self._adoptions = Adoptions(self._client, listings, self._holdings)
        self._creations = Creations(self._client, listings, self._holdings)
        self._gone = Gone(self._client)
        self._reads = Reads(self._client, self._get, self._gone.note_listing)
        self._lock = threading.Lock()
        self._concealed: set[str] = set()
        self._refreshed: Counter[str] = Counter()

    def create(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One new instance, made exactly once."""
        try:
            return self._creations.create(inputs)
        finally:
            self._reads.forget()

    def adopt(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The existing instance ``adopt_id``, brought in line by one PUT where managed name or tags differ."""
        instance_id = model.normalise_id(inputs["adopt_id"])
        answer = self._adoptions.begin(instance_id, inputs["your_mom"])
        found = self._found(answer, f"adopt instance {instance_id}", instance_id)
        self._gone.see(instance_id)
        body = model.to_update(inputs)
        if not model.is_met(body, found, self._client.settings.dialect):
            # The answer to a PUT may lack tags (API document): those before it are no longer true.
            found = {**found, **body, **self.update(instance_id, body)}
        return {**found, **self._holdings.adopted(inputs, instance_id)}

    def hide(self, bag: Mapping[str, Any]) -> None:
        """Keep the secrets of these inputs or outputs out of every message."""
        self._client.hide(model.secret_values(bag))

    def use_stack(self, stack: str) -> None:
        """Say which stack this process works for, as ``organization/project/stack``."""
        self._home.stack = stack

    def note_declared(self, inputs: Mapping[str, Any], name: str) -> None:
        """Remember that the program declares a resource of this name with these inputs."""
        self._holdings.records.note_declared(inputs, name)

    def conceal(self, inputs: Mapping[str, Any], keys: Any) -> None:
        """Keep the texts of these inputs out of every message from now on: an Output may hold a secret."""
        texts = [text for key in keys or () for text in model.texts(inputs.get(str(key)))]
        with self._lock:
            self._concealed.update(texts)
        self._client.hide(texts)

    def concealing(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """These inputs, with a name that messages about them never show where it is to be concealed."""
        with self._lock:
            hidden = inputs.get("name") in self._concealed
        return {**inputs, "name": Concealed(inputs["name"])} if hidden else dict(inputs)

    def check_new_adoption(self, instance_id: str, your_mom: Any) -> list[Problem]:
        """The problem, if any, of a new resource that is going to adopt this instance."""
        problem = self._adoptions.plan(instance_id, your_mom)
        return [] if problem is None else [problem]

    def note_managed(
        self, instance_id: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any], *, replaced: bool = False
    ) -> None:
        """Remember an instance that the state holds: no resource may adopt it, the one that it replaces included.

        Raises AdoptionRefused when a new resource of the program is going to.
        """
        self._holdings.note_managed(instance_id, outputs, inputs, replaced=replaced)
        self._gone.ask(instance_id)

    def look_up(self, instance_id: str) -> dict[str, Any]:
        """The instance as it is now, from a GET of it. Raises NotFound where the API says that there is none."""
        checked = _checked(instance_id, "read")
        found = self._get(checked)
        self._gone.see(checked)
        return found

    def read(self, instance_id: str, *, token: str | None = None) -> dict[str, Any]:
        """The instance of the state as it is now, with the ``token`` that the state knows.

        Raises NotFound only where it is gone (`gone`). The answer may come from a listing, which may lack `disabled`.
        """
        checked = _checked(instance_id, "read")
        self._holdings.note_seen(checked)
        self._gone.ask(checked)
        try:
            batched = self._client.settings.batch_reads
            found = self._reads.read(checked, token) if batched else self._get(checked)
        except NotFound as missing:
            self._gone.check(checked, f"read instance {checked}", missing)
            log.warning("instance %s no longer exists: it is dropped from the state", checked)
            raise
        self._gone.see(checked)
        with self._lock:
            self._refreshed[checked] += 1
        return found

    def is_of_refresh(self, instance_id: str) -> bool:
        """Whether this Diff belongs to a refresh, which says nothing about what the program declares.

        A refresh calls Diff once after each Read of an instance that it has found (docs/engine.md, E11).
        """
        with self._lock:
            of_refresh = self._refreshed[instance_id] > 0
            self._refreshed[instance_id] -= of_refresh
        return of_refresh

    def find_one(
        self,
        instance_id: str | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        your_mom: str | None = None,
    ) -> selection.Found:
        """The one instance that is meant (`selection.one`)."""
        return selection.one(self._client, instance_id, name, tags, your_mom)

    def find_all(
        self, name: str | None = None, tags: Sequence[str] | None = None, your_mom: str | None = None
    ) -> list[selection.Found]:
        """All instances that are meant (`selection.all_of`)."""
        return selection.all_of(self._client, name, tags, your_mom)

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """What runs inside has to end after so many seconds (`limits`)."""
        return limits.within(seconds, self._client.clock)

    def cancel(self) -> None:
        """End the waits for a retry."""
        self._client.cancel()

    def update(
        self, instance_id: str, body: Mapping[str, Any], *, method: str = "PUT", logs_in: bool = False
    ) -> dict[str, Any]:
        """Send one update (`updates.Update`). The answer to a PUT may lack tags (API document).

        A login with a one-time code is sent once. Where the answer to it is lost, the code counts as used: a warning
        says so, and what a GET says of the instance is the result.
        """
        checked = _checked(instance_id, "update")
        self._gone.ask(checked)
        try:
            if method == "PATCH":
                answer = self._client.patch(checked, body)
            else:
                answer = self._client.put(checked, body, logs_in=logs_in)
        except AnswerLost as lost:
            log.warning(
                "%s. It is not known whether the service has logged in; the code counts as used. If "
                "`pulumi-instances show %s` reports valid: false, give a new code and run again",
                lost,
                checked,
            )
            answer = self._client.get(checked)
        finally:
            self._reads.forget()
        self._gone.see(checked)
        return self._found(answer, f"update instance {checked}", checked)

    def set_enabled(self, instance_id: str, enabled: bool) -> None:
        """Enable or disable an instance, which keeps its id and token."""
        checked = _checked(instance_id, "update")
        try:
            self._client.set_enabled(checked, enabled)
        except NotFound as missing:
            what = f"{'enable' if enabled else 'disable'} instance {checked}"
            raise UnexpectedAnswer(
                f"{what}: {missing.status}; check that the service has "
                "PUT and DELETE /instances/{id}/enabled, or run `pulumi refresh` if the instance is gone"
            ) from None
        finally:
            self._reads.forget()

    def wait_until_valid(self, instance_id: str) -> dict[str, Any]:
        """Look at an instance until the service says that its connection works, for `createTimeout` at most.

        Returns what the last GET said. Raises what it raised, if none was answered.
        """
        clock, patience = self._client.clock, self._client.settings.create_timeout
        deadline, found, pause = limits.end(clock, patience), self.look_up(instance_id), 1.0
        if found.get("valid") is not True:
            log.warning("instance %s: waiting up to %.0f s until its connection is valid", instance_id, patience)
        while found.get("valid") is not True and clock.now() + pause < deadline:
            clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                found = self.look_up(instance_id)
            except InstancesError as error:
                log.debug("instance %s: not seen while waiting (%s)", instance_id, error)
        return found

    def delete(self, instance_id: str, outputs: Mapping[str, Any] | None = None) -> None:
        """Delete the instance of the resource with these outputs; that it is gone already is success (`gone`).

        An instance that another resource holds by now stays: the program has moved it from one to the other.
        """
        checked = _checked(instance_id, "delete")
        if not self._holdings.demand_free(checked, outputs or {}):
            log.warning(
                "instance %s is not deleted: another resource manages it now, by adopt_id or after a lost create",
                checked,
            )
            return
        try:
            with self._gone.deleting(checked):
                self._client.delete(checked)
        except NotFound as missing:
            self._gone.check(checked, f"delete instance {checked}", missing)
            if not missing.repeated:
                log.warning("instance %s no longer exists: it is dropped from the state", checked)
        finally:
            self._reads.forget()
        self._holdings.deleted(checked)

    def _get(self, instance_id: str) -> dict[str, Any]:
        return self._found(self._client.get(instance_id), f"read instance {instance_id}", instance_id)

    def _found(self, answer: Mapping[str, Any], what: str, instance_id: str | None = None) -> dict[str, Any]:
        try:
            found = model.from_wire(answer, self._client.settings.dialect)
        except UnexpectedAnswer as error:
            raise UnexpectedAnswer(f"{what}: the answer is {error.cause}") from None
        if instance_id not in (None, found["id"]):
            raise UnexpectedAnswer(f"{what}: the answer is about instance {found['id']}")
        return found


def _checked(instance_id: object, verb: str) -> str:
    """An id that may go into a URL. An empty one would address the whole collection."""
    try:
        return model.normalise_id(instance_id)
    except InputError as error:
        raise InputError(f"{verb} instance: the id {error.cause}; nothing was sent", error.advice) from None
