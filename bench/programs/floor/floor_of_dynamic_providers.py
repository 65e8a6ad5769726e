"""What no dynamic provider can be faster than: it does nothing, and keeps a state of the same keys and sizes.

This module and its class have names as long as those of `pulumi_instances`, so that the pickles are equally long.
"""

import uuid

from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, ReadResult, Resource, ResourceProvider, UpdateResult


class DynamicProvider_(ResourceProvider):  # noqa: N801  one more letter
    """Importable, so that its pickle is a reference."""

    serialize_as_secret_always = False

    def create(self, props):
        """Answer as a create does: an id, and a token of 44 characters."""
        outs = {**props, "token": uuid.uuid4().hex + uuid.uuid4().hex[:12], "valid": True, "disabled": False}
        return CreateResult("4001", outs)

    def read(self, id_, props):
        """Find what is in the state."""
        return ReadResult(id_, props, {key: props[key] for key in ("your_mom", "name", "tags")})

    def update(self, _id, _olds, _news):
        """Take what the program says."""
        return UpdateResult({**_olds, **_news})


class Floor(Resource, module="instances", name="Instance"):
    """The same properties as an instance, one of them secret."""

    def __init__(self, name, tags):
        """Declare one."""
        props = {"your_mom": "dropbox", "name": name, "tags": tags, "token": None, "valid": None, "disabled": None}
        super().__init__(DynamicProvider_(), name, props, ResourceOptions(additional_secret_outputs=["token"]))
