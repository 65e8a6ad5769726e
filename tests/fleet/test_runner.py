"""Which stack starts when, what is tried again, and how a run ends: on workers that run no CLI."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import pytest

from pulumi_instances.fleet import FleetError, Outcome, Progress, Report, run
from pulumi_instances.fleet.job import Job
from pulumi_instances.fleet.report import Lock
from pulumi_instances.fleet.runner import Fleet
from pulumi_instances.fleet.workers import OnStep, Workers

Ends = Callable[[Job], Outcome]
STALE = Lock("a-lock", "a-machine", 7)
OTHER = Lock("other-lock", "a-machine", 8)


def ok(job: Job) -> Outcome:
    return Outcome(job.stack, "succeeded", changes={"create": 1})


class FakeWorkers(Workers):
    """Ends a job where the test says so; what runs is ``running``."""

    def __init__(self, at_once: int = 2, ends: Ends = ok, held: Sequence[Lock] = ()) -> None:
        super().__init__(ThreadPoolExecutor(1), at_once)
        self.ends = ends
        self.held = held
        self.started: list[Job] = []
        self.running: dict[str, tuple[Job, Future[Outcome]]] = {}
        self.most = 0
        self.interrupted: list[str] = []
        self.lost = False
        self.manual = False
        self.after_start: Callable[[], None] = lambda: None

    def demand_ready(self, project: str) -> None:
        assert project.startswith("/")

    def stacks_of(self, project: str) -> list[str]:  # noqa: ARG002
        return ["b-1", "a-2", "a-1", "c"]

    def submit(self, task: Job, on_step: OnStep) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self.started.append(task)
        self.running[task.stack] = (task, future)
        self.most = max(self.most, len(self.running))
        on_step(task.stack, "a-machine", "a step")
        if not self.manual:
            # Those that could run at once end together, in the order of their start.
            if len(self.running) == self.at_once:
                self.end_all()
            else:
                threading.Timer(0.05, self.end_all).start()
        self.after_start()
        return future

    def end_all(self) -> None:
        for stack in list(self.running):
            task, future = self.running.pop(stack, (None, None))
            if task is not None and future is not None:
                try:
                    outcome = self.ends(task)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(outcome)

    def interrupt(self, run: str) -> None:
        self.interrupted.append(run)
        self.end_all()

    def is_running(self, lock: Lock) -> bool:
        return lock in self.held

    def are_lost(self) -> bool:
        return self.lost


def go(
    workers: FakeWorkers,
    stacks: str | Sequence[str] = "abcd",
    *,
    stop_after: int | None = None,
    recover: bool = False,
    listener: Callable[[Progress], None] = lambda _: None,
) -> Report:
    return Fleet(workers, "/project").run("up", list(stacks), stop_after, listener, recover=recover)


def statuses(report: Report) -> dict[str, str]:
    return {outcome.stack: outcome.status for outcome in report.outcomes}


def failing(stacks: str, status: str = "failed") -> Ends:
    return lambda job: Outcome(job.stack, status if job.stack in stacks else "succeeded")  # type: ignore[arg-type]


@pytest.mark.parametrize("at_once", [1, 2, 3, 9])
def test_as_many_run_at_once_as_there_are_workers_in_the_order_of_names(at_once: int) -> None:
    """There are never more, and none runs twice. Each job knows how many: no more than there are stacks."""
    workers = FakeWorkers(at_once)
    report = go(workers, "abcdefg")
    assert [job.stack for job in workers.started] == list("abcdefg")
    assert workers.most == min(at_once, 7)
    assert {job.at_once for job in workers.started} == {min(at_once, 7)}
    assert len({job.run for job in workers.started}) == 1
    assert report.exit_code == 0
    assert report.changes == {"create": 7}


def test_one_that_fails_stops_no_other() -> None:
    report = go(FakeWorkers(2, failing("a")))
    assert statuses(report) == {"a": "failed", "b": "succeeded", "c": "succeeded", "d": "succeeded"}


@pytest.mark.parametrize(
    ("failed", "status", "limit", "started"),
    [
        ("a", "failed", 1, "ab"),  # b ran beside it
        ("ac", "failed", 2, "abcd"),
        ("c", "interrupted", 1, "abcd"),
        ("abcdef", "failed", 3, "abcd"),
        ("abcdef", "locked", 1, "abcdef"),  # it may be over when it is tried again
    ],
)
def test_stop_after_some_failures_starts_no_other(failed: str, status: str, limit: int, started: str) -> None:
    workers = FakeWorkers(2, failing(failed, status))
    report = go(workers, "abcdef", stop_after=limit)
    assert "".join(job.stack for job in workers.started)[:6] == started
    assert {stack for stack, found in statuses(report).items() if found == "not started"} == {*"abcdef"} - {*started}
    assert report.exit_code == 1


def test_a_locked_stack_is_tried_once_more_after_the_others() -> None:
    """One that is free by then succeeds, another stays locked. Without --recover no lock is removed."""
    tries: Counter[str] = Counter()

    def ends(job: Job) -> Outcome:
        tries[job.stack] += 1
        locked = job.stack == "a" or (job.stack == "b" and tries["b"] == 1)
        return Outcome(job.stack, "locked" if locked else "succeeded", locks=[STALE] if locked else ())

    workers = FakeWorkers(2, ends, held=[STALE])
    report = go(workers)
    assert [job.stack for job in workers.started] == ["a", "b", "c", "d", "a", "b"]
    assert {job.stale for job in workers.started} == {frozenset()}
    assert statuses(report) == {"a": "locked", "b": "succeeded", "c": "succeeded", "d": "succeeded"}


@pytest.mark.parametrize(
    ("locks", "held", "stale"),
    [
        ([STALE], [], {"a-lock"}),
        ([STALE], [STALE], None),
        ([STALE, OTHER], [OTHER], None),  # one lock of two is that of a process that runs
        ([STALE, OTHER], [], {"a-lock", "other-lock"}),
        ([], [], frozenset()),  # whose it is was not said: no lock is removed
    ],
)
def test_recover_removes_the_locks_of_processes_that_do_not_run(
    locks: list[Lock], held: list[Lock], stale: set[str] | None
) -> None:
    """The second try names the locks that it may remove. A stack whose process runs is not tried again."""
    workers = FakeWorkers(2, lambda job: Outcome(job.stack, "locked", message="locked", locks=locks), held)
    report = go(workers, "a", recover=True)
    assert [job.stale for job in workers.started] == [frozenset()] + ([] if stale is None else [stale])
    [outcome] = report.outcomes
    assert outcome.status == "locked"
    if stale is None:
        assert f"process {held[0].process} on a-machine; wait for it, or stop it" in outcome.message


def test_confirmations_are_sent_and_nothing_else_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--recover` takes over; who says something else about that is heard."""
    for name in ("INSTANCES_CONFIRM_GONE", "INSTANCES_EAST_TAKE_OVER"):
        monkeypatch.setenv(name, "yes")
    for name in ("INSTANCES_USER_SECRET", "PULUMI_CONFIG_PASSPHRASE", "INSTANCES_TAKE_OVER_X"):
        monkeypatch.setenv(name, "secret-1")
    workers = FakeWorkers()
    go(workers, "a")
    go(workers, "a", recover=True)
    monkeypatch.setenv("INSTANCES_TAKE_OVER", "no")
    go(workers, "a", recover=True)
    sent = {"INSTANCES_CONFIRM_GONE": "yes", "INSTANCES_EAST_TAKE_OVER": "yes"}
    assert [job.confirmations for job in workers.started] == [
        sent,
        {**sent, "INSTANCES_TAKE_OVER": "yes"},
        {**sent, "INSTANCES_TAKE_OVER": "no"},
    ]
    assert "secret-1" not in repr(workers.started)


