"""Which engine runs a deployment from the clone: the Pulumi CLI or, where none can be had, the local engine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pulumi.automation as auto

from pulumi_instances.testing.engine import StackDouble

from . import install_cli

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
CHOICE = "PULUMI_INSTANCES_ENGINE"
LOCAL_STATE = "local-state.json"

Stack: TypeAlias = "auto.Stack | StackDouble"


class Unavailable(Exception):
    """The engine that was asked for is not to be had; the text says what to do."""


@contextmanager
def open_stack(name: str, environment: Mapping[str, str]) -> Iterator[Stack]:
    """The stack ``name`` of the quickstart, run by the root's Pulumi.yaml, with its state in ``.demo/<name>``.

    ``environment`` is added to that of the program and of the provider. Says in one line which engine it is.
    Raises Unavailable, also where the other engine has deployed it: neither knows the state of the other.
    """
    directory = DEMO / name
    directory.mkdir(parents=True, exist_ok=True)
    cli = _cli()
    local, stacks = directory / LOCAL_STATE, directory / "state/.pulumi/stacks"
    other, files = ("cli", sorted(stacks.rglob(f"{name}.json"))) if cli is None else ("local", [local])
    if any(_holds_resources(file) for file in files):
        raise Unavailable(
            f"the other engine has deployed the stack {name}: run `{CHOICE}={other} make destroy` first, "
            f"or go on with `{CHOICE}={other}`"
        )
    if cli is not None:
        print(f"Engine: Pulumi CLI {cli.version}, {shutil.which(cli.command)}", flush=True)
        yield _cli_stack(cli, name, directory / "state", environment)
        return
    print("Engine: the local engine, a test double of Pulumi's (`make cli` brings the real one)", flush=True)
    yield from _local_stack(name, local, {**environment, "PULUMI_HOME": str(DEMO / "home")})


def _holds_resources(state: Path) -> bool:
    """Whether this state, of either engine, has any. One that is not there or was not written in full has none."""
    try:
        document = json.loads(state.read_text())
    except (OSError, ValueError):
        return False
    latest = document.get("deployment") or document.get("checkpoint", {}).get("latest") or {}
    return bool(latest.get("resources"))


def _local_stack(name: str, file: Path, environment: Mapping[str, str]) -> Iterator[StackDouble]:
    """A stack of the local engine, which keeps its state in memory; it is put into ``file`` at the end, in plain."""
    stack = StackDouble(name, work_dir=ROOT, env_vars=environment)
    if file.exists():
        stack.import_stack(auto.Deployment(**json.loads(file.read_text())))
    try:
        yield stack
    finally:
        file.touch(mode=0o600)
        file.write_text(json.dumps(vars(stack.export_stack())))


def _cli_stack(cli: auto.PulumiCommand, name: str, state: Path, environment: Mapping[str, str]) -> auto.Stack:
    state.mkdir(exist_ok=True)
    options = auto.LocalWorkspaceOptions(
        pulumi_command=cli,
        # Apart from the user's own: neither their login nor their plugins are touched.
        pulumi_home=str(DEMO / "home"),
        env_vars={
            **environment,
            # The language host and the plugin both take the first `python3` on PATH.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": _passphrase(),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        },
    )
    return auto.create_or_select_stack(name, work_dir=str(ROOT), opts=options)


def forget_stack(name: str) -> None:
    """Remove the state and the settings of a stack, such as those of a run that was stopped in the middle."""
    shutil.rmtree(DEMO / name, ignore_errors=True)
    (ROOT / f"Pulumi.{name}.yaml").unlink(missing_ok=True)


def reason(error: auto.CommandError) -> str:
    """What the engine says of a failure beside the output that was shown already, which the error repeats."""
    return str(error).rpartition("stderr:")[2].strip() or "the engine's output above tells why."


def _passphrase() -> str:
    """A throw-away passphrase, made once per clone."""
    file = DEMO / "passphrase"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


def _cli() -> auto.PulumiCommand | None:
    """The `pulumi` on PATH, else one from the official installer, else None, as `PULUMI_INSTANCES_ENGINE` allows.

    The Makefile appends the directory of `make cli` to PATH.
    """
    choice = os.environ.get(CHOICE, "").strip().lower()
    if choice not in ("", "cli", "local"):
        raise Unavailable(f'{CHOICE} is {choice!r}: set it to "cli" or "local", or unset it')
    if choice == "local":
        return None
    if shutil.which("pulumi"):
        return _command()
    version = install_cli.newest()
    if install_cli.is_here(version) or install_cli.install(version):
        return _command(str(install_cli.directory(version)))
    if choice == "cli":
        raise Unavailable(
            f"there is no `pulumi` on PATH, and the installer had no success: `make cli`, or unset {CHOICE}"
        )
    return None


def _command(root: str | None = None) -> auto.PulumiCommand:
    """The CLI below this directory, or on PATH. Raises Unavailable for one that does not answer as it should."""
    try:
        return auto.PulumiCommand(root)
    except (auto.InvalidVersionError, subprocess.CalledProcessError, OSError) as problem:
        command = shutil.which("pulumi", path=f"{root}/bin" if root else None)
        raise Unavailable(
            f"`{command} version` does not print a version that this SDK works with: "
            f"put another `pulumi` before it on PATH, or set {CHOICE}=local to run without"
        ) from problem
