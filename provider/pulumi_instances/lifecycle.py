"""What the engine calls. Each method runs in the plugin process, on any of its threads."""

from __future__ import annotations

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

from . import config, logs, model, parallel, validation
from .errors import InstancesError, NotFound, SettingError

if TYPE_CHECKING:
    from .operations import Operations

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
    _refusal: SettingError | None = None

    def configure(self, req: ConfigureRequest) -> None:
        """Called once per process, before anything else, in previews too. Sends nothing.

        Bad settings are kept for `check` to report: raised here, the engine would print a traceback per resource.
        """
        # Imported late: programs import this module, too, and need none of it.
        from .operations import Operations

        logs.switch_on()
        try:
            settings = config.load(req.config.get)
        except SettingError as refusal:
            self._refusal = refusal
        else:
            parallel.widen(settings.parallelism + parallel.SPARE)
            self._operations = Operations(settings, account=req.config.get(config.ACCOUNT_KEY))

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Called for every resource of the program, in previews too; values may be unknown. No network."""
        inputs, problems = validation.check(news)
        problems += validation.check_adopted(_olds, inputs)
        if self._operations is not None and not (_olds or problems) and isinstance(inputs.get("adopt_id"), str):
            problems += self._operations.check_new_adoption(inputs["adopt_id"])
        failures = [CheckFailure(key, reason) for key, reason in problems]
        if self._refusal is not None:
            failures += [CheckFailure("", problem) for problem in self._refusal.problems]
        return CheckResult(inputs, failures)

    @_short_traceback
    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Called with the outputs in the state and the checked inputs, in previews too. No network.

        A real difference is answered with None, not True: the engine then compares inputs with inputs itself, shows
        the property that changed and honours `replace_on_changes` (engine: step_generator.go, DIFF_UNKNOWN).
        """
        if self._operations is not None:
            self._operations.note_managed(_id)
        changed, replaces = model.changes(_olds, _news)
        if not changed:
            return DiffResult(changes=False)
        return DiffResult(changes=None, replaces=replaces)

    @_short_traceback
    def create(self, props: dict[str, Any]) -> CreateResult:
        """Called by `up` only, with every value known. One POST, or the adoption of an existing object."""
        api = self._api(props)
        found = api.adopt(props) if props.get("adopt_id") else api.create(props)
        return CreateResult(found["id"], _marked(model.outputs(found, props)))

    @_short_traceback
    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Called by refresh with the outputs in the state, and by `.get` with the program's inputs.

        Gone is only what is proven to be gone (`gone`): refresh then drops it from the state, `.get` fails.
        """
        api = self._api(props)
        if model.is_lookup(props):
            found = api.look_up(id_)
        else:
            try:
                # Without a token in the state, that of a listing cannot be checked: "" is never the same.
                found = api.read(id_, token=props.get("token") or "")
            except NotFound:
                return ReadResult("", {})
        # What the answer does not tell of the connection's health is not known: an old value must not pass for it.
        known = {key: value for key, value in props.items() if key not in ("valid", "disabled")}
        outs = model.outputs(found, known)
        return ReadResult(found["id"], _marked(outs), model.inputs_of(outs))

    @_short_traceback
    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Called by `up` with the outputs in the state and the checked inputs. One PUT of the whole name and tags.

        No request where only `configuration` or `provider_data` is to be recorded: the API takes them at creation only.
        """
        api = self._api(_olds, _news)
        found: Mapping[str, Any] = {key: _olds[key] for key in ("name", "tags") if key in _olds}
        if not all(model.same(key, _olds.get(key), _news.get(key)) for key in ("name", "tags")):
            found = api.update(_id, _news)
        carried = {key: _olds[key] for key in model.OUTPUT_ONLY if key in _olds}
        return UpdateResult(_marked(model.outputs(found, {**_news, **carried})))

    @_short_traceback
    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Called by destroy, and for what the program no longer declares. What is missing already is deleted."""
        self._api(_props).delete(_id)

    def _api(self, *bags: Mapping[str, Any]) -> Operations:
        """The account's operations, whose messages never repeat a secret of these inputs or outputs."""
        if self._operations is None:
            raise self._refusal or SettingError(["the provider is not configured: run it through the Pulumi engine"])
        for bag in bags:
            self._operations.hide(bag)
        return self._operations


def _marked(outs: dict[str, Any]) -> dict[str, Any]:
    """The outputs with the token marked as a secret for the engine.

    The resource asks for that too (`additional_secret_outputs`), but a state made by `pulumi import` does not
    carry the request, and its first refresh would write the token in plain (engine: import.go).
    """
    token = outs.get("token")
    return outs if token is None else {**outs, "token": wrap_rpc_secret(token)}
