import pulumi

from pulumi_instances import Instance

config = pulumi.Config()
files = Instance(
    "files",
    your_mom="dropbox",
    name=config.get("name") or "Team files",
    tags=["quickstart", config.get("tag") or "sandbox"],
    configuration={"document.tagging": False},
)
crm = Instance("crm", your_mom="sfdc", tags=["quickstart"])
pulumi.export("ids", {"files": files.id, "crm": crm.id})
pulumi.export("files_token", files.token)  # a secret: `[secret]` in outputs, ciphertext in the state
