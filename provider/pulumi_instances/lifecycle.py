"""What the engine calls. Each method runs in the plugin process, on any of its threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime.rpc import wrap_rpc_secret

from . import process
from .core import config, model, validation
from .core.codes import Codes
from .core.errors import InstancesError, NotFound, Problem, SettingError

if TYPE_CHECKING:
    from .api.operations import Operations

log = logging.getLogger("pulumi_instances")

_NOT_CONFIGURED = Problem("the provider", "is not configured", "run it through the Pulumi engine")

Method = TypeVar("Method", bound=Callable[..., Any])


def _short_traceback(method: Method) -> Method:
    """Drop our frames from an error: the SDK sends the whole traceback to the terminal, chained causes included."""

    @wraps(method)
    def call(*args: Any) -> Any:
        try:
            return method(*args)
        except InstancesError as error:
            raise error.with_traceback(None) from None

    return cast("Method", call)


class InstanceProvider(ResourceProvider):
    """CRUD of one instance.

    State files hold a pickle that names this class by module and name, and nothing else: neither may ever change, and
    there must be no state before `configure`.
    """

    serialize_as_secret_always = False

    _operations: Operations | None = None
    _codes: Codes | None = None
    _refusal: SettingError | None = None

    def configure(self, req: ConfigureRequest) -> None:
        """Called once per process, before anything else, in previews too. Sends nothing.

        Bad settings are kept for `check` to report: raised here, the engine would print a traceback per resource.
        """
        # Imported late: programs import this module, too, and need none of it.
        from .api.operations import Operations

        process.switch_logging_on()
        self._codes = Codes()
        try:
            settings = config.load(req.config.get)
        except SettingError as refusal:
            self._refusal = refusal
        else:
            process.widen(settings.parallelism + process.SPARE)
            self._operations = Operations(settings, account=req.config.get(config.ACCOUNT_KEY))

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Called for every resource of the program, in previews too; values may be unknown. No network.

        A failure names its property in the text only: given the property, the engine prints its value, decrypted
        (pulumi/pulumi: step_generator.go, issueCheckFailures).
        """
        if self._operations is not None and isinstance(stack := news.get(model.STACK), str):
            self._operations.use_stack(stack)
        inputs, problems = validation.check(news, _olds)
        if not problems:
            problems = validation.check_adopted(_olds, inputs)
        if not problems and self._codes is not None:
            problems = self._codes.check(_olds, inputs)
        if self._operations is not None:
            if not (_olds or problems) and isinstance(inputs.get("adopt_id"), str):
                problems = self._operations.check_new_adoption(inputs["adopt_id"], inputs.get("your_mom"))
            self._operations.conceal(inputs, news.get(model.FROM_OUTPUTS))
        if self._refusal is not None:
            problems += self._refusal.problems
        return CheckResult(inputs, [CheckFailure("", str(problem)) for problem in problems])

    @_short_traceback
    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Called with the outputs in the state and the checked inputs, in previews too. No network.

        A real difference is answered with None, not True: the engine then compares inputs with inputs itself, shows
        the property that changed and honours `replace_on_changes` (docs/engine.md, E2 and E3).
        """
        changed, replaces = model.changes(_olds, _news)
        if self._operations is not None:
            self._operations.hide(_olds)
        if self._operations is None or not self._operations.is_of_refresh(_id):
            self._note_declared(_id, _olds, _news, replaces=bool(replaces))
        if not changed:
            return DiffResult(changes=False)
        return DiffResult(changes=None, replaces=replaces)

    def _note_declared(self, id_: str, olds: Mapping[str, Any], news: Mapping[str, Any], *, replaces: bool) -> None:
        """The program declares the resource that holds this instance."""
        if self._operations is not None:
            self._operations.note_managed(id_, olds, news, replaced=replaces)
        if self._codes is not None:
            self._codes.note_diff(id_, olds, news, replaces=replaces)
        for key in model.recorded_only(olds, news):
            _warn_of_recorded(key, id_, news)

    @_short_traceback
    def create(self, props: dict[str, Any]) -> CreateResult:
        """Called by `up` only, with every value known. One POST, or the adoption of an existing object."""
        api = self._api(props)
        inputs = api.concealing(props)
        found = api.adopt(inputs) if props.get("adopt_id") else api.create(inputs)
        if self._codes is not None:
            self._codes.note_created(props)
        _warn_of_unusable(found)
        return CreateResult(found["id"], _marked(model.outputs(found, props, model.not_given(props))))

    @_short_traceback
    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Called by refresh with the outputs in the state, and by `.get` with the program's inputs.

        Gone is only what is proven to be gone (`gone`): refresh then drops it from the state, `.get` fails.
        """
        api = self._api(props)
        lookup = model.is_lookup(props)
        if lookup:
            found = api.look_up(id_)
        else:
            try:
                # Without a token to compare, a listing is not believed, and a GET decides: "" is never the same. So it
                # is for what manages nothing, such as a reference by `.get`: the engine compares all its outputs, and
                # what a listing lacks would be a difference.
                compared = len(model.unmanaged(props)) < len(model.UPDATABLE)
                found = api.read(id_, token=(compared and props.get("token")) or "")
            except NotFound:
                return ReadResult("", {})
        # What the answer does not tell of the connection's health is not known: an old value must not pass for it.
        known = {key: value for key, value in props.items() if key not in ("valid", "disabled")}
        outs = model.outputs(found, known, model.UPDATABLE if lookup else model.unmanaged(props))
        return ReadResult(found["id"], _marked(outs), model.inputs_of(outs))

    @_short_traceback
    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Called by `up` with the outputs in the state and the checked inputs. One PUT of name and tags.

        No request where nothing that it would send differs: this provider sends `configuration` and `provider_data` at
        creation only (the contract does not say whether a PUT takes them), so that here they are only recorded.
        """
        api = self._api(_olds, _news)
        body = model.to_update(api.concealing(_news), _olds)
        found: Mapping[str, Any] = {} if model.is_met(body, _olds) else api.update(_id, body)
        carried = {key: _olds[key] for key in (*model.UPDATABLE, *model.OUTPUT_ONLY, *model.HIDDEN) if key in _olds}
        # The answer to a PUT may lack tags (API document): then those sent are what the instance has.
        known = {**carried, **model.to_update(_news, _olds), **_news}
        return UpdateResult(_marked(model.outputs(found, known, model.not_given(_news))))

    @_short_traceback
    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Called by destroy, and for what the program no longer declares. What is missing already is deleted."""
        if self._codes is not None:
            self._codes.demand_deletable(_id, _props)
        self._api(_props).delete(_id, _props)

    def _api(self, *bags: Mapping[str, Any]) -> Operations:
        """The account's operations, whose messages never repeat a secret of these inputs or outputs."""
        if self._operations is None:
            raise self._refusal or SettingError([_NOT_CONFIGURED])
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


def _marked(outs: dict[str, Any]) -> dict[str, Any]:
    """The outputs with the token marked as a secret for the engine.

    The resource asks for that too (`additional_secret_outputs`), but a state made by `pulumi import` does not
    carry the request, and its first refresh would write the token in plain (docs/engine.md, E13).
    """
    token = outs.get("token")
    return outs if token is None else {**outs, "token": wrap_rpc_secret(token)}
