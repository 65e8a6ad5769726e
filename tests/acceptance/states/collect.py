"""Write the state of this release, once, when it is made: ``python -m tests.acceptance.states.collect``.

Needs the CLI. Runs ``<version>.txt`` beside this file and writes ``<version>.json``, its secrets encrypted with the
passphrase of the harness.
"""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import CliHarness, settings


def main() -> None:
    """Write the file; an existing one is never touched."""
    folder = Path(__file__).parent
    release = version("pulumi-instances")
    with tempfile.TemporaryDirectory() as directory, Emulator() as api:
        stack = CliHarness(Path(directory) / "stack")
        stack.configure(settings(api))
        stack.program((folder / f"{release}.txt").read_text())
        stack.up()
        for instance in api.instances():
            api.change(instance["id"], token=f"token of {instance['name']}")
        stack.refresh()
        checkpoint = stack.checkpoint()
    deployment: dict[str, Any] = dict(checkpoint.deployment or {})
    for resource in deployment["resources"]:
        # Paths of the machine that made it.
        resource.pop("sourcePosition", None)
        resource.pop("stackTrace", None)
    document = {"version": checkpoint.version, "deployment": deployment}
    with (folder / f"{release}.json").open("x") as file:
        file.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
