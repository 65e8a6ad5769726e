"""The operations on one account's instances: inputs in, what the API said out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from . import model
from .client import Client
from .config import Settings
from .creation import Creations
from .errors import AdoptionRefused, InputError, NotFound, UnexpectedAnswer
from .gone import Gone
from .reads import Reads

log = logging.getLogger("pulumi_instances")


class Operations:
    """CRUD of one account. One object serves all threads of the plugin process.

    Answers are dicts as `model.from_wire` makes them: always ``id``, and what else the API said.
    """

    def __init__(self, settings: Settings, *, account: str | None = None) -> None:
        """Send nothing yet."""
        self._client = Client(settings, account=account)
        self._creations = Creations(self._client)
        self._gone = Gone(self._client)
        self._reads = Reads(self._client, self._get, self._gone.note_listing)

    def create(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One new instance, made exactly once."""
        try:
            return self._creations.create(inputs)
        finally:
            self._reads.forget()

    def adopt(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The existing instance ``adopt_id``, its name and tags brought in line by one PUT where they differ."""
        instance_id = model.normalise_id(inputs["adopt_id"])
        answer = self._creations.adopt(instance_id, inputs["your_mom"])
        found = self._found(answer, f"adopt instance {instance_id}", instance_id)
        self._gone.see(instance_id)
        if all(model.same(key, found.get(key), inputs[key]) for key in ("name", "tags")):
            return found
        # The answer to a PUT may lack tags (API document): those before it are no longer true.
        return {**found, "tags": list(inputs["tags"]), **self.update(instance_id, inputs)}

    def hide(self, bag: Mapping[str, Any]) -> None:
        """Keep the secrets of these inputs or outputs out of every message."""
        self._client.hide(model.secret_values(bag))

    def check_new_adoption(self, instance_id: str) -> list[tuple[str, str]]:
        """The problem, if any, of a new resource that is going to adopt this instance."""
        try:
            self._creations.plan_adoption(instance_id)
        except AdoptionRefused as refusal:
            return [("adopt_id", str(refusal))]
        return []

    def note_managed(self, instance_id: str) -> None:
        """Remember an instance that the state holds: no resource may adopt it, the one that it replaces included.

        Raises AdoptionRefused when a new resource of the program is going to.
        """
        self._creations.note_managed(instance_id)
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
        self._gone.ask(checked)
        try:
            found = self._reads.read(checked, token)
        except NotFound as missing:
            self._gone.check(checked, f"read instance {checked}", missing)
            log.warning("instance %s does not exist any more: it is dropped from the state", checked)
            raise
        self._gone.see(checked)
        return found

    def update(self, instance_id: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One PUT. Its answer may lack tags (API document): then those sent are what the instance has."""
        checked = _checked(instance_id, "update")
        self._gone.ask(checked)
        try:
            answer = self._client.put(checked, model.to_update(inputs))
        finally:
            self._reads.forget()
        self._gone.see(checked)
        return self._found(answer, f"update instance {checked}", checked)

    def delete(self, instance_id: str) -> None:
        """Delete it; that it is gone already is success (`gone`).

        An object that another resource has adopted in this run stays: the program has moved it from one to the other.
        """
        checked = _checked(instance_id, "delete")
        if self._creations.has_adopted(checked):
            log.warning("instance %s is kept: another resource has adopted it", checked)
            return
        self._gone.ask(checked)
        try:
            self._client.delete(checked)
        except NotFound as missing:
            self._gone.check(checked, f"delete instance {checked}", missing)
            log.warning("instance %s does not exist any more: it is dropped from the state", checked)
            return
        finally:
            self._reads.forget()
        self._gone.see(checked)

    def _get(self, instance_id: str) -> dict[str, Any]:
        return self._found(self._client.get(instance_id), f"read instance {instance_id}", instance_id)

    def _found(self, answer: Mapping[str, Any], what: str, instance_id: str | None = None) -> dict[str, Any]:
        try:
            found = model.from_wire(answer, self._client.settings.dialect)
        except UnexpectedAnswer as error:
            raise UnexpectedAnswer(
                f"{what}: the answer is {error}; check that instances:baseUrl names the API"
            ) from None
        if instance_id not in (None, found["id"]):
            raise UnexpectedAnswer(
                f"{what}: the answer is about instance {found['id']}; check that instances:baseUrl names the API"
            )
        return found


def _checked(instance_id: object, verb: str) -> str:
    """An id that may go into a URL. An empty one would address the whole collection."""
    try:
        return model.normalise_id(instance_id)
    except InputError as error:
        raise InputError(f"{verb} instance: the id {error}; nothing was sent") from None
