"""The dynamic provider: the class whose methods the engine calls in the plugin process, on any of its threads.

Each method turns the SDK's types into the dicts of `engine_calls`, and its answers back.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

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
from .core import model
from .core.config import ACCOUNT_KEY
from .core.errors import InstancesError
from .core.model import SWITCHED, same, unmet

if TYPE_CHECKING:
    from .engine_calls import EngineCalls

log = logging.getLogger("pulumi_instances")

_Answer = TypeVar("_Answer")

_NOT_HERE = (
    "instances:refreshBeforeUpdate is for the native package, and ignored by the dynamic provider; "
    "write `options: {refresh: always}` into Pulumi.yaml instead"
)


def _call(method: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """Return the method with no traceback in its errors."""

    @functools.wraps(method)
    def answer(self: InstanceProvider, *arguments: Any) -> _Answer:
        try:
            return method(self, *arguments)
        except InstancesError as error:
            raise self._calls.explained(error).with_traceback(None) from None

    return answer


class InstanceProvider(ResourceProvider):
    """Answers the engine's calls by `EngineCalls`, which says when the engine makes each.

    State files hold a pickle that names this class by module and name, and nothing else: neither may ever change, and
    there must be no state before `configure`.

    The SDK sends the whole traceback of an error to the terminal, chained causes included: so each method drops it.
    """

    serialize_as_secret_always = False

    _configured: EngineCalls | None = None

    def configure(self, req: ConfigureRequest) -> None:
        """Load the settings. The engine calls this once per process, on the thread pool that serves all later calls."""
        process.switch_logging_on()
        calls = self._calls
        calls.configure(req.config.get)
        # The SDK has no public way to list the keys.
        calls.warn_of_unknown(getattr(req.config, "_props", {}), req.config.get(ACCOUNT_KEY))
        if calls.settings is not None and calls.settings.refresh_before_update:
            log.warning(_NOT_HERE)
        if calls.settings is not None and calls.settings.parallelism > process.OF_THE_SDK:
            process.widen(calls.settings.parallelism + process.SPARE)
        self._configured = calls
        if process.is_dynamic_server():
            process.watch(sys.argv[-1], process.end_between_calls)
            process.connect_log(sys.argv[-1])

    @_call
    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Return the checked inputs, and a failure for each problem.

        A failure names its property in the text only: given the property, the engine prints its value, decrypted
        (pulumi/pulumi: step_generator.go, issueCheckFailures).
        """
        inputs, problems = self._calls.check(model.old_inputs(_olds), news)
        return CheckResult(_marked(inputs), [CheckFailure("", str(problem)) for problem in problems])

    @_call
    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Return the differences: ``changes`` is False for none, and None where the inputs differ.

        For None, the engine compares inputs with inputs itself, shows the property that changed and honours
        `replace_on_changes` (docs/engine.md, E2 and E3). It is True where only the outputs differ: an instance that
        could not be enabled or disabled, or a connection that does not work.

        A state that the native package wrote is updated, even where nothing differs and nothing is to be sent: the SDK
        needs what `update` writes into it (docs/moving.md).
        """
        olds = model.old_outputs(_olds, _news)
        changed, replaces = self._calls.diff(_id, olds, _news)
        if model.is_native(_olds):
            return DiffResult(changes=True, replaces=replaces)
        if not changed:
            return DiffResult(changes=False)
        if changed == ["require_valid"] and (missing := unmet(olds)):
            log.warning("instance %s: %s, and require_valid asks for it; `up` looks again", _id, missing)
        only_outputs = all(key in SWITCHED or same(key, olds.get(key), _news.get(key)) for key in changed)
        return DiffResult(changes=True if only_outputs else None, replaces=replaces)

    @_call
    def create(self, props: dict[str, Any]) -> CreateResult:
        """Create or adopt an instance."""
        made = self._calls.create(props)
        return CreateResult(made.id, _marked(made.outputs))

    @_call
    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read an instance. An empty id tells the engine that it no longer exists (docs/engine.md, E11).

        Without inputs in the answer, the state keeps its own. A reference by `.get` has none, and needs none: the
        connector alone never drifts.
        """
        found = self._calls.read(id_, props)
        if found is None:
            return ReadResult("", {})
        inputs = None if found.inputs.keys() <= {"your_mom"} else _marked(found.inputs)
        return ReadResult(found.id, _marked(found.outputs), inputs)

    @_call
    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Change an instance in place."""
        outputs = self._calls.update(_id, model.old_outputs(_olds, _news), _news)
        if unmet(outputs):
            try:
                outputs = self._calls.completed(_id, outputs)
            except InstancesError as error:  # the state has to hold what was written
                log.warning("%s", error)
        return UpdateResult(_marked(outputs))

    @_call
    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete an instance."""
        self._calls.delete(_id, _props)

    @property
    def _calls(self) -> EngineCalls:
        # Imported late: programs import this module as well, and need none of it.
        from .api.retry import Clock
        from .engine_calls import EngineCalls

        return self._configured or EngineCalls(clock=Clock(sleep=process.sleep))


def _marked(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs or outputs with their secrets marked for the engine.

    `Instance` marks them too, but not in what a transformation of the program adds afterwards, nor in a state made by
    `pulumi import`: its first refresh would write the token in plain (docs/engine.md, E13).
    """
    return model.marked(bag, _secret)


def _secret(value: Any) -> Any:
    """Return the value with each member marked: the engine drops the mark of an object (docs/engine.md, E9)."""
    if isinstance(value, Mapping):
        return {key: _secret(item) for key, item in value.items()}
    return value if value is None else wrap_rpc_secret(value)
