"""The stacks of the soak: ``direct`` (without an engine), ``cli`` (the dynamic provider) or ``cli-native``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from tests.robustness import running
from tests.support.harness import CliHarness, Harness, NativeHarness
from tools.native_sdk import generate_sdk

from . import direct
from .direct import DirectStack

Stack = Harness | DirectStack

PROGRAM = """
import json
from pathlib import Path

for name, inputs in json.loads(Path("wanted.json").read_text()).items():
    aliases = [pulumi.Alias(name=alias)] if (alias := inputs.pop("alias", None)) else None
    Instance(name, **inputs, opts=pulumi.ResourceOptions(aliases=aliases))
"""
"""It declares what `wanted.json` beside it says."""


def new_stack(engine: str, directory: Path, env: Mapping[str, str]) -> Stack:
    """A stack in a directory of its own. All of them have the same name."""
    directory.mkdir(exist_ok=True)
    if engine == "direct":
        return DirectStack(directory, env)
    if engine == "cli":
        stack = CliHarness(directory)
    else:
        template = CliHarness(directory.with_name(f"{directory.name}-template")).directory
        stack = NativeHarness(directory, template, generate_sdk(directory))
    stack.program(PROGRAM)
    stack.env.update(env)
    return stack


def instances(stack: Stack) -> dict[str, dict[str, Any]]:
    """The instances that a stack holds, by their names. Nothing waits for its deletion in good times."""
    resources = (stack.export().deployment or {}).get("resources") or []
    found = [resource for resource in resources if resource["type"] in (INSTANCE_TYPE, NATIVE_TYPE)]
    assert not [resource for resource in found if resource.get("delete")], "a deletion is still owed"
    return {resource["urn"].rpartition("::")[2]: resource for resource in found}


def token(resource: Mapping[str, Any]) -> str:
    """The token that a state holds."""
    held = resource["outputs"]["token"]
    return str(held if isinstance(held, str) else json.loads(held["plaintext"]))


def providers(homes: list[str]) -> list[int]:
    """The ids of the provider processes of these machines."""
    return [*direct.providers(), *(process for home in homes for process in running.providers(home))]
