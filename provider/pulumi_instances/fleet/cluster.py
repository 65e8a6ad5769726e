"""Internal: the workers of a Dask cluster.

Dask runs a task again whose worker is gone. An `up` must not be: its CLI may still run. So the scheduler has a queue
with one entry for each job. Whoever takes it runs the job; a second try finds it empty, and only reports that the first
was interrupted.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from distributed import Client, Queue, get_worker
from distributed.security import Security

from . import job
from .job import Job
from .report import FleetError, Lock, Outcome
from .workers import LOST, OnStep, Workers

_MISSING = re.compile(r"No module named '(\w+)")
"""In an error of a worker: Dask reports one that a worker had before it knew the function by its text only."""
_GRACE = 15.0
"""Seconds without any worker after which the rest of a run counts as interrupted: a nanny starts a new worker."""


def connect(address: str) -> Client:
    """Return a client of the scheduler at an address. For ``tls://``, Dask's own configuration has the certificates."""
    try:
        if address.startswith("tls:") and Security().get_connection_args("client").get("ssl_context") is None:
            raise FleetError(
                f"--cluster {address} needs certificates; name them in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
                "…__CLIENT__CERT and …__CLIENT__KEY"
            )
        return Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise FleetError(f"--cluster {address}: {error}; give the address that `dask scheduler` prints") from None


class Cluster(Workers):
    """The workers of a Dask cluster: by default, each thread of each worker runs one stack."""

    def __init__(self, client: Client, at_once: int | None = None) -> None:
        """Use the cluster of this client, which its owner closes."""
        super().__init__(client.get_executor(pure=False), at_once or sum(client.nthreads().values()) or 1)
        self._client = client
        self._topics: set[str] = set()
        self._claims: list[Queue] = []
        self._empty_since: float | None = None

    def demand_ready(self, project: str) -> None:
        """Raise FleetError where a worker lacks the CLI, the package or the project, or has a backend of its own."""
        found: dict[str, Any] = self._client.run(job.facts_of, project, on_error="return")
        if not found:
            raise FleetError("the cluster has no worker; start one with `dask worker`")
        for worker, facts in found.items():
            if isinstance(facts, BaseException):
                if missing := _MISSING.search(str(facts)):
                    raise FleetError(f"worker {worker} has no {missing[1]}; install pulumi-instances[fleet] there")
                raise FleetError(f"worker {worker}: {facts}")
            if "problem" in facts:
                raise FleetError(f"worker {worker} {facts['problem']}")
            if facts["backend"].startswith("file:"):
                raise FleetError(
                    f"worker {worker} keeps states in {facts['backend']}, which other machines do not see; use a "
                    "backend that all share, such as postgres:// or s3://"
                )
        self._backend = next(iter(found.values()))["backend"]
        ours = job.facts_of(project).get("backend") if os.environ.get("PULUMI_BACKEND_URL") else None
        if ours not in (None, self._backend):
            raise FleetError(
                f"the workers keep states in {self._backend}, and PULUMI_BACKEND_URL of this command is {ours}",
                "set it as on the workers, or unset it",
            )
        for key, what in (("backend", "backend"), ("project", "Pulumi.yaml")):
            if len({facts[key] for facts in found.values()}) > 1:
                (one, its), (other, others) = next(
                    (a, b) for a in found.items() for b in found.items() if a[1][key] != b[1][key]
                )
                shown = f" ({its[key]}, {others[key]})" if key == "backend" else ""
                raise FleetError(f"workers {one} and {other} have another {what}{shown}; give all the same")

    def submit(self, task: Job, on_step: OnStep) -> Future[Outcome]:
        """Start a job, once."""
        if task.run not in self._topics:
            self._topics.add(task.run)
            self._client.subscribe_topic(_topic(task.run), lambda event: on_step(*event[1]))
        claim = Queue(f"{_topic(task.run)}-{len(self._claims)}", client=self._client)
        claim.put(True)
        self._claims.append(claim)
        return self._executor.submit(_run_claimed, task, claim.name)

    def interrupt(self, run: str) -> None:
        """Ask the processes of a run to stop, on all workers."""
        self._ask(job.interrupt, run)

    def is_running(self, lock: Lock) -> bool:
        """Return whether the process that holds a lock is seen to run, on this machine or that of a worker."""
        return super().is_running(lock) or any(self._ask(job.is_running, lock.machine, lock.process))

    def _ask(self, function: Callable[..., Any], *arguments: object) -> list[Any]:
        """Return the results of a function on all workers that answer."""
        try:
            return list(self._client.run(function, *arguments, on_error="ignore").values())
        except (OSError, RuntimeError):  # the scheduler has gone
            return []

    def are_lost(self) -> bool:
        """Return whether the cluster has had no worker for a while."""
        try:
            empty = not self._client.nthreads()
        except (OSError, RuntimeError):
            empty = True
        if not empty:
            self._empty_since = None
            return False
        self._empty_since = self._empty_since or time.monotonic()
        return time.monotonic() - self._empty_since > _GRACE

    def close(self) -> None:
        """Forget the claims and topics of the runs."""
        with suppress(OSError, RuntimeError):  # the scheduler has gone
            for claim in self._claims:
                claim.close()
            for run in self._topics:
                self._client.unsubscribe_topic(_topic(run))


def _topic(run: str) -> str:
    return f"pulumi-instances-fleet-{run}"


def _run_claimed(task: Job, claim: str) -> Outcome:
    """Run a job on the worker of this task, unless a worker has claimed it before."""
    worker = get_worker()
    if not Queue(claim).get(batch=True):
        return Outcome(task.stack, "interrupted", message=LOST)
    name = str(worker.name)
    return job.run_job(task, lambda step: worker.log_event(_topic(task.run), (task.stack, name, step)), name)
