"""What the calls of the Pulumi engine come to, on plain dicts.

The doors through which the engine comes call this, and it knows nothing of their types: `lifecycle` is the door of
dynamic providers. Inputs and outputs are those of `model`; values may be unknown (`Unknown`) in check and diff only.
Each door marks in its own way what is secret in an answer (`model.SECRET_OUTPUTS`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .api.operations import Operations
from .core import config, model, validation
from .core.codes import Codes
from .core.config import Settings
from .core.errors import NotFound, Problem, SettingError

log = logging.getLogger("pulumi_instances")

_NOT_CONFIGURED = Problem("the provider", "is not configured", "run it through the Pulumi engine")

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


class EngineCalls:
    """The calls about the instances of one account. Safe to share between threads.

    All but `configure`, `check` and `diff` raise an InstancesError, and diff does where an adoption cannot be.
    """

    def __init__(self) -> None:
        """Not configured: check and diff answer all the same, the others raise SettingError."""
        self.settings: Settings | None = None
        self._operations: Operations | None = None
        self._refusal = SettingError([_NOT_CONFIGURED])
        self._setting_problems: Sequence[Problem] = ()
        self._codes = Codes()

    def configure(self, get: Callable[[str], Any]) -> None:
        """Called once per process, before anything else, in previews too. Sends nothing.

        ``get`` answers the value of a configuration key such as ``instances:baseUrl``. Bad settings are kept for
        `check` to report: raised here, the engine would print a traceback per resource.
        """
        try:
            self.settings = config.load(get)
        except SettingError as refusal:
            self._refusal, self._setting_problems = refusal, refusal.problems
        else:
            self._operations = Operations(self.settings, account=get(config.ACCOUNT_KEY))

    def check(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Checked:
        """Called for every resource of the program, in previews too; values may be unknown.

        ``olds`` are the inputs in the state, empty for a resource that is new. No network, but to look up a new
        ``adopt_id``.
        """
        if self._operations is not None and isinstance(stack := news.get(model.STACK), str):
            self._operations.use_stack(stack)
        inputs, problems = validation.check(news, olds)
        problems = problems or validation.check_adopted(olds, inputs) or self._codes.check(olds, inputs)
        if self._operations is not None:
            if not (olds or problems) and isinstance(inputs.get("adopt_id"), str):
                problems = self._operations.check_new_adoption(inputs["adopt_id"], inputs.get("your_mom"))
            self._operations.conceal(inputs, news.get(model.FROM_OUTPUTS))
        return Checked(inputs, [*problems, *self._setting_problems])

    def diff(self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diffed:
        """Called with the outputs in the state and the checked inputs, in previews too. No network."""
        found = Diffed(*model.changes(olds, news))
        if self._operations is not None:
            self._operations.hide(olds)
        if self._operations is None or not self._operations.is_of_refresh(instance_id):
            self._note_declared(instance_id, olds, news, replaces=bool(found.replaces))
        return found

    def _note_declared(
        self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any], *, replaces: bool
    ) -> None:
        """The program declares the resource that holds this instance."""
        if self._operations is not None:
            self._operations.note_managed(instance_id, olds, news, replaced=replaces)
        self._codes.note_diff(instance_id, olds, news, replaces=replaces)
        for key in model.recorded_only(olds, news):
            _warn_of_recorded(key, instance_id, news)

    def create(self, inputs: Mapping[str, Any]) -> Created:
        """Called by `up` only, with every value known. One POST, or the adoption of an existing object."""
        api = self._api(inputs)
        sent = api.concealing(inputs)
        found = api.adopt(sent) if inputs.get("adopt_id") else api.create(sent)
        self._codes.note_created(inputs)
        _warn_of_unusable(found)
        return Created(found["id"], model.outputs(found, inputs, model.not_given(inputs)))

    def read(self, instance_id: str, props: Mapping[str, Any]) -> Read | None:
        """Called by refresh with the outputs in the state, and by `.get` with the program's inputs.

        None where it is proven to be gone (`gone`): refresh then drops it from the state. `.get` raises NotFound.
        """
        api = self._api(props)
        lookup = model.is_lookup(props)
        if lookup:
            found = api.look_up(instance_id)
        else:
            try:
                # Without a token to compare, a listing is not believed, and a GET decides: "" is never the same. So it
                # is for what manages nothing, such as a reference by `.get`: the engine compares all its outputs, and
                # what a listing lacks would be a difference.
                compared = len(model.unmanaged(props)) < len(model.UPDATABLE)
                found = api.read(instance_id, token=(compared and props.get("token")) or "")
            except NotFound:
                return None
        # What the answer does not tell of the connection's health is not known: an old value must not pass for it.
        known = {key: value for key, value in props.items() if key not in model.HEALTH}
        outs = model.outputs(found, known, model.UPDATABLE if lookup else model.unmanaged(props))
        return Read(found["id"], outs, model.inputs_of(outs))

    def update(self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Bag:
        """Called by `up` with the outputs in the state and the checked inputs. One PUT. Returns the new outputs.

        No request where nothing that it would send differs: this provider sends `configuration` and `provider_data` at
        creation only (the contract does not say whether a PUT takes them), so that here they are only recorded.
        """
        api = self._api(olds, news)
        body = model.to_update(api.concealing(news), olds)
        found: Mapping[str, Any] = {} if model.is_met(body, olds) else api.update(instance_id, body)
        carried = {key: olds[key] for key in (*model.UPDATABLE, *model.OUTPUT_ONLY, *model.HIDDEN) if key in olds}
        # The answer to a PUT may lack tags (API document): then those sent are what the instance has.
        known = {**carried, **model.to_update(news, olds), **news}
        return model.outputs(found, known, model.not_given(news))

    def delete(self, instance_id: str, outputs: Mapping[str, Any]) -> None:
        """Called by destroy, and for what the program no longer declares. What is missing already is deleted."""
        self._codes.demand_deletable(instance_id, outputs)
        self._api(outputs).delete(instance_id, outputs)

    def _api(self, *bags: Mapping[str, Any]) -> Operations:
        """The account's operations, whose messages never repeat a secret of these inputs or outputs."""
        if self._operations is None:
            raise self._refusal
        for bag in bags:
            self._operations.hide(bag)
        return self._operations


def _warn_of_recorded(key: str, instance_id: str, news: Mapping[str, Any]) -> None:
    """Say that a property was given or dropped where the instance exists, and has nothing of it."""
    log.warning(
        "instance %s: %s is %s, and not sent, since this provider sends it at creation only; to make it take "
        "effect, replace the instance: %srun `pulumi up --replace <URN>`",
        instance_id,
        key,
        "recorded in the state" if news.get(key) else "dropped from the state",
        "remove adopt_id and " if news.get("adopt_id") else "",
    )


def _warn_of_unusable(found: Mapping[str, Any]) -> None:
    """Say that an instance which was just made or adopted does not work yet."""
    faults = ["reports valid: false"] if found.get("valid") is False else []
    faults += ["waits for further steps (provisionInteractions)"] if model.STEPS_LEFT in found else []
    if faults:
        log.warning(
            "instance %s does not work yet: the service %s; complete the steps or log in again there, then look with "
            "`pulumi-instances show %s`",
            found["id"],
            " and ".join(faults),
            found["id"],
        )
