"""A stack without an engine: each operation makes the calls that the engine makes, in its order (docs/engine.md).

An operation runs in a process of its own, as the provider does, and tells every change of the state at once. What it
has not told when it is killed, the state never holds.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi.automation as auto
from pulumi.automation.errors import create_command_error

from pulumi_instances import process
from pulumi_instances.api import transport  # noqa: F401  what each operation needs is loaded once
from pulumi_instances.api.retry import Clock
from pulumi_instances.core import model
from pulumi_instances.core.errors import InputError, InstancesError
from pulumi_instances.core.state_format import INSTANCE_TYPE
from pulumi_instances.engine_calls import EngineCalls
from tests.support.harness import Config

Resource = dict[str, Any]
"""A resource as an exported state has it."""
Change = tuple[int, Resource | None]
"""What a resource, by its number, is from now on; None if it is no more."""

_BUG = "no error of ours"
_URN = f"urn:pulumi:soak::soak::{INSTANCE_TYPE}::"
_SPEED = 4
"""How much faster waits are over than they would be."""
_FAST = Clock(
    now=lambda: time.monotonic() * _SPEED,
    sleep=lambda seconds: process.sleep(seconds / _SPEED),
)
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["__main__", __name__])


class DirectStack:
    """Has the methods of a `Harness` that the soak uses. ``wanted.json`` is its program."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        """Hold nothing yet."""
        self.env = dict(env)
        self._program = directory / "wanted.json"
        self._config: dict[str, str] = {}
        self._resources: dict[int, Resource] = {}
        self._left = threading.Event()
        self._orphans: list[Any] = []

    def configure(self, config: Config) -> None:
        """Set values of the configuration."""
        self._config.update((key, value.value) for key, value in config.items())

    def export(self) -> auto.Deployment:
        """The state."""
        return auto.Deployment(3, {"resources": copy.deepcopy([*self._resources.values()])})

    def import_(self, deployment: auto.Deployment) -> None:
        """Take a state over."""
        self._resources = dict(enumerate((deployment.deployment or {})["resources"]))

    def up(self, **options: Any) -> None:
        """``pulumi up``."""
        self._run("up", json.loads(self._program.read_text()), **options)

    def preview(self) -> Any:
        """``pulumi preview``."""
        return SimpleNamespace(change_summary=self._run("preview", json.loads(self._program.read_text())))

    def refresh(self) -> None:
        """``pulumi refresh``."""
        self._run("refresh")

    def destroy(self) -> None:
        """``pulumi destroy``."""
        self._run("destroy")

    def leave(self) -> None:
        """Kill the engine of the operation under way: its provider ends by itself, and what it tells is lost."""
        self._left.set()

    def settle(self) -> None:
        """Wait for the providers whose engine was killed."""
        for orphan in self._orphans:
            orphan.join()
        self._orphans.clear()

    def _run(self, kind: str, *arguments: Any, **options: Any) -> Any:
        """Run an operation. Returns what it has counted; raises CommandError where it fails."""
        self._left.clear()
        ours, theirs = _processes.Pipe()
        call = (kind, self.env, self._config, self._resources, theirs, arguments, options)
        provider = _processes.Process(target=_operate, args=call)  # type: ignore[attr-defined,unused-ignore]
        with ours:
            provider.start()
            theirs.close()
            while not self._left.is_set():
                if not ours.poll(0.02):
                    continue
                try:
                    changes, outcome = ours.recv()
                except EOFError:
                    changes, outcome = [], "the provider was killed"
                for number, resource in changes:
                    self._resources[number] = resource
                    if resource is None:
                        del self._resources[number]
                if outcome is not None:
                    provider.join()
                    break
            else:
                self._orphans.append(provider)
                outcome = "the engine was killed"
        if isinstance(outcome, str):
            assert _BUG not in outcome, outcome
            raise create_command_error(auto.CommandResult(outcome, "", code=1))
        return outcome


def providers() -> list[int]:
    """The ids of the processes of all operations under way."""
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def _operate(
    kind: str,
    env: Mapping[str, str],
    config: Mapping[str, str],
    resources: dict[int, Resource],
    pipe: Connection,
    arguments: Any,
    options: dict[str, Any],
) -> None:
    """Run one operation in a process of its own, until it ends or nobody hears it any more."""
    os.environ.update(env)
    operation = _Operation(config, resources, pipe)
    threading.Thread(target=operation.listen, daemon=True).start()
    getattr(operation, kind)(*arguments, **options)
    operation.tell([], "\n".join(operation.failures) or operation.counts)


class _Operation:
    """One operation on the resources of a stack."""

    def __init__(self, config: Mapping[str, str], resources: dict[int, Resource], pipe: Connection) -> None:
        self._calls = EngineCalls(clock=_FAST)
        self._calls.configure(config.get)
        self._resources = resources
        self._pipe = pipe
        self._lock = threading.Lock()
        self._numbers = itertools.count(max(resources, default=0) + 1)
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()

    def listen(self) -> None:
        """Wait for the end of the engine, and stop then as the plugin does."""
        with contextlib.suppress(EOFError, OSError):
            self._pipe.recv()
        process.leave()

    def tell(self, changes: list[Change], outcome: Any = None) -> None:
        """Change the state. The engine hears it, if it is still there."""
        with self._lock:
            for number, resource in changes:
                if resource is None:
                    del self._resources[number]
                else:
                    self._resources[number] = resource
            with contextlib.suppress(OSError):
                self._pipe.send((json.loads(json.dumps(changes)), outcome))

    # the operations

    def up(self, wanted: dict[str, Any], parallel: int = 16, refresh: bool = False, replace: Any = ()) -> None:
        """Refresh if that is asked for, make what is wanted, and delete the rest, unless something fails."""
        if refresh:
            self.refresh()
        self._declare(wanted, parallel, replace, act=True)
        self._at_once(self._delete, self._rest(wanted), parallel)

    def preview(self, wanted: dict[str, Any]) -> None:
        """Check and compare."""
        self._declare(wanted, 1, (), act=False)
        self.counts["delete"] += len(self._rest(wanted))
        self.counts = +self.counts

    def refresh(self) -> None:
        """Read all that there is. One that fails does not stop the others."""
        self._at_once(self._read, [*self._resources], 16, although_failed=True)

    def destroy(self) -> None:
        """Delete all that there is."""
        self._at_once(self._delete, [*self._resources], 16)

    def _at_once(self, step: Callable[[int], None], numbers: list[int], parallel: int, **options: bool) -> None:
        with ThreadPoolExecutor(parallel) as pool:
            for number in numbers:
                pool.submit(self._step, partial(step, number), **options)

    def _step(self, step: Callable[[], object], *, although_failed: bool = False) -> None:
        """Do it, unless something has failed before."""
        if self.failures and not although_failed:
            return
        try:
            step()
        except InstancesError as error:
            self.failures.append(str(error))
        except Exception as error:
            self.failures.append(f"{_BUG}: {error!r}")
            raise

    def _rest(self, wanted: Mapping[str, Any]) -> list[int]:
        """What was replaced, and what is not wanted."""
        return [
            number
            for number, each in self._resources.items()
            if each.get("delete") or each["urn"].removeprefix(_URN) not in wanted
        ]

    def _declare(self, wanted: dict[str, Any], parallel: int, replace: Any, *, act: bool) -> None:
        """Check and compare one resource after another, and do what follows from it side by side."""
        held = {each["urn"]: number for number, each in self._resources.items() if not each.get("delete")}
        with ThreadPoolExecutor(parallel) as pool:
            for name, given in wanted.items():
                news = {key: value for key, value in given.items() if key != "alias"}
                news[model.URN] = urn = f"{_URN}{name}"
                number = held.get(urn, held.get(f"{_URN}{given.get('alias')}"))
                self._step(partial(self._plan, urn, number, news, replace, pool if act else None))

    def _plan(
        self, urn: str, number: int | None, news: dict[str, Any], replace: Any, pool: ThreadPoolExecutor | None
    ) -> None:
        old = None if number is None else self._resources[number]
        is_forced = old is not None and (old.get("taint", False) or old["urn"] in replace)
        if old is None or number is None or is_forced:
            op, step = "replace" if is_forced else "create", self._creation(urn, number, self._check({}, news))
        else:
            inputs = self._check(old["inputs"], news)
            changed, replaces = self._calls.diff(old["id"], old["outputs"], inputs)
            new = {**old, "urn": urn, "inputs": inputs}
            if replaces:
                op, step = "replace", self._creation(urn, number, self._check({}, news))
            elif changed:
                op, step = "update", lambda: self._update(number, old, new)
            else:
                op, step = "same", lambda: self.tell([(number, new)])
        self.counts[op] += 1
        if pool is not None:
            pool.submit(self._step, step)

    # the calls

    def _check(self, olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
        inputs, problems = self._calls.check(olds, news)
        if problems:
            raise InputError("\n".join(map(str, problems)), "see above")
        return inputs

    def _creation(self, urn: str, replaced: int | None, inputs: dict[str, Any]) -> Callable[[], None]:
        def create() -> None:
            made = self._calls.create(inputs)
            new = {"urn": urn, "type": INSTANCE_TYPE, "id": made.id, "inputs": inputs, "outputs": made.outputs}
            changes: list[Change] = [(next(self._numbers), new)]
            if replaced is not None:
                changes.append((replaced, {**self._resources[replaced], "delete": True}))
            self.tell(changes)

        return create

    def _update(self, number: int, old: Resource, new: Resource) -> None:
        outputs = self._calls.update(old["id"], old["outputs"], new["inputs"])
        self.tell([(number, {**new, "outputs": outputs})])

    def _delete(self, number: int) -> None:
        self._calls.delete(self._resources[number]["id"], self._resources[number]["outputs"])
        self.tell([(number, None)])

    def _read(self, number: int) -> None:
        old = self._resources[number]
        found = self._calls.read(old["id"], old["outputs"])
        if found is None:
            self.tell([(number, None)])
            return
        self.tell([(number, {**old, "inputs": found.inputs, "outputs": found.outputs})])
        self._calls.diff(found.id, found.outputs, old["inputs"])
