"""The RPCs of the provider protocol (pulumi/pulumi: proto/pulumi/provider.proto), answered by `EngineCalls`.

Each method is one RPC and runs on a thread of its own. The engine marks what the program has made a secret
(`acceptSecrets`): messages must not show it. The answers mark it again (`values.keep_marks`), and what is always secret
(`values.marked`).
"""

from __future__ import annotations

import functools
import json
import logging
import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.output import UNKNOWN, Unknown
from pulumi.runtime.proto import plugin_pb2, provider_pb2, status_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from .. import process
from ..api.retry import Clock
from ..core import config, identity, model, origin
from ..core.config import NAMESPACE, SETTINGS, Setting
from ..core.errors import (
    AdoptionRefused,
    Cancelled,
    CreateIncomplete,
    CreateUndecided,
    InputError,
    InstancesError,
    LeftBehind,
    Problem,
    SettingError,
)
from ..core.marks import Place, line_of
from ..core.model import IMPORTED, camel, to_native
from ..core.state_format import NATIVE_TYPE, account_of
from ..core.words import NATIVE
from ..engine_calls import Bag, EngineCalls
from . import detailed_diff, schema, values
from .schema import GET_INSTANCE, GET_INSTANCES

log = logging.getLogger("pulumi_instances")

_SECRET_SETTINGS = {setting.key for setting in SETTINGS if setting.secret}


class Incomplete(Exception):
    """An instance was made or changed, but is not as the program declares it. The engine keeps it in the state."""

    def __init__(self, instance_id: str, outputs: Bag, reason: str, given: Any) -> None:
        """Keep what the state has to hold. ``given`` are the properties that the engine has sent."""
        super().__init__(reason)
        self.details = provider_pb2.ErrorResourceInitFailed(
            id=instance_id,
            properties=_answer(outputs, given),
            reasons=[reason],
        )


