"""Internal: a run over many stacks: which starts when, what is tried again, and how it ends."""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from ..cli.redaction import redacted
from ..cli.signals import handled
from .job import Job
from .report import OPERATIONS, FleetError, Operation, Outcome, Report
from .workers import LOST, Workers

log = logging.getLogger("pulumi_instances")

_LOOK = 0.5
"""Seconds between two looks at the workers while nothing ends."""
_News = TypeVar("_News")
_CONFIRMS = re.compile(r"INSTANCES_(\w+_)?(TAKE_OVER|CONFIRM_GONE)")
"""The variables that confirm something for one run. They hold no secret, so workers are sent them."""


@dataclass(frozen=True)
class Progress:
    """The news about one stack. ``outcome`` is None until it has ended; ``step`` is the CLI's last line about it."""

    stack: str
    machine: str = ""
    step: str = ""
    outcome: Outcome | None = None


Listener = Callable[[Progress], None]
OnStop = Callable[[Sequence[str]], None]
"""Is given the stacks that still run when a run is asked to stop."""


def run(
    operation: Operation,
    *,
    project: str | os.PathLike[str] = ".",
    stacks: Sequence[str] = ("*",),
    executor: Executor | None = None,
    jobs: int | None = None,
    stop_after: int | None = None,
    recover: bool = False,
    preview_only: bool = False,
    listener: Listener = lambda _: None,
) -> Report:
    """Run one operation, `preview`, `up`, `refresh`, `destroy` or `drift`, over the stacks of a project.

    ``project`` is its directory, which each machine has at the same path, and ``stacks`` are patterns of names, such as
    ``customer-*``. Each stack has a CLI process of its own, on a thread of the ``executor``: any of
    `concurrent.futures`, or `distributed.Client(...).get_executor()`; by default ``jobs`` threads of this process. At
    most ``jobs`` stacks run at once. A stack that fails stops no other, unless ``stop_after`` of them have failed.

    With ``recover``, a stack that an interrupted run has left is healed: its lock is removed unless the process that
    holds it is seen to run, and instances that the run has made are taken over. With ``preview_only``, nothing changes.
    ``listener`` is called on several threads, by one of them at a time; an exception that it raises is only logged.

    Ctrl-C lets the running stacks end and starts no other; a second one is passed on to them.

    Raises FleetError where the run cannot start.
    """
    if operation not in OPERATIONS:
        raise FleetError(f"there is no operation {operation!r}; use one of {', '.join(OPERATIONS)}")
    found = _workers(executor, jobs)
    try:
        fleet = Fleet(found, str(Path(project).resolve()))
        names = fleet.select(stacks)
        return fleet.run(operation, names, stop_after, listener, recover=recover, preview_only=preview_only)
    finally:
        found.close()


def _workers(executor: Executor | None, at_once: int | None) -> Workers:
    """Return the workers of an executor; without one, threads of this process."""
    if executor is not None and type(executor).__module__.partition(".")[0] == "distributed":
        from .cluster import Cluster

        client: Any = executor
        return Cluster(client._client, at_once)
    return Workers(executor, at_once)


class Fleet:
    """The stacks of a project and the workers that run operations on them."""

    def __init__(self, found: Workers, project: str) -> None:
        """Raise FleetError where the workers cannot run the project."""
        self._workers = found
        self._project = project
        found.demand_ready(project)

    def select(self, patterns: Sequence[str]) -> list[str]:
        """Return the stacks that match one of the patterns. Raises FleetError where there is none."""
        existing = self._workers.stacks_of(self._project)
        chosen = [name for name in existing if any(fnmatchcase(name, pattern) for pattern in patterns)]
        if not chosen:
            raise FleetError(f"no stack matches {' '.join(patterns)}; `pulumi stack ls` lists them")
        return sorted(chosen)

    def run(
        self,
        operation: Operation,
        stacks: Sequence[str],
        stop_after: int | None,
        listener: Listener,
        *,
        recover: bool = False,
        preview_only: bool = False,
        on_stop: OnStop = lambda _: None,
    ) -> Report:
        """Run one operation over these stacks (`run`). ``on_stop`` is called once, unless nothing runs any more."""
        start = time.monotonic()
        confirmations = {name: value for name, value in os.environ.items() if _CONFIRMS.fullmatch(name)}
        if recover:
            confirmations.setdefault("INSTANCES_TAKE_OVER", "yes")
        run_id = secrets.token_hex(4)
        jobs = [
            Job(
                run=run_id,
                operation=operation,
                stack=stack,
                project=self._project,
                at_once=min(self._workers.at_once, len(stacks)),
                preview_only=preview_only,
                confirmations=confirmations,
            )
            for stack in stacks
        ]
        outcomes = _Run(self._workers, jobs, stop_after, listener, on_stop, recover=recover).outcomes()
        return Report(operation, [outcomes[stack] for stack in stacks], time.monotonic() - start)


