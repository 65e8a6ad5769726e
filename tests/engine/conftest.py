"""A cloud of files for each test, and stacks on the local engine whose programs use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.testing.engine import StackDouble
from pulumi_instances.testing.engine.stack import State

from .toy_cloud import Cloud

ROOT = Path(__file__).parents[2]
NewStack = Callable[..., StackDouble]


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """The directory that holds the cloud's objects."""
    directory = tmp_path / "cloud"
    directory.mkdir()
    return Cloud(directory)


@pytest.fixture
def new_stack(cloud: Cloud) -> NewStack:
    """Make stacks called `dev` of the project `toy`, all with one state."""
    state = State()

    def make(program: Callable[[], object] | None = None, **options: Any) -> StackDouble:
        # The provider's process imports the class by its module, as with the CLI.
        environment = {"TOY_CLOUD": str(cloud.directory), "PYTHONPATH": str(ROOT)}
        options = {"state": state, **options}
        return StackDouble("dev", program=program, project_name="toy", env_vars=environment, **options)

    return make


def resources(stack: StackDouble) -> dict[str, dict[str, Any]]:
    """The exported resources by logical name; one that waits for its deletion under `<name> (old)`."""
    deployment = stack.export_stack().deployment or {}
    found = {}
    for resource in deployment["resources"]:
        name = resource["urn"].split("::", 3)[3]
        waits = resource.get("delete") or resource.get("pendingReplacement")
        found[f"{name} (old)" if waits else name] = resource
    return found
