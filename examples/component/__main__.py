"""A connection whose token another program on this machine reads from a file."""

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

from pulumi_instances import Instance


class _Files(ResourceProvider):
    """Keeps a secret in a file that only its owner may read."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        path = Path(props["path"])
        path.touch(mode=0o600)
        path.write_text(props["secret"])
        return CreateResult(props["path"], props)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        self.delete(_id, _olds)
        return UpdateResult(self.create(_news).outs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        Path(_props["path"]).unlink(missing_ok=True)


class SecretFile(Resource):
    """The other system. In its place, yours may be a Kubernetes Secret or an entry of a vault."""

    def __init__(
        self, name: str, path: str, secret: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(_Files(), name, {"path": path, "secret": secret}, opts)


class Connection(pulumi.ComponentResource):
    """An instance, and the file that holds its token."""

    token: pulumi.Output[str]

    def __init__(self, name: str, your_mom: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("example:index:Connection", name, None, opts)
        instance = Instance(name, your_mom=your_mom, opts=pulumi.ResourceOptions(parent=self))
        self.token = instance.token  # a secret, and so is what is made of it
        SecretFile(name, f"{name}.token", self.token, opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({"token": self.token})


crm = Connection("crm", your_mom=pulumi.Config().get("connector") or "sfdc")
pulumi.export("token", crm.token)
