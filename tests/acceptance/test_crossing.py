"""A state crosses from one engine to the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled
from tests.support.harness import CliHarness, Harness, LocalHarness, NativeHarness, settings

from .conftest import needs_cli

PROGRAM = """
    first = Instance("first", your_mom="dropbox", tags=["a"], configuration={"oauth.api.secret": "s3cret", "n": 3})
    second = Instance(
        "second",
        your_mom="sfdc",
        name=first.name.apply(lambda name: f"after {name}"),
        provider_data={"code": "a-code"},
        opts=pulumi.ResourceOptions(depends_on=[first], ignore_changes=["tags"], aliases=[pulumi.Alias(name="other")]),
    )
    Instance("child", your_mom="box", opts=pulumi.ResourceOptions(parent=second))
    Instance.get("found", first.id)
    pulumi.export("token", first.token)
"""


@needs_cli
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "in plain"])
@pytest.mark.parametrize(("origin", "to"), [("local", "cli"), ("cli", "local"), ("local", "cli-native")])
def test_a_state_crosses_without_a_difference(
    origin: str, to: str, encrypted: bool, instances_api: Emulator, tmp_path: Path, cli_template: Path, native_sdk: Path
) -> None:
    """After the import a preview, an update and a refresh are empty, and destroy leaves nothing."""
    stacks: dict[str, Harness] = {
        "local": LocalHarness(tmp_path / "local"),
        "cli": CliHarness(tmp_path / "cli", cli_template),
        "cli-native": NativeHarness(tmp_path / "cli-native", cli_template, native_sdk),
    }
    here, there = stacks[origin], stacks[to]
    for stack in (here, there):
        stack.configure(settings(instances_api))
        stack.program(PROGRAM)
    here.up()

    there.import_(here.checkpoint() if encrypted else here.export())

    writes = len(instances_api.writes)
    # The state forgets what `get` has read under the other type: references have no aliases.
    expected = {"same", "discard"} if to == "cli-native" else {"same"}
    assert set(there.preview().change_summary) == expected
    assert set(there.up().summary.resource_changes or {}) == expected
    assert len(instances_api.writes) == writes
    token = here.instances()["first"]["outputs"]["token"]
    assert there.instances()["first"]["outputs"]["token"] == token
    assert_settled(there, instances_api)
    assert_ends_empty(there, instances_api)
