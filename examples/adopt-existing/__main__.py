import pulumi

from pulumi_instances import Instance

config = pulumi.Config()
legacy = Instance(
    "legacy",
    your_mom="box",
    name="Legacy box",
    tags=["legacy"],
    adopt_id=config.get("id"),  # pulumi config set id 4014; it can go once the instance is adopted
)
pulumi.export("id", legacy.id)
pulumi.export("token", legacy.token)
