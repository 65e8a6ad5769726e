"""The floor: dynamic resources that do nothing."""

import os

from floor_of_dynamic_providers import DynamicProvider_ as Provider  # noqa: F401  the benchmark looks at its pickle
from floor_of_dynamic_providers import Floor

for number in range(int(os.environ["BENCH_COUNT"])):
    Floor(f"box-{number}", [os.environ["BENCH_TAG"]])
