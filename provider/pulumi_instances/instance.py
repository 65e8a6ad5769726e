"""The resource that users declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pulumi
from pulumi.dynamic import Resource

from .core.model import DEFAULTS, FROM_OUTPUTS, OUTPUTS, SECRET_OUTPUTS, STACK, UPDATABLE, is_secret_key
from .lifecycle import InstanceProvider


class Instance(Resource, module="instances", name="Instance"):
    """An authenticated connection of an account to a service, such as Dropbox or Salesforce.

    Name and tags change in place; a new connector, or a changed ``configuration`` or ``provider_data``, replaces the
    instance and so its token. The token is a secret output.
    """

    if TYPE_CHECKING:  # at run time the SDK would evaluate these again for every resource of a program
        your_mom: pulumi.Output[str]
        """The key of the connector, such as ``dropbox``."""
        name: pulumi.Output[str]
        """The name as it is on the server."""
        tags: pulumi.Output[list[str]]
        """The tags as they are on the server, sorted."""
        configuration: pulumi.Output[dict[str, Any] | None]
        """The configuration as declared; the values under secret-looking keys are secret."""
        provider_data: pulumi.Output[dict[str, Any] | None]
        """The data for the authentication as declared; secret."""
        valid: pulumi.Output[bool]
        """Whether the service reports that the connection works. Changed by the server; never causes a diff."""
        disabled: pulumi.Output[bool]
        """Whether the service has disabled the instance. Changed by the server; never causes a diff."""

    def __init__(
        self,
        resource_name: str,
        *,
        your_mom: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        configuration: pulumi.Input[Mapping[str, pulumi.Input[Any]]] | None = None,
        provider_data: pulumi.Input[Mapping[str, pulumi.Input[Any]]] | None = None,
        adopt_id: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare an instance.

        :param your_mom: key of the connector, such as ``"dropbox"``. A change replaces the instance.
        :param name: name on the server, which need not be unique; the resource's name by default. An adopted instance
            keeps its own by default.
        :param tags: a set of strings: order and duplicates do not matter. If never given, the server's tags are left
            alone. ``[]`` clears them, and so does dropping tags that were given.
        :param configuration: flat, with dotted keys: ``{"oauth.api.key": "…", "document.tagging": False}``. A change
            replaces the instance. Values under keys that look secret are kept secret; if the whole is an
            Output, all of it is.
        :param provider_data: data for the authentication, such as ``{"code": "…"}``; always secret. A change
            replaces the instance.
        :param adopt_id: id of an existing instance to adopt instead of creating one. Used only by the create.
        """
        inputs: dict[str, Any] = {
            "your_mom": your_mom,
            "name": resource_name if name is None else name,
            "tags": tags,
            "configuration": _with_secrets(configuration),
            "provider_data": None if provider_data is None else pulumi.Output.secret(provider_data),
            "adopt_id": adopt_id,
            STACK: f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}",
        }
        if name is None:  # the name stays an input, for ignore_changes and mocks; adoption leaves it to the server
            inputs[DEFAULTS] = ["name"]
        if from_outputs := [key for key in UPDATABLE if _holds_output(inputs[key])]:
            inputs[FROM_OUTPUTS] = from_outputs
        super().__init__(InstanceProvider(), resource_name, {**_OUTPUTS, **inputs}, _options(opts))

    @classmethod
    def get(cls, resource_name: str, id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> Instance:
        """Refer to an existing instance without owning it: it is read, never changed and never deleted.

        A missing id is an error, in previews too.
        """
        instance = cls.__new__(cls)
        reference = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=id))
        Resource.__init__(instance, InstanceProvider(), resource_name, dict(_OUTPUTS), _options(reference))
        return instance

    @property
    def token(self) -> pulumi.Output[str]:
        """What other systems authenticate with. Secret, and unknown in the preview of a create or an update."""
        # The engine marks it, too; under the mocks of users' tests nobody else does.
        return pulumi.Output.secret(cast("pulumi.Output[str]", self.__dict__["token"]))


# The SDK resolves only those outputs whose keys it is given.
_OUTPUTS = dict.fromkeys(OUTPUTS)


def _options(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    ours = pulumi.ResourceOptions(additional_secret_outputs=[*SECRET_OUTPUTS])
    return ours if opts is None else pulumi.ResourceOptions.merge(ours, opts)


def _holds_output(value: Any) -> bool:
    items = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(item, pulumi.Output) for item in items)


def _with_secrets(configuration: Any) -> Any:
    """Mark the values under secret-looking keys; whole where the keys are not known yet."""
    if isinstance(configuration, Mapping):
        return {
            key: pulumi.Output.secret(value) if is_secret_key(key) and value is not None else value
            for key, value in configuration.items()
        }
    return pulumi.Output.secret(configuration) if isinstance(configuration, pulumi.Output) else configuration