class _Run:
    """One run over jobs: at most as many at once as there are workers, so that those not started can be left out."""

    def __init__(
        self,
        found: Workers,
        jobs: Sequence[Job],
        stop_after: int | None,
        listener: Listener,
        on_stop: OnStop,
        *,
        recover: bool,
    ) -> None:
        self._workers = found
        self._jobs = jobs
        self._stop_after = stop_after
        self._listener = listener
        self._on_stop = on_stop
        self._recover = recover
        self._outcomes: dict[str, Outcome] = {}
        self._machines: dict[str, str] = {}
        self._under_way: set[str] = set()
        self._lock = threading.RLock()
        self._stops = 0
        self._heeded = 0

    def outcomes(self) -> dict[str, Outcome]:
        """Run all jobs, then those again that another run had locked. Return what became of each, by stack."""
        in_main = threading.current_thread() is threading.main_thread()
        signals = dict.fromkeys(("SIGINT", "SIGTERM", "SIGHUP") if in_main else (), self._stop)
        with handled(signals):
            self._work(list(self._jobs))
            locked = [each for each in self._jobs if self._status(each) == "locked"]
            self._work([self._again(each) for each in locked if not self._is_held(each)])
        return {each.stack: self._outcomes.get(each.stack) or Outcome(each.stack, "not started") for each in self._jobs}

    def _stop(self, *_: object) -> None:
        self._stops += 1

    @property
    def _stopping(self) -> bool:
        failed = sum(outcome.status in ("failed", "interrupted") for outcome in self._outcomes.values())
        return self._stops > 0 or (self._stop_after is not None and failed >= self._stop_after)

    def _status(self, task: Job) -> str | None:
        outcome = self._outcomes.get(task.stack)
        return None if outcome is None else outcome.status

    def _is_held(self, task: Job) -> bool:
        """Return whether a lock that is to be removed belongs to a process that is seen to run, and report it."""
        outcome = self._outcomes[task.stack]
        for lock in outcome.locks if self._recover else ():
            if self._workers.is_running(lock):
                owner = f"process {lock.process} on {lock.machine}"
                message = f"the run that has locked the stack is not over: {owner}; wait for it, or stop it"
                self._note(replace(outcome, message=message))
                return True
        return False

    def _again(self, task: Job) -> Job:
        locks = self._outcomes[task.stack].locks if self._recover else ()
        return replace(task, stale=frozenset(lock.name for lock in locks))

    def _work(self, queue: list[Job]) -> None:
        running: dict[Future[Outcome], Job] = {}
        while queue or running:
            while queue and len(running) < self._workers.at_once and not self._stopping:
                task = queue.pop(0)
                self._hear(Progress(task.stack))
                try:
                    future = self._workers.submit(task, self._on_step)
                except (OSError, RuntimeError) as error:  # an executor that is broken or shut down, or no scheduler
                    message = redacted(f"no worker takes it: {error}")
                    self._note(Outcome(task.stack, "not started", message=message))
                    self._stops += 1
                    break
                running[future] = task
            if not running:
                return
            done, _ = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED)
            for future in done:
                self._note(_outcome(future, running.pop(future)))
            self._heed_stops()
            if not done and self._workers.are_lost():
                for task in running.values():
                    self._note(Outcome(task.stack, "interrupted", message=LOST))
                self._stops += 1
                return

    def _heed_stops(self) -> None:
        """Report the first request to stop, and pass the second one on to what runs."""
        before, self._heeded = self._heeded, self._stops
        if before < 2 <= self._heeded:
            self._workers.interrupt(self._jobs[0].run)
        elif before == 0 < self._heeded and self._under_way:
            _call(self._on_stop, sorted(self._under_way))

    def _on_step(self, stack: str, machine: str, step: str) -> None:
        with self._lock:
            if stack in self._under_way:  # a cluster reports steps late
                self._machines[stack] = machine
                _call(self._listener, Progress(stack, machine, step))

    def _note(self, outcome: Outcome) -> None:
        outcome = replace(outcome, machine=outcome.machine or self._machines.get(outcome.stack, ""))
        self._outcomes[outcome.stack] = outcome
        self._hear(Progress(outcome.stack, outcome.machine, outcome=outcome))

    def _hear(self, progress: Progress) -> None:
        """Report that a stack has started or ended."""
        with self._lock:
            (self._under_way.add if progress.outcome is None else self._under_way.discard)(progress.stack)
            _call(self._listener, progress)


def _call(listener: Callable[[_News], None], news: _News) -> None:
    """Call a listener. Its error is logged, and stops no stack."""
    try:
        listener(news)
    except Exception:
        log.exception("the listener of the fleet has failed")


def _outcome(future: Future[Outcome], task: Job) -> Outcome:
    """Return the outcome of a job that has ended. A worker that is gone leaves an error of the executor instead.

    In a pool of processes, Ctrl-C of a terminal reaches the workers too: the error is then KeyboardInterrupt.
    """
    try:
        return future.result()
    except (Exception, CancelledError, KeyboardInterrupt):
        return Outcome(task.stack, "interrupted", message=LOST)
