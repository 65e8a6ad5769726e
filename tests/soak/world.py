"""A stack, the API it is about, and the user, the strangers and the accidents that change both."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
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
from pulumi_instances.testing.engine import StackDouble
from tests.robustness.running import providers
from tests.support.harness import INSTANCE_TYPE

CONNECTORS = ("dropbox", "box", "sfdc")
NAMES = ("same", "same too", "other")
TAGS = ("a", "b", "c")
MOST = 40

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
        self._home = str(directory / "pulumi-home")
        self._directory = directory
        self._codes = itertools.count()
        self._names = itertools.count()
        shutil.copy(Path(__file__).with_name("program.py"), directory / "__main__.py")
        env = {**api.env, "PULUMI_HOME": self._home, "INSTANCES_CREATE_TIMEOUT": "3", "INSTANCES_TIMEOUT": "3"}
        self._stack = StackDouble(
            "soak", work_dir=directory, project_name="soak", state_file=directory / "state.json", env_vars=env
        )
        take = api._faults.take

        def counted(method: str, path: str) -> Fault | None:
            fault = take(method, path)
            self.figures["requests" if self.calm else "requests under faults"] += 1
            self.figures["faults"] += fault is not None
            return fault

        monkeypatch.setattr(api._faults, "take", counted)

    # what the user does

    def edit(self) -> None:
        """A few changes of the program, or many."""
        for _ in range(self.random.choice((1, 2, 5, 10, 20))):
            change = self.random.choice((self._add, self._add, self._remove, self._rename, self._retag, self._replace))
            change()
        (self._directory / "wanted.json").write_text(json.dumps(self.wanted))

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

    def _delete_by_hand(self, instance_id: int) -> None:
        self.api.remove(instance_id)
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
        with self._killer() if self.random.random() < 0.15 else _nobody():
            try:
                self._stack.up(parallel=8, refresh=self.random.random() < 0.3)
                self.figures["operations that went through"] += 1
            except auto.CommandError:
                self.figures["operations that failed"] += 1
        self.api._faults.clear()
        self.calm = True

    def up(self) -> None:
        """An `up` in good times. Raises CommandError: it has no reason to fail."""
        self._stack.up(parallel=8, refresh=True)

    def preview(self) -> dict[str, int]:
        """What there is left to do."""
        return {str(op): count for op, count in self._stack.preview().change_summary.items()}

    def destroy(self) -> None:
        """Destroy the stack."""
        self._stack.destroy()

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
        resources = (self._stack.export_stack().deployment or {}).get("resources") or []
        found = [resource for resource in resources if resource["type"] == INSTANCE_TYPE]
        assert not [resource for resource in found if resource.get("delete")], "a deletion is still owed"
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}


@contextmanager
def _nobody() -> Iterator[None]:
    yield
