"""Random work under faults, for minutes.

SOAK_SECONDS (180) limits it, SOAK_SEED repeats it. It is done on each engine, `direct` (what the engine calls, without
one), `cli` and `cli-native`, in each dialect, or on SOAK_ENGINE and in SOAK_DIALECT only.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.testing.emulator import Emulator
from tests.conftest import LOOPBACK
from tests.soak.stacks import token
from tests.soak.world import World

ENGINES = ["direct"] if shutil.which("pulumi") is None else ["direct", "cli", "cli-native"]
RUNS = [
    (engine, dialect)
    for engine in ([os.environ["SOAK_ENGINE"]] if "SOAK_ENGINE" in os.environ else ENGINES)
    for dialect in ([os.environ["SOAK_DIALECT"]] if "SOAK_DIALECT" in os.environ else sorted(DIALECTS))
]
SECONDS = float(os.environ.get("SOAK_SECONDS", "180")) / len(RUNS)
SEED = int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(10**6)))

Held = dict[str, tuple[str, str, str]]
NOUGHT = ("lost", "doubled", "leaked", "wrongly deleted", "tokens changed", "strangers touched")


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize(("engine", "dialect"), RUNS)
def test_random_work_under_faults_loses_doubles_and_leaks_nothing(
    engine: str, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each step API and state agree, tokens changed only by replacement, and nothing is orphaned or foreign."""
    pytest_socket.socket_allow_hosts(LOOPBACK, allow_unix_socket=True)  # by which processes are started
    with capsys.disabled():
        print(f"\nsoak: {SECONDS:.0f} s on {engine} in {dialect} with SOAK_SEED={SEED}")
    with (
        Emulator(dialect=dialect, demand_codes=False) as api,
        Emulator(dialect=dialect, demand_codes=False) as elsewhere,
    ):
        world = World(engine, dialect, api, elsewhere, tmp_path, SEED, monkeypatch)
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
        if before in world.removed_by_hand:  # its id may be another one's by now
            continue
        if before == after:
            world.figures["tokens changed"] += before_token != after_token
        elif before_reason == reason:
            world.figures["tokens changed" if before in alive(world) else "wrongly deleted"] += 1
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
    unheld = {key: each["managed_by"] for key, each in instances.items() if key not in ids.keys() | others | strangers}
    world.figures["leaked"] += len(unheld)
    world.figures["strangers touched"] += sum(
        instances.get(str(instance_id)) != before for instance_id, before in world.strangers.items()
    )
    world.figures["tokens changed"] += world.others_twins() != world.others_twins_before
    for wrong in ("lost", "doubled", "leaked", "tokens changed", "strangers touched"):
        assert world.figures[wrong] == 0, (wrong, unheld)
    assert state.keys() == world.wanted.keys()
    held = {}
    for name, resource in state.items():
        instance, wanted = instances[resource["id"]], world.wanted[name]
        assert token(resource) == instance["token"]
        assert {key: instance[key] for key in ("your_mom", "name")} == {
            key: wanted[key] for key in ("your_mom", "name")
        }
        assert sorted(instance["tags"]) == sorted(wanted["tags"])
        if "provider_data" in wanted:
            # A login with a new code whose answer was lost is not repeated.
            codes = world.codes[name] if world.logs_in_again else {wanted["provider_data"]["code"]}
            recorded = instance["provider_data"] or wanted["provider_data"]
            assert recorded["code"] in codes, "the object was made from another resource's code"
        held[name] = (resource["id"], token(resource), reason_to_replace(wanted, world.generations[name]))
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