def _rpc(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Return an RPC that answers each failure of ``method`` in one line."""

    @functools.wraps(method)
    def answer(self: Any, request: Any, context: Any) -> Any:
        with process.about(getattr(request, "urn", "")):
            try:
                return method(self, request)
            except Incomplete as error:
                code, line = grpc.StatusCode.UNKNOWN, f"{error}"
                error.details.refresh_before_update = self.refreshes
                context.set_trailing_metadata([("grpc-status-details-bin", _details(code, line, error))])
            except InstancesError as error:
                code, line = grpc.StatusCode.UNKNOWN, f"{self.explained(error)}"
            except Exception as error:
                # Its text may hold a value of the program.
                log.debug("%s failed:\n%s", method.__name__, "".join(traceback.format_tb(error.__traceback__)))
                code = grpc.StatusCode.INTERNAL
                line = f"{method.__name__}: {type(error).__name__} in the provider; please report it"
        return context.abort(code, line)

    return answer


def _details(code: grpc.StatusCode, line: str, error: Incomplete) -> bytes:
    """Return the details of a gRPC error, as libraries of other languages read them."""
    detail = any_pb2.Any()
    detail.Pack(error.details)
    details: bytes = status_pb2.Status(code=code.value[0], message=line, details=[detail]).SerializeToString()
    return details


class InstancesServicer(ResourceProviderServicer):
    """The provider of one account. The engine starts a process for each provider of a program."""

    def __init__(self) -> None:
        """Start without settings, which `Configure` gives."""
        self._cancelled = threading.Event()
        self._calls = EngineCalls(words=NATIVE)

    @property
    def refreshes(self) -> bool:
        """Whether the engine is to refresh an instance first in each run after this one (docs/engine.md, E33)."""
        settings = self._calls.settings
        return settings is not None and settings.refresh_before_update

    # about the plugin

    @_rpc
    def Handshake(self, request: Any) -> Any:
        """Connect the log to the engine, which calls this first."""
        process.connect_log(request.engine_address, warnings=True)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    @_rpc
    def Attach(self, request: Any) -> Any:
        """Connect the log to an engine that has not started this process."""
        process.connect_log(request.address, warnings=True)
        return empty_pb2.Empty()

    @_rpc
    def GetPluginInfo(self, _request: Any) -> Any:
        """Return the version of the plugin."""
        return plugin_pb2.PluginInfo(version=schema.version_of_plugin())

    @_rpc
    def GetSchema(self, request: Any) -> Any:
        """Return the schema. Only its first version exists."""
        if request.version != 0:
            raise InputError(f"there is no version {request.version} of the schema", "ask for version 0")
        return provider_pb2.GetSchemaResponse(schema=schema.text())

    @_rpc
    def Cancel(self, _request: Any) -> Any:
        """End every wait, since the engine was asked to stop."""
        self.cancel()
        return empty_pb2.Empty()

    def explained(self, error: InstancesError) -> InstancesError:
        """Return the error of a call, after adding what it is about (`EngineCalls.explained`)."""
        return self._calls.explained(error)

    def cancel(self) -> None:
        """End every wait: a call that waits before a retry ends with its last outcome."""
        self._cancelled.set()

    # about the account

    @_rpc
    def CheckConfig(self, request: Any) -> Any:
        """Return all problems of the settings at once, and the settings with the two secrets marked."""
        news = values.decode(request.news)
        name = request.name or _name_of(request.urn)
        get = _reader(news, account_of(name))
        problems = [*_problems_of_name(name, get), *config.problems(get, how_to_set=_how_to_set)]
        marked = {
            key: values.secret(value) if key in _SECRET_SETTINGS and value is not None else value
            for key, value in news.items()
        }
        return provider_pb2.CheckResponse(inputs=values.encode(marked), failures=_failures(problems))

    @_rpc
    def DiffConfig(self, request: Any) -> Any:
        """Return the changed settings. None replaces the provider, which would replace all of its instances.

        Another URL may be another name of the same host; the tokens of the instances prove whether it is.
        """
        olds = values.decode(request.old_inputs if request.HasField("old_inputs") else request.olds)
        news = values.decode(request.news)
        stack = {f"{NAMESPACE}:{key}": value for key, value in news.items()}
        changed = [key.removeprefix(f"{NAMESPACE}:") for key in origin.changed(_reader(olds, None), stack, {})]
        detailed = {
            key: provider_pb2.PropertyDiff(kind=_kind_of_setting(olds.get(key), news.get(key)), inputDiff=True)
            for key in changed
        }
        return _diff_response(changed, [], detailed)

    @_rpc
    def Configure(self, request: Any) -> Any:
        """Take the settings, once per process, and send nothing.

        Bad settings are an error here, too: refresh and destroy do not call CheckConfig.
        """
        settings, account = values.decode(request.args), account_of(request.name or _name_of(request.urn))
        calls = EngineCalls(Clock(sleep=self._sleep), NATIVE)
        stack = None if account else _of_the_stack()
        if stack is not None:  # not that of the last `up`: one refresh has to suffice to switch it
            settings["refreshBeforeUpdate"] = stack.get(f"{NAMESPACE}:refreshBeforeUpdate")
        calls.configure(_reader(settings, account), _how_to_set, stack)
        calls.warn_of_unknown([f"{NAMESPACE}:{key}" for key in settings], account)
        if calls.setting_problems:
            raise SettingError(calls.setting_problems)
        if any(key == "defaultTags" and values.holds_secret(value) for key, value in request.args.fields.items()):
            calls.setting_problems = [config.SECRET_TAGS]  # only Check reports it: a refresh and a destroy go on
        self._calls = calls
        return provider_pb2.ConfigureResponse(supportsPreview=True, acceptSecrets=True)

    # about instances

    @_rpc
    def Check(self, request: Any) -> Any:
        """Return the inputs, or a line for each problem.

        A failure names its property in the text only: given the property, the engine prints its value, decrypted
        (pulumi/pulumi: step_generator.go, issueCheckFailures).
        """
        _demand_instance(request.type or _type_of(request.urn))
        olds, news = values.decode(request.olds), model.from_native(values.decode(request.news))
        name = request.name or _name_of(request.urn)
        if news.get("name") is None:
            news = {**news, "name": name, model.DEFAULTS: ["name"]}
        secret = model.from_native(
            {key: True for key, value in request.news.fields.items() if values.holds_secret(value)}
        )
        hidden = {model.URN: request.urn, model.CONCEALED: [*secret]}
        inputs, problems = self._calls.check(model.old_inputs(olds), {**news, **hidden})
        if isinstance(data := inputs.get("provider_data"), Mapping):
            # A policy pack may copy the inputs, which drops the mark of the whole, but not that of a member.
            inputs = {**inputs, "provider_data": {key: values.secret(value) for key, value in data.items()}}
        return provider_pb2.CheckResponse(inputs=_answer(inputs, request.news), failures=_failures(problems))

    @_rpc
    def Diff(self, request: Any) -> Any:
        """Return the differences by member and by tag, and the inputs that replace the instance."""
        old_inputs, news = values.decode(request.old_inputs), model.from_native(values.decode(request.news))
        held = values.decode(request.olds)
        if isinstance(anothers := held.get(IMPORTED), str):
            # The instance that the resource had before is in the state, to be deleted: this `up` must not go on.
            raise AdoptionRefused(
                f"the state holds instance {request.id} by an import, and {anothers} manages it, as its tags say",
                f"remove the import, run `pulumi state delete` in a terminal (of two, choose {request.id}), then "
                "`INSTANCES_TAKE_OVER=yes pulumi up`, which takes back what the resource had before; or remove that "
                "tag at the service, then `pulumi refresh`",
            )
        olds = _state(held, old_inputs, news)
        news = self._calls.with_ignored(request.ignoreChanges, olds, news)
        changed, replaces = self._calls.diff(request.id, olds, news)
        detailed = detailed_diff.of(changed, replaces, olds, model.from_native(old_inputs), news)
        # Where nothing differs, the engine keeps the outputs: a value that is a secret only now would stay plain.
        now_secret = [*values.unmarked(request.olds, request.news)]
        detailed = {**detailed_diff.of_secrets(now_secret), **detailed}
        keys = dict.fromkeys([*map(camel, changed), *(path[0] for path in now_secret)])
        return _diff_response([*keys], [camel(key) for key in replaces], detailed)

    @_rpc
    def Create(self, request: Any) -> Any:
        """Create or adopt an instance. A preview returns what is known, and sends nothing."""
        inputs = model.from_native(values.decode(request.properties))
        if request.preview:
            # With a known name, a look-up by it would run in the preview: YAML programs wait for no resource.
            outputs = {**self._calls.preview_create(inputs), "name": UNKNOWN}
            return provider_pb2.CreateResponse(properties=_answer(outputs, request.properties))
        try:
            with self._calls.within(request.timeout):
                made = self._calls.create(inputs)
        except CreateIncomplete as error:
            [instance_id] = error.candidates
            known = {
                key: value
                for key, value in self._calls.preview_create(inputs).items()
                if not isinstance(value, Unknown)
            }
            known.update(error.known)
            cause = (
                f"instance {instance_id} was created, but its token cannot be read ({error.why}); it is in the state"
            )
            reason = f"{cause}; run `pulumi up` again, which reads it"
            raise Incomplete(instance_id, known, reason, request.properties) from None
        except LeftBehind:
            raise
        except CreateUndecided as error:
            raise CreateUndecided(error.cause, _with_imports(error, request.urn), error.candidates) from None
        _demand_valid(made.id, made.outputs, request.properties)
        properties = _answer(made.outputs, request.properties)
        return provider_pb2.CreateResponse(id=made.id, properties=properties, refresh_before_update=self.refreshes)

    @_rpc
    def Read(self, request: Any) -> Any:
        """Read an instance: for a refresh; by its id alone for an import, and for `.get` (docs/engine.md, E27).

        An empty id says that it no longer exists.
        """
        properties, old_inputs = values.decode(request.properties), values.decode(request.inputs)
        by_id_alone = not old_inputs and not properties
        if by_id_alone and (plain := model.normalise_id(request.id)) != request.id:
            # With another id for the same instance, the engine would import it, and then delete the one it has.
            raise InputError(f"read instance {plain}: its id is written with zeros before it", f'write "{plain}"')
        place = Place.of_urn(request.urn) if by_id_alone or IMPORTED in properties else None
        line = None if place is None else line_of(place)
        # Only the command `pulumi import` gives no address for the status of a resource. A Check follows a read for the
        # option `import`, and none follows one for `.get`.
        is_command = not request.HasField("inputs") and not request.resource_status_address
        with self._calls.within(request.timeout):
            found = self._calls.read(request.id, _state(properties, old_inputs), line, imports=is_command)
        if found is None:
            return provider_pb2.ReadResponse()
        outputs, inputs = found.outputs, found.inputs
        if by_id_alone or IMPORTED in properties:
            outputs = {**outputs, IMPORTED: found.anothers or True}
        if by_id_alone or IMPORTED in old_inputs:
            inputs = {**{key: outputs[key] for key in model.INPUTS if key in outputs}, IMPORTED: True}
        answer = provider_pb2.ReadResponse(id=found.id, properties=_answer(outputs, request.properties))
        if by_id_alone or old_inputs:  # a resource of `.get` has no inputs, and the program reads it in each run
            answer.inputs.CopyFrom(_answer(inputs, request.inputs))
            answer.refresh_before_update = self.refreshes
        return answer

    @_rpc
    def Update(self, request: Any) -> Any:
        """Change an instance in place. A preview returns what is known, such as the token, and sends nothing."""
        old_inputs, news = values.decode(request.old_inputs), model.from_native(values.decode(request.news))
        olds = _state(values.decode(request.olds), old_inputs, news)
        news = self._calls.with_ignored(request.ignoreChanges, olds, news)
        if request.preview:
            outputs = self._calls.preview_update(olds, news)
            if unmet := model.unmet(outputs):
                log.warning(_UNMET.format(request.id, unmet))  # no error, since `up` may log in again
            return provider_pb2.UpdateResponse(properties=_answer({"token": UNKNOWN, **outputs}, request.news))
        with self._calls.within(request.timeout):
            outputs = self._calls.update(request.id, olds, news)
            if "token" not in outputs or model.unmet(outputs):
                try:
                    outputs = self._calls.completed(request.id, outputs)
                except InstancesError as error:  # the state has to hold what was written: a code works once
                    reason = f"instance {request.id} was updated, but cannot be read ({error.cause}); run again"
                    raise Incomplete(request.id, outputs, reason, request.news) from None
        _demand_valid(request.id, outputs, request.news)
        properties = _answer(outputs, request.news)
        return provider_pb2.UpdateResponse(properties=properties, refresh_before_update=self.refreshes)

    @_rpc
    def Delete(self, request: Any) -> Any:
        """Delete an instance."""
        with self._calls.within(request.timeout):
            self._calls.delete(request.id, model.from_native(values.decode(request.properties)))
        return empty_pb2.Empty()

    @_rpc
    def Invoke(self, request: Any) -> Any:
        """Run one of the two look-ups, in previews, too."""
        arguments = model.from_native(values.decode(request.args))
        secret = any(map(values.holds_secret, request.args.fields.values()))
        if request.tok == GET_INSTANCE:
            return _returned(_found(self._calls.find_one(arguments, secret=secret)), secret=secret)
        if request.tok == GET_INSTANCES:
            found = [_found(each) for each in self._calls.find_all(arguments, secret=secret)]
            return _returned({"instances": found}, secret=secret)
        raise InputError(f"{request.tok} is not a function of this package", f"use {GET_INSTANCE} or {GET_INSTANCES}")

    def _sleep(self, seconds: float) -> None:
        if self._cancelled.wait(seconds):
            raise Cancelled("cancelled while waiting", "run again")


# settings


def _reader(settings: Mapping[str, Any], account: str | None) -> Callable[[str], Any]:
    """Return a function that reads a setting by its configuration key, for `config.load`."""

    def get(key: str) -> Any:
        return account if key == config.ACCOUNT_KEY else settings.get(key.removeprefix(f"{NAMESPACE}:"))

    return get


def _of_the_stack() -> dict[str, Any] | None:
    """Return the stack's configuration as it is now, which the engine gives each plugin; None where it does not."""
    try:
        found = json.loads(os.environ.get("PULUMI_CONFIG", ""))
    except ValueError:
        return None
    return {f"{NAMESPACE}:{key}": value for key, value in found.items()} if isinstance(found, dict) else None


def _problems_of_name(name: str, get: Callable[[str], Any]) -> list[Problem]:
    """Return the problems of the name of a provider, which is that of its account.

    The engine's own provider has the configuration of the stack. A provider of the program with the same name would get
    the variables of the default account, and send its secrets to another host.
    """
    stack = _of_the_stack()
    if account_of(name) is None and (stack is None or not origin.changed(get, stack, {})):
        return []
    problem = config.problem_of_account(name)
    return [] if problem is None else [problem]


def _how_to_set(setting: Setting, account: Any) -> str:
    if account:
        return f'give {setting.key} to the provider "{account}"'
    return config.how_to_set_in_python(setting, None)  # the stack's configuration is the same


def _kind_of_setting(old: Any, new: Any) -> Any:
    kind = "DELETE" if new is None else "UPDATE"
    return provider_pb2.PropertyDiff.Kind.Value("ADD" if old is None else kind)


# the state


def _state(outputs: Mapping[str, Any], old_inputs: Mapping[str, Any], news: Mapping[str, Any] | None = None) -> Bag:
    """Return the outputs in a state, under our keys.

    Those of an imported instance do not say which of `model.UPDATABLE` are managed. The inputs of the state do; before
    the first `up`, those of the program.
    """
    return model.old_outputs(outputs, model.from_native(old_inputs) if IMPORTED not in old_inputs else news)


def _demand_valid(instance_id: str, outputs: Bag, given: Any) -> None:
    if unmet := model.unmet(outputs):
        raise Incomplete(instance_id, outputs, _UNMET.format(instance_id, unmet), given)


_UNMET = (
    "instance {}: {}, and requireValid asks for it. It is in the state. Log in again at the service and run "
    "`pulumi up` again, or give new providerData"
)


# answers


def _answer(bag: Mapping[str, Any], given: Any) -> Any:
    return values.keep_marks(values.encode(to_native(values.marked(bag))), given)


def _failures(problems: Sequence[Problem]) -> list[Any]:
    return [provider_pb2.CheckFailure(reason=str(problem)) for problem in problems]


def _diff_response(changed: list[str], replaces: list[str], detailed: Mapping[str, Any]) -> Any:
    changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=changes, diffs=changed, replaces=replaces, detailedDiff=detailed, hasDetailedDiff=True
    )


