"""Runs one operation from its beginning to its end: processes, services, state."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import ExitStack

from .checkpoint import Journal
from .deployment import Deployment
from .display import Display
from .generator import Generator, ProgramError
from .lifeline import Process
from .monitor import Monitor
from .program import SHOWN, Run
from .project import Options, Project
from .providers import ProviderError, Providers
from .values import Secret, unwrap

_PROGRAM_MODULE = f"{__package__}.program"


class Operation:
    """One preview, update, refresh or destroy. After `close` every process has ended."""

    def __init__(self, project: Project, journal: Journal, sink: Display, options: Options) -> None:
        """Start the first provider process."""
        self._project = project
        self._journal = journal
        self._sink = sink
        self._options = options
        self._exit = ExitStack()
        self._closing = False
        known = {state.reference: state.inputs for state in journal.base.resources if state.is_provider}
        providers = Providers(project, self._show, known, dry_run=options.dry_run)
        self._exit.callback(providers.close)
        self._deployment = Deployment(Generator(project, journal, providers, sink, options))

    def run(self, kind: str) -> bool:
        """Do it, once. Returns whether it succeeded."""
        deployment = self._deployment
        if kind != "refresh":
            self._warn_of_interrupted()
        try:
            if kind == "refresh" or self._options.refresh:
                deployment.refresh()
            if not deployment.failed:
                if kind == "destroy":
                    deployment.delete_the_rest()
                elif kind != "refresh":
                    self._run_program()
        except (ProviderError, ProgramError) as error:
            self._sink.message("error", str(error))
            deployment.stop()
        deployment.finish()
        if deployment.step_failed:
            self._sink.message("error", "preview failed" if self._options.dry_run else "update failed")
        return not deployment.failed

    def close(self) -> None:
        """End every process and write the state as a whole.

        After an interrupt, what has begun is finished first; a second interrupt cuts it off, as with the CLI.
        """
        self._deployment.stopped.set()
        try:
            self._deployment.drain()
        finally:
            self._closing = True
            self._exit.close()
            self._journal.close()

    def _run_program(self) -> None:
        monitor = Monitor(self._deployment)
        self._exit.callback(monitor.close)
        program = self._start_program(monitor)
        self._exit.callback(program.stop)
        monitor.program_done.wait()
        self._deployment.drain()
        if not self._deployment.failed:
            self._deployment.delete_the_rest()
        if monitor.program_finished and not self._deployment.stopped.is_set():
            monitor.release()
            program.wait()

    def _start_program(self, monitor: Monitor) -> Process:
        project = self._project
        settings = {
            "monitor": monitor.address,
            "engine": monitor.address,
            "project": project.name,
            "stack": project.stack,
            "organization": "organization",
            "root_directory": str(project.root),
            "parallel": self._options.width,
            "dry_run": self._options.dry_run,
        }
        run = Run(
            settings=settings,
            config=unwrap(project.config),
            secret_keys=[key for key, value in project.config.items() if isinstance(value, Secret)],
            program=_pickle(project.program) if project.program else project.entry,
            path=sys.path,
        )
        payload = pickle.dumps(run)

        def ended(code: int) -> None:
            if code and not monitor.program_done.is_set():
                if code != SHOWN:
                    self._sink.message(
                        "error", f"an unhandled error occurred: program exited with non-zero exit code: {code}"
                    )
                self._deployment.stop()
            monitor.program_done.set()

        return Process(
            [sys.executable, "-u", "-m", _PROGRAM_MODULE, str(len(payload))],
            cwd=project.cwd,
            env={**os.environ, **project.environment},
            on_line=self._show,
            on_exit=ended,
            payload=payload,
        )

    def _show(self, line: str) -> None:
        if not self._closing:
            self._sink.message("info", line)

    def _warn_of_interrupted(self) -> None:
        pending = self._journal.base.pending_operations
        if not pending or self._options.dry_run:
            return
        listed = "".join(f"  * {state.urn}, interrupted while {what}\n" for what, state in pending)
        self._sink.message(
            "warning",
            f"Attempting to deploy or update resources with {len(pending)} pending operations from previous "
            f"deployment.\n{listed}"
            "These resources are in an unknown state because the operation was interrupted while waiting for "
            "changes to these resources to complete. Confirm in the provider whether they completed, then "
            "refresh; a pending creation is cleared by editing the exported state.",
        )


def _pickle(program: Callable[[], object]) -> bytes:
    """Pickle an inline program with all of its module, so that the process need not import a test file."""
    import cloudpickle  # type: ignore[import-untyped]

    module = sys.modules.get(getattr(program, "__module__", "") or "")
    if module is None or module.__name__ == "__main__":
        return bytes(cloudpickle.dumps(program))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(program))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
