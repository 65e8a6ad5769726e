"""The resource that users declare.

It runs in the program. `lifecycle.InstanceProvider`, which it gives to the SDK, runs in the plugin process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import pulumi
from pulumi.dynamic import Resource
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_monitor, monitor_supports_feature

from .accounts import asked_beside, demand_plain_tags
from .core import model
from .core.model import (
    ANSWERED,
    ASKED,
    CONCEALED,
    DEFAULTS,
    IGNORED,
    OUTPUTS,
    QUOTED,
    SECRET_OUTPUTS,
    URN,
    with_secrets,
)
from .core.state_format import INSTANCE_TYPE, NATIVE_TYPE, UNTYPED
from .lifecycle import InstanceProvider


class Instance(Resource, module="instances", name="Instance"):
    """An authenticated connection of an account to a service, such as Dropbox or Salesforce.

    Name and tags change in place. Another connector replaces the instance, so its token changes. A changed
    ``configuration`` or ``provider_data`` does too, unless the service can change it in place. The token is a secret
    output.

    >>> files = Instance("files", your_mom="dropbox", tags=["billing"])
    >>> pulumi.export("token", files.token)
    """

    if TYPE_CHECKING:  # at run time the SDK would evaluate these again for every resource of a program
        your_mom: pulumi.Output[str]
        """The key of the connector, such as ``dropbox``."""
        name: pulumi.Output[str]
        """The name. Where the service has changed it, this is still the declared name."""
        tags: pulumi.Output[list[str]]
        """The tags, sorted. Where the service has changed them, these are still the declared tags."""
        configuration: pulumi.Output[dict[str, Any] | None]
        """The configuration as declared; the values under secret-looking keys are secret."""
        provider_data: pulumi.Output[dict[str, Any] | None]
        """The data for the authentication as declared; secret."""
        enabled: pulumi.Output[bool | None]
        """Whether the instance is enabled; None where the program does not declare it."""
        external_authentication: pulumi.Output[str | None]
        """How the instance was authenticated elsewhere, as declared."""
        events_enabled: pulumi.Output[bool | None]
        """Whether the instance gets events, as declared."""
        retrieve_objects_after_instantiation: pulumi.Output[bool | None]
        """Whether the service reads the objects of the account at once, as declared."""
        extra: pulumi.Output[dict[str, Any] | None]
        """What else the create sends, as declared; the values under secret-looking keys are secret."""
        require_valid: pulumi.Output[bool | None]
        """Whether `up` fails where the connection does not work, as declared."""
        valid: pulumi.Output[bool]
        """Whether the service reports that the connection works. Changed by the server; never causes a diff."""
        disabled: pulumi.Output[bool]
        """Whether the service has disabled the instance. Changed by the server; never causes a diff."""

    def __init_subclass__(cls, module: str = "instances", name: str = "Instance", **options: Any) -> None:
        """Keep the type of an instance, which a subclass would lose, unless it asks for another one."""
        super().__init_subclass__(module, name, **options)

    def __init__(
        self,
        resource_name: str,
        *,
        your_mom: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | Set[pulumi.Input[str]] | None = None,
        configuration: pulumi.Input[Mapping[str, pulumi.Input[Any]]] | None = None,
        provider_data: pulumi.Input[Mapping[str, pulumi.Input[Any]]] | None = None,
        enabled: pulumi.Input[bool] | None = None,
        external_authentication: pulumi.Input[str] | None = None,
        events_enabled: pulumi.Input[bool] | None = None,
        retrieve_objects_after_instantiation: pulumi.Input[bool] | None = None,
        extra: pulumi.Input[Mapping[str, pulumi.Input[Any]]] | None = None,
        require_valid: bool | None = None,
        adopt_id: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare an instance.

        :param your_mom: key of the connector, such as ``"dropbox"``. A change replaces the instance.
        :param name: name on the server, which need not be unique; the resource's name by default. An adopted instance
            keeps its own by default.
        :param tags: a list or a set of strings: order and duplicates do not matter. If they were never given, the
            server's tags are left alone. ``[]`` clears the tags, and so does dropping tags that were given.
        :param configuration: an object with dotted keys: ``{"oauth.api.key": "…", "document.tagging": False}``. Values
            under keys that look secret are kept secret. If the whole object is an Output, all of it is. A change
            replaces the instance, unless the service can change it in place (``instances:dialect``,
            ``instances:updateInPlace``).
        :param provider_data: data for the authentication, such as ``{"code": "…"}``; always secret. A change
            replaces the instance, unless the service can log in again in place. The state and the output hold a
            digest of an OAuth code (``code``, ``oauth_verifier``) instead of the code.
        :param enabled: ``False`` disables the instance, which keeps its id, its token and its configuration. Where
            ``enabled`` is True, an instance that the service has disabled is drift. It needs a service that can do
            this (docs/live-services.md).
        :param external_authentication: ``"initial"`` creates an instance without a code, from tokens in
            ``configuration``. A change replaces the instance.
        :param events_enabled: whether the instance gets events. A change replaces the instance.
        :param retrieve_objects_after_instantiation: whether the service reads the objects of the account at once. A
            change replaces the instance.
        :param extra: what else the body of the create holds at its top level, by the names of the API, such as
            ``{"oauthProxy": {…}}``. A change replaces the instance.
        :param require_valid: ``True`` waits after a create, and after a new login, until the service reports that the
            connection works, for ``instances:createTimeout`` at most. If it does not work then, `up` fails, and the
            instance stays in the state.
        :param adopt_id: id of an existing instance to adopt instead of creating one. Used only when the resource is
            created.
        """
        demand_plain_tags(opts)
        inputs: dict[str, Any] = {
            "your_mom": your_mom,
            "name": resource_name if name is None else name,
            "tags": [*tags] if isinstance(tags, Set) else tags,
            "configuration": _with_secrets(configuration),
            "provider_data": None if provider_data is None else pulumi.Output.secret(provider_data),
            "enabled": enabled,
            "external_authentication": external_authentication,
            "events_enabled": events_enabled,
            "retrieve_objects_after_instantiation": retrieve_objects_after_instantiation,
            "extra": _with_secrets(extra),
            "require_valid": require_valid,
            "adopt_id": adopt_id,
            URN: _urn(resource_name, opts),
            ASKED: asked_beside(self),
        }
        if name is None:  # the name stays an input, for ignore_changes and mocks; adoption leaves it to the server
            inputs[DEFAULTS] = ["name"]
        if any(_holds_output(inputs[key]) for key in QUOTED):
            inputs[CONCEALED] = _secret_among({key: inputs[key] for key in QUOTED})
        if opts is not None and opts.ignore_changes:
            inputs[IGNORED] = [*opts.ignore_changes]
        given = {key: value for key, value in inputs.items() if value is not None}
        # With ignore_changes the state keeps what the program no longer gives.
        outputs = _OUTPUTS if opts is not None and opts.ignore_changes else _ANSWERED
        options = self._options(resource_name, opts)
        has_hook = bool(require_valid) and _runs_hooks()
        if has_hook:
            options = _with_hook(options)
        super().__init__(InstanceProvider(), resource_name, {**outputs, **given}, options)
        if require_valid and not has_hook:
            known = pulumi.Output.all(id=self.id, valid=self.valid, enabled=self.enabled)
            known.apply(lambda outs: _demand_valid(resource_name, outs["id"], outs))

    @classmethod
    def get(cls, resource_name: str, id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> Instance:
        """Return a reference to an existing instance, which is read, but never changed or deleted.

        An id that does not exist is an error, in previews too.
        """
        instance = cls.__new__(cls)
        reference = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=id))
        Resource.__init__(
            instance, InstanceProvider(), resource_name, dict(_OUTPUTS), cls._options(resource_name, reference)
        )
        return instance

    @classmethod
    def _options(cls, name: str, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
        """Return the program's options with ours, among them the other types under which a state may hold the instance.

        These types are that of the native package (docs/moving.md), and that of a subclass before it kept its type.
        """
        types = [NATIVE_TYPE]
        if cls is not Instance and cls._resource_type_name == Instance._resource_type_name:
            types.append(UNTYPED)
        if opts is None or opts.parent is None:  # a URN takes the SDK a quarter of the time of an `Alias`
            start = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}"
            aliases = list[str | pulumi.Alias](f"{start}::{each}::{name}" for each in types)
        else:
            aliases = [pulumi.Alias(type_=each) for each in types]
        ours = pulumi.ResourceOptions(additional_secret_outputs=[*SECRET_OUTPUTS], aliases=[*aliases])
        return ours if opts is None else pulumi.ResourceOptions.merge(ours, opts)

    def __getattr__(self, name: str) -> pulumi.Output[None]:
        """Return None as an Output for an output that neither the program nor the state has.

        The SDK is not given the keys of such outputs, since each would take it as long as one with a value.
        """
        if name in _OUTPUTS:
            return pulumi.Output.from_input(None)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @property
    def token(self) -> pulumi.Output[str]:
        """The token that other systems authenticate with. Secret; unknown in the preview of a create or an update."""
        # The engine makes it secret, too, but not under the mocks in tests of users.
        return pulumi.Output.secret(cast("pulumi.Output[str]", self.__dict__["token"]))


