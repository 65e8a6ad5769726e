"""Policy packs whose remediations change what the provider has checked. examples/policy is one that validates, too."""

from __future__ import annotations

from pathlib import Path

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import Harness
from tests.support.policies import needs_policies, write_pack

pytestmark = [*needs_policies, pytest.mark.needs_engine("policy packs")]

PROGRAM = """
    config = pulumi.Config("acceptance")
    data = {key: config.require_secret(key) for key in ("code", "password")}
    Instance("files", your_mom="dropbox", tags=["eu"], provider_data=data)
    Instance("bare", your_mom="sfdc")
"""


def test_a_remediation_tags_instances(stack: Harness, instances_api: Emulator, tmp_path: Path) -> None:
    """It copies the inputs, and so their marks are lost: the login stays secret. Each instance keeps its mark.

    Policies get secrets in plain text, but no OAuth code, mark or hidden key.
    """
    pack = write_pack(tmp_path / "pack", '[*args.props.get("tags", []), "owner:billing"]')
    secrets = {"code": "c0de-of-files", "password": "p4ssword-of-files"}
    stack.configure({key: auto.ConfigValue(value, secret=True) for key, value in secrets.items()})
    stack.program(PROGRAM)
    stack.up(policy_packs=[pack])
    made = {instance["name"]: (instance["tags"], instance["managed_by"]) for instance in instances_api.instances()}
    assert made == {
        "files": (["eu", "owner:billing"], "acceptance/dev/files"),
        "bare": (["owner:billing"], "acceptance/dev/bare"),
    }
    seen = (tmp_path / "pack/seen").read_text()
    assert all(instance["token"] in seen for instance in instances_api.instances())
    assert secrets["password"] in seen
    for hidden in (secrets["code"], '"__', "pulumi:acceptance/dev"):
        assert hidden not in seen
    stack.preview(policy_packs=[pack], expect_no_changes=True)


def test_a_replacement_is_made_without_what_a_remediation_has_changed(
    stack: Harness, instances_api: Emulator, tmp_path: Path
) -> None:
    """The engine checks the inputs of the program anew for it (docs/engine.md, E34). The next `up` updates it."""
    pack = write_pack(tmp_path / "pack", '["owner:billing"]')
    for connector, runs in (("sfdc", [["owner:billing"]]), ("box", [[], ["owner:billing"]])):
        stack.program(f'Instance("bare", your_mom={connector!r})')
        for tags in runs:
            stack.up(policy_packs=[pack])
            assert [instance["tags"] for instance in instances_api.instances()] == [tags]


def test_what_a_remediation_gets_wrong_is_refused(stack: Harness, instances_api: Emulator, tmp_path: Path) -> None:
    """The engine does not check what it returns (docs/engine.md, E34). Such a text would be a tag for each letter."""
    pack = write_pack(tmp_path / "pack", '"owner:billing"')
    stack.program('Instance("files", your_mom="dropbox", tags=["eu"])')
    with pytest.raises(auto.CommandError, match=r"create instance: tags must be.*, as a policy pack has made it"):
        stack.up(policy_packs=[pack])
    assert instances_api.writes == []
    stack.up()
    with pytest.raises(auto.CommandError, match=r"update instance \d+: tags must be.*, as a policy pack has made it"):
        stack.preview(policy_packs=[pack])
