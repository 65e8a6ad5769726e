"""An instance goes from one resource to another, as docs/moving.md says: by an alias, or in the state."""

from __future__ import annotations

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_settled
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
    """By its URN or its name, without an operation. Later programs need the alias no more."""
    stack.program(BEFORE)
    stack.up()
    urn = stack.instances()["crm"]["urn"]
    stack.program(ALIASED.replace('"sales"', '"desk"').replace('pulumi.Alias(name="crm")', repr(urn)))
    assert stack.up().summary.resource_changes == {"same": 2}
    stack.program(AFTER.replace('"sales"', '"desk"'))
    assert_settled(stack, instances_api)
    stack.program(ALIASED.replace('name="crm")]', 'name="desk")]'))
    assert stack.up().summary.resource_changes == {"same": 2}
    assert list(stack.instances()) == ["sales"]
    assert_moved(stack, instances_api)


@on_the_cli
def test_a_renamed_resource_keeps_its_instance(stack: CliHarness, instances_api: Emulator) -> None:
    """By `pulumi state rename`; drift and orphans find nothing to say."""
    stack.program(BEFORE)
    stack.up()
    done = stack.command(
        "pulumi", "state", "rename", stack.instances()["crm"]["urn"], "sales", "--yes", "--stack", "dev"
    )
    assert done.returncode == 0, done.stderr
    stack.program(AFTER)
    stack.up()
    for audit in ("drift", "orphans"):
        done = stack.command(*COMMAND, audit, "--stack", "dev")
        assert done.returncode == 0, done.stderr
    assert_moved(stack, instances_api)
