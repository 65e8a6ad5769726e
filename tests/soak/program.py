"""The program of the soak: it declares what `wanted.json` beside it says."""

import json
from pathlib import Path

from pulumi_instances import Instance

for name, inputs in json.loads(Path("wanted.json").read_text()).items():
    Instance(name, **inputs)
