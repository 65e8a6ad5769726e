"""What must continue to work: newer provider code, rotated secrets, old states."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pulumi.automation as auto
import pytest

import pulumi_instances
from pulumi_instances.core.state_format import INSTANCE_TYPE
from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness, settings

BOX = 'Instance("box", your_mom="dropbox", name="first", tags=["a"])'
STATES = Path(__file__).parent / "states"


def test_newer_provider_code_is_no_difference(stack: Harness, instances_api: Emulator, tmp_path: Path) -> None:
    """The state refers to the code without containing it, so new code takes effect at once and updates nothing."""
    stack.program(BOX)
    stack.up()
    _upgraded_package(tmp_path)
    stack.env["PYTHONPATH"] = str(tmp_path)
    old = len(instances_api.requests)

    assert_settled(stack, instances_api)
    assert stack.up().summary.resource_changes == {"same": 2}
    stack.program(BOX.replace("first", "second"))
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert_ends_empty(stack, instances_api)

    agents = {request.user_agent.rpartition(" ")[2] for request in instances_api.requests[old:]}
    assert agents == {"upgraded"}


def _upgraded_package(folder: Path) -> None:
    """A copy of the package whose provider class is another, and whose requests show that it is in use."""
    package = folder / "pulumi_instances"
    shutil.copytree(Path(pulumi_instances.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    lifecycle = package / "lifecycle.py"
    before = lifecycle.read_text()
    after = before.replace(
        "    serialize_as_secret_always = False\n", "    serialize_as_secret_always = False\n    two = 2\n"
    )
    assert after != before
    lifecycle.write_text(after)
    with (package / "api" / "transport.py").open("a") as file:
        file.write("\n_agent = user_agent\ndef user_agent(settings):\n    return _agent(settings) + ' upgraded'\n")


def test_rotated_secrets_come_from_the_environment(stack: Harness, tmp_path: Path) -> None:
    """The state contains those of the last up; after a rotation the new ones come from the environment.

    A refresh that runs the program stores those of the stack's configuration.
    """
    data = tmp_path / "instances.db"
    with Emulator(data=data, user_secret="the-old-user-secret") as api:
        stack.configure(settings(api))
        stack.program(BOX)
        stack.up()
        port = int(api.base_url.split(":")[2].split("/")[0])

    with Emulator(port=port, data=data, user_secret="the-new-user-secret") as api:
        with pytest.raises(auto.CommandError, match=r"401.*INSTANCES_USER_SECRET"):
            stack.destroy()
        assert len(api.instances()) == 1

        stack.env["INSTANCES_USER_SECRET"] = "the-new-user-secret"
        assert stack.refresh().summary.resource_changes == {"same": 2}
        if stack.engine != "local":  # which has no such option
            stack.env.pop("INSTANCES_USER_SECRET")
            stack.configure({"instances:userSecret": auto.ConfigValue("the-new-user-secret", secret=True)})
            stack.refresh(run_program=True)
        assert_ends_empty(stack, api)


@pytest.mark.needs_engine("encrypted states")
@pytest.mark.document_dialect
@pytest.mark.parametrize("release", sorted(path.stem for path in STATES.glob("*.json")))
def test_the_state_of_every_release_still_loads(stack: Harness, instances_api: Emulator, release: str) -> None:
    """No difference in the preview or the refresh, changes in place, and a destroy that leaves nothing.

    ``states/X.Y.Z.json`` is what ``python -m tests.acceptance.states.collect`` wrote with that release.
    """
    document = json.loads((STATES / f"{release}.json").read_text())
    for resource in document["deployment"]["resources"]:
        if resource["type"] == INSTANCE_TYPE:
            resource["id"] = str(_seed(instances_api, resource["outputs"]))
    program = (STATES / f"{release}.txt").read_text()
    stack.import_(auto.Deployment(**document))
    stack.env.update(instances_api.env)  # the state's own settings are those of an emulator long gone
    stack.program(program)

    assert_settled(stack, instances_api)
    assert_settled(stack, instances_api)  # after a refresh by the new version, too
    stack.program(program.replace("first", "second"))
    assert stack.up().summary.resource_changes == {"same": 2, "update": 1}
    assert [call.split("/")[0] for call in calls(instances_api)] == ["PUT "]
    assert_ends_empty(stack, instances_api)


def _seed(api: Emulator, outputs: dict[str, object]) -> int:
    """The object that this state is about. Its token is the one that `collect` gave it."""
    tags = [str(tag) for tag in outputs["tags"]]  # type: ignore[attr-defined]  # a list of texts
    made = api.add(your_mom=str(outputs["your_mom"]), name=str(outputs["name"]), tags=tags)
    api.change(made, token=f"token of {outputs['name']}")
    return made


SUBCLASS = """
    class Crm(Instance{old}):
        def __init__(self, name):
            super().__init__(name, your_mom="sfdc", tags=["crm"])

    Crm("crm")
"""


@pytest.mark.dynamic_door("resources of the native package have a type of their own")
@pytest.mark.needs_engine("aliases of types")
def test_a_subclass_that_had_lost_its_type_gets_it_back(stack: Harness, instances_api: Emulator) -> None:
    """The instance stays what it is: nothing is replaced, and nothing is sent."""
    stack.program(SUBCLASS.format(old=', module="", name="Resource"'))
    stack.up()
    assert stack.instances() == {}
    made = instances_api.instances()
    stack.program(SUBCLASS.format(old=""))

    assert set(stack.preview().change_summary) == {"same"}
    stack.up()

    assert instances_api.instances() == made
    assert stack.instances()["crm"]["id"] == str(made[0]["id"])
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)
