import pulumi

from pulumi_instances import get_instance, get_instances, get_instances_output

tag = pulumi.Config().get("tag") or "eu"
files = get_instance(name="Team files", your_mom="dropbox")
pulumi.export("files_token", files.token)  # a secret, as that of an Instance
pulumi.export("ids", {found.name: found.id for found in get_instances(tags=[tag])})

# What an output decides is looked up once it is known.
siblings = get_instances_output(tags=pulumi.Output.from_input(files.tags))
pulumi.export("siblings", siblings.apply(lambda found: len(found) - 1))
