"""The program's whole life: the real SDK and provider, an emulated API, and a local stand-in for the engine."""

from pathlib import Path

import pulumi.automation as auto
import pytest

from pulumi_instances import Instance
from pulumi_instances.testing import Emulator, StackFactory

PROGRAM = Path(__file__).parent.parent


def test_the_team_gets_its_connections(stack: StackFactory, instances_api: Emulator) -> None:
    """Both are made, named and tagged for the team, and the token is a secret output."""
    up = stack(PROGRAM, config={"team": "sales"}).up()

    assert up.summary.resource_changes == {"create": 3}  # the stack itself is one
    assert sorted((made["name"], made["tags"]) for made in instances_api.instances()) == [
        ("sales customers", ["crm", "sales"]),
        ("sales files", ["sales"]),
    ]
    assert up.outputs["files_token"].secret


def test_a_second_preview_finds_nothing(stack: StackFactory) -> None:
    """The program is stable."""
    sales = stack(PROGRAM, config={"team": "sales"})
    sales.up()

    assert sales.preview().change_summary == {"same": 3}


def test_renaming_the_team_replaces_nothing(stack: StackFactory, instances_api: Emulator) -> None:
    """Names and tags change in place, so the tokens that others hold stay valid."""
    stack(PROGRAM, config={"team": "sales"}).up()
    before = {made["id"]: made["token"] for made in instances_api.instances()}

    stack(PROGRAM, config={"team": "marketing"}).up()

    assert {made["id"]: made["token"] for made in instances_api.instances()} == before


def test_the_billing_team_keeps_its_customers(stack: StackFactory, instances_api: Emulator) -> None:
    """Its connection to the customers cannot be destroyed by mistake."""
    billing = stack(PROGRAM)
    billing.up()

    with pytest.raises(auto.CommandError, match="protected"):
        billing.destroy()
    assert "billing customers" in [made["name"] for made in instances_api.instances()]


def test_drift_is_found_and_repaired(stack: StackFactory, instances_api: Emulator) -> None:
    """A function is a program, too; and the API can be changed behind its back."""

    def program() -> None:
        Instance("files", your_mom="dropbox", tags=["right"])

    files = stack(program)
    files.up()
    [made] = instances_api.instances()
    instances_api.change(made["id"], tags=["wrong"])

    assert files.refresh().summary.resource_changes == {"same": 1, "update": 1}
    files.up()

    assert instances_api.instance(made["id"])["tags"] == ["right"]