@pytest.mark.parametrize("error", [CancelledError(), RuntimeError("secret-1"), KeyError("x"), KeyboardInterrupt()])
def test_a_job_that_raises_counts_as_interrupted(error: BaseException) -> None:
    """It is not started again, and the others run. The workers of a pool of processes get Ctrl-C themselves."""

    def ends(job: Job) -> Outcome:
        if job.stack == "b":
            raise error
        return ok(job)

    workers = FakeWorkers(2, ends)
    report = go(workers)
    assert statuses(report) == {"a": "succeeded", "b": "interrupted", "c": "succeeded", "d": "succeeded"}
    assert Counter(job.stack for job in workers.started) == Counter("abcd")
    [outcome] = report.failed
    assert "run the same with --recover" in outcome.message
    assert "secret-1" not in outcome.message


def test_without_workers_the_rest_is_interrupted_or_not_started() -> None:
    """It does not wait for ever, nor try again what was locked."""
    workers = FakeWorkers(2, failing("a", "locked"))
    workers.manual = workers.lost = True
    workers.after_start = lambda: workers.end_all() if len(workers.started) == 2 else None
    report = go(workers, "abcde")
    assert statuses(report) == {
        "a": "locked",
        "b": "succeeded",
        "c": "interrupted",
        "d": "interrupted",
        "e": "not started",
    }
    assert len(workers.started) == 4


