"""Inputs that are wrong, and inputs that are not known yet."""

from __future__ import annotations

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled
from tests.support.harness import Harness, NativeHarness


def test_bad_inputs_fail_in_the_preview(stack: Harness, instances_api: Emulator) -> None:
    """Each is named with its property and what to write instead, in one line, before anything is sent."""
    stack.program("""
        Instance("box", your_mom="", name=" ", tags=["ok", 1], configuration={"a": [1e300]}, adopt_id="../x")
    """)

    with pytest.raises(auto.CommandError) as failure:
        stack.preview()

    said = str(failure.value)
    for problem in (
        "your_mom is empty",
        "name is empty",
        "tags[1] must be a string, not a number",
        'configuration["a"][0] is too large to stay exact',
        "adopt_id must be the decimal id of an instance",
    ):
        line = f"has a problem: {stack.say(problem)}"
        assert f"{line}; " in said or f"{line}, not" in said, problem
    assert "lifecycle.py" not in said, "no frame of ours, in whatever traceback the engine prints"
    assert instances_api.requests == []


def test_missing_settings_fail_in_the_preview(stack: Harness, instances_api: Emulator) -> None:
    """Each has one line with the command that sets it."""
    stack.unconfigure(["instances:userSecret", "instances:organizationSecret"])
    stack.program('Instance("box", your_mom="dropbox")')

    with pytest.raises(auto.CommandError) as failure:
        stack.preview()

    said = str(failure.value)
    assert 'run "pulumi config set --secret instances:userSecret", or set INSTANCES_USER_SECRET' in said
    assert "instances:organizationSecret is missing" in said
    assert "instances:baseUrl is missing" not in said
    if stack.engine == "cli-native":
        assert said.partition("Diagnostics:")[2].count("userSecret is missing") == 1, "once for each provider"
    assert "lifecycle.py" not in said, "no frame of ours, in whatever traceback the engine prints"
    assert instances_api.requests == []


def test_tags_of_every_instance_cannot_be_secret(stack: Harness, instances_api: Emulator) -> None:
    """The service shows tags to everyone, so that a secret among them is refused in the preview."""
    box = 'Instance("box", your_mom="dropbox"{})'
    of_an_account = f"""
        eu = account("eu", base_url="{instances_api.base_url}", user_secret="{instances_api.user_secret}",
            organization_secret="{instances_api.organization_secret}",
            settings={{"defaultTags": pulumi.Config().require_secret("tags")}})
        {box.format(", opts=pulumi.ResourceOptions(provider=eu)")}
    """
    programs = {"acceptance:tags": of_an_account, "instances:defaultTags": box.format("")}
    for key, program in programs.items():
        stack.configure({key: auto.ConfigValue("s3cret-tag", secret=True)})
        stack.program(program)
        with pytest.raises(auto.CommandError, match="defaultTags is a secret, which no tag can be") as failure:
            stack.preview()
        assert "accounts.py" not in str(failure.value), "no frame of ours"
    assert instances_api.requests == []


def test_a_setting_that_does_not_exist_is_told_in_the_preview(stack: Harness) -> None:
    """It is ignored, whichever way it came in. The nearest one is named. So is one for the other front end."""
    stack.configure({key: auto.ConfigValue("60") for key in ("instances:timout", "instance:timeout", "shop:timeout")})
    stack.env["INSTANCES_MAX_RETRY"] = "0"
    stack.env["INSTANCES_REFRESH_BEFORE_UPDATE"] = "true"
    stack.env["INSTANCE_BASE_URL"] = "https://example.com"
    stack.program('Instance("box", your_mom="dropbox")')
    said = stack.preview()
    assert "shop:timeout" not in said.stdout + said.stderr
    lines = [
        "instances:timout is not a setting, and is ignored; write instances:timeout",
        "INSTANCES_MAX_RETRY is not a variable of this provider, and is ignored; rename it to INSTANCES_MAX_RETRIES",
        "INSTANCE_BASE_URL is not a variable of this provider, and is ignored; rename it to INSTANCES_BASE_URL",
    ]
    if not isinstance(stack, NativeHarness):  # the engine gives that one its own namespace only; `doctor` sees all
        lines.append("instance:timeout is not a setting of this provider, and is ignored; write instances:timeout")
        lines.append("instances:refreshBeforeUpdate is for the native package, and ignored by the dynamic provider; wr")
    for line in lines:
        assert line in said.stdout + said.stderr


def test_unknown_inputs_pass_through_a_preview(stack: Harness, instances_api: Emulator) -> None:
    """Values made from another instance's id are unknown until that exists, at any depth.

    In an update, too: what depends on an instance about to be replaced is shown as a change, and is known in the up.
    """
    program = """
        first = Instance("first", your_mom="dropbox")
        Instance(
            "second",
            your_mom="dropbox",
            name=first.id.apply(lambda id: f"after {id}"),
            tags=["known", first.id.apply(lambda id: f"tag {id}")],
            configuration={"first.id": first.id, "token": first.token},
        )
        Instance("third", your_mom="dropbox", tags=first.id.apply(lambda id: [id]))
    """
    stack.program(program)

    assert stack.preview().change_summary == {"create": 4}
    assert instances_api.writes == []
    assert stack.up().summary.resource_changes == {"create": 4}

    by_name = {instance["name"]: instance for instance in instances_api.instances()}
    first = by_name["first"]
    second = by_name[f"after {first['id']}"]
    assert second["tags"] == ["known", f"tag {first['id']}"]
    assert second["configuration"] == {"first.id": str(first["id"]), "token": first["token"]}
    assert by_name["third"]["tags"] == [str(first["id"])]

    stack.program(program.replace('"first", your_mom="dropbox"', '"first", your_mom="box"'))
    changes = stack.preview().change_summary
    assert set(changes) == {"same", "replace", "update"}
    assert stack.up().summary.resource_changes == changes
    by_name = {instance["name"]: instance for instance in instances_api.instances()}
    assert by_name.keys() == {"first", f"after {by_name['first']['id']}", "third"}
    assert by_name["third"]["tags"] == [str(by_name["first"]["id"])]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)
