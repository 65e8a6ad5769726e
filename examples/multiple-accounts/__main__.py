import pulumi

from pulumi_instances import Instance, account

config = pulumi.Config()
eu = account(
    "eu",
    base_url=config.require("euBaseUrl"),
    user_secret=config.require_secret("euUserSecret"),
    organization_secret=config.require_secret("euOrganizationSecret"),
)
crm = Instance("crm", your_mom="sfdc")  # of the account in the settings
crm_eu = Instance("crm-eu", your_mom="sfdc", opts=pulumi.ResourceOptions(provider=eu))
pulumi.export("tokens", {"crm": crm.token, "crm-eu": crm_eu.token})
