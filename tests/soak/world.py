"""A stack, the API it is about, and the users, the strangers and the accidents that change both."""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from pulumi_instances.testing.emulator import api as emulated
from tests.robustness.running import providers
from tests.support.cutting_proxy import cutting_proxy

from .stacks import RESOURCE_TYPE, new_stack

MOST = int(os.environ.get("SOAK_MOST", "40"))
"""Instances of the larger stack; more of them make more requests in a step."""
CONNECTORS = ("dropbox", "box", "sfdc")
NAMES = ("same", "same too", "other")
TAGS = ("a", "b", "c")

RATE = 0.2
"""How many of the requests of an `up` meet a fault."""

FAULTS = (
    Fault.drop_before(),
    Fault.drop_after(),
    Fault.garbage(),
    Fault.truncated(),
    Fault.delay(0.3),
    *(Fault.status_after(status) for status in (500, 502, 504)),
    *(Fault.status(status) for status in (401, 500, 502, 503, 504)),
    *(Fault.status(429, headers={"retry-after": "0"}) for _ in range(2)),
    Fault.status(429, headers={"retry-after": "Fri, 31 Dec 99999999999999 23:59:59 GMT"}),
    Fault.status(404, body="<html>no such page</html>"),
    Fault.status(404, "No instance found"),
    Fault.redirect("http://127.0.0.1:9/elsewhere"),
    Fault.redirect("http://[::1"),
    Fault.redirect("http://127.0.0.1/\xff"),
)


