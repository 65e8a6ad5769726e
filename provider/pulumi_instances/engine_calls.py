"""Check, diff, create, read, update and delete of an instance, on plain dicts.

Both front ends call this: `lifecycle`, the dynamic provider, and `native.provider`, the native package. Each turns what
the engine sends into dicts, and marks in its own way what is secret in an answer (`model.SECRET_OUTPUTS`). Inputs and
outputs are those of `model`. Values may be unknown (`Unknown`) in check and diff only.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from pulumi.output import UNKNOWN, Unknown

from . import engine_log
from .api.operations import Operations
from .api.retry import Clock
from .core import config, identity, model, origin, validation
from .core.codes import Codes
from .core.config import HowToSet, Settings
from .core.dialect import DIALECTS, Dialect
from .core.errors import InputError, InstancesError, NotFound, Problem, SettingError, quote
from .core.marks import Place, line_of
from .core.words import PYTHON, Words
from .notices import Notices

log = logging.getLogger("pulumi_instances")

_NOT_CONFIGURED = Problem("the provider", "is not configured", "run it through the Pulumi engine")
_NO_SWITCH = Problem(
    "enabled",
    "cannot be changed by the API document",
    "remove it, or set instances:updateInPlace to true if your service has PUT and DELETE /instances/{id}/enabled",
)

_OF_THE_STATE = "check instances:baseUrl, or run `pulumi refresh`, which drops an instance that no longer exists"

Bag = dict[str, Any]
"""Inputs or outputs, by property."""


class Checked(NamedTuple):
    """The answer of check: the inputs as the state holds them, and what is wrong with them and with the settings."""

    inputs: Bag
    problems: list[Problem]


class Diffed(NamedTuple):
    """The answer of diff: the inputs that differ, and those of them that force a replacement."""

    changed: list[str]
    replaces: list[str]


class Created(NamedTuple):
    """The answer of create."""

    id: str
    outputs: Bag


class Read(NamedTuple):
    """The answer of read."""

    id: str
    outputs: Bag
    inputs: Bag
    anothers: str | None = None
    """Who manages it, where that is another resource, and nothing says that it is ours."""


class EngineCalls:
    """The calls about the instances of one account. Safe to share between threads.

    All but `configure`, `check` and `diff` raise an InstancesError, and diff does where an adoption cannot be.
    """

    def __init__(self, clock: Clock | None = None, words: Words = PYTHON) -> None:
        """Not configured: check and diff answer all the same, the others raise SettingError.

        ``clock`` is for a front end that can end waits; ``words`` are those of its programs, for messages.
        """
        self._clock = clock
        self._words = words
        self.settings: Settings | None = None
        self._operations: Operations | None = None
        self._refusal = SettingError([_NOT_CONFIGURED])
        self.setting_problems: Sequence[Problem] = ()
        self._codes = Codes(words)
        self._notices = Notices(words)
        self._origin: origin.Origin | None = None
        self._changed: list[str] | None = None

    def configure(
        self, get: Callable[[str], Any], how_to_set: HowToSet | None = None, stack: Mapping[str, Any] | None = None
    ) -> None:
        """Called once per process, before anything else, in previews too. Sends nothing.

        ``get`` answers the value of a configuration key such as ``instances:baseUrl``. Bad settings are kept for
        `check` to report: raised here, the engine would print a traceback per resource. ``how_to_set`` is for
        `config.load`. ``stack`` is the stack's configuration now, where it is known: a refresh and a destroy come
        with that of the last `up`.
        """
        try:
            self.settings = config.load(get, how_to_set=how_to_set)
        except SettingError as refusal:
            self._refusal, self.setting_problems = refusal, refusal.problems
        else:
            account = get(config.ACCOUNT_KEY)
            self._operations = Operations(self.settings, account=account, clock=self._clock, words=self._words)
            self._origin = origin.of(get, os.environ, self.settings.base_url)
            self._changed = None if stack is None else origin.changed(get, stack, os.environ)

    def warn_of_unknown(self, keys: Iterable[str], account: str | None) -> None:
        """Say what of these configuration keys, or of the environment, looks like a setting of ours and is none."""
        for problem in config.unknown(keys, os.environ, account, os.environ.get("PULUMI_PROJECT")):
            log.warning("%s", problem)

    def explained(self, error: InstancesError) -> InstancesError:
        """The error of a call with the URL and account that it is about, and with what to do about old settings."""
        if self._origin is not None:
            self._origin.place(error, self._changed)
            self._origin.advise(error, self._changed)
        return error

    def check(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Checked:
        """Called for every resource of the program, in previews too; values may be unknown.

        ``olds`` are the inputs in the state, empty for a resource that is new. No network, but to look up a new
        ``adopt_id``.
        """
        self._changed = self._changed or []  # the program runs, and so its settings are those of now
        place = Place.of_urn(urn) if isinstance(urn := news.get(model.URN), str) else None
        inputs, problems = validation.check(news, olds, self._words)
        if not problems and self.settings is not None:
            ignored = news.get(model.IGNORED, ())
            if not (olds and model.ignores_tags(ignored)):
                _add_default_tags(inputs, self.settings.default_tags, olds, place)
            if (path := model.ignores_a_tag(ignored)) is not None:
                problems = [self._ignored_tag(path)]
        if not problems and "tags" in inputs:
            inputs["tags"] = model.in_order(inputs["tags"], olds.get("tags"))
        line = news.get(model.LINE) if place is None else line_of(place)
        if line is not None:
            inputs[model.LINE] = line
        if not problems:
            inputs = self._codes.sealed(inputs, olds)
            problems = self._problems_of_change(olds, inputs)
        if self._operations is not None:
            self._operations.conceal(inputs, news.get(model.FROM_OUTPUTS))
            if not olds:
                self._operations.note_new(line)
            problems = problems or self._problems_of_lookups(news.get(model.ASKED))
            if not (olds or problems) and isinstance(inputs.get("adopt_id"), str):
                problems = self._operations.check_new_adoption(inputs, line)
            if not problems:
                problems = self._operations.check_import(line)
            if not problems and "enabled" in inputs and "enabled" not in self._dialect.in_place:
                problems = [_NO_SWITCH]
        return Checked(inputs, [*problems, *self.setting_problems])

    def _problems_of_lookups(self, asked: object) -> list[Problem]:
        """Refuse a program whose look-ups ask an account that is not this one, given as `identity.account_of`."""
        if self.settings is None or self._origin is None or not isinstance(asked, str):
            return []
        return [] if asked == identity.account_of(self.settings) else [self._origin.problem_of_lookups()]

    def with_ignored(self, paths: Collection[str], olds: Mapping[str, Any], news: Bag) -> Bag:
        """The checked inputs without the tags of the setting `defaultTags`, where `ignore_changes` leaves tags alone.

        For the native package, which gets the option in diff and update, not in check. Raises InputError for a part of
        the tags.
        """
        if (path := model.ignores_a_tag(paths)) is not None:
            problem = self._ignored_tag(path)
            raise InputError(problem.sentence(), problem.advice)
        return model.without_ignored_tags(olds, news) if model.ignores_tags(paths) else news

    def diff(self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diffed:
        """Called with the outputs in the state and the checked inputs, in previews too. No network."""
        found = Diffed(*model.changes(olds, news, self._dialect))
        is_of_refresh = False
        if self._operations is not None:
            self._operations.hide(olds)
            self._operations.note_state(instance_id, olds)
            is_of_refresh = self._operations.pop_refresh_read(instance_id)
            if not is_of_refresh:
                self._operations.note_declared(instance_id, news, replaced=bool(found.replaces))
        if not is_of_refresh:
            self._note_declared(instance_id, olds, news, replaces=bool(found.replaces))
            if not found.changed and model.unmet({**olds, **news}):
                return Diffed(["require_valid"], [])  # the update looks again
        return found

    def _note_declared(
        self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any], *, replaces: bool
    ) -> None:
        """The program declares the resource that holds this instance."""
        self._codes.note_diff(instance_id, olds, news, replaces=replaces)
        for key in model.recorded_only(olds, news, self._dialect):
            self._notices.recorded(instance_id, key, news)
        self._notices.dropped(instance_id, model.dropped_keys(olds, news, self._dialect))

    def _problems_of_change(self, olds: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[Problem]:
        dialect = self._dialect
        adopted = validation.check_adopted(olds, inputs, dialect, self._words)
        return adopted or self._codes.check(olds, inputs, dialect)

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS["default"] if self.settings is None else self.settings.dialect

    def create(self, inputs: Mapping[str, Any]) -> Created:
        """Called by `up` only, with every value known. One POST, or the adoption of an existing object."""
        revealed = self._codes.unsealed(inputs)
        api = self._api(revealed)
        sent = api.concealing(revealed)
        if inputs.get("adopt_id"):
            with engine_log.waiting(f"adopt instance {inputs['adopt_id']}"):
                found: Mapping[str, Any] = api.adopt(sent)
            self._codes.note_used(inputs)
        else:
            what = f"create instance {sent['name']!r}"
            with engine_log.waiting(what), self._codes.spending(what, sent):
                found = api.create(sent)
        self._notices.plain_secrets(found, sent)
        found = self._as_expected(api, found["id"], found, inputs, logged_in=not inputs.get("adopt_id"))
        self._notices.unusable(found)
        return Created(found["id"], model.outputs(found, inputs, model.not_given(inputs)))

    def _as_expected(
        self,
        api: Operations,
        instance_id: str,
        found: Mapping[str, Any],
        inputs: Mapping[str, Any],
        *,
        logged_in: bool,
        outputs: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """What is left to do after a write: enable or disable it, and wait for its connection.

        ``outputs`` are those of the state, if it holds the instance already.
        Once something was written, none of it may fail the operation: the state has to hold that. What could not be
        done then stays a difference.
        """
        wanted = inputs.get("enabled")
        disabled = found.get("disabled", (outputs or {}).get("disabled"))
        if wanted is not None and disabled != (not wanted):
            try:
                api.set_enabled(instance_id, wanted, outputs, inputs.get(model.LINE))
                found = {**found, "disabled": not wanted}
            except InstancesError as error:
                if not found:
                    raise
                log.warning("%s", error)
                found = {**found, "disabled": wanted}
        if inputs.get("require_valid") and logged_in and wanted is not False:
            try:
                with engine_log.waiting(f"connect instance {instance_id}"):
                    found = {**found, **api.wait_until_valid(instance_id)}
            except InstancesError as error:
                log.warning("%s", error)
        return found

    def read(
        self, instance_id: str, props: Mapping[str, Any], line: str | None = None, *, imports: bool = False
    ) -> Read | None:
        """Called by refresh with the outputs in the state, and by `.get` with the program's inputs.

        ``line``, where nothing is known but the id, is that of the mark of the resource: if the next check is for it,
        or with ``imports``, it is an import. Returns None where it is proven that it no longer exists (`absence`):
        refresh then drops it from the state. `.get` raises NotFound.
        """
        api = self._api(props)
        lookup = model.is_lookup(props)
        if lookup:
            self._changed = self._changed or []  # only a program looks up
            found = api.look_up(instance_id, line=line, imports=imports)
        else:
            try:
                # What manages nothing, such as a reference by `.get`, is read by a GET: the engine compares all its
                # outputs, and what a listing lacks would be a difference.
                manages_nothing = len(model.unmanaged(props)) == len(model.UPDATABLE)
                with engine_log.waiting(f"read instance {instance_id}"):
                    found = api.read(instance_id, props, by_get=manages_nothing or self._needs_get(props))
                if _watches_health(props) or self._dialect.tells_health:
                    self._notices.dead(found, props)
            except NotFound:
                return None
        # What the answer does not tell of the connection's health is not known: an old value must not pass for it.
        known = {key: value for key, value in props.items() if key not in model.HEALTH}
        if not lookup and self._compares(props):
            found = {**found, "configuration": model.as_shown(props["configuration"], found.get(model.SHOWN))}
        left_alone = model.UPDATABLE if lookup else model.unmanaged(props)
        outs = model.outputs(found, known, left_alone)
        is_anothers = line is not None and model.MARK not in outs and identity.of_others(found, line)
        anothers = identity.managed_by(found) if is_anothers else None
        return Read(found["id"], outs, model.inputs_of(outs), anothers)

    def _compares(self, props: Mapping[str, Any]) -> bool:
        return self.settings is not None and self.settings.configuration_drift and bool(props.get("configuration"))

    def _needs_get(self, props: Mapping[str, Any]) -> bool:
        return _watches_health(props) or self._compares(props)

    def update(self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Bag:
        """Called by `up` with the outputs in the state and the checked inputs. Returns the new outputs.

        One request (`updates`), or none where nothing that it would send differs: where the dialect does not change
        `configuration` and `provider_data` in place, they are only recorded here.
        """
        revealed = self._codes.unsealed(news)
        api = self._api(olds, revealed)
        update = model.update(self._codes.unsealed(olds), api.concealing(revealed), self._dialect)
        found: Mapping[str, Any] = {}
        if update is not None:
            try:
                what = f"update instance {instance_id}"
                with engine_log.waiting(what), self._codes.spending(what, revealed if update.logs_in else {}):
                    found = api.update(instance_id, olds, news, update)
            except NotFound as missing:
                raise NotFound(missing.cause, missing.status, missing.request_id, _OF_THE_STATE) from None
        logged_in = update is not None and update.logs_in
        found = self._as_expected(api, instance_id, found, news, logged_in=logged_in, outputs=olds)
        return self._updated(found, olds, news)

    def _updated(self, found: Mapping[str, Any], olds: Mapping[str, Any], news: Mapping[str, Any]) -> Bag:
        carried = {key: olds[key] for key in (*model.UPDATABLE, *model.OUTPUT_ONLY, *model.HIDDEN) if key in olds}
        made = olds.get(model.MADE) or {}
        # What the program leaves to the server from now on is as the server has it.
        carried.update({key: made[key] for key in model.not_given(news) if key in made})
        # The answer to a PUT may lack tags (API document): then those sent are what the instance has.
        known = {**carried, **model.to_update(news, olds), **news}
        return model.outputs(found, known, model.not_given(news))

    def delete(self, instance_id: str, outputs: Mapping[str, Any]) -> None:
        """Called by destroy, and for what the program no longer declares.

        An instance that no longer exists counts as deleted.
        """
        self._codes.demand_deletable(instance_id, outputs)
        with engine_log.waiting(f"delete instance {instance_id}"):
            self._api(outputs).delete(instance_id, outputs)

    # previews, look-ups and waits

    def preview_create(self, inputs: Mapping[str, Any]) -> Bag:
        """What `create` is going to answer, as far as the inputs tell. Sends nothing."""
        unknown = dict.fromkeys((*model.not_given(inputs), *model.OUTPUT_ONLY), UNKNOWN)
        return {**model.outputs({}, inputs, model.not_given(inputs)), **unknown}

    def preview_update(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Bag:
        """What `update` is going to answer: the token stays what it is. Sends nothing."""
        changed, _ = model.changes(olds, news, self._dialect)
        # A login or a switch may turn the connection's health; `up` says how.
        unsure = model.HEALTH if {"provider_data", "enabled", "configuration"} & set(changed) else ()
        return {**self._updated({}, olds, news), **dict.fromkeys(unsure, UNKNOWN)}

    def find_one(self, arguments: Mapping[str, Any], *, secret: bool = False) -> Bag:
        """Look up the one instance with this ``id``, or with this ``name``, ``tags`` and ``your_mom``.

        No message repeats them where something in them is ``secret``.
        """
        given = [arguments.get(key) for key in ("id", "name", "tags", "your_mom")]
        with self._api().hiding([*model.texts(given)] if secret else []):
            return self._api().find_one(*given)

    def find_all(self, arguments: Mapping[str, Any], *, secret: bool = False) -> list[Bag]:
        """Look up all instances with this ``name``, ``tags`` and ``your_mom``, as `find_one` does."""
        given = [arguments.get(key) for key in ("name", "tags", "your_mom")]
        with self._api().hiding([*model.texts(given)] if secret else []):
            return self._api().find_all(*given)

    def completed(self, instance_id: str, outs: Mapping[str, Any]) -> Bag:
        """These outputs with the token and the health that a GET tells: a create may not have seen them.

        Raises AnotherInstance where it is not proven to be the instance of these outputs.
        """
        found = self._api(outs).read(instance_id, outs, by_get=True)
        return {**outs, **{key: found[key] for key in model.OUTPUT_ONLY if key in found}}

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """What runs inside has to end after so many seconds, 0 meaning that the settings decide."""
        return nullcontext() if self._operations is None else self._operations.within(seconds)

    def _api(self, *bags: Mapping[str, Any]) -> Operations:
        """The account's operations, whose messages never repeat a secret of these inputs or outputs."""
        if self._operations is None:
            raise self._refusal
        for bag in bags:
            self._operations.hide(bag)
        return self._operations

    def _ignored_tag(self, path: str) -> Problem:
        return Problem(
            "tags",
            f"is a set, of which {self._words.name('ignore_changes')} cannot leave a part ({quote(path)}) alone",
            'ignore "tags" as a whole',
        )


def _watches_health(props: Mapping[str, Any]) -> bool:
    """Whether the program says how the connection is to be, so that a listing, which may not tell, is not enough."""
    return "enabled" in props or bool(props.get("require_valid"))


def _add_default_tags(inputs: Bag, templates: Sequence[str], olds: Mapping[str, Any], place: Place | None) -> None:
    """Give an instance the tags of the setting `defaultTags`, unless its tags are left to the server.

    They are left where the program gives none to an instance that it adopts, or whose tags it has never given.
    """
    is_new_or_managed = "tags" in olds if olds else "adopt_id" not in inputs
    given = inputs.get("tags", [] if is_new_or_managed else None)
    if not templates or given is None or isinstance(given, Unknown):
        return
    project, stack = ("", "") if place is None else (place.project, place.stack)
    tags = [tag.replace("{project}", project).replace("{stack}", stack) for tag in templates]
    inputs["tags"] = [*given, *tags]
