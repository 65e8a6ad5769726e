"""A stack, the API it is about, and the users, the strangers and the accidents that change both."""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.testing.emulator import Emulator, Fault
from pulumi_instances.testing.emulator import api as emulated
from tests.support.cutting_proxy import cutting_proxy
from tests.support.processes import until

from .direct import DirectStack
from .stacks import Stack, instances, new_stack, providers, token

CREATE_TIMEOUT = 3
MOST = int(os.environ.get("SOAK_MOST", "40"))
"""Instances of the larger stack; more of them make more requests in a step."""
CONNECTORS = ("dropbox", "box", "sfdc")
NAMES = ("same", "same too", "other")
TAGS = ("a", "b", "c")
TWINS = ("twin 0", "twin 1", "twin 2")
"""Resources of both stacks, and so with the same line. Nobody removes or replaces them under faults."""

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
        self,
        engine: str,
        dialect: str,
        api: Emulator,
        elsewhere: Emulator,
        directory: Path,
        seed: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """``elsewhere`` is another service, whose variables are in the shell at times."""
        self.api = api
        self.random = random.Random(seed)  # noqa: S311  nothing secret comes from it
        self.figures: Counter[str] = Counter()
        self.calm = True
        self.wanted: dict[str, dict[str, Any]] = {}
        self.strangers: dict[int, dict[str, Any]] = {}
        self._settled: dict[str, dict[str, Any]] = {}
        self.generations: Counter[str] = Counter()
        self.codes: defaultdict[str, set[str | None]] = defaultdict(set)
        """The codes that each resource has been given."""
        self.logs_in_again = "provider_data" in DIALECTS[dialect].in_place
        """Whether an instance may get a new code."""
        self.removed_by_hand: set[str] = set()
        """The ids of what was deleted in this step."""
        self.went: dict[str, str] = {}
        """Names that have lost their instance to another name, and its id."""
        self._homes = [str(directory / machine) for machine in ("laptop", "runner")]
        self._codes = itertools.count()
        self._names = itertools.count()
        self._cuts = 0.0
        self._lag = 0.0
        self._posts_to_live = 0
        """At which POST from now on the provider is killed; 0 for none."""
        self._proxy = ExitStack()
        through_proxy = self._proxy.enter_context(cutting_proxy(api, self._cut))
        env = {**api.env, **through_proxy, "INSTANCES_CREATE_TIMEOUT": f"{CREATE_TIMEOUT}", "INSTANCES_TIMEOUT": "3"}
        self._stack = new_stack(engine, directory, env)
        # Another backend knows nothing of the first one, and may have a stack of the same name.
        self._other = new_stack(engine, directory / "other", env)
        self._shells = [stack.env for stack in (self._stack, self._other)]
        for _ in range(MOST):  # their ids are those that ours begin with
            elsewhere.add(self.random.choice(CONNECTORS), "same")
        account = api.add_account()
        api.add(self.random.choice(CONNECTORS), "same", account=account)
        self._wrong: list[tuple[dict[str, str], Callable[[], object]]] = [
            (elsewhere.env, elsewhere.instances),
            ({**account.env, **through_proxy}, lambda: api.instances(account)),
        ]
        """The variables of other accounts, and what each has."""
        self._directory = directory
        self._move_machine()
        self._write_other()
        self.wanted.update({name: self._new_inputs() for name in TWINS})
        self._write()
        take = api._faults.take

        def counted(method: str, path: str) -> Fault | None:
            fault = take(method, path)
            self.figures["requests" if self.calm else "requests under faults"] += 1
            self.figures["writes"] += method != "GET"
            self.figures["faults"] += fault is not None
            if method == "POST" and self._posts_to_live > 0:
                self._posts_to_live -= 1
                if self._posts_to_live == 0:
                    self._kill()
            return fault

        monkeypatch.setattr(api._faults, "take", counted)
        # In good times a page holds one instance, so that a listing takes hundreds of requests.
        monkeypatch.setattr(emulated, "_page_size", lambda *_: 1 if self.calm else 200)
        for stack in (self._stack, self._other):
            self._run(stack.up, take_over="no")
        self.others_twins_before = self.others_twins()

    def close(self) -> None:
        """End the proxy, and what uses it."""
        self._settle()
        self._proxy.close()

    def _cut(self, _method: str, _path: str) -> bool:
        cut = random.random() < self._cuts  # noqa: S311  nothing secret comes from it
        self.figures["cut by the proxy"] += cut
        return cut

    def _move_machine(self) -> None:
        """The next operations run on one of two machines."""
        machines = [self.random.choice(self._homes) for _ in self._shells]
        if machines != [shell.get("PULUMI_HOME") for shell in self._shells]:
            self._settle()
        for shell, machine in zip(self._shells, machines, strict=True):
            shell["PULUMI_HOME"] = machine

    def _settle(self) -> None:
        """Let the service end what killed runs have begun: only on the same machine something waits for that."""
        for stack in (self._stack, self._other):
            if isinstance(stack, DirectStack):
                stack.settle()
        until(lambda: not self.api._request_log._in_flight)
        time.sleep(self._lag)

    def _write_other(self) -> None:
        """The program of a colleague's stack: the same names, connectors and tags, in the same account."""
        names = [*TWINS, *(f"o{number}" for number in range(self.random.randint(0, 6)))]
        wanted = {name: {"your_mom": CONNECTORS[0], "name": self.random.choice(NAMES), "tags": []} for name in names}
        (self._directory / "other" / "wanted.json").write_text(json.dumps(wanted))

    # what the user does

    def edit(self) -> None:
        """A few changes of the program, or many."""
        while len(self.wanted) < MOST // 2:
            self._add()
        for _ in range(self.random.choice((1, 2, 5, 10, 20, MOST // 3))):
            change = self.random.choice((self._add, self._add, self._remove, self._rename, self._retag, self._replace))
            change()
        if self.random.random() < 0.3:
            self._move()
        if self.random.random() < 0.3:
            self._write_other()
        batched = self.random.choice(("true", "false"))
        for stack in (self._stack, self._other):
            stack.configure({"instances:batchReads": auto.ConfigValue(batched)})
        self._write()

    def _write(self) -> None:
        for name, inputs in self.wanted.items():
            self.codes[name] |= self.codes[inputs.get("alias", name)] | {inputs.get("provider_data", {}).get("code")}
        (self._directory / "wanted.json").write_text(json.dumps(self.wanted))

    def _move(self) -> None:
        """Give a resource another name, by an alias."""
        movable = [name for name in self._removable() if self.wanted[name] == self._settled.get(name)]
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
        deployment = self._stack.export()
        resources = (deployment.deployment or {}).get("resources") or []
        mine = {
            name: resource
            for resource in resources
            if (name := resource["urn"].rpartition("::")[2]) in self._settled
            and "provider_data" not in self._settled[name]
        }
        if mine:
            name, replace = self.random.choice(list(mine)), []
            if self.random.random() < 0.5:
                replace = [mine[name]["urn"]]
            else:
                mine[name]["taint"] = True
                self._stack.import_(deployment)
            self.generations[name] += 1
            self.figures["replaced by --replace" if replace else "taints"] += 1
            self._run(self._stack.up, take_over="no", replace=replace)

    def _add(self) -> None:
        if len(self.wanted) < MOST:
            inputs = self._new_inputs()
            if self.random.random() < 0.5:
                inputs["provider_data"] = {"code": self._new_code()}
            self.wanted[f"r{next(self._names)}"] = inputs

    def _new_inputs(self) -> dict[str, Any]:
        tags = self.random.sample(TAGS, self.random.randint(0, 2))
        return {"your_mom": self.random.choice(CONNECTORS), "name": self.random.choice(NAMES), "tags": tags}

    def _remove(self) -> None:
        del self.wanted[self.random.choice(self._removable())]

    def _removable(self) -> list[str]:
        return [name for name in self.wanted if name not in TWINS]

    def _rename(self) -> None:
        self._one().update(name=self.random.choice(NAMES))

    def _retag(self) -> None:
        self._one().update(tags=self.random.sample(TAGS, self.random.randint(0, 2)))

    def _replace(self) -> None:
        replaced = self.wanted[self.random.choice(self._removable())]
        replaced.update(your_mom=self.random.choice(CONNECTORS), provider_data={"code": self._new_code()})

    def _one(self) -> dict[str, Any]:
        return self.wanted[self.random.choice(list(self.wanted))]

    def _give_new_codes(self) -> None:
        """Where an update was killed, nobody knows whether the service has used its code."""
        for name, inputs in self.wanted.items():
            before = self._settled.get(inputs.get("alias", name), {})
            if inputs.get("provider_data") != before.get("provider_data"):
                inputs["provider_data"] = {"code": self._new_code()}
        self._write()
        self.figures["new codes"] += 1

    def _new_code(self) -> str:
        return f"c0de-{next(self._codes)}"

    # what happens behind the stack's back

    def meddle(self) -> None:
        """Perhaps change, delete, or add an object by hand."""
        self.removed_by_hand.clear()
        ours = [instance for instance in self.api.instances() if instance["id"] not in self.strangers]
        what = self.random.choice(("nothing", "nothing", "rename", "retag", "flip", "delete", "delete", "add"))
        if what == "add":
            made = self.api.add(self.random.choice(CONNECTORS), self.random.choice(NAMES), self.random.sample(TAGS, 1))
            self.strangers[made] = self.api.instance(made)
        elif what != "nothing" and ours:
            instance_id = self.random.choice([self.random.choice(ours), ours[-1]])[
                "id"
            ]  # the last id may be given again
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
        if self.removed_by_hand or self.random.random() < 0.3:
            last = max(instance["id"] for instance in self.api.instances() if instance["id"] not in self.strangers)
            for stranger in [each for each in self.strangers if each > last]:
                self.api.remove(stranger)
                del self.strangers[stranger]
            self.api.restart_ids()
            for _ in range(self.random.randint(1, 3)):
                made = self.api.add(self.random.choice(CONNECTORS), self.random.choice(NAMES), [])
                self.strangers[made] = self.api.instance(made)
                self.figures["ids given again"] += str(made) in self.removed_by_hand

    def go_elsewhere(self) -> None:
        """Perhaps run operations with the variables of another account in the shell: none may have any effect."""
        if not self._settled or self.random.random() > 0.4:
            return
        before, (variables, instances_there) = self.state(), self.random.choice(self._wrong)
        there = instances_there()
        operations: list[Callable[..., object]] = [self._stack.refresh, self._stack.up, self._stack.destroy]
        operation = self.random.choice(operations)
        shell = self._shells[0]
        right = dict(shell)
        shell.update(variables)
        try:
            operation(**({"refresh": True} if operation == self._stack.up else {}))
            self.figures["operations elsewhere that went through"] += 1
        except auto.CommandError:
            self.figures["operations elsewhere"] += 1
        shell.clear()
        shell.update(right)
        self.figures["strangers touched"] += instances_there() != there
        after = self.state()
        self.figures["lost"] += len(before.keys() - after.keys())
        assert {name: token(each) for name, each in after.items()} == {
            name: token(each) for name, each in before.items()
        }
        assert self.figures["strangers touched"] == self.figures["lost"] == 0

    def _delete_by_hand(self, instance_id: int) -> None:
        if instance_id not in {int(each["id"]) for name, each in self.state().items() if name not in TWINS}:
            return  # the other stack's, or one that it has as well
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
        self._lag = self.random.choice((0.0, 0.0, 0.2, 0.5))
        self.api.lag(self._lag)  # also for what was created a moment ago
        self._move_machine()
        self._cuts = self.random.choice((0.0, 0.0, 0.1))
        for fault in FAULTS:
            seed = self.random.randrange(2**32)
            self.api.fail(None, None, fault, probability=RATE / len(FAULTS), seed=seed)
        for stack in (self._stack, self._other) if self.random.random() < 0.3 else (self._stack,):
            with self._killer(stack) if self.random.random() < 0.35 else _nobody():
                try:
                    self._run(stack.up, parallel=8, refresh=self.random.random() < 0.3, take_over="yes")
                    self.figures["operations that went through"] += 1
                except auto.CommandError:
                    self.figures["operations that failed"] += 1
        self.api._faults.clear()
        self._cuts = 0.0
        self.calm = True

    def up(self) -> None:
        """An `up` of both stacks in good times. Where it fails, its error says what to do, and that is enough."""
        for stack in (self._stack, self._other):
            self._move_machine()
            settings: dict[str, str] = {}
            for _ in range(5):
                try:
                    self._run(stack.up, parallel=8, refresh=True, **settings)
                    break
                except auto.CommandError as error:
                    said = str(error)
                    if "_TAKE_OVER=yes" in said and "take_over" not in settings:
                        settings["take_over"] = "yes"
                        self.figures["taken over"] += 1
                    elif "_CONFIRM_GONE=true" in said and "confirm_gone" not in settings:
                        time.sleep(self._lag)  # as long as it takes to read that
                        settings["confirm_gone"] = "true"
                        self.figures["confirmed gone"] += 1
                    elif "may not be visible yet" in said:
                        time.sleep(CREATE_TIMEOUT)  # the waits of `direct` are shorter, the age of an instance is not
                    elif self.logs_in_again and "give a new code" in said:
                        self._give_new_codes()
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
            for looks in itertools.count():
                try:
                    operation(**options)
                    break
                except auto.CommandError as error:
                    # Pages of one instance each move where one appears late; those of 200 always have something new.
                    if not (self.calm and looks < 5 and "has nothing new" in str(error)):
                        raise
                    time.sleep(self._lag)
        finally:
            for shell, key in itertools.product(self._shells, given):
                shell.pop(key, None)

    def preview(self) -> dict[str, int]:
        """What there is left to do."""
        return {str(op): count for op, count in self._stack.preview().change_summary.items()}

    def destroy(self) -> None:
        """Destroy both stacks."""
        self._run(self._stack.destroy)
        self._run(self._other.destroy)

    @contextmanager
    def _killer(self, stack: Stack) -> Iterator[None]:
        """Kill the provider during a POST of the block, or at any moment of it; or the engine, if that can be."""
        over = threading.Event()
        if self.random.random() < 0.5:
            self._posts_to_live = self.random.randint(1, 3)
            try:
                yield
            finally:
                self._posts_to_live = 0
            return
        wait, kill = self.random.uniform(0.5, 2.0), self._kill
        if isinstance(stack, DirectStack):
            wait, kill = wait / 5, self.random.choice((kill, stack.leave))

        def kill_then() -> None:
            if not over.wait(wait):
                self.figures["engines killed"] += kill != self._kill
                kill()

        killer = threading.Thread(target=kill_then)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    def _kill(self) -> None:
        for provider in providers(self._homes):
            with suppress(ProcessLookupError):
                os.kill(provider, signal.SIGKILL)
            self.figures["providers killed"] += 1

    def state(self) -> dict[str, dict[str, Any]]:
        """The instances of the state by their names."""
        return instances(self._stack)

    def others_twins(self) -> dict[str, str]:
        """The tokens that the other stack has for what both have."""
        held = instances(self._other)
        return {name: token(held[name]) for name in TWINS}

    def others(self) -> set[str]:
        """The ids that the other stack holds."""
        return {resource["id"] for resource in instances(self._other).values()}


@contextmanager
def _nobody() -> Iterator[None]:
    yield
