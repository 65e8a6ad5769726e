"""An instance goes from one resource to another, as docs/moving.md says: by an alias, or in the state."""

from __future__ import annotations

import subprocess

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import CliHarness, Harness
from tests.support.processes import COMMAND

from .test_import import on_the_cli

BEFORE = 'Instance("crm", your_mom="sfdc", tags=["eu"])'
AFTER = 'Instance("sales", your_mom="sfdc", name="crm", tags=["eu"])'
ALIASED = AFTER[:-1] + ', opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="crm")]))'


def assert_moved(stack: Harness, api: Emulator) -> None:
    """Nothing was sent; the next update of the tags renews the mark, and the instance is deleted with its resource."""
    [made] = api.instances()
    assert stack.instances()["sales"]["id"] == str(made["id"])
    assert [request.method for request in api.writes] == ["POST"]
    stack.program(ALIASED.replace('"eu"', '"us"'))
    stack.up()
    [changed] = api.instances()
    assert made["managed_by"].endswith("/crm")
    assert changed["tags"] == ["us"]
    assert changed["managed_by"].endswith("/sales")
    stack.destroy()
    assert api.instances() == []


def test_an_alias_moves_an_instance(stack: Harness, instances_api: Emulator) -> None:
    stack.program(BEFORE)
    stack.up()
    stack.program(ALIASED)
    stack.up()
    assert_moved(stack, instances_api)


@on_the_cli
def test_a_renamed_resource_keeps_its_instance(stack: CliHarness, instances_api: Emulator) -> None:
    """By `pulumi state rename`; drift and orphans find nothing to say."""
    stack.program(BEFORE)
    stack.up()
    command = ["pulumi", "state", "rename", stack.instances()["crm"]["urn"], "sales", "--yes", "--stack", "dev"]
    subprocess.run(command, cwd=stack.directory, env=stack.env, check=True, capture_output=True)
    stack.program(AFTER)
    stack.up()
    for audit in ("drift", "orphans"):
        done = subprocess.run(
            [*COMMAND, audit, "--stack", "dev"], cwd=stack.directory, env=stack.env, check=False, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    assert_moved(stack, instances_api)
