"""The local engine decides as the CLI does: scenarios on both, compared after each step."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import CliHarness, Harness, LocalHarness, settings
from tests.support.marks import without_ends
from tests.support.states import comparable

from .conftest import needs_cli
from .scenarios import HELPERS, SCENARIOS, Do

ENDINGS = {"update failed", "preview failed", "Resource monitor has terminated, shutting down"}


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
