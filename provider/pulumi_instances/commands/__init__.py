"""The commands of `pulumi-instances`. None of them writes to the API."""
