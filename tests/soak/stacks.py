"""The stacks of the soak: ``direct`` (without an engine), ``cli`` (the dynamic provider) or ``cli-native``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi.automation as auto

from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from tests.robustness import running
from tests.support.harness import PLUGINS, ROOT, cli_env
from tools.native_sdk import generate_sdk

from . import direct
from .direct import DirectStack

Stack = auto.Stack | DirectStack

_PROJECT = "soak"


def new_stack(engine: str, name: str, directory: Path, env: Mapping[str, str]) -> Stack:
    """A stack in a directory of its own, whose program is `program.py`."""
    directory.mkdir(exist_ok=True)
    if engine == "direct":
        return DirectStack(directory, env)
    shutil.copy(Path(__file__).with_name("program.py"), directory / "__main__.py")
    project = f"name: {_PROJECT}\nruntime: python\n"
    env = {**cli_env(directory), **env, "SOAK_ENGINE": engine}
    if engine == "cli-native":
        project += PLUGINS
        env["PYTHONPATH"] = os.pathsep.join([str(generate_sdk(directory)), str(ROOT)])
    (directory / "Pulumi.yaml").write_text(project)
    return auto.create_stack(name, work_dir=str(directory), opts=auto.LocalWorkspaceOptions(env_vars=env))


def instances(stack: Stack) -> dict[str, dict[str, Any]]:
    """The instances that a stack holds, by their names. Nothing waits for its deletion in good times."""
    resources = (stack.export_stack().deployment or {}).get("resources") or []
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