class World:
    """The soak's state of affairs. Everything random comes from one seed, but for the order of threads."""

    def __init__(
        self, api: Emulator, elsewhere: Emulator, directory: Path, seed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """``elsewhere`` is another service, whose variables are in the shell at times."""
        self.api = api
        self._elsewhere = elsewhere
        self.random = random.Random(seed)  # noqa: S311  nothing secret comes from it
        self.figures: Counter[str] = Counter()
        self.calm = True
        self.wanted: dict[str, dict[str, Any]] = {}
        self.strangers: dict[int, dict[str, Any]] = {}
        self._settled: dict[str, dict[str, Any]] = {}
        self.generations: Counter[str] = Counter()
        self.removed_by_hand: set[str] = set()
        self.went: dict[str, str] = {}
        """Names that have lost their instance to another name, and its id."""
        self._homes = [str(directory / machine) for machine in ("laptop", "runner")]
        self._codes = itertools.count()
        self._names = itertools.count()
        self._cuts = 0.0
        self._proxy = ExitStack()
        through_proxy = self._proxy.enter_context(cutting_proxy(api, self._cut))
        env = {**api.env, **through_proxy, "INSTANCES_CREATE_TIMEOUT": "3", "INSTANCES_TIMEOUT": "3"}
        self._stack = new_stack("soak", directory, env)
        # Another backend knows nothing of the first one, and may have a stack of the same name.
        self._other = new_stack("soak", directory / "other", env)
        self._shells = [dict(stack.workspace.env_vars) for stack in (self._stack, self._other)]
        for stack, shell in zip((self._stack, self._other), self._shells, strict=True):
            stack.workspace.env_vars = shell
        for _ in range(MOST):  # their ids are those that ours begin with
            elsewhere.add(self.random.choice(CONNECTORS), "same")
        self._elsewhere_before = elsewhere.instances()
        self._directory = directory
        self._move_machine()
        self._write_other()
        take = api._faults.take

        def counted(method: str, path: str) -> Fault | None:
            fault = take(method, path)
            self.figures["requests" if self.calm else "requests under faults"] += 1
            self.figures["faults"] += fault is not None
            return fault

        monkeypatch.setattr(api._faults, "take", counted)
        # In good times a page holds one instance, so that a listing takes hundreds of requests.
        monkeypatch.setattr(emulated, "_page_size", lambda *_: 1 if self.calm else 200)

    def close(self) -> None:
        """End the proxy."""
        self._proxy.close()

    def _cut(self, _method: str, _path: str) -> bool:
        cut = random.random() < self._cuts  # noqa: S311  nothing secret comes from it
        self.figures["cut by the proxy"] += cut
        return cut

    def _move_machine(self) -> None:
        """The next operations run on one of two machines."""
        for shell in self._shells:
            shell["PULUMI_HOME"] = self.random.choice(self._homes)

    def _write_other(self) -> None:
        """The program of a colleague's stack: the same names, connectors and tags, in the same account."""
        wanted = {
            f"o{number}": {"your_mom": self.random.choice(CONNECTORS), "name": self.random.choice(NAMES), "tags": []}
            for number in range(self.random.randint(0, 6))
        }
        (self._directory / "other" / "wanted.json").write_text(json.dumps(wanted))

    # what the user does

    def edit(self) -> None:
        """A few changes of the program, or many."""
        while len(self.wanted) < MOST // 2:
            self._add()
        for _ in range(self.random.choice((1, 2, 5, 10, 20))):
            change = self.random.choice((self._add, self._add, self._remove, self._rename, self._retag, self._replace))
            change()
        if self.random.random() < 0.3:
            self._move()
        if self.random.random() < 0.3:
            self._write_other()
        batched = self.random.choice(("true", "false"))
        for stack in (self._stack, self._other):
            stack.set_config("instances:batchReads", auto.ConfigValue(batched))
        self._write()

    def _write(self) -> None:
        (self._directory / "wanted.json").write_text(json.dumps(self.wanted))

    def _move(self) -> None:
        """Give a resource another name, by an alias."""
        movable = [name for name, inputs in self.wanted.items() if inputs == self._settled.get(name)]
        state = self.state()
        ids = {str(instance["id"]) for instance in self.api.instances()}
        movable = [name for name in movable if name in state and state[name]["id"] in ids]
        if movable:
            name = self.random.choice(movable)
            # The name of the instance follows that of the resource only where the program gives none.
            self.wanted[f"r{next(self._names)}"] = {**self.wanted.pop(name), "alias": name}
            self.went[name] = state[name]["id"]
            self.figures["moves"] += 1

    def taint(self) -> None:
        """Perhaps have a resource replaced: one without a code, which would have been used."""
        if self.random.random() > 0.3:
            return
        deployment = self._stack.export_stack()
        resources = (deployment.deployment or {}).get("resources") or []
        mine = {
            name: resource
            for resource in resources
            if (name := resource["urn"].rpartition("::")[2]) in self._settled
            and "provider_data" not in self._settled[name]
        }
        if mine:
            name = self.random.choice(list(mine))
            mine[name]["taint"] = True
            self._stack.import_stack(deployment)
            self.generations[name] += 1
            self.figures["taints"] += 1
            self._run(self._stack.up, take_over="no")

    def _add(self) -> None:
        if len(self.wanted) < MOST:
            tags = self.random.sample(TAGS, self.random.randint(0, 2))
            inputs: dict[str, Any] = {
                "your_mom": self.random.choice(CONNECTORS),
                "name": self.random.choice(NAMES),
                "tags": tags,
            }
            if self.random.random() < 0.5:
                inputs["provider_data"] = {"code": self._new_code()}
            self.wanted[f"r{next(self._names)}"] = inputs

    def _remove(self) -> None:
        if self.wanted:
            del self.wanted[self.random.choice(list(self.wanted))]

    def _rename(self) -> None:
        self._change(name=self.random.choice(NAMES))

    def _retag(self) -> None:
        self._change(tags=self.random.sample(TAGS, self.random.randint(0, 2)))

    def _replace(self) -> None:
        self._change(your_mom=self.random.choice(CONNECTORS), provider_data={"code": self._new_code()})

    def _change(self, **inputs: Any) -> None:
        if self.wanted:
            self.wanted[self.random.choice(list(self.wanted))].update(inputs)

    def _new_code(self) -> str:
        return f"c0de-{next(self._codes)}"

    # what happens behind the stack's back

    def meddle(self) -> None:
        """Perhaps change, delete, or add an object by hand."""
        ours = [instance for instance in self.api.instances() if instance["id"] not in self.strangers]
        what = self.random.choice(("nothing", "nothing", "rename", "retag", "flip", "delete", "add"))
        if what == "add":
            made = self.api.add(self.random.choice(CONNECTORS), self.random.choice(NAMES), self.random.sample(TAGS, 1))
            self.strangers[made] = self.api.instance(made)
        elif what != "nothing" and ours:
            instance_id = self.random.choice(ours)["id"]
            self.figures["changes by hand"] += 1
            if what == "rename":
                self.api.change(instance_id, name="by hand")
            elif what == "retag":
                self.api.change(instance_id, tags=["by hand"])
            elif what == "flip":
                self.api.change(instance_id, valid=False, disabled=True)
            else:
                self._delete_by_hand(instance_id)

    def strangers_come(self) -> None:
        """Perhaps the service gives the ids of deleted instances to those that somebody else makes."""
        if self.random.random() < 0.3:
            self.api.restart_ids()
            for _ in range(self.random.randint(1, 3)):
                made = self.api.add(self.random.choice(CONNECTORS), self.random.choice(NAMES), [])
                self.strangers[made] = self.api.instance(made)
                self.figures["ids given again"] += str(made) in self.removed_by_hand

    def go_elsewhere(self) -> None:
        """Perhaps run operations with the variables of another service in the shell: none may have any effect."""
        if not self._settled or self.random.random() > 0.4:
            return
        before = self.state()
        operations: list[Callable[..., object]] = [self._stack.refresh, self._stack.up, self._stack.destroy]
        operation = self.random.choice(operations)
        shell = self._shells[0]
        right = dict(shell)
        shell.update(self._elsewhere.env)
        try:
            operation(**({"refresh": True} if operation == self._stack.up else {}))
            self.figures["operations elsewhere that went through"] += 1
        except auto.CommandError:
            self.figures["operations elsewhere"] += 1
        shell.clear()
        shell.update(right)
        self.figures["strangers touched"] += self._elsewhere.instances() != self._elsewhere_before
        after = self.state()
        self.figures["lost"] += len(before.keys() - after.keys())
        assert {name: each["outputs"]["token"] for name, each in after.items()} == {
            name: each["outputs"]["token"] for name, each in before.items()
        }
        assert self.figures["strangers touched"] == self.figures["lost"] == 0

    def _delete_by_hand(self, instance_id: int) -> None:
        if instance_id not in {int(resource["id"]) for resource in self.state().values()}:
            return  # the other stack's
        self.api.remove(instance_id)
        self.removed_by_hand.add(str(instance_id))
        for name, resource in self.state().items():
            # Whoever deletes an instance gets a new code for the next: the old one has been used.
            if resource["id"] == str(instance_id) and "provider_data" in self.wanted.get(name, {}):
                self.wanted[name]["provider_data"] = {"code": self._new_code()}

    # what the engine does

    def up_under_faults(self) -> None:
        """An `up` in which everything goes wrong, and in which the provider may be killed."""
        self.calm = False
        self._move_machine()
        self._cuts = self.random.choice((0.0, 0.0, 0.1))
        self.api.lag(self.random.choice((0.0, 0.0, 0.2, 0.5)))
        for fault in FAULTS:
            seed = self.random.randrange(2**32)
            self.api.fail(None, None, fault, probability=RATE / len(FAULTS), seed=seed)
        for stack in (self._stack, self._other) if self.random.random() < 0.3 else (self._stack,):
            with self._killer() if self.random.random() < 0.15 else _nobody():
                try:
                    self._run(stack.up, parallel=8, refresh=self.random.random() < 0.3, take_over="yes")
                    self.figures["operations that went through"] += 1
                except auto.CommandError:
                    self.figures["operations that failed"] += 1
        self.api._faults.clear()
        self.api.lag(0)
        self._cuts = 0.0
        self.calm = True

    def up(self) -> None:
        """An `up` of both stacks in good times. Where it fails, its error says what to do, and that is enough."""
        for stack in (self._stack, self._other):
            self._move_machine()
            settings: dict[str, str] = {}
            for _ in range(3):
                try:
                    self._run(stack.up, parallel=8, refresh=True, **settings)
                    break
                except auto.CommandError as error:
                    said = str(error)
                    if "_TAKE_OVER=yes" in said and "take_over" not in settings:
                        settings["take_over"] = "yes"
                        self.figures["taken over"] += 1
                    elif "_CONFIRM_GONE=true" in said and "confirm_gone" not in settings:
                        settings["confirm_gone"] = "true"
                        self.figures["confirmed gone"] += 1
                    else:
                        raise
        for inputs in self.wanted.values():
            inputs.pop("alias", None)  # the move is done
        self._write()
        self._settled = copy.deepcopy(self.wanted)

    def _run(
        self, operation: Callable[..., object], *, take_over: str = "", confirm_gone: str = "", **options: Any
    ) -> None:
        given = {"INSTANCES_TAKE_OVER": take_over, "INSTANCES_CONFIRM_GONE": confirm_gone}
        for shell in self._shells:
            shell.update({key: value for key, value in given.items() if value})
        try:
            operation(**options)
        finally:
            for shell, key in itertools.product(self._shells, given):
                shell.pop(key, None)

    def preview(self) -> dict[str, int]:
        """What there is left to do."""
        return {str(op): count for op, count in self._stack.preview().change_summary.items()}

    def destroy(self) -> None:
        """Destroy both stacks."""
        self._stack.destroy()
        self._other.destroy()

    @contextmanager
    def _killer(self) -> Iterator[None]:
        """SIGKILL the provider process at a random moment of the block, if it has one by then."""
        over = threading.Event()

        def kill() -> None:
            over.wait(self.random.uniform(0.5, 2.0))
            for provider in [process for home in self._homes for process in providers(home)]:
                os.kill(provider, signal.SIGKILL)
                self.figures["providers killed"] += 1

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    def state(self) -> dict[str, dict[str, Any]]:
        """The instances of the state by their names."""
        return self._state(self._stack)

    def others(self) -> set[str]:
        """The ids that the other stack holds."""
        return {resource["id"] for resource in self._state(self._other).values()}

    def _state(self, stack: auto.Stack) -> dict[str, dict[str, Any]]:
        resources = (stack.export_stack().deployment or {}).get("resources") or []
        found = [resource for resource in resources if resource["type"] == RESOURCE_TYPE]
        assert not [resource for resource in found if resource.get("delete")], "a deletion is still owed"
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}


@contextmanager
def _nobody() -> Iterator[None]:
    yield