def _found(instance: Mapping[str, Any]) -> Bag:
    """Return an instance as a look-up answers it."""
    known = {"id": instance["id"], **{key: instance[key] for key in schema.FOUND if key in instance}}
    answer = to_native(values.marked({"name": "", "your_mom": "", "tags": [], "token": "", **known}))
    manager = identity.managed_by(instance)
    return answer if manager is None else {**answer, schema.MANAGED_BY: manager}


def _returned(found: Bag, *, secret: bool) -> Any:
    """Return the answer of a look-up. All of it is ``secret`` if an argument is."""
    if secret:
        found = {key: values.secret(value) for key, value in found.items()}
    response = provider_pb2.InvokeResponse()
    getattr(response, "return").CopyFrom(values.encode(found))  # `return` is a keyword of Python
    return response


def _with_imports(error: CreateUndecided, urn: str) -> str:
    """Return the advice of the error, with the commands that import one of its candidates."""
    if not error.candidates:
        return error.advice
    lines = [f"`pulumi import {NATIVE_TYPE} {_name_of(urn)} {candidate}`" for candidate in error.candidates]
    return f"{error.advice}; to adopt one without a create, run {' or '.join(lines)}"


# URNs: urn:pulumi:<stack>::<project>::<types>::<name>


def _name_of(urn: str) -> str:
    return urn.split("::", 3)[3] if urn.count("::") >= 3 else ""


def _type_of(urn: str) -> str:
    return urn.split("::", 3)[2].rpartition("$")[2] if urn.count("::") >= 3 else NATIVE_TYPE


def _demand_instance(kind: str) -> None:
    if kind != NATIVE_TYPE:
        raise InputError(f"{kind} is not a resource of this package", f"use {NATIVE_TYPE}")
