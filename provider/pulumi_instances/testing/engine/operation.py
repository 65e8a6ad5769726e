"""One operation: it starts and ends the processes, and calls refresh, program, deletions and outputs in order.

After a failure it begins no further step, and waits for what has begun.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import cached_property

from . import program
from .deployment import Deployment, Goal, StoppedError
from .display import Display
from .monitor import Monitor
from .project import Project
from .providers import Providers
from .state import DYNAMIC_PACKAGE, PROVIDER_PREFIX, STACK_TYPE, ResourceState, make_urn
from .values import FailedError, Properties


class Operation:
    """One preview, update, refresh or destroy. Registrations come on many threads, and are served one at a time."""

    def __init__(self, project: Project, resources: list[ResourceState], display: Display, *, dry_run: bool) -> None:
        """Start the first provider process."""
        self.project = project
        self.display = display
        self.stopped = threading.Event()
        """Set when the operation fails: steps that have begun are finished, and no others begin."""
        self._failed = False
        self._dry_run = dry_run
        self._exit = ExitStack()
        known = {state.reference: state.inputs for state in resources if state.is_provider}
        providers = Providers(project, self._show, known, dry_run=dry_run)
        self._exit.callback(providers.close)
        self.deployment = Deployment(resources, providers, display, dry_run=dry_run)
        self._lock = threading.Lock()
        self._stack_outputs: tuple[str, Properties] | None = None

    def run(self, kind: str, *, refresh: bool) -> bool:
        """Run the operation, once. Returns whether it succeeded."""
        try:
            if refresh or kind == "refresh":
                self.deployment.refresh(counting=kind == "refresh")
            if kind == "destroy" and not self.deployment.failed:
                self.deployment.delete_the_rest()
            elif kind != "refresh" and not self.deployment.failed:
                self._run_program()
        except FailedError as error:
            self.fail(str(error))
        except StoppedError:
            self.stop()
        succeeded = not (self._failed or self.deployment.failed)
        self._set_stack_outputs(succeeded)
        return succeeded

    def close(self) -> None:
        """Wait for what has begun, then end every process; a second interrupt ends them at once, as with the CLI."""
        self.stopped.set()
        try:
            with self._lock:
                pass
        finally:
            self._exit.close()

    def _run_program(self) -> None:
        monitor = Monitor(self)
        self._exit.callback(monitor.close)

        def ended(code: int) -> None:
            if code and not monitor.program_done.is_set():
                if code != program.SHOWN:
                    self.display.message(
                        "error", f"an unhandled error occurred: program exited with non-zero exit code: {code}"
                    )
                self.stop()
            monitor.program_done.set()

        process = program.start(self.project, monitor.address, self._show, ended, dry_run=self._dry_run)
        self._exit.callback(process.stop)
        monitor.program_done.wait()
        with self._lock:
            if not self._failed:
                self.deployment.delete_the_rest()
        if monitor.program_finished and not self.stopped.is_set():
            monitor.release()
            process.wait()

    def _show(self, line: str) -> None:
        self.display.message("info", line)

    def _set_stack_outputs(self, succeeded: bool) -> None:
        """Set the stack's outputs; after a failure, those that are missing keep their old values."""
        if self._stack_outputs is not None:
            urn, outputs = self._stack_outputs
            old = self.deployment.olds[urn].outputs if urn in self.deployment.olds else {}
            self.deployment.registered[urn].outputs = {**({} if succeeded else old), **outputs}

    # What the program asks for

    def register(self, goal: Goal) -> ResourceState:
        """Make one resource what the program wants, or look it up. Raises StoppedError if anything has failed."""
        state = goal.state
        with self._lock:
            if self.stopped.is_set():
                raise StoppedError
            try:
                if state.custom and not state.is_provider and not state.provider:
                    state.provider = self._default_provider.reference
                parent = self.deployment.registered.get(state.parent)
                if goal.inherits_retention and parent:
                    state.retain_on_delete = parent.retain_on_delete
                return self.deployment.register(goal)
            except StoppedError:
                self.stop()
                raise
            except FailedError as error:
                self.fail(str(error), state.urn)
                raise StoppedError from None

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Set the outputs of a component; those of the stack are kept until the end."""
        state = self.deployment.registered[urn]
        if state.type == STACK_TYPE:
            self._stack_outputs = (urn, outputs)
        else:
            state.outputs = outputs

    @cached_property
    def _default_provider(self) -> ResourceState:
        """The default provider, made on first use with the stack's whole configuration."""
        type_ = PROVIDER_PREFIX + DYNAMIC_PACKAGE
        urn = make_urn(self.project.stack, self.project.name, "", type_, "default")
        return self.deployment.register(Goal(ResourceState(urn, type_, custom=True, inputs=dict(self.project.config))))

    def fail(self, text: str, urn: str = "") -> None:
        """Show an error, and stop."""
        self.display.message("error", text, urn)
        self.stop()

    def stop(self) -> None:
        """Let the operation fail, and begin no further step."""
        self._failed = True
        self.stopped.set()
