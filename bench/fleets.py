"""Many stacks: `pulumi-instances fleet` beside the shell's `xargs` and Terragrunt with OpenTofu, and on more workers.

All run `up` and `destroy` of the same number of stacks with three instances each. Where the API answers at once, the
cores are the limit; where a create takes some seconds, as at the live services, waiting is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.support import fleet as servers

from . import opentofu
from .api import Api
from .fleet_runs import FleetRun

INSTANCES = 3
AT_ONCE = 2
WORKERS = (1, 2, 4)

_OURS = Path(sys.executable).parent
_PROGRAM = {
    "name": "bench",
    "runtime": "yaml",
    "plugins": {"providers": [{"name": "instances", "path": str(_OURS)}]},
    "resources": {
        f"box-{number}": {"type": "instances:Instance", "properties": {"yourMom": "dropbox"}}
        for number in range(INSTANCES)
    },
}
_OPERATIONS = ("up", "destroy")


class Size(NamedTuple):
    """How much is measured; ``create`` is in seconds: how long a slow API takes for a create."""

    stacks: int
    rounds: int
    create: float

    @property
    def names(self) -> Sequence[str]:
        """The stacks."""
        return [f"customer-{number:02}" for number in range(self.stacks)]


FULL = Size(20, 2, 3.0)
"""The live services take 9 s and more for a create: the shorter it is, the sooner the cores are the limit."""
QUICK = Size(4, 1, 1.0)


def is_possible() -> bool:
    """Whether the CLI's host for YAML is here, which all but Terragrunt need."""
    return bool(shutil.which("pulumi-language-yaml"))


def measure(size: Size) -> Iterator[FleetRun]:
    """Run all ways after each other, each against an API of its own."""
    ways = [_on_this_machine, _on_a_cluster]
    if opentofu.is_here() and shutil.which("terragrunt"):
        ways.append(_terragrunt)
    for way in ways:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory, Api(0) as api:
            yield from way(Path(directory), api, size)


def _on_this_machine(directory: Path, api: Api, size: Size) -> Iterator[FleetRun]:
    environment = {**_environment(directory, api.env), "PULUMI_BACKEND_URL": directory.as_uri()}
    (directory / "Pulumi.yaml").write_text(json.dumps(_PROGRAM))
    for name in size.names:
        _execute(["pulumi", "stack", "init", name], directory, environment)

    def xargs(operation: str) -> list[str]:
        pulumi = f"pulumi {operation} --yes --skip-preview --non-interactive --suppress-progress --stack"
        return ["sh", "-c", f"printf '%s\\n' {' '.join(size.names)} | xargs -n 1 -P {AT_ONCE} {pulumi}"]

    def fleet(operation: str) -> list[str]:
        return ["pulumi-instances", "fleet", operation, "--yes", "--jobs", str(AT_ONCE)]

    for _ in range(size.rounds):
        for way, command in (("xargs", xargs), ("fleet", fleet)):
            for operation in _OPERATIONS:
                run = partial(_execute, command(operation), directory, environment)
                yield _measured(run, size, way, AT_ONCE, operation)


def _on_a_cluster(directory: Path, api: Api, size: Size) -> Iterator[FleetRun]:
    """Run them on more and more workers of a Dask cluster, with PostgreSQL as the backend, each with both APIs."""
    with servers.Postgres() as database:
        environment = {**_environment(directory, api.env), "PULUMI_BACKEND_URL": database.url}
        (directory / "Pulumi.yaml").write_text(json.dumps(_PROGRAM))
        first, *others = size.names
        _execute(["pulumi", "stack", "init", first], directory, environment)
        database.copy("bench", first, others)
        for name in others:
            shutil.copy(directory / f"Pulumi.{first}.yaml", directory / f"Pulumi.{name}.yaml")
        with servers.cluster(directory, environment) as dask:
            for before, workers in zip((0, *WORKERS), WORKERS, strict=False):
                dask.start(*[f"worker-{number}" for number in range(before, workers)], threads=1)
                fleet = partial(_fleet, directory, environment, dask.address)
                fleet("preview", size.names[:workers])  # what each worker does once is not measured
                for create in (0.0, size.create):
                    api.delay_creates(create, size.stacks * INSTANCES)
                    for operation in _OPERATIONS:
                        run = partial(fleet, operation, size.names)
                        found = _measured(run, size, "cluster", workers, operation, create, database.process)
                        if operation == "up" or not create:  # only creates are slow
                            yield found


def _fleet(
    directory: Path, environment: Mapping[str, str], cluster: str, operation: str, stacks: Sequence[str]
) -> None:
    chosen = [word for stack in stacks for word in ("--stacks", stack)]
    command = ["pulumi-instances", "fleet", operation, "--yes", "--cluster", cluster, *chosen]
    _execute(command, directory, environment)


def _terragrunt(directory: Path, api: Api, size: Size) -> Iterator[FleetRun]:
    """Write a unit for each stack, all of one module, and run them."""
    environment = {
        **os.environ,
        **api.env,
        **opentofu.environment(directory, api.env),
        "TF_VAR_boxes": str(INSTANCES),
        "TF_VAR_tag": "first",
        "TG_TF_PATH": str(shutil.which("tofu")),
        "TG_NO_AUTO_INIT": "true",
    }
    for name in size.names:
        unit = directory / name
        unit.mkdir()
        (unit / "main.tf").write_text(opentofu.PROGRAM)
        (unit / "terragrunt.hcl").write_text("")
    for _ in range(size.rounds):
        for operation, word in zip(_OPERATIONS, ("apply", "destroy"), strict=True):
            command = ["terragrunt", "run", "--all", "--non-interactive", "--parallelism", str(AT_ONCE), word]
            yield _measured(partial(_execute, command, directory, environment), size, "terragrunt", AT_ONCE, operation)


def _measured(
    run: Callable[[], None], size: Size, way: str, at_once: int, operation: str, create: float = 0.0, *others: int
) -> FleetRun:
    """Run it. ``others`` are processes whose CPU counts, although they are not below this one."""
    began, used = time.perf_counter(), _cpu(others)
    run()
    seconds, cpu = time.perf_counter() - began, _cpu(others) - used
    return FleetRun(way, at_once, create, operation, size.stacks, round(seconds, 2), round(cpu, 2))


def _cpu(others: Sequence[int]) -> float:
    """The seconds of CPU of this process, of others, and of all below them, those that have ended included."""
    used = 0.0
    for root in (psutil.Process(), *map(psutil.Process, others)):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
    return used


def _environment(directory: Path, env: Mapping[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        **env,
        "PATH": f"{_OURS}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(directory / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def _execute(command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[:3]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