@pytest.mark.parametrize("error", [OSError("no more"), RuntimeError("cannot schedule new futures after shutdown")])
def test_an_executor_that_takes_no_more_ends_the_run_with_a_report(error: Exception) -> None:
    """What runs goes on to its end, and nothing else is tried."""
    workers = FakeWorkers(2)
    workers.manual = True
    tried = []

    def submit(task: Job, on_step: OnStep) -> Future[Outcome]:
        tried.append(task.stack)
        if task.stack == "a":
            threading.Timer(0.05, workers.end_all).start()
            return FakeWorkers.submit(workers, task, on_step)
        raise error

    workers.submit = submit  # type: ignore[method-assign]
    report = go(workers)
    assert statuses(report) == {"a": "succeeded", "b": "not started", "c": "not started", "d": "not started"}
    assert report.outcomes[1].message == f"no worker takes it: {error}"
    assert tried == ["a", "b"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_one_signal_lets_what_runs_end_and_starts_no_other(name: str) -> None:
    """Nothing is interrupted, nothing is tried again, and the handlers before are in place at the end."""
    before = signal.getsignal(signal.SIGINT)
    workers = FakeWorkers(2, failing("b", "locked"))
    workers.manual = True
    workers.after_start = lambda: stop(1) if len(workers.started) == 2 else None

    def stop(times: int) -> None:
        for _ in range(times):
            os.kill(os.getpid(), getattr(signal, name))
        threading.Timer(0.05, workers.end_all).start()

    report = go(workers)
    assert statuses(report) == {"a": "succeeded", "b": "locked", "c": "not started", "d": "not started"}
    assert len(workers.started) == 2
    assert workers.interrupted == []
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("times", [2, 3])
def test_a_second_signal_is_passed_on_once_to_what_runs(times: int) -> None:
    workers = FakeWorkers(2, lambda job: Outcome(job.stack, "interrupted"))
    workers.manual = True

    def stop() -> None:
        if len(workers.started) == 2:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    workers.after_start = stop
    report = go(workers)
    assert statuses(report) == {"a": "interrupted", "b": "interrupted", "c": "not started", "d": "not started"}
    assert workers.interrupted == [workers.started[0].run]


def test_a_program_may_run_it_on_a_thread() -> None:
    """Where no handler of a signal can be set."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(go, FakeWorkers()).result().exit_code == 0


def test_a_listener_hears_the_start_each_step_and_the_end() -> None:
    """In this order: a step that a cluster reports too late is left out."""
    heard: list[Progress] = []
    workers = FakeWorkers(1)
    hears: list[OnStep] = []
    submit = workers.submit
    workers.submit = lambda task, on_step: (hears.append(on_step), submit(task, on_step))[1]  # type: ignore[func-returns-value,method-assign]

    def listen(progress: Progress) -> None:
        heard.append(progress)
        if progress.stack == "b":
            hears[0]("a", "a-machine", "a late step")

    go(workers, "ab", listener=listen)
    start, step, end, *others = heard
    assert (start.stack, start.step, start.outcome) == ("a", "", None)
    assert (step.machine, step.step) == ("a-machine", "a step")
    assert end.outcome == Outcome("a", "succeeded", "a-machine", changes={"create": 1})
    assert {progress.stack for progress in others} == {"b"}


def test_an_error_of_the_listener_stops_no_stack(caplog: pytest.LogCaptureFixture) -> None:
    def listen(_: Progress) -> None:
        raise ValueError("of the listener")

    assert go(FakeWorkers(1), "ab", listener=listen).exit_code == 0
    assert "of the listener" in caplog.text


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["*"], ["a-1", "a-2", "b-1", "c"]),
        (["a-*"], ["a-1", "a-2"]),
        (["?-1", "c", "a-1"], ["a-1", "b-1", "c"]),
        (["[ab]-1"], ["a-1", "b-1"]),
    ],
)
def test_select_returns_what_matches_any_pattern_sorted(patterns: list[str], names: list[str]) -> None:
    assert Fleet(FakeWorkers(), "/project").select(patterns) == names


def test_what_cannot_start_is_refused() -> None:
    with pytest.raises(FleetError, match=r"^no stack matches A-\* x; `pulumi stack ls` lists them$"):
        Fleet(FakeWorkers(), "/project").select(["A-*", "x"])
    with pytest.raises(FleetError, match=r"^there is no operation 'import'; use one of preview, up, "):
        run("import")  # type: ignore[arg-type]
