"""Internal: where the jobs run: threads of this machine, any other executor, or a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from . import job
from .job import Job
from .report import FleetError, Lock, Outcome

OnStep = Callable[[str, str, str], None]
"""Is given a stack, the machine that runs it, and its last step."""
LOST = "its worker is gone, and it is not known how far the stack has come; run the same with --recover"
"""The message about a stack whose worker is gone."""


class Workers:
    """The workers of an executor of `concurrent.futures`, whose number is ``at_once``.

    The steps of a stack are reported where the executor runs threads of this process.
    """

    def __init__(self, executor: Executor | None, at_once: int | None) -> None:
        """Run jobs on this executor, or on threads of this process. By default, one for each core."""
        self.at_once = at_once or os.cpu_count() or 1
        self._executor = executor or ThreadPoolExecutor(self.at_once)
        self._is_ours = executor is None
        self._backend = ""
        self._threads = isinstance(self._executor, ThreadPoolExecutor)

    def demand_ready(self, project: str) -> None:
        """Raise FleetError where the workers cannot run the project."""
        facts = job.facts_of(project)
        if "problem" in facts:
            raise FleetError(f"this machine {facts['problem']}")
        self._backend = facts["backend"]

    def stacks_of(self, project: str) -> list[str]:
        """Return the stacks of a project. Raises FleetError where they cannot be listed."""
        try:
            return self._executor.submit(job.stacks_of, project, self._backend).result()
        except (OSError, ValueError) as error:
            raise FleetError(f"the stacks cannot be listed: {error}") from None

    def submit(self, task: Job, on_step: OnStep) -> Future[Outcome]:
        """Start a job."""
        if self._threads:
            return self._executor.submit(job.run_job, task, lambda step: on_step(task.stack, "", step))
        return self._executor.submit(job.run_job, task)

    def interrupt(self, run: str) -> None:
        """Ask the processes of a run to stop, as Ctrl-C does."""
        job.interrupt(run)

    def is_running(self, lock: Lock) -> bool:
        """Return whether the process that holds a lock is seen to run."""
        return job.is_running(lock.machine, lock.process)

    def are_lost(self) -> bool:
        """Return whether no worker is left."""
        return False

    def close(self) -> None:
        """End what this object has started, once no job runs."""
        if self._is_ours:
            self._executor.shutdown()
