"""Several accounts in one program."""

from __future__ import annotations

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Account, Emulator, Fault
from tests.support.checks import assert_settled
from tests.support.harness import Harness

PROGRAM = """
    from pulumi_instances import get_instance_output

    secrets = pulumi.Config("eu")
    eu = account(
        "eu",
        base_url="{base_url}",
        user_secret=secrets.require("userSecret"),
        organization_secret=secrets.require_secret("organizationSecret"),
        settings={{"dialect": "{dialect}"}},
    )
    Instance("here", your_mom="dropbox")
    Instance("there", your_mom="sfdc", opts=pulumi.ResourceOptions(provider=eu))
    Instance.get("found", "{found}", opts=pulumi.ResourceOptions(provider=eu))
    pulumi.export("found", get_instance_output(name="by hand", opts=pulumi.InvokeOptions(provider=eu)).id)
"""


def names(api: Emulator, account: Account | None = None) -> list[str]:
    return [instance["name"] for instance in api.instances(account)]


def test_each_account_has_its_own_instances(stack: Harness, instances_api: Emulator) -> None:
    """Create, refresh, look-ups and destroy go to the account that the resource names, with its own variables.

    Its secrets, of which the program passed one as a plain string, are secret in the state. To the SDK of the native
    package all that is found is a secret.
    """
    eu = instances_api.add_account()
    found = instances_api.add(name="by hand", account=eu)
    dialect = instances_api.env.get("INSTANCES_DIALECT", "default")
    stack.program(PROGRAM.format(base_url=instances_api.base_url, found=found, dialect=dialect))
    secrets = {"eu:userSecret": eu.user_secret, "eu:organizationSecret": eu.organization_secret}
    stack.configure({key: auto.ConfigValue(value, secret=True) for key, value in secrets.items()})

    up = stack.up()

    assert up.summary.resource_changes == {"create": 4}, "the stack, the account and two instances"
    output = up.outputs["found"]
    assert (output.value, output.secret) == (str(found), stack.engine == "cli-native")
    assert (names(instances_api), names(instances_api, eu)) == (["here"], ["by hand", "there"])
    written = str(stack.checkpoint().deployment)
    assert f"{stack.provider_type}::eu" in written
    assert eu.user_secret not in written
    assert eu.organization_secret not in written
    assert_settled(stack, instances_api)

    stack.unconfigure(["instances:userSecret", "instances:organizationSecret"])
    stack.env.update(instances_api.env)
    stack.configure({"eu:userSecret": auto.ConfigValue("revoked", secret=True)})
    with pytest.raises(auto.CommandError, match="401"):
        stack.up()
    stack.env["INSTANCES_EU_USER_SECRET"] = eu.user_secret
    stack.up()
    del stack.env["INSTANCES_EU_USER_SECRET"]
    with pytest.raises(auto.CommandError, match=r"401.*has no such account any more, set .*INSTANCES_EU_USER_SECRET"):
        stack.refresh()
    stack.env["INSTANCES_EU_USER_SECRET"] = eu.user_secret
    stack.destroy()
    assert (names(instances_api), names(instances_api, eu)) == ([], ["by hand"])


def test_old_settings_are_told_from_a_wrong_secret(stack: Harness, instances_api: Emulator) -> None:
    """refresh uses those of the last `up`, and says what to do. The native package is told what is different by now."""
    stack.program('Instance("crm", your_mom="sfdc")')
    stack.up()
    stack.configure({"instances:userSecret": auto.ConfigValue("not-yet-right", secret=True)})
    for path in ("/instances", "/instances/{id}"):
        instances_api.fail("GET", path, Fault.status(401, "who are you?"), times=2)
    with pytest.raises(auto.CommandError) as caught:
        stack.refresh()
    said = str(caught.value)
    assert f"(asked {instances_api.base_url} with the secrets of the default account, from the " in said
    if stack.engine == "cli-native":
        assert (
            "instances:userSecret is another one in the stack's configuration by now: first run `pulumi refresh" in said
        )
        with pytest.raises(auto.CommandError, match=r"default account, from the stack's configuration\); check"):
            stack.refresh(run_program=True)
    else:
        assert "if the stack's configuration has changed since the last `pulumi up`, first run `pulumi refresh" in said
