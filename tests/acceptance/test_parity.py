"""The local engine decides as the CLI does: scenarios and a random walk on both, compared after each step."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Account, Emulator
from tests.support.harness import CliHarness, Harness, LocalHarness, settings
from tests.support.marks import without_ends
from tests.support.states import comparable

from .conftest import needs_cli
from .scenarios import HELPERS, SCENARIOS, Do

PROGRAM = """
    import json
    import pathlib

    made = {}
    for item in json.loads(pathlib.Path(__file__).with_name("program.json").read_text()):
        options = pulumi.ResourceOptions(
            aliases=[pulumi.Alias(name=alias) for alias in item["aliases"]],
            depends_on=[made[name] for name in item["after"] if name in made],
            **item["options"],
        )
        one = Instance(item["resource"], **item["inputs"], opts=options)
        made[item["resource"]] = one
        pulumi.export(item["resource"], one.name)
"""

OPTIONS: list[dict[str, Any]] = [
    {"protect": True},
    {"protect": False},
    {"ignore_changes": ["name"]},
    {"ignore_changes": ["tags", "your_mom"]},
    {"replace_on_changes": ["tags"]},
    {"retain_on_delete": True},
]
CONFIGURATIONS: list[dict[str, Any]] = [{}, {"n": 1, "oauth.api.secret": "one"}, {"n": 2, "oauth.api.secret": "two"}]

ENDINGS = {"update failed", "preview failed", "Resource monitor has terminated, shutting down"}

Stacks = dict[str, tuple[Harness, Account]]
Object = tuple[str, str, tuple[str, ...]]
"""Connector, name and tags."""


class Walk:
    """One program on every engine at once; each engine has an account of its own."""

    def __init__(self, api: Emulator, stacks: Stacks, seed: int) -> None:
        self.api = api
        self.stacks = stacks
        self.random = Random(seed)  # noqa: S311  no secret hangs on it
        self.items: list[dict[str, Any]] = []
        self.named = 0
        self.trail: list[str] = []

    def step(self) -> None:
        """One edit of the program and an up, or one change by hand, a refresh and an up."""
        edits = [self.change, self.change_what_replaces, self.set_option, self.rename_the_resource, self.remove]
        steps = [self.add, *edits, self.drift, self.lose] if self.items else [self.add]
        step = self.random.choice(steps)
        before = deepcopy(self.items)
        self.trail.append(step.__name__)
        step()
        if not self.compare("up"):
            # Refused, since something is protected. A failing up stops the others at a moment that nobody can foretell,
            # so no further edit is made on top of it.
            self.items = before
            assert self.compare("up")
        for _, account in self.stacks.values():
            assert self.declared() <= Counter(self.objects(account)), f"something declared is missing: {self.trail}"

    # edits of the program

    def add(self) -> None:
        after = [item["resource"] for item in self.random.sample(self.items, min(1, len(self.items)))]
        inputs = {"your_mom": self.key(), "tags": self.tags()}
        self.items.append({"resource": self.new_name(), "inputs": inputs, "aliases": [], "after": after, "options": {}})

    def change(self) -> None:
        self.item()["inputs"].update(name=self.name(), tags=self.tags())

    def change_what_replaces(self) -> None:
        self.item()["inputs"].update(your_mom=self.key(), configuration=self.random.choice(CONFIGURATIONS))

    def set_option(self) -> None:
        self.item()["options"] = self.random.choice(OPTIONS)

    def rename_the_resource(self) -> None:
        item = self.item()
        item["aliases"] = [item["resource"]]
        item["inputs"].setdefault("name", item["resource"])
        item["resource"] = self.new_name()

    def remove(self) -> None:
        self.items.remove(self.item())

    # changes behind the stack's back

    def drift(self) -> None:
        name, tags = self.name(), self.tags()
        self.by_hand(lambda instance: self.api.change(instance, name=name, tags=tags))

    def lose(self) -> None:
        self.by_hand(self.api.remove)

    def by_hand(self, change: Callable[[str], None]) -> None:
        resource = self.item()["resource"]
        for stack, _ in self.stacks.values():
            change(stack.instances()[resource]["id"])
        assert self.compare("refresh")

    # what is drawn

    def item(self) -> dict[str, Any]:
        return self.random.choice(self.items)

    def key(self) -> str:
        return self.random.choice(["dropbox", "box", "sfdc"])

    def name(self) -> str:
        return self.random.choice(["red", "green", "blue"])

    def tags(self) -> list[str]:
        return self.random.choices(["x", "y", "z"], k=self.random.randrange(4))

    def new_name(self) -> str:
        self.named += 1
        return f"r{self.named}"

    # what is compared

    def compare(self, operation: str) -> bool:
        """Do it on every engine; they must agree on the outcome, the counts, the state and the objects."""
        self.trail.append(f"{operation} {json.dumps(self.items)}")
        seen = [self.seen(operation, *stack) for stack in self.stacks.values()]
        for other in seen[1:]:
            assert other == seen[0], f"the engines differ after {self.trail}"
        return seen[0]["changes"] is not None

    def seen(self, operation: str, stack: Harness, account: Account) -> dict[str, Any]:
        (stack.directory / "program.json").write_text(json.dumps(self.items))
        try:
            changes = getattr(stack, operation)().summary.resource_changes
        except auto.CommandError:
            changes = None
        return {"changes": changes, "state": comparable(stack.resources()), "objects": self.objects(account)}

    def declared(self) -> Counter[Object]:
        return Counter(
            (inputs["your_mom"], inputs.get("name", item["resource"]), tuple(sorted(set(inputs["tags"]))))
            for item in self.items
            if "ignore_changes" not in item["options"]
            for inputs in [item["inputs"]]
        )

    def objects(self, account: Account) -> list[Object]:
        """What is at the API. An instance without tags has its name for one at the live services."""
        made = self.api.instances(account)
        for one in made:
            if account.env.get("INSTANCES_DIALECT") == "elements" and one["tags"] == [one["name"]]:
                one["tags"] = []
        return sorted((one["your_mom"], one["name"], tuple(sorted(one["tags"]))) for one in made)

    def end(self) -> None:
        """Unprotected and owned again, all of it can go."""
        for item in self.items:
            item["options"] = {}
        assert self.compare("up")
        assert self.compare("destroy")
        assert all(stack.resources() == [] for stack, _ in self.stacks.values())


@needs_cli
def test_a_random_walk_ends_the_same_everywhere(
    instances_api: Emulator, tmp_path_factory: pytest.TempPathFactory, cli_template: Path
) -> None:
    """After every step both engines agree and the declared instances exist; at the end the state is empty."""

    def start(engine: str) -> tuple[Harness, Account]:
        directory = tmp_path_factory.mktemp(engine)
        account = instances_api.add_account()
        stack = LocalHarness(directory) if engine == "local" else CliHarness(directory, cli_template)
        stack.program(PROGRAM)
        stack.env.update(account.env, INSTANCES_BATCH_READS="false", INSTANCES_CONFIRM_GONE="true")  # see Player
        return stack, account

    walk = Walk(instances_api, {engine: start(engine) for engine in ("cli", "local")}, seed=1)
    for _ in range(10):
        walk.step()
    walk.end()


class Player:
    """Plays a scenario on one engine, with an API of its own, and notes what can be compared."""

    def __init__(self, stack: Harness, api: Emulator) -> None:
        self.stack = stack
        self.api = api
        self.names: dict[str, str] = {}
        stack.configure(settings(api))
        # Which reads a listing answers is a matter of timing, and it has no `disabled`. What is missing is young.
        stack.env.update(INSTANCES_BATCH_READS="false", INSTANCES_CONFIRM_GONE="true")

    def play(self, step: Do) -> dict[str, Any]:
        """What the step came to: outcome, counts, errors, outputs, state, writes and objects."""
        if step.program:
            self.stack.program(HELPERS + re.sub("^    ", "", step.program, flags=re.MULTILINE))
        step.first(self.stack, self.api)
        seen = len(self.api.writes)
        changes, outputs, said = None, None, ""
        try:
            result = getattr(self.stack, step.operation)(**step.options)
        except auto.CommandError as error:
            said = str(error)
        else:
            if isinstance(result, auto.PreviewResult):
                changes = result.change_summary
            else:
                changes = result.summary.resource_changes
            # The state holds the outputs; where it has none, the CLI need not be asked for them.
            stacks = [one for one in self.stack.resources() if one["type"] == "pulumi:pulumi:Stack"]
            if isinstance(result, auto.UpResult) and any("outputs" in one for one in stacks):
                outputs = {key: (self.named(output.value), output.secret) for key, output in result.outputs.items()}
        # Otherwise a scenario whose program is broken would be the same on both engines.
        assert bool(said) == bool(step.fails), f"{self.stack.engine}: {said or 'it succeeds'}"
        assert step.fails in said
        # How a refused value is printed is compared in test_inputs.
        said = re.sub(r" value \S+ has a problem", " has a problem", said)
        # What the engine says of its own end is not compared; the local engine says nothing of it.
        errors = set(re.findall(r"error: (.+)", said)) - ENDINGS
        for one in self.api.instances():
            self.names[str(one["id"])] = re.sub(r"^4\d{3}$", "an id", one["name"])
        state = self.stack.export().deployment or {}
        return {
            "changes": changes,
            "errors": sorted(map(self.named, errors)),
            "outputs": outputs,
            "state": self.named(comparable(state.get("resources") or [])),
            "writes": sorted(
                # protobuf does not keep the order of keys
                self.named(f"{one.method} {one.path} {json.dumps(one.body, sort_keys=True)}")
                for one in self.api.writes[seen:]
            ),
            "objects": sorted(self.named(f"{one['name']} {one['your_mom']}") for one in self.api.instances()),
        }

    def named(self, value: Any) -> Any:
        """What differs between two runs by chance, ids, tokens and marks, in a way that does not."""
        text = without_ends(json.dumps(value))
        text = re.sub(r"\b4\d{3}\b", lambda found: f"<{self.names.get(found[0], '?')}>", text)
        for one in self.api.instances():
            text = text.replace(json.dumps(one["token"])[1:-1], f"<token of {one['your_mom']}>")
        return json.loads(text)


@needs_cli
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_is_the_same_on_both_engines(scenario: str, tmp_path: Path, cli_template: Path) -> None:
    """Counts, errors, outputs, states, requests and the remaining instances agree after every step."""
    with ExitStack() as open_:
        local = Player(LocalHarness(tmp_path / "local"), open_.enter_context(Emulator()))
        cli = Player(CliHarness(tmp_path / "cli", cli_template), open_.enter_context(Emulator()))
        for number, step in enumerate(SCENARIOS[scenario]):
            assert local.play(step) == cli.play(step), f"step {number}: {step.operation}"
