"""The workers of a Dask cluster, whose CLI is a script: who is refused, TLS, and what is lost with a scheduler."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.fleet import FleetError, job
from pulumi_instances.fleet.cluster import Cluster
from pulumi_instances.fleet.workers import LOST
from tests.support.certificates import self_signed
from tests.support.fleet import DaskCluster, Fleet, cluster, fleet
from tests.support.processes import until

Fake = Callable[[str], Path]


class FakeClient:
    """The answers of workers."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def run(self, *_: object, **__: object) -> dict[str, Any]:
        return self.answers

    def get_executor(self, **_: object) -> None:
        return None

    def nthreads(self) -> dict[str, int]:
        return {"w": 1}


GOOD = {"project": "1", "backend": "postgres://db/states"}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({}, "the cluster has no worker; start one with `dask worker`"),
        ({"w1": GOOD, "w2": {"problem": "has no `pulumi`"}}, "worker w2 has no `pulumi`"),
        (
            {"w1": Exception("ModuleNotFoundError(\"No module named 'pulumi_instances.fleet'\")")},
            "worker w1 has no pulumi_instances; install pulumi-instances[fleet] there",
        ),
        ({"w1": GOOD, "w2": OSError("no more files")}, "worker w2: no more files"),
        (
            {"w1": {**GOOD, "backend": "file:///root"}},
            "worker w1 keeps states in file:///root, which other machines do not see; use a backend that all share, "
            "such as postgres:// or s3://",
        ),
        (
            {"w1": GOOD, "w2": {**GOOD, "backend": "s3://b"}},
            "workers w1 and w2 have another backend (postgres://db/states, s3://b); give all the same",
        ),
        ({"w1": GOOD, "w2": {**GOOD, "project": "2"}}, "workers w1 and w2 have another Pulumi.yaml; give all the same"),
        ({"w1": GOOD, "w2": GOOD}, None),
    ],
)
def test_workers_that_cannot_run_the_project_are_refused(answers: dict[str, Any], problem: str | None) -> None:
    """In one line, before anything starts."""
    workers = Cluster(FakeClient(answers))  # type: ignore[arg-type]
    if problem is None:
        workers.demand_ready("/project")
        return
    with pytest.raises(FleetError) as refused:
        workers.demand_ready("/project")
    assert str(refused.value) == problem


def test_the_backend_of_the_command_has_to_be_that_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it names one: a `destroy` in the wrong terminal would destroy the stacks of another backend."""
    workers = Cluster(FakeClient({"w1": GOOD}))  # type: ignore[arg-type]
    monkeypatch.setattr(job, "facts_of", lambda _: {**GOOD, "backend": "file:///state"})
    workers.demand_ready("/project")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///state")
    with pytest.raises(FleetError, match=r"keep states in postgres://db/states, and PULUMI_BACKEND_URL .* file:///s"):
        workers.demand_ready("/project")
    monkeypatch.setattr(job, "facts_of", lambda _: GOOD)
    workers.demand_ready("/project")


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[DaskCluster, dict[str, str]]]:
    """A cluster with TLS and no worker, and the variables of Dask by which others reach it."""
    directory = tmp_path / "cluster"
    directory.mkdir()
    _, pem = self_signed(directory)
    key = directory / "key.pem"
    words = ["--protocol", "tls", "--tls-ca-file", str(pem), "--tls-cert", str(pem), "--tls-key", str(key)]
    base = "DASK_DISTRIBUTED__COMM__TLS__"
    env = {f"{base}CA_FILE": str(pem), f"{base}CLIENT__CERT": str(pem), f"{base}CLIENT__KEY": str(key)}
    backend = {"PULUMI_BACKEND_URL": "postgres://db/states"}
    with cluster(directory, backend, words) as found:
        yield found, env


def test_a_cluster_with_tls_its_packages_and_the_end_of_its_scheduler(
    tls: tuple[DaskCluster, dict[str, str]], fake: Fake, project: Path, tmp_path: Path
) -> None:
    """Dask's own variables have the certificates. With the scheduler all is lost, which the report says at once."""
    found, env = tls
    fake('echo "$1 $stack" >> calls; test "$1" = preview && exit; exec sleep 60')
    assert found.address.startswith("tls://")
    where = ("--cluster", found.address)
    code, _, err = fleet(project, "preview", *where, env=env)
    assert (code, err) == (1, "Error: the cluster has no worker; start one with `dask worker`\n")
    code, _, err = fleet(project, "preview", *where)
    assert code == 1
    assert err.startswith(f"Error: --cluster {found.address} needs certificates; name them in DASK_")
    assert len(err.splitlines()) == 1

    without = tmp_path / "without"
    without.mkdir()
    hidden = "import sys; sys.path[:] = [each for each in sys.path if not each.endswith('/provider')]\n"
    (without / "sitecustomize.py").write_text(hidden)
    found.start("bare", env={"PYTHONPATH": str(without)})
    code, _, err = fleet(project, "preview", *where, env=env)
    assert code == 1
    assert err.endswith("has no pulumi_instances; install pulumi-instances[fleet] there\n")
    assert len(err.splitlines()) == 1
    found.kill("bare")

    found.start("w0")
    code, _, err = fleet(project, "preview", *where, env=env)
    assert code == 0, err
    assert "a: succeeded on w0 in" in err

    running = Fleet(project, "up", "--yes", "--json", "run.json", *where, env=env)
    until(lambda: (project / "calls").read_text().count("up ") == 2)
    found.kill_scheduler()
    code, _, err = running.ends()
    assert code == 1
    statuses = {each["stack"]: each["status"] for each in json.loads((project / "run.json").read_text())["stacks"]}
    assert statuses == {"a": "interrupted", "b": "interrupted", "c": "not started"}
    assert f"b: interrupted in 0.0 s: {LOST}" in err
