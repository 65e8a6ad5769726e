"""One state, two engines: each continues without a change with what the other made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pulumi import automation as auto

from pulumi_instances.testing.engine import StackDouble
from tests.support.harness import PASSPHRASE, cli_env

from .conftest import ROOT
from .toy_cloud import Cloud

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="no `pulumi` on PATH: install the Pulumi CLI")

PROGRAM = """
import pulumi
from tests.engine.toy_cloud import Group, Thing

config = {"toy:region": "europe", "toy:key": pulumi.Output.secret("k")}
provider = pulumi.ProviderResource("pulumi-python", "eu", config)
first = Thing("first", name="one", conf={"open": 1, "closed": pulumi.Output.secret("s")}, tags=["x", None, 1.5])
second = Thing("second", name=first.token, opts=pulumi.ResourceOptions(provider=provider, protect=False))
group = Group("group", opts=pulumi.ResourceOptions(depends_on=[second]))
found = Thing("found", opts=pulumi.ResourceOptions(id=first.id))
pulumi.export("token", found.token)
"""


@pytest.mark.parametrize("first", ["local", "cli"])
def test_a_checkpoint_crosses_without_a_change(first: str, tmp_path: Path, cloud: Cloud) -> None:
    """The next preview and refresh on the other engine are empty, and destroy leaves nothing."""
    (tmp_path / "Pulumi.yaml").write_text("name: toy\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    environment = {**cli_env(tmp_path), "TOY_CLOUD": str(cloud.directory), "PYTHONPATH": str(ROOT)}
    options = auto.LocalWorkspaceOptions(env_vars=environment)
    cli = auto.create_stack("dev", work_dir=str(tmp_path), opts=options)
    with StackDouble("dev", work_dir=tmp_path, env_vars=environment, passphrase=PASSPHRASE) as local:
        here, there = (local, cli) if first == "local" else (cli, local)
        assert here.up().summary.resource_changes == {"create": 7}
        there.import_stack(here.export_stack())
        assert there.preview().change_summary == {"same": 7}
        assert there.refresh().summary.resource_changes == {"same": 8}
        assert there.preview().change_summary == {"same": 7}
        assert _plain(there) == _plain(here)
        there.destroy()
    assert cloud.names() == []


def _plain(stack: StackDouble | auto.Stack) -> dict[str, tuple[object, bool]]:
    return {name: (output.value, output.secret) for name, output in stack.outputs().items()}
