"""The program of the soak: it declares what `wanted.json` beside it says."""

import json
import os
from pathlib import Path

import pulumi

if os.environ.get("SOAK_ENGINE") == "cli-native":
    from tests.support.native_program import Instance
else:
    from pulumi_instances import Instance

for name, inputs in json.loads(Path("wanted.json").read_text()).items():
    aliases = [pulumi.Alias(name=alias)] if (alias := inputs.pop("alias", None)) else None
    Instance(name, **inputs, opts=pulumi.ResourceOptions(aliases=aliases))
