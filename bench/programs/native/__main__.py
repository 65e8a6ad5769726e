"""The native package of this repository."""

import os

from pulumi_instances_native import Instance

for number in range(int(os.environ["BENCH_COUNT"])):
    Instance(f"box-{number}", your_mom="dropbox", tags=[os.environ["BENCH_TAG"]])
