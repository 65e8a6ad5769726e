import pulumi

from pulumi_instances import Instance

files = Instance(
    "files",
    your_mom="dropbox",
    provider_data={"code": pulumi.Config().require_secret("code")},  # a new code is a new login
    require_valid=True,  # `up` fails if the connection does not work after a login
)
pulumi.export("id", files.id)
pulumi.export("valid", files.valid)
pulumi.export("token", files.token)