# The SDK resolves only those outputs whose keys it is given.
_OUTPUTS = dict.fromkeys(OUTPUTS)
_ANSWERED = dict.fromkeys(ANSWERED)


def _urn(name: str, opts: pulumi.ResourceOptions | None) -> pulumi.Input[str]:
    """Return the URN that the engine is going to give the resource, and does not send to the provider."""
    start = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::"
    if opts is None or opts.parent is None:
        return f"{start}{INSTANCE_TYPE}::{name}"
    parent = opts.parent

    async def below_parent() -> str:
        # As an output it would make the resource depend on its parent, and a component depends on its children.
        return f"{start}{_types_below(str(await parent.urn.future()))}{INSTANCE_TYPE}::{name}"

    return below_parent()


def _types_below(urn: str) -> str:
    types = urn.split("::", 3)[2]
    return "" if types == "pulumi:pulumi:Stack" else f"{types}$"


def _holds_output(value: Any) -> bool:
    items = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(item, pulumi.Output) for item in items)


async def _secret_among(values: Mapping[str, Any]) -> list[str] | None:
    """Return the keys of these inputs whose values are secret; None where there are none."""
    return [key for key, value in values.items() if await pulumi.Output.from_input(value).is_secret()] or None


def _with_secrets(value: Any) -> Any:
    """Return the value with secret-looking keys marked at any depth; all of it where the keys are not known yet."""
    if isinstance(value, pulumi.Output):
        return pulumi.Output.secret(value)
    return with_secrets(value, pulumi.Output.secret)


