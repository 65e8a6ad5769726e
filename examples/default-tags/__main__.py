from pulumi_instances import Instance

# The tags of the setting `instances:defaultTags` join those that the program gives.
Instance("crm", your_mom="sfdc", tags=["sales"])
Instance("files", your_mom="dropbox")
