"""The provider of this repository, spread over eight explicit providers: the public way to more than four threads."""

import os

import pulumi

from pulumi_instances import Instance, account

PROVIDERS = [
    account(
        f"shard{number}",
        base_url=os.environ["INSTANCES_BASE_URL"],
        user_secret=os.environ["INSTANCES_USER_SECRET"],
        organization_secret=os.environ["INSTANCES_ORGANIZATION_SECRET"],
        settings={"parallelism": "4"},
    )
    for number in range(8)
]
for number in range(int(os.environ["BENCH_COUNT"])):
    opts = pulumi.ResourceOptions(provider=PROVIDERS[number % len(PROVIDERS)])
    Instance(f"box-{number}", your_mom="dropbox", tags=[os.environ["BENCH_TAG"]], opts=opts)
