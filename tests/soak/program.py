"""The program of the soak: it declares what `wanted.json` beside it says."""

import json
import os
from pathlib import Path

if os.environ.get("SOAK_ENGINE") == "cli-native":
    from tests.support.native_program import Instance
else:
    from pulumi_instances import Instance

for name, inputs in json.loads(Path("wanted.json").read_text()).items():
    Instance(name, **inputs)
