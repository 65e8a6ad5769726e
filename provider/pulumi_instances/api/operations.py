"""The operations on the instances of one account: the only entrance to `api`, for the engine, look-ups and commands.

An id is a small number that another account may have as well. So before an instance of the state is changed or deleted,
or what the API shows goes into the state, `Operations` proves that it is the one (`core.identity`).

    api = Operations(settings)
    found = api.create(inputs)  # {"id": "7", "name": …, "token": …, "__mark": …}
    api.delete(found["id"], found)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from pulumi.output import Unknown

from ..core import identity, marks, model
from ..core.config import Settings
from ..core.errors import (
    BLOT,
    AdoptionRefused,
    AnotherInstance,
    Concealed,
    InputError,
    InstancesError,
    NotFound,
    Problem,
    UnexpectedAnswer,
)
from ..core.model import Update
from ..core.words import PYTHON, Words
from . import retry
from .adoption import PAUSES, TO_MOVE, Adoptions, seen_after
from .client import Client, Found
from .creation import Creations
from .holders import Holders, Line
from .listings import Listings
from .outcome import AnswerLost
from .proof import Proof, is_young
from .retry import Clock
from .search import Search, valid_id

log = logging.getLogger("pulumi_instances")

_LONGEST_PAUSE = 10.0
"""Seconds between two looks at a connection that is to become valid."""

_DROPPED = "instance %s no longer exists: it is dropped from the state"


class Operations(Search):
    """CRUD of one account. One object serves all threads of the plugin process.

    Answers are dicts as `model.from_wire` makes them: always ``id``, and what else the API said. The instance of a
    state is read by `read`, which includes its proof; one that no state holds by `look_up`, for `Instance.get` and an
    import, or by the methods of `Search`.
    """

    def __init__(
        self, settings: Settings, *, account: str | None = None, clock: Clock | None = None, words: Words = PYTHON
    ) -> None:
        """Send nothing yet. The arguments are those of `Client`."""
        super().__init__(Client(settings, account=account, clock=clock, words=words))
        self._account_digest = identity.account_of(settings)
        self._holders = Holders(words)
        self._listings = Listings(self._client)
        self._adoptions = Adoptions(self._client, self._listings, self._holders)
        self._creations = Creations(self._client, self._listings, self._holders, self._adoptions, self._account_digest)
        self._proof = Proof(self._client, self._listings, self._holders, self._account_digest)
        self._lock = threading.Lock()
        self._concealed: set[str] = set()
        self._looked_up: dict[str, Found] = {}

    # what the program declares

    def hide(self, bag: Mapping[str, Any]) -> None:
        """Keep the secrets of these inputs or outputs out of every message (`core.errors`)."""
        self._client.hide(model.secret_values(bag))

    def conceal(self, inputs: Mapping[str, Any], keys: Any) -> None:
        """Keep the texts of these inputs out of every message from now on: the program says that they are secret."""
        texts = [text for key in keys or () for text in model.texts(inputs.get(str(key)))]
        with self._lock:
            self._concealed.update(texts)
        self._client.hide(texts)

    def concealing(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return these inputs; no message shows a name or a connector of theirs that is to be concealed."""
        with self._lock:
            hidden = [key for key in ("name", "your_mom") if inputs.get(key) in self._concealed]
        return {**inputs, **{key: Concealed(inputs[key]) for key in hidden}}

    def note_new(self, line: Line) -> None:
        """Note that the program declares a resource that gets a new instance."""
        self._holders.note_new(line)

    def check_new_adoption(self, inputs: Mapping[str, Any], line: Line) -> list[Problem]:
        """Return the problem, if any, of a new resource that is going to adopt an instance.

        Where there is none, log a warning that says what changes: the engine shows an adoption as a create.
        """
        instance_id = inputs["adopt_id"]
        problem, found = self._adoptions.plan(instance_id, self.concealing(inputs).get("your_mom"), line)
        if problem is not None:
            return [problem]
        wanted = model.to_update(inputs)
        changes = [key for key in wanted if key in found and not model.is_met({key: wanted[key]}, found)]
        if changes:
            log.warning(
                "instance %s exists and is adopted: that changes %s",
                instance_id,
                " and ".join(
                    f"its {key} from {self._shown(found[key])} to {self._shown(wanted[key])}" for key in changes
                ),
            )
        return []

    def check_import(self, line: Line) -> list[Problem]:
        """Return the problem, if any, of a resource that imports the instance that was just looked up for it."""
        with self._lock:
            found = None if line is None else self._looked_up.pop(line, None)
        return [] if found is None else self._adoptions.import_problems(found, line)

    def note_state(self, instance_id: str, outputs: Mapping[str, Any]) -> None:
        """Note that the state holds this instance with these outputs."""
        self._holders.note_state(instance_id, outputs)
        self._proof.note_state(instance_id, outputs)

    def pop_refresh_read(self, instance_id: str) -> bool:
        """Take back one note of a refresh that has read the instance. Return whether there was one (`holders`)."""
        return self._holders.pop_refresh_read(instance_id)

    def note_declared(self, instance_id: str, inputs: Mapping[str, Any], *, replaced: bool) -> None:
        """Note that the program declares the resource with these inputs, whose state holds the instance.

        Raises AdoptionRefused where another resource holds the instance, or is going to adopt it.
        """
        adopts = inputs.get("adopt_id") == instance_id
        self._holders.note_declared(instance_id, inputs.get(model.LINE), replaced=replaced, adopts=adopts)

    # CRUD

    def create(self, inputs: Mapping[str, Any]) -> Found:
        """Make one new instance, exactly once."""
        try:
            found = self._creations.create(inputs)
        finally:
            self._listings.forget()
        return self._written(found, inputs)

    def adopt(self, inputs: Mapping[str, Any]) -> Found:
        """Make the existing instance ``adopt_id`` that of a resource (`adoption`)."""
        try:
            found = self._adoptions.adopt(inputs)
        finally:
            self._listings.forget()
        return self._written(found, model.to_update(inputs))

    def _written(self, found: Found, sent: Mapping[str, Any]) -> Found:
        """Note that an instance is the one of a resource. Return it with what the state holds of it besides."""
        self._proof.note(found["id"], found)
        return {**found, model.ACCOUNT: self._account_digest, model.MADE: self._made(found["id"], sent, found)}

    def read(self, instance_id: str, outputs: Mapping[str, Any], *, by_get: bool = False) -> Found:
        """Return the instance of the state with these outputs as it is now.

        Raises NotFound only where it no longer exists (`proof`), and AnotherInstance where the id is another's. The
        answer may come from a listing, which may lack `disabled`, but not with ``by_get``.
        """
        checked, what = valid_id(instance_id, "read"), f"read instance {instance_id}"
        self.note_state(checked, outputs)
        settings, pauses = self._client.settings, self._pauses(outputs)
        while True:
            try:
                if settings.batch_reads:  # "" is never the token of a listing: then a GET decides
                    found = self._listings.read(checked, "" if by_get else identity.token_in(outputs))
                else:
                    found = self._client.get(checked)
                self._proof.demand_ours(checked, outputs, found, what)
                break
            except NotFound as missing:
                pause = next(pauses, None)
                if pause is None:
                    self._proof.demand_gone(checked, outputs, what, missing)
                    self._holders.note_deleted(checked)
                    log.warning(_DROPPED, checked)
                    raise NotFound(missing.cause, 404) from None
            except AnotherInstance as stranger:
                if not settings.confirm_gone:
                    raise
                self._holders.note_dropped(checked)
                log.warning(_DROPPED, checked)
                raise NotFound(stranger.cause, 404) from None
            self._client.clock.sleep(pause)
        others = identity.displaced(found, outputs)
        if others and not identity.is_of_our_stack(others, outputs):
            log.warning(
                "instance %s: its tags say that %s manages it; if another stack or resource has it as well, run "
                "`pulumi state delete` for one of them",
                checked,
                identity.managed_by(found),
            )
        self._holders.note_refresh_read(checked)
        self._proof.note(checked, found)
        return {**found, model.ACCOUNT: self._account_digest}

    def _pauses(self, outputs: Mapping[str, Any]) -> Iterator[float]:
        """Yield the seconds to wait before each further look at the instance of a state that a GET does not show.

        Only an instance that was created a moment ago may not be visible yet.
        """
        clock, settings = self._client.clock, self._client.settings
        # Who confirms that an instance no longer exists need not mean those that were created a moment ago.
        for pause in PAUSES[:2] if settings.confirm_gone else PAUSES:
            if not is_young(outputs, settings.create_timeout) or retry.is_over(clock):
                return
            yield pause

    def look_up(self, instance_id: str, *, line: Line = None, imports: bool = False) -> Found:
        """Return an instance that no state holds, from a GET of it. Raises NotFound where the API says there is none.

        The resource of this ``line`` may be going to import it, which `check_import` then checks. With ``imports`` it
        does so: raises InputError where it cannot.
        """
        found = self._client.get(valid_id(instance_id, "read"))
        if line is not None:
            with self._lock:
                self._looked_up[line] = found
        if imports and (problems := self.check_import(line)):
            raise InputError(problems[0].sentence(), problems[0].advice)
        mark = identity.own_mark(found, line)
        return {**found, **({model.MARK: mark} if mark else {}), model.ACCOUNT: self._account_digest}

    def update(self, instance_id: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any], update: Update) -> Found:
        """Send one update to the instance of the state with these outputs. The answer to a PUT may lack tags.

        A login with a one-time code is sent once. Where the answer to it is lost, the code counts as used, and a
        warning says so. Where an answer is lost or empty, the result is what a GET shows, or the id alone where it
        cannot be read: that is not an error, since the state has to hold what was sent.
        """
        checked, what = valid_id(instance_id, "update"), f"update instance {instance_id}"
        there = self._proof.proved(checked, outputs, what)
        self._demand_undisplaced(there, outputs, inputs.get(model.LINE), what)
        body, mark = self._with_marks(update.body, there, outputs, inputs)
        is_answered = True
        try:
            if update.method == "PATCH":
                found = self._client.patch(checked, body)
            else:
                found = self._client.put(checked, body, logs_in=update.logs_in)
        except AnswerLost as lost:
            is_answered = False
            log.warning(
                "%s. It is not known whether the service has logged in; the code counts as used. If "
                "`pulumi-instances show %s` reports valid: false, give a new code and run again",
                lost,
                checked,
            )
            found = {"id": checked}
        finally:
            self._listings.forget()
        if found.keys() == {"id"}:
            seen, is_new = seen_after(self._client, checked, update.body, there, despite_errors=True)
            found = seen if is_new else found
        else:
            found = self._adoptions.with_tags(found, update.body, there)
        self._listings.note_seen(checked)
        # What a GET shows after a lost answer may be from before the update.
        made = self._made(checked, update.body, found if is_answered else {}, outputs)
        return {**found, **({model.MARK: mark} if mark else {}), model.ACCOUNT: self._account_digest, model.MADE: made}

    def set_enabled(
        self, instance_id: str, enabled: bool, outputs: Mapping[str, Any] | None = None, line: Line = None
    ) -> None:
        """Enable or disable an instance, which keeps its id and token.

        ``outputs`` are those of the state, if any, and ``line`` that of the resource.
        """
        checked, what = valid_id(instance_id, "update"), f"{'enable' if enabled else 'disable'} instance {instance_id}"
        if outputs is not None:
            self._demand_undisplaced(self._proof.proved(checked, outputs, what), outputs, line, what)
        try:
            self._client.set_enabled(checked, enabled)
        except NotFound as missing:
            raise UnexpectedAnswer(
                f"{what}: {missing.status}; check that the service has "
                "PUT and DELETE /instances/{id}/enabled, or run `pulumi refresh` if the instance no longer exists"
            ) from None
        finally:
            self._listings.forget()

    def wait_until_valid(self, instance_id: str) -> Found:
        """Look at an instance until the service says that its connection works, for `createTimeout` at most.

        Returns what the last GET that was answered shows. Raises the error of the first one.
        """
        clock, longest = self._client.clock, self._client.settings.create_timeout
        deadline = retry.deadline(clock, longest)
        found = self.look_up(instance_id)
        pause = 1.0
        if found.get("valid") is not True:
            log.warning("instance %s: waiting up to %.0f s until its connection is valid", instance_id, longest)
        while found.get("valid") is not True and clock.now() + pause < deadline:
            clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                found = self.look_up(instance_id)
            except InstancesError as error:
                log.debug("instance %s: not seen while waiting (%s)", instance_id, error)
        return found

    def delete(self, instance_id: str, outputs: Mapping[str, Any]) -> None:
        """Delete the instance of the resource with these outputs. One that no longer exists counts as deleted.

        An instance that another resource manages stays, and a warning says so.
        """
        checked, what = valid_id(instance_id, "delete"), f"delete instance {instance_id}"
        self.note_state(checked, outputs)
        reason = self._holders.why_spared(checked, outputs)
        try:
            if reason is None:
                reason = self._delete_unless_anothers(checked, outputs, what)
        except NotFound as missing:
            self._proof.demand_gone(checked, outputs, what, missing)
            if not missing.repeated:
                log.warning(_DROPPED, checked)
        except AnotherInstance as stranger:
            if not self._client.settings.confirm_gone:
                raise
            self._holders.note_dropped(checked)
            log.warning("%s; it is left alone, and ours is dropped from the state", stranger.cause)
            return
        finally:
            self._listings.forget()
        if reason is None:
            self._holders.note_deleted(checked)
        else:
            log.warning("instance %s is not deleted: %s", checked, reason)

    def _delete_unless_anothers(self, instance_id: str, outputs: Mapping[str, Any], what: str) -> str | None:
        """Delete an instance, or return why it stays: its mark is that of another resource."""
        pauses = self._pauses(outputs)
        while True:
            try:
                there = self._proof.proved(instance_id, outputs, what)
                reason = self._why_anothers(there, outputs, what)
                if reason is None:
                    self._client.delete(instance_id)
            except NotFound as missing:
                pause = None if missing.repeated else next(pauses, None)
                if pause is None:
                    raise
            else:
                return reason
            self._client.clock.sleep(pause)

    def _why_anothers(self, there: Found, outputs: Mapping[str, Any], what: str) -> str | None:
        """Return why the instance of the state now belongs to another resource; None where it does not.

        Raises AdoptionRefused where a rename that was cut off may be the reason.
        """
        others = identity.displaced(there, outputs)
        if others and identity.may_be_renamed(others, outputs):
            raise AdoptionRefused(
                f"{what}: its tags say that {identity.managed_by(there)} manages it, and the state does not: an update "
                "of a resource or stack that was renamed was cut off, or another one has it, so nothing was done",
                "run `pulumi up` first, or `pulumi state delete` if another resource or stack has it; if neither "
                "helps, remove that tag at the service",
            )
        return f"its tags say that {identity.managed_by(there)} manages it" if others else None

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Return a context that has to end after so many seconds (`retry.within`)."""
        return retry.within(seconds, self._client.clock)

    # the marks of an update

    def _demand_undisplaced(self, there: Found, outputs: Mapping[str, Any], line: Line, what: str) -> None:
        """Raise AdoptionRefused where the mark of a resource of another stack says that it has the instance by now.

        The mark of a resource of our own stack does not count: a rename that was cut off has left it.
        """
        others = identity.displaced(there, outputs, line)
        if others and not identity.is_of_our_stack(others, outputs):
            raise AdoptionRefused(  # the engine keeps what was refused in an import
                f"{what}: its tags say that {identity.managed_by(there)} manages it, so nothing was done",
                f"{TO_MOVE}; run `pulumi state delete` for this resource",
            )

    def _with_marks(
        self, body: Mapping[str, Any], there: Found, outputs: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], str | None]:
        """Return the body of an update with the marks that the instance has to keep, and the mark of the resource.

        A resource that was renamed or moved gives its instance the mark of its new place, so that the old place is
        free. The end of the mark stays: if the update is cut off, the state knows the instance by it. An instance that
        was imported has no mark and gets one with its first update; where that changes no tags, those that it has are
        sent with it.
        """
        mark, line, old_line = outputs.get(model.MARK), inputs.get(model.LINE), identity.line_in(outputs)
        if not self._client.settings.mark:
            return body, mark
        if old_line is None and line is not None and "tags" in there:
            body = {"tags": there["tags"], **body}
        if "tags" not in body:
            return body, mark
        others = (
            [each.tag for each in identity.of_others(there, old_line, line)] if identity.carries(there, mark) else []
        )
        if line not in (None, old_line) and not others:
            mark = marks.renamed(mark, line) if isinstance(mark, str) else marks.new_mark(line)
        return {**body, "tags": [*body["tags"], *others, *([mark] if mark else [])]}, mark

    # what the service makes of what it is sent

    def _made(
        self, instance_id: str, sent: Mapping[str, Any], found: Found, outputs: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what the service stores otherwise than it was sent (`model.made`), and log what is new of it.

        ``outputs`` are those before the write, if any.
        """
        shown = {key: value for key, value in found.items() if key in model.UPDATABLE}
        if self._client.settings.configuration_drift and isinstance(sent.get("configuration"), Mapping):
            shown["configuration"] = model.as_shown(sent["configuration"], found.get(model.SHOWN))
        made = model.made(sent, shown, outputs)
        before = (outputs or {}).get(model.MADE) or {}
        if new := [part for part in made if part not in before or before[part] != made[part]]:
            log.warning(
                "instance %s: the service stores %s; no preview or refresh shows that as a difference",
                instance_id,
                ", ".join(self._in_words(part, sent.get(part), made[part]) for part in sorted(new)),
            )
        return made

    def _in_words(self, part: str, sent: Any, made: Any) -> str:
        """Return what was sent and what is stored, for a message, which shows neither where it may be a secret."""
        is_shown = part in model.UPDATABLE and not self._is_concealed(sent)
        return f"the {part} {model.plain(sent)!r} as {made!r}" if is_shown else f"{part} otherwise than it was sent"

    def _is_concealed(self, value: Any) -> bool:
        """Return whether a value of `model.QUOTED` is secret (`conceal`)."""
        with self._lock:
            return not self._concealed.isdisjoint(model.texts(value))

    def _shown(self, value: Any) -> str:
        """Return a value of `model.QUOTED`, of the program or the service, as a message shows it."""
        if self._is_concealed(value):
            return BLOT
        unknown = [value, *value] if isinstance(value, list) else [value]
        return "what is not known yet" if any(isinstance(each, Unknown) for each in unknown) else repr(value)
