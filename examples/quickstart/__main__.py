import pulumi

from pulumi_instances import Instance

config = pulumi.Config()
name = config.get("name") or "Team files"
tags = ["quickstart", config.get("tag") or "sandbox"]
# `your_mom` is the API's name for the connector: the service that the instance connects to.
files = Instance("files", your_mom="dropbox", name=name, tags=tags, configuration={"document.tagging": False})
crm = Instance("crm", your_mom="sfdc", tags=["quickstart"])
pulumi.export("ids", {"files": files.id, "crm": crm.id})
pulumi.export("files_token", files.token)  # a secret: `[secret]` in outputs, encrypted in the state
