"""One operation: registrations become steps, steps run in parallel, the state is saved after each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from . import graph
from .generator import Generator, Goal, ProgramError, StoppedError, duplicate
from .providers import ProviderError
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, STACK_TYPE, ResourceState, make_urn
from .steps import Making, ProtectedError, RefreshStep, SkipStep, Step, mark_secrets
from .values import Properties, UnsupportedFeatureError


class Deployment:
    """Runs one operation. Registrations come in on many threads; decisions are made one at a time."""

    def __init__(self, generator: Generator) -> None:
        """Nothing runs yet."""
        self.generator = generator
        self.project = generator.project
        self.journal = generator.journal
        self.sink = generator.sink
        self.options = generator.options
        self.failed = False
        self.step_failed = False
        """Whether a step is what failed; the CLI then adds a line to the stack's messages."""
        self.stopped = threading.Event()
        """Set when the operation fails; what has begun is finished, nothing else begins."""
        self._deciding = threading.Lock()
        self._slots = threading.BoundedSemaphore(self.options.width)
        self._running = 0
        self._idle = threading.Condition()
        self._asked_for: Counter[str] = Counter()
        self._default_provider: ResourceState | None = None
        self._registered: dict[str, Making[Any]] = {}
        self._stack_outputs: tuple[str, Properties] | None = None
        self._failed_steps: list[Step] = []

    # What the program asks for

    def register(self, goal: Goal) -> ResourceState:
        """Bring one resource into the state the program wants, or look it up; returns when that is done.

        Raises StoppedError when the operation has failed, here or elsewhere.
        """
        state = goal.state
        with self._working(state.urn):
            with self._deciding:
                self._require_running()
                if state.custom and not state.is_provider and not state.provider:
                    state.provider = self._default().reference
                if goal.inherits_retention and state.parent in self._registered:
                    state.retain_on_delete = self._registered[state.parent].new.retain_on_delete
                decide = self.generator.lookup if state.external else self.generator.register
                steps = decide(goal)
                if self._asked_for[state.urn] > 1:  # the other waits to be decided on: as with the CLI, none is made
                    raise duplicate(state.urn)
            self._run_chain(steps)
            return goal.state

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Set the outputs of a component; those of the stack are kept until the end."""
        step = self._registered[urn]
        if step.new.type == STACK_TYPE:
            self._stack_outputs = (urn, outputs)
        elif not isinstance(step, SkipStep):
            step.new.outputs = outputs
            self.journal.end(kept=[step.new])

    def _default(self) -> ResourceState:
        """The default provider: made on first use, configured with the stack's whole configuration."""
        if self._default_provider is None:
            type_ = PROVIDER_PREFIX + DYNAMIC_PACKAGE
            urn = make_urn(self.project.stack, self.project.name, "", type_, "default")
            goal = Goal(ResourceState(urn, type_, custom=True, inputs=dict(self.project.config)))
            self._run_chain(self.generator.register(goal))
            self._default_provider = goal.state
        return self._default_provider

    # Running

    @contextmanager
    def _working(self, urn: str) -> Iterator[None]:
        """Count what is under way, and turn what goes wrong in it into the failure of the operation."""
        with self._idle:
            self._running += 1
            self._asked_for[urn] += 1
        try:
            yield
        except StoppedError:
            self.stop()
            raise StoppedError from None
        except (ProviderError, ProgramError, UnsupportedFeatureError) as error:
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
        self.failed = True
        self.stopped.set()

    def drain(self) -> None:
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
            outcome = step.apply(self.generator.providers)
        except ProviderError as error:
            self.journal.end(step.subject)
            self._fail(step, error)
            raise StoppedError from None
        for state in outcome.kept:
            mark_secrets(state)
        self.journal.end(step.subject, kept=outcome.kept, gone=outcome.gone)
        if isinstance(step, Making):
            self._registered[step.urn] = step
        self.sink.end(step)

    def _fail(self, step: Step, error: Exception) -> None:
        """Report a failed step. It stops everything, but for what cannot do harm.

        Other resources are still refreshed, and other resources deleted than what a protected one needs.
        """
        prefix = "Preview failed: " if self.options.dry_run else ""
        self.sink.failed(step, f"{prefix}{error}")
        self.failed = self.step_failed = True
        self._failed_steps.append(step)
        if not isinstance(error, ProtectedError) and not isinstance(step, RefreshStep):
            self.stopped.set()

    def _run_group(self, steps: Sequence[Step]) -> None:
        """Run independent steps at once."""
        if steps:
            with ThreadPoolExecutor(max_workers=min(self.options.width, len(steps))) as pool:
                futures = [pool.submit(self._run_one, step) for step in steps]
                try:
                    for future in futures:
                        future.result()
                except BaseException:  # an interrupt: what has begun is finished, the rest is not begun
                    self.stopped.set()
                    raise

    def _run_one(self, step: Step) -> None:
        if not self.stopped.is_set():
            with suppress(StoppedError):
                self._run(step)

    # Before and after the program

    def refresh(self) -> None:
        """Bring the whole state in line with what is there, and make that the state to go on from."""
        targets = self.options.target
        base = self.journal.base.resources
        steps = {state: RefreshStep(state) for state in base if not targets or state.urn in targets}
        self._run_group(list(steps.values()))
        refreshed = [(state, steps[state].new if state in steps else state) for state in base]
        self.journal.rebase(graph.drop_dangling(refreshed))
        self.generator.olds = self.journal.base.current()

    def delete_the_rest(self) -> None:
        """Delete what was not registered and what was replaced: all that is left once the program is done."""
        needs = graph.Needs(self.journal.base.resources)
        try:
            keep, groups = self.generator.deletions(needs)
            self._run_chain(keep)
        except StoppedError:
            return
        for group in groups:
            needed: set[ResourceState] = set()
            for failed in self._failed_steps:
                needed |= needs.all(failed.subject)
            self._run_group([step for step in group if step.subject not in needed])

    def finish(self) -> None:
        """Set the stack's outputs; after a failure, those that did not come keep their old values."""
        if self.generator.errors:
            self.failed = True
            self.step_failed = self.step_failed or not self.stopped.is_set()
        if self._stack_outputs is None:
            return
        urn, outputs = self._stack_outputs
        state = self._registered[urn].new
        old = self.generator.olds[urn].outputs if urn in self.generator.olds else {}
        state.outputs = {**(old if self.failed else {}), **outputs}
        self.sink.outputs(old, state.outputs)
        self.journal.end(kept=[state])
