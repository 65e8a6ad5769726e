"""`StackDouble`, the local engine as users see it: methods and results are those of the Automation API's `Stack`.

>>> stack = StackDouble(program=program)
>>> stack.up().summary.resource_changes
{'create': 2}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn, cast

from pulumi import automation as auto
from pulumi.automation.errors import create_command_error
from pulumi.automation.events import OpMap

from .display import Display
from .operation import Operation
from .project import Config, open_project, refuse_options
from .state import STACK_TYPE, from_deployment, to_deployment
from .values import Secret, UnsupportedFeatureError, unwrap

OnOutput = Callable[[str], Any]

__tracebackhide__ = True
"""A failure in a test shows the test."""


@dataclass
class State:
    """The state of a stack between operations: the `deployment` of an export, with its secrets in plain."""

    deployment: dict[str, Any] = field(default_factory=dict, repr=False)


class StackDouble:
    """A stack on the local engine: a test double of the Pulumi engine for Python dynamic resources.

    Runs a Python program with the real SDK and provider code in the real `python -m pulumi.dynamic`, each in
    a process of its own, and makes the engine's decisions itself. Methods, options and results are those of
    `pulumi.automation.Stack`; a failed operation raises `pulumi.automation.CommandError`.

    Raises `UnsupportedFeatureError` for a method or an option that it leaves out. An operation fails if the program
    uses a feature that is left out: other packages' providers, imports, hooks, transforms, stack references,
    functions, assets.
    """

    def __init__(
        self,
        stack_name: str = "dev",
        *,
        program: Callable[[], object] | None = None,
        work_dir: str | Path | None = None,
        project_name: str | None = None,
        config: Config | None = None,
        env_vars: Mapping[str, str] | None = None,
        state: State | None = None,
    ) -> None:
        """Set up a stack; nothing runs yet.

        `program` is an inline program. Without one, the program is in `work_dir`: the `main` of Pulumi.yaml, or else
        `__main__.py`. `config` wins over `Pulumi.<stack>.yaml`. `env_vars` are added to the environment
        of the program and the providers. Two objects with the same `state` are the same stack with another program.
        """
        self.name = stack_name
        self._project = open_project(
            stack_name, work_dir, name=project_name, program=program, environment=env_vars, config=config
        )
        self._state = State() if state is None else state

    def __getattr__(self, name: str) -> NoReturn:
        """Raise UnsupportedFeatureError for a member of the Automation API's `Stack` that this class leaves out."""
        if name in dir(auto.Stack) and not name.startswith("_"):
            raise UnsupportedFeatureError(f"`{name}` of a stack")
        raise AttributeError(f"a stack has no attribute {name!r}")

    # Operations

    def preview(self, **options: Any) -> auto.PreviewResult:
        """Show what `up` would do. Read-only: nothing is created, changed, deleted or saved."""
        stdout, summary = self._operate("preview", **options)
        return auto.PreviewResult(stdout, "", summary.resource_changes or cast("OpMap", {}))

    def up(self, **options: Any) -> auto.UpResult:
        """Run the program, and create, change and delete until the stack has what it declares."""
        stdout, summary = self._operate("update", **options)
        return auto.UpResult(stdout, "", summary, self.outputs())

    def refresh(self, **options: Any) -> auto.RefreshResult:
        """Read every resource into the state. The program does not run."""
        stdout, summary = self._operate("refresh", **options)
        return auto.RefreshResult(stdout, "", summary)

    def destroy(self, **options: Any) -> auto.DestroyResult:
        """Delete everything in the stack. The program does not run."""
        stdout, summary = self._operate("destroy", **options)
        return auto.DestroyResult(stdout, "", summary)

    # State and configuration

    def outputs(self) -> dict[str, auto.OutputValue]:
        """Return the stack's outputs as of the last `up`, secrets in plain."""
        stacks = (state.outputs for state in from_deployment(self._state.deployment) if state.type == STACK_TYPE)
        return {key: auto.OutputValue(unwrap(v), isinstance(v, Secret)) for key, v in next(stacks, {}).items()}

    def export_stack(self) -> auto.Deployment:
        """Return the state, its secrets marked and in plain, as the Automation API exports them."""
        return auto.Deployment(version=3, deployment=to_deployment(from_deployment(self._state.deployment)))

    def import_stack(self, state: auto.Deployment) -> None:
        """Replace the state by an exported one with secrets in plain, without pending operations, as the CLI does."""
        if state.version != 3:
            raise UnsupportedFeatureError(f"states of version {state.version}")
        self._state.deployment = to_deployment(from_deployment(state.deployment or {}))

    def get_config(self, key: str) -> auto.ConfigValue:
        """Return one configuration value. Raises KeyError where it is not set."""
        return self.get_all_config()[self._project.key(key)]

    def get_all_config(self) -> dict[str, auto.ConfigValue]:
        """Return the whole configuration, secrets in plain."""
        return self._project.all_config()

    def set_config(self, key: str, value: auto.ConfigValue | str) -> None:
        """Set one configuration value, for as long as this object lives."""
        self._project.set_config({key: value})

    def set_all_config(self, config: Config) -> None:
        """Set several configuration values."""
        self._project.set_config(config)

    def remove_config(self, key: str) -> None:
        """Unset a configuration value."""
        self._project.config.pop(self._project.key(key), None)

    def _operate(
        self,
        kind: str,
        *,
        message: str | None = None,
        expect_no_changes: bool | None = None,
        refresh: bool | None = None,
        on_output: OnOutput | None = None,
        **given: Any,
    ) -> tuple[str, auto.UpdateSummary]:
        """Run an operation. Returns its output, and what the CLI would put into the stack's history."""
        refuse_options(name for name, value in given.items() if value)
        dry_run = kind == "preview"
        started, display = datetime.now(timezone.utc), Display(kind, self._project, on_output)
        resources = from_deployment(self._state.deployment)
        operation = Operation(self._project, resources, display, dry_run=dry_run)
        try:
            succeeded = operation.run(kind, refresh=bool(refresh) or self._project.refreshes_first)
        finally:
            operation.close()
            if not dry_run:
                self._state.deployment = to_deployment(operation.deployment.resources)
        display.finish()
        if succeeded and expect_no_changes and display.counts.keys() - {"same"}:
            succeeded = False
            proposed = "for preview but changes were proposed" if dry_run else "but changes occurred"
            display.line(f"error: no changes were expected {proposed}")
        if not succeeded:
            raise create_command_error(auto.CommandResult(display.text, "", code=1))
        return display.text, auto.UpdateSummary(
            kind=kind,
            start_time=started,
            end_time=datetime.now(timezone.utc),
            message=message or "",
            environment={},
            config={key: {"value": each.value, "secret": each.secret} for key, each in self.get_all_config().items()},
            result="succeeded",
            resource_changes=cast("OpMap", dict(display.counts)),  # the Automation API's operations are strings too
        )