# `require_valid`: a failed create would leave the state without the id. Instead, a hook fails, which the engine runs
# after each create and update of the resource; where the engine runs no hooks, the program fails.

_hooks: WeakKeyDictionary[Any, pulumi.ResourceHook] = WeakKeyDictionary()
"""The hook of each program that runs in this process, by its connection to the engine."""


def _runs_hooks() -> bool:
    """Return whether the engine runs hooks, as those do that take output values. Mocks and `StackDouble` do not."""
    return monitor_supports_feature(resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES)


def _with_hook(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    monitor = get_monitor()
    if monitor not in _hooks:
        _hooks[monitor] = pulumi.ResourceHook("pulumi_instances:require_valid", _demand_valid_of)
    binding = pulumi.ResourceHookBinding(after_create=[_hooks[monitor]], after_update=[_hooks[monitor]])
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=binding))


def _demand_valid_of(made: pulumi.ResourceHookArgs) -> None:
    _demand_valid(made.name, made.id, made.new_outputs or {})


def _demand_valid(name: str, instance_id: str | None, outputs: Mapping[str, Any]) -> None:
    """Raise RunError, whose text alone the engine shows. Warn in a preview: the update may repair the connection."""
    unmet = model.unmet({**outputs, "require_valid": True})
    if unmet is None:
        return
    message = (
        f"instance {instance_id} ({name}): {unmet}, and require_valid asks for it. It is in the state. Log in again at "
        "the service and run `pulumi up` again, or give new provider_data"
    )
    if pulumi.runtime.is_dry_run():
        pulumi.warn(message)
    else:
        raise pulumi.RunError(message)
