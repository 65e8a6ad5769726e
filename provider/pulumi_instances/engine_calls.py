"""Check, diff, create, read, update and delete of an instance, on plain dicts.

Both front ends call this: the dynamic provider (`lifecycle`) and the native package (`native.provider`). Each turns the
engine's requests into dicts, and marks secrets in the answers in its own way (`model.marked`). Inputs and outputs are
those of `model`. Values may be unknown (`Unknown`) in check, diff and previews only.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from pulumi.output import UNKNOWN, Unknown

from . import process
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
    """The answer of check: the inputs as the state holds them, and the problems of them and of the settings."""

    inputs: Bag
    problems: list[Problem]


class Diffed(NamedTuple):
    """The answer of diff: the inputs that differ, and those of them that force a replacement."""

    changed: list[str]
    replaces: list[str]


class Created(NamedTuple):
    """The answer of create: the new id, and the outputs for the state."""

    id: str
    outputs: Bag


class Read(NamedTuple):
    """The answer of read: the outputs, and the inputs that mirror them, for the state."""

    id: str
    outputs: Bag
    inputs: Bag
    anothers: str | None = None
    """The name of the other resource that manages the instance, where nothing proves that it is ours."""


class EngineCalls:
    """Answers the engine's calls about the instances of one account. Safe to share between threads.

    All but `configure` and `check` can raise an InstancesError; `diff` does where an adoption is refused.
    """

    def __init__(self, clock: Clock | None = None, words: Words = PYTHON) -> None:
        """Begin without settings: check and diff work all the same, other calls raise SettingError.

        ``clock`` is that of a front end that can end waits. ``words`` are those of its programs, for messages.
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
        """Load the settings. The engine calls this once per process, before anything else. Sends nothing.

        ``get`` returns the value of a configuration key such as ``instances:baseUrl``. `check` reports bad settings:
        for an error raised here, the engine would print a traceback per resource. ``how_to_set`` is for `config.load`.
        ``stack`` is the stack's configuration as it is now, where it is known: in a refresh and a destroy, ``get``
        returns that of the last `up`.
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
        """Warn of each of these configuration keys, and of each variable, that looks like a setting and is ignored."""
        for problem in config.unknown(keys, os.environ, account, os.environ.get("PULUMI_PROJECT")):
            log.warning("%s", problem)

    def explained(self, error: InstancesError) -> InstancesError:
        """Return the error of a call, after adding its URL and account, and advice about settings of the last `up`."""
        if self._origin is not None:
            self._origin.place(error, self._changed)
            self._origin.advise(error, self._changed)
        return error

    def check(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Checked:
        """Return the checked inputs and all problems. The engine calls this for each resource, in previews too.

        ``olds`` are the inputs in the state, empty for a resource that is new. Only a new ``adopt_id``, and an import,
        are looked up in the API.
        """
        self._changed = self._changed or []  # the program runs, and so its settings are those of now
        urn = news.get(model.URN)
        place = Place.of_urn(urn) if isinstance(urn, str) else None
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
            problems = validation.check_adopted(olds, inputs, self._dialect, self._words)
            problems = problems or self._codes.check(olds, inputs, self._dialect)
        if self._operations is not None:
            self._operations.conceal(inputs, news.get(model.CONCEALED))
            if not olds:
                self._operations.note_new(line)
            problems = problems or self._problems_of_lookups(news.get(model.ASKED))
            if not (olds or problems) and isinstance(inputs.get("adopt_id"), str):
                problems = self._operations.check_new_adoption(inputs, line)
            if not problems:
                problems = self._operations.check_import(line)
            problems = problems or self._problems_of_switch(inputs)
        return Checked(inputs, [*problems, *self.setting_problems])

    def _problems_of_lookups(self, asked: object) -> list[Problem]:
        """Return a problem where the program's look-ups use another account, by its digest (`identity.account_of`)."""
        if self.settings is None or self._origin is None or not isinstance(asked, str):
            return []
        return [] if asked == identity.account_of(self.settings) else [self._origin.problem_of_lookups()]

    def with_ignored(self, paths: Collection[str], olds: Mapping[str, Any], news: Bag) -> Bag:
        """Return the checked inputs with the tags of the state, where these paths of `ignore_changes` name the tags.

        The native package gets the option in diff and update, not in check, which has added the tags of the setting
        `defaultTags`. Raises InputError for a part of the tags.
        """
        if (path := model.ignores_a_tag(paths)) is not None:
            problem = self._ignored_tag(path)
            raise InputError(problem.sentence(), problem.advice)
        return model.without_ignored_tags(olds, news) if model.ignores_tags(paths) else news

    def diff(self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diffed:
        """Compare the outputs in the state with the checked inputs. Sends nothing."""
        found = Diffed(*model.changes(olds, news, self._dialect))
        if self._operations is not None:
            self._operations.hide(olds)
            self._operations.note_state(instance_id, olds)
            if self._operations.pop_refresh_read(instance_id):
                return found
            if found.changed:
                self._demand_checked(f"update instance {instance_id}", news, olds)
            self._operations.note_declared(instance_id, news, replaced=bool(found.replaces))
        self._codes.note_diff(instance_id, olds, news, replaces=bool(found.replaces))
        for key in model.recorded_only(olds, news, self._dialect):
            self._notices.recorded(instance_id, key, news)
        self._notices.dropped(instance_id, model.dropped_keys(olds, news, self._dialect))
        if not found.changed and model.unmet({**olds, **news}):
            return Diffed(["require_valid"], [])  # the update asks the service again
        return found

    def _demand_checked(self, what: str, news: Mapping[str, Any], olds: Mapping[str, Any] | None = None) -> None:
        """Raise InputError for an input that `check` refuses, and that the outputs ``olds`` do not hold as well.

        The remediations of a policy pack run after `check`, and the engine does not check what they return.
        """
        _, known = validation.check(olds, olds, self._words) if olds else ({}, [])
        _, problems = validation.check(news, news if olds else {}, self._words)
        problems += self._problems_of_switch(news)
        if new := [problem for problem in problems if problem not in known]:
            fault = f"{what}: {new[0].sentence()}, as a policy pack has made it"
            raise InputError(fault, "correct its remediation")

    def _problems_of_switch(self, inputs: Mapping[str, Any]) -> list[Problem]:
        """Return a problem where the service cannot enable or disable an instance."""
        return [_NO_SWITCH] if "enabled" in inputs and "enabled" not in self._dialect.in_place else []

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS["default"] if self.settings is None else self.settings.dialect

    def create(self, inputs: Mapping[str, Any]) -> Created:
        """Create an instance by one POST, or adopt an existing one. Only `up` calls this, with every value known."""
        self._demand_checked("create instance", inputs)
        revealed = self._codes.unsealed(inputs)
        api = self._api(revealed)
        sent = api.concealing(revealed)
        if inputs.get("adopt_id"):
            with process.waiting(f"adopt instance {inputs['adopt_id']}"):
                found: Mapping[str, Any] = api.adopt(sent)
            self._codes.note_used(inputs)
        else:
            what = f"create instance {sent['name']!r}"
            with process.waiting(what), self._codes.spending(what, sent):
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
        """Enable or disable an instance after a write, wait for its connection, and return what is then ``found``.

        ``outputs`` are those of the state, if it holds the instance already. Once something was written (``found`` is
        not empty), no failure here ends the operation, since the state has to hold it: the next diff then shows what
        was not done.
        """
        enabled = inputs.get("enabled")
        is_disabled = found.get("disabled", (outputs or {}).get("disabled"))
        be_disabled = not enabled
        if enabled is not None and is_disabled != be_disabled:
            try:
                with process.waiting(f"{'enable' if enabled else 'disable'} instance {instance_id}"):
                    api.set_enabled(instance_id, enabled, outputs, inputs.get(model.LINE))
                found = {**found, "disabled": be_disabled}
            except InstancesError as error:
                if not found:
                    raise
                log.warning("%s", error)
                found = {**found, "disabled": enabled}
        if inputs.get("require_valid") and logged_in and enabled is not False:
            try:
                with process.waiting(f"connect instance {instance_id}"):
                    found = {**found, **api.wait_until_valid(instance_id)}
            except InstancesError as error:
                log.warning("%s", error)
        return found

    def read(
        self, instance_id: str, props: Mapping[str, Any], line: str | None = None, *, imports: bool = False
    ) -> Read | None:
        """Read an instance: for a refresh by the outputs in the state, for `.get` by the program's inputs.

        ``line`` is that of the resource, where only the id is known. It is an import with ``imports``, and also where
        the next check is for that line. A refresh returns None where it is proven that the instance no longer exists
        (`proof`): the engine then drops it from the state. `.get` raises NotFound.
        """
        api = self._api(props)
        lookup = model.is_lookup(props)
        if lookup:
            self._changed = self._changed or []  # only a program looks up
            found = api.look_up(instance_id, line=line, imports=imports)
        else:
            try:
                # A resource that manages nothing, such as a reference by `.get`, is read by a GET: the engine compares
                # all its outputs, and would show those that a listing lacks as a difference.
                manages_nothing = len(model.unmanaged(props)) == len(model.UPDATABLE)
                by_get = manages_nothing or _watches_health(props) or self._compares(props)
                with process.waiting(f"read instance {instance_id}"):
                    found = api.read(instance_id, props, by_get=by_get)
                if _watches_health(props) or self._dialect.tells_health:
                    self._notices.dead(found, props)
            except NotFound:
                return None
        # Where the answer has no `valid` or `disabled`, they are not known: the old values may be wrong by now.
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

    def update(self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Bag:
        """Change an instance with the outputs ``olds`` to the checked inputs ``news``, and return the new outputs.

        That takes one request (`model.update`), or none where nothing that it would send differs: inputs that the
        service does not change in place are only written to the state.
        """
        revealed = self._codes.unsealed(news)
        api = self._api(olds, revealed)
        update = model.update(self._codes.unsealed(olds), api.concealing(revealed), self._dialect)
        found: Mapping[str, Any] = {}
        if update is not None:
            try:
                what = f"update instance {instance_id}"
                with process.waiting(what), self._codes.spending(what, revealed if update.logs_in else {}):
                    found = api.update(instance_id, olds, news, update)
            except NotFound as missing:
                raise NotFound(missing.cause, missing.status, missing.request_id, _OF_THE_STATE) from None
        logged_in = update is not None and update.logs_in
        found = self._as_expected(api, instance_id, found, news, logged_in=logged_in, outputs=olds)
        return self._updated(found, olds, news)

    def _updated(self, found: Mapping[str, Any], olds: Mapping[str, Any], news: Mapping[str, Any]) -> Bag:
        carried = {key: olds[key] for key in (*model.UPDATABLE, *model.OUTPUT_ONLY, *model.HIDDEN) if key in olds}
        made = olds.get(model.MADE) or {}
        # A value that the program leaves to the server from now on is that of the server.
        carried.update({key: made[key] for key in model.not_given(news) if key in made})
        # The answer to a PUT may lack tags (API document): then those sent are what the instance has.
        known = {**carried, **model.to_update(news, olds), **news}
        return model.outputs(found, known, model.not_given(news))

    def delete(self, instance_id: str, outputs: Mapping[str, Any]) -> None:
        """Delete an instance. One that no longer exists counts as deleted."""
        self._codes.demand_deletable(instance_id, outputs)
        with process.waiting(f"delete instance {instance_id}"):
            self._api(outputs).delete(instance_id, outputs)

    # previews, look-ups and waits

    def preview_create(self, inputs: Mapping[str, Any]) -> Bag:
        """Return the outputs of a `create` with these inputs; what the service decides is unknown. Sends nothing."""
        self._demand_checked("create instance", inputs)
        unknown = dict.fromkeys((*model.not_given(inputs), *model.OUTPUT_ONLY), UNKNOWN)
        return {**model.outputs({}, inputs, model.not_given(inputs)), **unknown}

    def preview_update(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Bag:
        """Return the outputs of an `update`, with the token that the state has. Sends nothing."""
        changed, _ = model.changes(olds, news, self._dialect)
        outputs = self._updated({}, olds, news)
        if {"provider_data", "enabled", "configuration"} & set(changed):
            outputs.update(dict.fromkeys(model.HEALTH, UNKNOWN))  # a login or a switch may change them
        return outputs

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
        """Return these outputs with the token and the health in the answer to a GET: a create may lack them.

        Raises AnotherInstance where nothing proves that it is the instance of these outputs.
        """
        found = self._api(outs).read(instance_id, outs, by_get=True)
        return {**outs, **{key: found[key] for key in model.OUTPUT_ONLY if key in found}}

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Make the calls of the block end after so many seconds; with 0, the settings decide."""
        return nullcontext() if self._operations is None else self._operations.within(seconds)

    def _api(self, *bags: Mapping[str, Any]) -> Operations:
        """Return the account's operations, whose messages never repeat a secret of these inputs or outputs."""
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
    """Return whether a refresh has to compare `valid` or `disabled`, which a listing may lack."""
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
