"""`StackDouble`: what users of the local engine see."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from pulumi import automation as auto
from pulumi.automation.errors import create_command_error
from pulumi.automation.events import OpMap

from . import checkpoint
from .checkpoint import Journal, Snapshot
from .crypto import Crypter, new_crypter
from .display import Display
from .operation import Operation
from .project import Options, make_options, open_project
from .state import STACK_TYPE
from .values import FailedError, Secret, Value, unwrap

TEST_PASSPHRASE = "pulumi-instances-test"  # noqa: S105 -- documented, for stacks of tests only
"""Encrypts the secrets of a stack when neither an argument nor PULUMI_CONFIG_PASSPHRASE gives a passphrase."""

Config = Mapping[str, "str | auto.ConfigValue"]
OnOutput = Callable[[str], Any]


class StackDouble(AbstractContextManager["StackDouble"]):
    """A stack on the local engine: a test double of the Pulumi engine for Python dynamic resources.

    Runs a Python program with the real SDK and provider code in the real `python -m pulumi.dynamic`, each in
    a process of its own, and makes the engine's decisions itself. Methods, options and results are those of
    `pulumi.automation.Stack`; a failed operation raises `pulumi.automation.CommandError`. The state is a
    `pulumi stack export` document whose secrets are encrypted as the CLI's passphrase provider does it.

    Raises `UnsupportedFeatureError` for an option it leaves out, and fails the operation for a feature that the
    program uses and that it leaves out: other packages' providers, imports, hooks, transforms, stack references,
    functions, assets.
    """

    def __init__(
        self,
        stack_name: str = "dev",
        *,
        program: Callable[[], object] | None = None,
        work_dir: str | Path | None = None,
        project_name: str | None = None,
        state_file: str | Path | None = None,
        config: Config | None = None,
        env_vars: Mapping[str, str] | None = None,
        passphrase: str | None = None,
    ) -> None:
        """Set up a stack; nothing runs yet.

        `program` is an inline program; without one, `work_dir` holds it: the `main` of Pulumi.yaml, else
        `__main__.py`. `state_file` is read if it exists; without one, the state is in a temporary file, removed
        with this object. `config` comes on top of `Pulumi.<stack>.yaml`. `env_vars` are added to the environment
        of the program and the providers.
        """
        self.name = stack_name
        self._project = open_project(work_dir, project_name, stack_name, program, env_vars)
        default = os.environ.get("PULUMI_CONFIG_PASSPHRASE", TEST_PASSPHRASE)
        self._passphrase = default if passphrase is None else passphrase
        self._crypter: Crypter | None = None
        if state_file is None:
            directory = tempfile.mkdtemp(prefix="pulumi-stack-")
            self._finalizer = weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
            state_file = Path(directory) / "state.json"
        self.state_file = Path(state_file).resolve()
        self._project.read_config(lambda salt, ciphertext: self._crypter_for(salt).decrypt(ciphertext))
        self.set_all_config(config or {})

    def close(self) -> None:
        """Remove a temporary state file."""
        if hasattr(self, "_finalizer"):
            self._finalizer()

    def __exit__(self, *_: object) -> None:
        """Close at the end of a `with`."""
        self.close()

    # Operations

    def preview(self, **options: Any) -> auto.PreviewResult:
        """Show what `up` would do. Read-only: nothing is created, changed, deleted or saved."""
        stdout, summary = self._operate("preview", dry_run=True, **options)
        return auto.PreviewResult(stdout, "", summary.resource_changes or cast("OpMap", {}))

    def up(self, **options: Any) -> auto.UpResult:
        """Create, change and delete what it takes to bring the stack in line with the program."""
        stdout, summary = self._operate("update", **options)
        return auto.UpResult(stdout, "", summary, self.outputs())

    def refresh(self, **options: Any) -> auto.RefreshResult:
        """Bring the state in line with what is there. The program does not run."""
        stdout, summary = self._operate("refresh", **options)
        return auto.RefreshResult(stdout, "", summary)

    def destroy(self, **options: Any) -> auto.DestroyResult:
        """Delete everything in the stack. The program does not run."""
        stdout, summary = self._operate("destroy", **options)
        return auto.DestroyResult(stdout, "", summary)

    # State and configuration

    def outputs(self) -> dict[str, auto.OutputValue]:
        """The stack's outputs as of the last `up`, secrets in plain."""
        stacks = (resource for resource in self._load()[0].resources if resource.type == STACK_TYPE)
        stack = next(stacks, None)
        outputs = stack.outputs if stack else {}
        return {key: auto.OutputValue(unwrap(value), isinstance(value, Secret)) for key, value in outputs.items()}

    def export_stack(self) -> auto.Deployment:
        """The state; secrets are marked but in plain, as the Automation API exports them.

        The document in `state_file` has them encrypted.
        """
        snapshot, crypter = self._load()
        return auto.Deployment(version=3, deployment=snapshot.encode(crypter, show_secrets=True))

    def import_stack(self, state: auto.Deployment) -> None:
        """Take over an exported state, without its pending operations, as the CLI does.

        What is encrypted in it must open with this stack's passphrase.
        """
        document = {"version": state.version, "deployment": state.deployment}
        snapshot, crypter = self._decode(checkpoint.check_document(document, "the given state")["deployment"])
        snapshot.pending_operations = []  # whoever imports a state is taken to have looked after them
        with checkpoint.exclusive(self.state_file):
            checkpoint.write_document(self.state_file, snapshot.encode(crypter))

    def get_config(self, key: str) -> auto.ConfigValue:
        """One configuration value. Raises KeyError when it is not set."""
        return self.get_all_config()[self._project.key(key)]

    def get_all_config(self) -> dict[str, auto.ConfigValue]:
        """The whole configuration, secrets in plain."""
        config = self._project.config
        return {key: auto.ConfigValue(unwrap(value), isinstance(value, Secret)) for key, value in config.items()}

    def set_config(self, key: str, value: auto.ConfigValue | str) -> None:
        """Set one configuration value, for as long as this object lives."""
        plain: Value = value.value if isinstance(value, auto.ConfigValue) else str(value)
        secret = isinstance(value, auto.ConfigValue) and value.secret
        self._project.config[self._project.key(key)] = Secret(plain) if secret else plain

    def set_all_config(self, config: Config) -> None:
        """Set several configuration values."""
        for key, value in config.items():
            self.set_config(key, value)

    def remove_config(self, key: str) -> None:
        """Unset a configuration value."""
        self._project.config.pop(self._project.key(key), None)

    def _operate(
        self, kind: str, *, on_output: OnOutput | None = None, color: str | None = None, **given: Any
    ) -> tuple[str, auto.UpdateSummary]:
        """Run an operation. Returns what it showed, and what the CLI would put into the stack's history."""
        del color  # nothing is coloured
        options = make_options(**given)
        started, clock = datetime.now(timezone.utc), time.monotonic()
        sink = Display(kind, self._project, options, on_output)
        succeeded = self._run(kind, options, sink)
        sink.finish(time.monotonic() - clock)
        counts = dict(sink.counts)
        if succeeded and options.expect_no_changes and counts.keys() - {"same"}:
            succeeded = False
            proposed = "for preview but changes were proposed" if options.dry_run else "but changes occurred"
            sink.line(f"error: no changes were expected {proposed}")
        if not succeeded:
            raise create_command_error(auto.CommandResult(sink.text, "", code=1))
        return sink.text, auto.UpdateSummary(
            kind=kind,
            start_time=started,
            end_time=datetime.now(timezone.utc),
            message=options.message or "",
            environment={},
            config={key: {"value": each.value, "secret": each.secret} for key, each in self.get_all_config().items()},
            result="succeeded",
            resource_changes=cast("OpMap", counts),  # the Automation API's operations are strings too
        )

    def _run(self, kind: str, options: Options, sink: Display) -> bool:
        with ExitStack() as exits:
            try:
                file = None if options.dry_run else exits.enter_context(checkpoint.exclusive(self.state_file))
            except FailedError as error:
                sink.message("error", str(error))
                return False
            journal = Journal(*self._load(), None if options.dry_run else self.state_file, file)
            operation = Operation(self._project, journal, sink, options)
            exits.callback(operation.close)
            return operation.run(kind)

    def _load(self) -> tuple[Snapshot, Crypter]:
        return self._decode(checkpoint.read_deployment(self.state_file))

    def _decode(self, deployment: dict[str, Any]) -> tuple[Snapshot, Crypter]:
        salt = checkpoint.salt_of(deployment)
        crypter = self._crypter_for(salt) if salt else self._crypter or new_crypter(self._passphrase)
        return Snapshot.decode(deployment, crypter), crypter

    def _crypter_for(self, salt: str) -> Crypter:
        if self._crypter is None or self._crypter.state != salt:
            self._crypter = Crypter(self._passphrase, salt)
        return self._crypter
