"""Random work under faults, for minutes.

SOAK_SECONDS (180) limits it, SOAK_SEED repeats it. SOAK_ENGINE is `cli` or `cli-native`, and SOAK_DIALECT
`default` or `elements`.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.acceptance.conftest import needs_cli
from tests.soak.world import World

SECONDS = float(os.environ.get("SOAK_SECONDS", "180"))
SEED = int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(10**6)))

Held = dict[str, tuple[str, str, str]]
NOUGHT = ("lost", "doubled", "leaked", "wrongly deleted", "tokens changed", "strangers touched")


@needs_cli
@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 300)
def test_random_work_under_faults_loses_doubles_and_leaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each step API and state agree, tokens changed only by replacement, and nothing is orphaned or foreign."""
    with capsys.disabled():
        print(f"\nsoak: {SECONDS:.0f} s with SOAK_SEED={SEED}")
    dialect = os.environ.get("SOAK_DIALECT", "default")
    with (
        Emulator(dialect=dialect, demand_codes=False) as api,
        Emulator(dialect=dialect, demand_codes=False) as elsewhere,
    ):
        world = World(api, elsewhere, tmp_path, SEED, monkeypatch)
        held: Held = {}
        end = time.monotonic() + SECONDS
        try:
            while time.monotonic() < end:
                held = step(world, held)
            world.destroy()
            assert [instance["id"] for instance in api.instances()] == sorted(world.strangers)
        finally:
            world.close()
            with capsys.disabled():
                report(world.figures)


def step(world: World, held: Held) -> Held:
    """Edit the program, meddle, `up` under faults, `up` without; then look. Returns who has which object."""
    world.figures["steps"] += 1
    world.taint()
    world.go_elsewhere()
    world.meddle()
    world.strangers_come()
    world.edit()
    for _ in range(world.random.choice((1, 1, 2))):
        world.up_under_faults()
    world.up()
    now = look(world)
    for name in held.keys() & now.keys():
        # The same object as before, or one that the program or somebody else's deletion has asked for.
        (before, before_token, before_reason), (after, after_token, reason) = held[name], now[name]
        if before == after and before not in world.removed_by_hand:  # its id may be given to the next one
            world.figures["tokens changed"] += before_token != after_token
        else:
            world.figures["tokens changed"] += before_reason == reason and before in alive(world)
            deleted = before not in alive(world) and before not in world.removed_by_hand
            world.figures["wrongly deleted"] += before_reason == reason and deleted
        assert world.figures["tokens changed"] == world.figures["wrongly deleted"] == 0, name
    moved = {instance_id for instance_id, _, _ in now.values()}
    for name, (instance_id, _, _) in held.items():
        if world.went.get(name) == instance_id and instance_id not in world.removed_by_hand:
            world.figures["wrongly deleted"] += instance_id not in moved
            assert world.figures["wrongly deleted"] == 0, name
    if world.random.random() < 0.25:
        assert world.preview().keys() <= {"same"}
    return now


def alive(world: World) -> set[str]:
    """The ids that the API holds."""
    return {str(instance["id"]) for instance in world.api.instances()}


def look(world: World) -> Held:
    """Compare the API with the state, and count what is wrong."""
    state = world.state()
    ids = Counter(resource["id"] for resource in state.values())
    instances = {str(instance["id"]): instance for instance in world.api.instances()}
    strangers = {str(instance_id) for instance_id in world.strangers}
    world.figures["lost"] += len(ids.keys() - instances.keys())
    world.figures["doubled"] += sum(ids.values()) - len(ids)
    others = world.others()
    world.figures["lost"] += len(others - instances.keys())
    world.figures["doubled"] += len(others & ids.keys())
    world.figures["leaked"] += len(instances.keys() - ids.keys() - others - strangers)
    world.figures["strangers touched"] += sum(
        instances.get(str(instance_id)) != before for instance_id, before in world.strangers.items()
    )
    for wrong in ("lost", "doubled", "leaked", "strangers touched"):
        assert world.figures[wrong] == 0, wrong
    assert state.keys() == world.wanted.keys()
    held = {}
    for name, resource in state.items():
        instance, wanted = instances[resource["id"]], world.wanted[name]
        token = json.loads(resource["outputs"]["token"]["plaintext"])
        assert token == instance["token"]
        assert {key: instance[key] for key in ("your_mom", "name")} == {
            key: wanted[key] for key in ("your_mom", "name")
        }
        assert sorted(instance["tags"]) == sorted(wanted["tags"])
        if "provider_data" in wanted:
            recorded = instance["provider_data"] or wanted["provider_data"]
            assert recorded == wanted["provider_data"], "the object was made from another resource's code"
        held[name] = (resource["id"], token, reason_to_replace(wanted, world.generations[name]))
    world.figures["instances looked at"] += len(held)
    return held


def reason_to_replace(wanted: dict[str, Any], generation: int) -> str:
    """What a replacement hangs on."""
    return json.dumps([wanted["your_mom"], wanted.get("provider_data"), generation])


def report(figures: Counter[str]) -> None:
    """Print the figures, those that have to be nought last."""
    good = [name for name in figures if name not in NOUGHT]
    for name in [*good, *NOUGHT]:
        print(f"soak: {name}: {figures[name]}")
