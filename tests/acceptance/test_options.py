"""Resource options."""

from __future__ import annotations

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls, held
from tests.support.harness import Harness

BOX = 'Instance("box", your_mom="dropbox", name="first", opts=pulumi.ResourceOptions({options}))'


def test_ignore_changes_tolerates_drift_and_edits(stack: Harness, instances_api: Emulator) -> None:
    """What is ignored stays as it is on the server, whether it was given and is changed or dropped, or never given.

    What the state still holds can be read. With `*` the engine gives Check the whole state, hidden keys included.
    """
    adopted = instances_api.add(your_mom="dropbox", name="by hand", tags=["x"])
    left = instances_api.add(your_mom="dropbox", name="by another", tags=["z"])

    def program(given: str = "", left_alone: str = "", configuration: str = "", connector: str = "dropbox") -> str:
        paths = ["your_mom"] if stack.engine == "local" else ["*"]  # the local engine knows no wildcards
        return f"""
            def ignoring(*paths):
                return pulumi.ResourceOptions(ignore_changes=list(paths))

            Instance("made", your_mom="dropbox", {given}opts=ignoring("tags", "name"))
            Instance("adopted", your_mom="dropbox", adopt_id="{adopted}", {given}opts=ignoring("tags", "name"))
            Instance("left", your_mom="dropbox", adopt_id="{left}", {left_alone}opts=ignoring("tags", "name"))
            Instance("all", your_mom="{connector}", opts=ignoring(*{paths}))
            read = Instance("read", your_mom="dropbox", {configuration}opts=ignoring("configuration"))
            pulumi.export("url", read.configuration.apply(lambda it: (it or {{}}).get("url")))
        """

    stack.program(program('name="named", tags=["a"], ', configuration='configuration={"url": "https://a"}, '))
    assert stack.up().outputs["url"].value == "https://a"
    assert held(instances_api, adopted) == ("named", ["a"])
    written = calls(instances_api)
    instances_api.change(adopted, name="drifted", tags=["drifted"])
    stack.refresh()

    for text in (
        program('name="other", tags=["b"], ', 'name="n", tags=["t"], ', connector="box"),
        program(connector="box"),
    ):
        stack.program(text)
        assert set(stack.preview().change_summary) == {"same"}
        assert stack.up().outputs["url"].value == "https://a"
    assert_settled(stack, instances_api)
    assert calls(instances_api) == written
    assert held(instances_api, adopted) == ("drifted", ["drifted"])
    assert held(instances_api, left) == ("by another", ["z"])
    assert_ends_empty(stack, instances_api)


@pytest.mark.document_dialect
def test_a_rename_where_a_protected_resource_takes_the_token(stack: Harness, instances_api: Emulator) -> None:
    """The preview of an update does not know a dynamic resource's token, and refuses; the native package knows it."""
    user = (
        'Instance("user", your_mom="box", configuration={"url": box.token}, opts=pulumi.ResourceOptions(protect=True))'
    )
    program = f"box = {BOX.format(options='')}\n{user}"
    stack.program(program)
    stack.up()
    stack.program(program.replace('name="first"', 'name="second"'))
    if stack.engine == "cli-native":
        assert stack.preview().change_summary == {"same": 2, "update": 1}
    else:
        with pytest.raises(auto.CommandError, match="protect"):
            stack.preview()
    assert len(instances_api.writes) == 2


def test_a_retained_instance_outlives_the_stack(stack: Harness, instances_api: Emulator) -> None:
    """`retain_on_delete` forgets it without a request, and `adopt_id` has it back."""
    stack.program(BOX.format(options="retain_on_delete=True"))
    stack.up()
    before = instances_api.instances()

    stack.destroy()

    assert stack.resources() == []
    assert instances_api.instances() == before
    with pytest.raises(auto.CommandError, match=f"instance {before[0]['id']} carries .* it was retained on delete"):
        stack.up()
    adopt = f'adopt_id="{before[0]["id"]}", opts='
    stack.program(BOX.format(options="").replace("opts=", adopt))
    stack.up()
    assert instances_api.instances() == before
    assert calls(instances_api) == ["POST /instances"]
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("paths of list elements")
def test_ignored_tags_get_no_default_tags(stack: Harness, instances_api: Emulator) -> None:
    """What is ignored is never sent, though the setting `defaultTags` changes. A part of a set cannot be ignored."""
    program = 'Instance("box", your_mom="dropbox", name="first", tags=["a"], opts=pulumi.ResourceOptions({}))'
    ignoring = program.format('ignore_changes=["tags"]')
    stack.program(ignoring)
    stack.up()
    stack.configure({"instances:defaultTags": auto.ConfigValue("later")})
    assert stack.up().summary.resource_changes == {"same": 2}
    stack.program(ignoring.replace("first", "second").replace('"a"', '"b"'))
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    [made] = instances_api.instances()
    assert (made["name"], made["tags"]) == ("second", ["a"])
    assert_settled(stack, instances_api)

    stack.program(program.format('ignore_changes=["tags[0]"]'))
    with pytest.raises(
        auto.CommandError, match=stack.say("tags is a set, of which ignore_changes cannot leave a part")
    ):
        stack.preview()
    stack.program(program.format(""))
    stack.up()
    assert sorted(instances_api.instance(made["id"])["tags"]) == ["a", "later"]
