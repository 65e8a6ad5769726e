"""The instances of the customer whose stack this is."""

import pulumi

from pulumi_instances import Instance

for connector in pulumi.Config().require_object("connectors"):
    instance = Instance(connector, your_mom=connector, tags=[pulumi.get_stack()])
    pulumi.export(connector, instance.token)
