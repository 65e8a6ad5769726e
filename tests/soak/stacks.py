"""The stacks of the soak, on the CLI. SOAK_ENGINE: ``cli`` (the dynamic provider) or ``cli-native``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pulumi.automation as auto

from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from tests.support.harness import PLUGINS, ROOT, cli_env
from tools.native_sdk import generate_sdk

ENGINE = os.environ.get("SOAK_ENGINE", "cli")
RESOURCE_TYPE = NATIVE_TYPE if ENGINE == "cli-native" else INSTANCE_TYPE

_PROJECT = "soak"


def new_stack(name: str, directory: Path, env: Mapping[str, str]) -> auto.Stack:
    """A stack in a directory of its own, whose program is `program.py`."""
    directory.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).with_name("program.py"), directory / "__main__.py")
    project = f"name: {_PROJECT}\nruntime: python\n"
    env = {**cli_env(directory), **env}
    if ENGINE == "cli-native":
        project += PLUGINS
        env["PYTHONPATH"] = os.pathsep.join([str(generate_sdk(directory)), str(ROOT)])
    (directory / "Pulumi.yaml").write_text(project)
    return auto.create_stack(name, work_dir=str(directory), opts=auto.LocalWorkspaceOptions(env_vars=env))
