"""The connections of one team."""

import pulumi

from pulumi_instances import Instance

team = pulumi.Config().get("team") or "billing"

files = Instance("files", your_mom="dropbox", name=f"{team} files", tags=[team])
customers = Instance(
    "customers",
    your_mom="sfdc",
    name=f"{team} customers",
    tags=[team, "crm"],
    opts=pulumi.ResourceOptions(protect=team == "billing"),
)

pulumi.export("files_id", files.id)
pulumi.export("files_token", files.token)
