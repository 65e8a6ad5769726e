"""An Automation API program that is a function: the CLI needs no language host for it, and users may have none."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from pathlib import Path

import pulumi
import pulumi.automation as auto
import pytest

from pulumi_instances import Instance, account, get_instance_output
from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import calls
from tests.support.harness import cli_env, settings

from .conftest import needs_cli

pytestmark = needs_cli

FIRST = {"crm": ["eu"], "billing": ["eu", "us"], "mail": []}
"""The tags of each instance."""
SECOND = {"crm": ["eu", "new"], "billing": ["eu", "us"], "files": []}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has the CLI, and Python's dynamic providers, but no host for any language."""
    env, tools = cli_env(tmp_path), tmp_path / "tools"
    tools.mkdir()
    for name in ("pulumi", "pulumi-resource-pulumi-python"):
        found = shutil.which(name)
        assert found, f"{name} belongs to the CLI"
        shutil.copy(found, tools)  # the CLI looks beside itself, too, and behind links
    path = [tools, Path(sys.executable).parent, *map(Path, os.environ["PATH"].split(os.pathsep))]
    hosts = [each for each in path[2:] if shutil.which("pulumi-language-python", path=str(each))]
    return {**env, "PATH": os.pathsep.join(str(each) for each in path if each not in hosts)}


def test_several_instances_from_the_first_preview_to_the_destroy(
    env: dict[str, str], instances_api: Emulator, tmp_path: Path
) -> None:
    """Each step leaves nothing to do, and the destroy leaves nothing."""
    declared = FIRST

    def program() -> None:
        for name, tags in declared.items():
            pulumi.export(name, Instance(name, your_mom="dropbox", tags=tags).token)

    def operation(name: str) -> dict[str, int]:
        result = getattr(stack, name)()
        changes = result.change_summary if name == "preview" else result.summary.resource_changes
        return {getattr(kind, "value", kind): number for kind, number in changes.items()}

    def assert_settled() -> None:
        writes = len(instances_api.writes)
        assert operation("preview") == {"same": 4}
        assert operation("refresh") == {"same": 4}
        assert len(instances_api.writes) == writes

    assert shutil.which("pulumi-language-python", path=env["PATH"]) is None
    options = auto.LocalWorkspaceOptions(work_dir=str(tmp_path), env_vars=env)
    stack = auto.create_stack("dev", "inline", program, opts=options)
    stack.set_all_config(settings(instances_api))

    assert operation("preview") == {"create": 4}
    assert instances_api.writes == []
    assert operation("up") == {"create": 4}
    assert calls(instances_api) == ["POST /instances"] * 3
    tokens = {each["name"]: each["token"] for each in instances_api.instances()}
    assert {name: (output.value, output.secret) for name, output in stack.outputs().items()} == {
        name: (token, True) for name, token in tokens.items()
    }
    assert_settled()

    declared = SECOND
    assert operation("preview") == operation("up") == {"same": 2, "update": 1, "create": 1, "delete": 1}
    assert {each["name"]: each["tags"] for each in instances_api.instances()} == SECOND
    assert_settled()

    assert operation("destroy") == {"delete": 4}
    assert instances_api.instances() == []


# Where a program fails, the SDK may leave its event loop open (automation/_server.py, Run): it is collected in here.
@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
def test_look_ups_ask_the_account_of_the_resources(
    env: dict[str, str], instances_api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of the workspace do not reach the program, which runs in this process. Then nothing is changed."""
    other = instances_api.add_account()
    instances_api.add(name="found", your_mom="dropbox")
    instances_api.add(name="found", your_mom="dropbox", account=other)
    secrets = {"USER_SECRET": other.user_secret, "ORGANIZATION_SECRET": other.organization_secret}

    def without(provider: pulumi.ProviderResource | None = None) -> None:
        Instance("crm", your_mom="dropbox", opts=pulumi.ResourceOptions(provider=provider))

    def looking(provider: pulumi.ProviderResource | None = None) -> None:
        without(provider)
        pulumi.export("found", get_instance_output(name="found", opts=pulumi.InvokeOptions(provider=provider)).id)

    def of_an_account() -> None:
        user, organization = instances_api.user_secret, pulumi.Output.secret(instances_api.organization_secret)
        looking(account("eu", base_url=instances_api.base_url, user_secret=user, organization_secret=organization))

    def preview(program: auto.PulumiFn, prefix: str = "INSTANCES_") -> str:
        variables = {f"{prefix}{key}": value for key, value in secrets.items()}
        options = auto.LocalWorkspaceOptions(work_dir=str(tmp_path), env_vars={**env, **variables})
        stack = auto.select_stack("dev", "inline", program, opts=options)
        try:
            return stack.preview().stdout
        except auto.CommandError as error:
            return str(error)

    options = auto.LocalWorkspaceOptions(work_dir=str(tmp_path), env_vars=env)
    auto.create_stack("dev", "inline", without, opts=options).set_all_config(settings(instances_api))
    for program, prefix in ((looking, "INSTANCES_"), (of_an_account, "INSTANCES_EU_")):
        said = preview(program, prefix)
        assert "look-ups of this program ask another account than that of its resources" in said
        assert f"set {prefix}USER_SECRET and {prefix}ORGANIZATION_SECRET in the process that runs the program" in said
    assert "2 to create" in preview(without)
    for key, value in secrets.items():
        monkeypatch.setenv(f"INSTANCES_{key}", value)
    assert "2 to create" in preview(looking)
    assert instances_api.writes == []
    gc.collect()
