"""A stack, the API it is about, and the user, the strangers and the accidents that change both."""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from pulumi_instances.testing.emulator import api as emulated
from tests.robustness.running import providers

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

ALIEN = (
    "null",
    "[]",
    "",
    '{"began": 1',
    '{"began": 1.0, "before": ["4001"]}',
    '{"began": 1.0, "stack": "organization/soak/elsewhere", "account": [], "highest": "0", "others": []}',
)


class World:
    """The soak's state of affairs. Everything random comes from one seed, but for the order of threads."""

    def __init__(self, api: Emulator, directory: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = api
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
        self._home = str(directory / "pulumi-home")
        self._codes = itertools.count()
        self._names = itertools.count()
        self._env = {
            **api.env,
            "PULUMI_HOME": self._home,
            "INSTANCES_CREATE_TIMEOUT": "3",
            "INSTANCES_TIMEOUT": "3",
        }
        self._stack = new_stack("soak", directory, self._env)
        self._directory = directory
        self._other = new_stack("other", directory / "other", self._env)
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

    def _write_other(self) -> None:
        """The program of a colleague's stack: the same names, connectors and tags, in the same account and home."""
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
            self._taint()
        if self.random.random() < 0.3:
            self._write_other()
        batched = self.random.choice(("true", "false"))
        for stack in (self._stack, self._other):
            stack.set_config("instances:batchReads", auto.ConfigValue(batched))
        self._write()

    def _write(self) -> None:
        (self._directory / "wanted.json").write_text(json.dumps(self.wanted))

    def _move(self) -> None:
        """Give an instance to a resource of another name, by `adopt_id`."""
        state = self.state()
        ids = {str(instance["id"]) for instance in self.api.instances()}
        movable = [
            name
            for name, inputs in self.wanted.items()
            if inputs == self._settled.get(name) and name in state and state[name]["id"] in ids
        ]
        if movable:
            name = self.random.choice(movable)
            moved = f"r{next(self._names)}"
            self.wanted[moved] = {**self.wanted.pop(name), "adopt_id": state[name]["id"]}
            self.went[name] = state[name]["id"]
            self.figures["moves"] += 1

    def _taint(self) -> None:
        """Mark a resource for replacement: one without a code, which would have been used."""
        deployment = self._stack.export_stack()
        resources = (deployment.deployment or {}).get("resources") or []
        mine = {
            name: resource
            for resource in resources
            if (name := resource["urn"].rpartition("::")[2]) in self.wanted
            and "provider_data" not in self.wanted[name]
            and "adopt_id" not in self.wanted[name]
        }
        if mine:
            name = self.random.choice(list(mine))
            mine[name]["taint"] = True
            self._stack.import_stack(deployment)
            self.generations[name] += 1
            self.figures["taints"] += 1

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

    def meddle_with_notes(self) -> None:
        """Perhaps leave alien files where the notes are, and set the clock: what a note says of the time is wrong."""
        for folder in Path(self._home).glob("pulumi-instances/pending/*"):
            for note in folder.glob("*.json"):
                if self.random.random() < 0.3:
                    try:
                        told = json.loads(note.read_text())
                        told["began"] += self.random.choice((-86_400, -60, 3_600, 10 * 86_400))
                        note.write_text(json.dumps(told))
                        self.figures["clock jumps"] += 1
                    except (ValueError, TypeError, KeyError):
                        note.write_text(self.random.choice(ALIEN))
            if self.random.random() < 0.2:
                (folder / f"{self.random.randrange(16**32):032x}-alien.json").write_text(self.random.choice(ALIEN))
                self.figures["alien notes"] += 1

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
        for fault in FAULTS:
            seed = self.random.randrange(2**32)
            self.api.fail(None, None, fault, probability=RATE / len(FAULTS), seed=seed)
        for stack in (self._stack, self._other) if self.random.random() < 0.3 else (self._stack,):
            with self._killer() if self.random.random() < 0.15 else _nobody():
                try:
                    stack.up(parallel=8, refresh=self.random.random() < 0.3)
                    self.figures["operations that went through"] += 1
                except auto.CommandError:
                    self.figures["operations that failed"] += 1
        self.api._faults.clear()
        self.calm = True

    def up(self) -> None:
        """An `up` in good times. Raises CommandError: it has no reason to fail."""
        self._stack.up(parallel=8, refresh=True)
        self._other.up(parallel=8, refresh=True)
        for inputs in self.wanted.values():
            inputs.pop("adopt_id", None)  # the move is done
        self._write()
        self._settled = copy.deepcopy(self.wanted)

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
            for provider in providers(self._home):
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
