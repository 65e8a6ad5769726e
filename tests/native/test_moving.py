"""A stack moves from the dynamic provider to the native package and back: docs/moving.md on the real CLI."""

from __future__ import annotations

import shutil
from pathlib import Path

import pulumi.automation as auto
import pytest

from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from pulumi_instances.testing.emulator import Account, Emulator
from tests.native.test_cli import NativeStack
from tests.support.checks import assert_settled
from tests.support.harness import settings

_HOST = "pulumi-language-yaml"

pytestmark = pytest.mark.skipif(
    shutil.which("pulumi") is None or shutil.which(_HOST) is None,
    reason=f"no `pulumi` or no `{_HOST}` on PATH: go install github.com/pulumi/pulumi-yaml/cmd/{_HOST}@latest",
)

PYTHON = """
    secrets = pulumi.Config("eu")
    eu = account(
        "eu",
        base_url="{url}",
        user_secret=secrets.require_secret("userSecret"),
        organization_secret=secrets.require_secret("organizationSecret"),
        settings={{"dialect": "{dialect}"}},
    )
    crm = Instance(
        "crm",
        your_mom="dropbox",
        tags=["b", "a"],
        configuration={{"oauth.api.key": pulumi.Output.secret("k3y"), "deep": {{"url": "https://a", "size": 3}}}},
        provider_data={{"code": "c0de-number-1"}},
    )
    Instance("adopted", your_mom="box", adopt_id="{adopted}")
    Instance("kept", your_mom="box", name="kept", opts=pulumi.ResourceOptions(protect={protect}))
    Instance("left", your_mom="box", opts=pulumi.ResourceOptions(retain_on_delete={protect}))
    Instance("far", your_mom="sfdc", tags=[], opts=pulumi.ResourceOptions(provider=eu))
    pulumi.export("token", crm.token)
"""
YAML = """
    eu:
      type: pulumi:providers:instances
      properties:
        baseUrl: {url}
        userSecret: ${{eu:userSecret}}
        organizationSecret: ${{eu:organizationSecret}}
        dialect: {dialect}
    crm:
      type: instances:Instance
      properties:
        yourMom: dropbox
        tags: [a, b]
        configuration: {{oauth.api.key: {{fn::secret: k3y}}, deep: {{url: "https://a", size: 3}}}}
        providerData: {{code: c0de-number-1}}
    adopted:
      type: instances:Instance
      properties: {{yourMom: box, adoptId: "{adopted}"}}
    kept:
      type: instances:Instance
      properties: {{yourMom: box, name: kept}}
      options: {{protect: {protect}}}
    left:
      type: instances:Instance
      properties: {{yourMom: box}}
      options: {{retainOnDelete: {protect}}}
    far:
      type: instances:Instance
      properties: {{yourMom: sfdc, tags: []}}
      options: {{provider: "${{eu}}"}}
"""
CONFIGURATION = """\
configuration:
  eu:userSecret: {type: string, secret: true}
  eu:organizationSecret: {type: string, secret: true}
outputs:
  token: ${crm.token}
"""


class MovingStack(NativeStack):
    """A project that is written in Python, for the dynamic provider, or in YAML, for the native package."""

    def __init__(self, directory: Path, api: Emulator, eu: Account, dialect: str) -> None:
        super().__init__(directory)
        self.values = {"url": api.base_url, "dialect": dialect, "adopted": api.add(your_mom="box", tags=["old"])}
        self.configure(
            {
                **settings(api),
                "instances:defaultTags": auto.ConfigValue("of-{stack}"),
                "eu:userSecret": auto.ConfigValue(eu.user_secret, secret=True),
                "eu:organizationSecret": auto.ConfigValue(eu.organization_secret, secret=True),
            }
        )

    def write_python(self, *, protect: bool = True) -> None:
        """Use the dynamic provider."""
        (self.directory / "Pulumi.yaml").write_text("name: acceptance\nruntime: python\n")
        self.program(PYTHON.format(**self.values, protect=protect))

    def write_yaml(self) -> None:
        """Use the native package."""
        self.resources_are(YAML.format(**self.values, protect="true"), CONFIGURATION)

    def types(self) -> set[str]:
        """The types of the instances in the state."""
        return {resource["type"] for resource in self.resources() if resource["type"].endswith("Instance")}

    def ids(self) -> dict[str, str]:
        """The ids of the instances in the state."""
        found = [resource for resource in self.resources() if resource["type"].endswith("Instance")]
        return {resource["urn"].rpartition("::")[2]: resource["id"] for resource in found}


@pytest.fixture
def stack(tmp_path: Path, instances_api: Emulator, instances_dialect: str) -> MovingStack:
    """A stack of the dynamic provider, with everything that may get in the way of a move."""
    stack = MovingStack(tmp_path / "stack", instances_api, instances_api.add_account(), instances_dialect)
    stack.write_python()
    stack.up()
    assert_settled(stack, instances_api)
    return stack


def test_a_stack_moves_there_and_back_without_a_write(stack: MovingStack, instances_api: Emulator) -> None:
    """There nothing is shown either. On the way back the state is rewritten; nothing is ever replaced."""
    ids, writes, token = stack.ids(), len(instances_api.writes), stack.up().outputs["token"].value

    stack.write_yaml()
    assert stack.preview().change_summary == {"same": 6, "create": 1, "delete": 1}, "the provider eu is another one"
    assert stack.up().outputs["token"].value == token
    assert (stack.types(), stack.ids()) == ({NATIVE_TYPE}, ids)
    assert_settled(stack, instances_api)

    stack.write_python()
    assert stack.preview().change_summary == {"same": 1, "update": 5, "create": 1, "delete": 1}
    assert stack.up().outputs["token"].value == token
    assert (stack.types(), stack.ids()) == ({INSTANCE_TYPE}, ids)
    assert_settled(stack, instances_api)
    assert len(instances_api.writes) == writes

    stack.write_python(protect=False)
    stack.up()
    stack.destroy()
    assert stack.resources() == []
    assert instances_api.instances() == []


def test_what_changes_on_the_way_is_changed_in_place(stack: MovingStack, instances_api: Emulator) -> None:
    """A move and a change at once: one PUT, and no other write."""
    for write, file, old in (
        (stack.write_yaml, "Pulumi.yaml", "name: kept"),
        (stack.write_python, "__main__.py", 'name="kept"'),
    ):
        before = len(instances_api.writes)
        write()
        program = stack.directory / file
        program.write_text(program.read_text().replace(old, old.replace("kept", f"in {file}")))
        stack.up()
        assert [request.method for request in instances_api.writes[before:]] == ["PUT"]
        assert_settled(stack, instances_api)
