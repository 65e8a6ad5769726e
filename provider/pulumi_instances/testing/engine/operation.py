"""One operation: registrations become steps, steps run in parallel, the state is saved after each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import Any

from . import graph, program
from .checkpoint import Journal
from .display import Display
from .generator import Generator, Goal, StoppedError, duplicate
from .monitor import Monitor
from .project import Options, Project
from .providers import Providers
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, STACK_TYPE, ResourceState, make_urn
from .steps import Making, ProtectedError, RefreshStep, Step, mark_secrets
from .values import FailedError, Properties, UnsupportedFeatureError


class Operation:
    """One preview, update, refresh or destroy. Registrations come on many threads; decisions are made one at a time."""

    def __init__(self, project: Project, journal: Journal, sink: Display, options: Options) -> None:
        """Start the first provider process."""
        self.project = project
        self.journal = journal
        self.sink = sink
        self.options = options
        self.stopped = threading.Event()
        """Set when the operation fails; what has begun is finished, nothing else begins."""
        self._failed = False
        self._step_failed = False
        """Whether a step is what failed; the CLI then adds a line to the stack's messages."""
        self._exit = ExitStack()
        known = {state.reference: state.inputs for state in journal.base.resources if state.is_provider}
        self._providers = Providers(project, self._show, known, dry_run=options.dry_run)
        self._exit.callback(self._providers.close)
        self._generator = Generator(journal, self._providers, sink, options)
        self._deciding = threading.Lock()
        self._slots = threading.BoundedSemaphore(options.width)
        self._running = 0
        self._idle = threading.Condition()
        self._asked_for: Counter[str] = Counter()
        self._registered: dict[str, Making[Any]] = {}
        self._stack_outputs: tuple[str, Properties] | None = None
        self._failed_steps: list[Step] = []

    def run(self, kind: str) -> bool:
        """Do it, once. Returns whether it succeeded."""
        if kind != "refresh":
            self._warn_of_interrupted()
        try:
            if kind == "refresh" or self.options.refresh:
                self._refresh()
            if not self._failed:
                if kind == "destroy":
                    self._delete_the_rest()
                elif kind != "refresh":
                    self._run_program()
        except FailedError as error:
            self.sink.message("error", str(error))
            self.stop()
        if self._generator.errors:
            self._failed = True
            self._step_failed = self._step_failed or not self.stopped.is_set()
        self._set_stack_outputs()
        if self._step_failed:
            self.sink.message("error", "preview failed" if self.options.dry_run else "update failed")
        return not self._failed

    def close(self) -> None:
        """End every process and write the state as a whole.

        After an interrupt, what has begun is finished first; a second interrupt cuts it off, as with the CLI.
        """
        self.stopped.set()
        try:
            self._drain()
        finally:
            self._exit.close()
            self.journal.close()

    def _warn_of_interrupted(self) -> None:
        pending = self.journal.base.pending_operations
        if not pending or self.options.dry_run:
            return
        listed = "".join(f"  * {state.urn}, interrupted while {what}\n" for what, state in pending)
        self.sink.message(
            "warning",
            f"Attempting to deploy or update resources with {len(pending)} pending operations from previous "
            f"deployment.\n{listed}"
            "Nobody knows whether these operations were completed. Look in the provider, then refresh; a pending "
            "creation is cleared by editing the exported state.",
        )

    def _refresh(self) -> None:
        """Bring the whole state in line with what is there, and make that the state to go on from."""
        targets = self.options.target
        base = self.journal.base.resources
        steps = {state: RefreshStep(state) for state in base if not targets or state.urn in targets}
        self._run_group(list(steps.values()))
        refreshed = [(state, steps[state].new if state in steps else state) for state in base]
        self.journal.rebase(graph.drop_dangling(refreshed))
        self._generator.olds = self.journal.base.current()

    def _run_program(self) -> None:
        monitor = Monitor(self)
        self._exit.callback(monitor.close)

        def ended(code: int) -> None:
            if code and not monitor.program_done.is_set():
                if code != program.SHOWN:
                    what = f"program exited with non-zero exit code: {code}"
                    self.sink.message("error", f"an unhandled error occurred: {what}")
                self.stop()
            monitor.program_done.set()

        process = program.start(self.project, self.options, monitor.address, self._show, ended)
        self._exit.callback(process.stop)
        monitor.program_done.wait()
        self._drain()
        if not self._failed:
            self._delete_the_rest()
        if monitor.program_finished and not self.stopped.is_set():
            monitor.release()
            process.wait()

    def _show(self, line: str) -> None:
        self.sink.message("info", line)

    def _delete_the_rest(self) -> None:
        """Delete what was not registered and what was replaced: all that is left once the program is done."""
        needs = graph.Needs(self.journal.base.resources)
        try:
            keep, groups = self._generator.deletions(needs)
            self._run_chain(keep)
        except StoppedError:
            return
        needed: set[ResourceState] = set()
        for group in groups:
            self._run_group([step for step in group if step.subject not in needed])
            kept = needed.union(failed.subject for failed in self._failed_steps)
            needed = needed.union(*(needs.of(step.subject) for step in group if step.subject in kept))

    def _set_stack_outputs(self) -> None:
        """Set the stack's outputs; after a failure, those that did not come keep their old values."""
        if self._stack_outputs is None:
            return
        urn, outputs = self._stack_outputs
        state = self._registered[urn].new
        old = self._generator.olds[urn].outputs if urn in self._generator.olds else {}
        state.outputs = {**(old if self._failed else {}), **outputs}
        self.sink.outputs(old, state.outputs)
        self.journal.end(kept=[state])

    # What the program asks for

    def register(self, goal: Goal) -> ResourceState:
        """Make one resource what the program wants, or look it up. Raises StoppedError if anything has failed."""
        state = goal.state
        with self._working(state.urn):
            with self._deciding:
                self._require_running()
                if state.custom and not state.is_provider and not state.provider:
                    state.provider = self._default_provider.reference
                if goal.inherits_retention and state.parent in self._registered:
                    state.retain_on_delete = self._registered[state.parent].new.retain_on_delete
                steps = self._generator.register(goal)
                if self._asked_for[state.urn] > 1:  # the other waits to be decided on: as with the CLI, none is made
                    raise duplicate(state.urn)
            self._run_chain(steps)
            return goal.state

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Set the outputs of a component; those of the stack are kept until the end."""
        step = self._registered.get(urn)  # None where `--target` leaves it out
        if step and step.new.type == STACK_TYPE:
            self._stack_outputs = (urn, outputs)
        elif step:
            step.new.outputs = outputs
            self.journal.end(kept=[step.new])

    @cached_property
    def _default_provider(self) -> ResourceState:
        """Made on first use, and configured with the stack's whole configuration."""
        type_ = PROVIDER_PREFIX + DYNAMIC_PACKAGE
        urn = make_urn(self.project.stack, self.project.name, "", type_, "default")
        goal = Goal(ResourceState(urn, type_, custom=True, inputs=dict(self.project.config)))
        self._run_chain(self._generator.register(goal))
        return goal.state

    # Running

    @contextmanager
    def _working(self, urn: str) -> Iterator[None]:
        """Count what is under way, and turn what goes wrong in it into the failure of the operation."""
        with self._idle:
            self._running += 1
            self._asked_for[urn] += 1
        try:
            yield
        except (StoppedError, FailedError, UnsupportedFeatureError) as error:
            if not isinstance(error, StoppedError):
                self.sink.message("error", str(error), urn)
            self.stop()
            raise StoppedError from None
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _require_running(self) -> None:
        if self.stopped.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Fail, and begin nothing more."""
        self._failed = True
        self.stopped.set()

    def _drain(self) -> None:
        """Wait until what has begun is done."""
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0)

    def _run_chain(self, steps: Sequence[Step]) -> None:
        with self._slots:
            for step in steps:
                self._require_running()
                self._run(step)

    def _run(self, step: Step) -> None:
        self.sink.begin(step)
        if step.pending:
            self.journal.begin(step.pending, step.subject)
        try:
            kept = step.apply(self._providers)
        except FailedError as error:
            self.journal.end(step.subject)
            self._fail(step, error)
            raise StoppedError from None
        for state in kept:
            mark_secrets(state)
        self.journal.end(step.subject, kept=kept, gone=[step.old] if step.old and step.old not in kept else [])
        if isinstance(step, Making):
            self._registered[step.urn] = step
        self.sink.end(step)

    def _fail(self, step: Step, error: Exception) -> None:
        """Report a failed step. It stops everything, but for what cannot do harm.

        Other resources are still refreshed, and other resources deleted than what a protected one needs.
        """
        prefix = "Preview failed: " if self.options.dry_run else ""
        self.sink.failed(step, f"{prefix}{error}")
        self._failed = self._step_failed = True
        self._failed_steps.append(step)
        if not isinstance(error, ProtectedError) and not isinstance(step, RefreshStep):
            self.stopped.set()

    def _run_group(self, steps: Sequence[Step]) -> None:
        """Run independent steps at once."""
        if steps:
            with ThreadPoolExecutor(max_workers=min(self.options.width, len(steps))) as pool:
                futures = [pool.submit(self._run_chain, [step]) for step in steps]
                try:
                    for future in futures:
                        with suppress(StoppedError):
                            future.result()
                except BaseException:  # an interrupt: what has begun is finished, the rest is not begun
                    self.stopped.set()
                    raise
