import pulumi
import pulumi_instances_native as instances

crm = instances.Instance(
    "crm",
    your_mom="sfdc",
    tags=["quickstart"],
    opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="5m")),
)
files = instances.get_instance_output(name="Team files")
pulumi.export("id", crm.id)
pulumi.export("token", crm.token)  # a secret: `[secret]` in outputs, encrypted in the state
pulumi.export("files_token", files.token)
