"""Resource options."""

from __future__ import annotations

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness

BOX = 'Instance("box", your_mom="dropbox", name="first", opts=pulumi.ResourceOptions({options}))'


def test_ignore_changes_tolerates_drift_and_edits(stack: Harness, instances_api: Emulator) -> None:
    """An ignored property stays as it is on the server, whatever the program says."""
    program = BOX.format(options='ignore_changes=["name"]')
    stack.program(program)
    stack.up()
    [made] = instances_api.instances()
    instances_api.change(made["id"], name="by hand")
    stack.refresh()
    stack.program(program.replace('name="first"', 'name="second"'))

    assert stack.up().summary.resource_changes == {"same": 2}

    assert instances_api.instance(made["id"])["name"] == "by hand"
    assert calls(instances_api) == ["POST /instances"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("wildcards in property paths")
def test_ignore_changes_of_everything_leaves_an_instance_as_it_is(stack: Harness, instances_api: Emulator) -> None:
    """The engine then gives Check what the state holds, hidden keys included."""
    program = BOX.format(options='ignore_changes=["*"]')
    stack.program(program)
    stack.up()
    stack.program(program.replace("dropbox", "box"))

    assert stack.up().summary.resource_changes == {"same": 2}

    assert calls(instances_api) == ["POST /instances"]
    assert_ends_empty(stack, instances_api)


def test_replace_on_changes_makes_a_rename_a_replacement(stack: Harness, instances_api: Emulator) -> None:
    """The engine knows which property changed, so it can honour the option."""
    program = BOX.format(options='replace_on_changes=["name"]')
    stack.program(program)
    stack.up()
    [before] = instances_api.instances()
    stack.program(program.replace('name="first"', 'name="second"'))

    assert stack.up().summary.resource_changes == {"same": 1, "replace": 1}

    [after] = instances_api.instances()
    assert after["id"] != before["id"]
    assert after["name"] == "second"
    assert_settled(stack, instances_api)


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


def test_dependencies_and_parents_order_the_operations(stack: Harness, instances_api: Emulator) -> None:
    """What others need is created first and deleted last; a child of a component inherits only its place."""
    stack.program("""
        class Team(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("acceptance:index:Team", name, None, opts)
                self.box = Instance(f"{name}-box", your_mom="dropbox", opts=pulumi.ResourceOptions(parent=self))
                self.register_outputs({"box": self.box.id})

        team = Team("team")
        last = Instance("last", your_mom="dropbox", opts=pulumi.ResourceOptions(depends_on=[team]))
        Instance("child", your_mom="dropbox", opts=pulumi.ResourceOptions(parent=last))
    """)

    assert stack.up().summary.resource_changes == {"create": 5}

    order = ["team-box", "last", "child"]
    assert [(request.body or {}).get("name") for request in instances_api.writes] == order
    ids = {instance["name"]: instance["id"] for instance in instances_api.instances()}
    urns = {resource["urn"].rpartition("::")[2]: resource["urn"] for resource in stack.resources()}
    assert stack.instances()["team-box"]["parent"] == urns["team"]
    assert stack.instances()["child"]["parent"] == urns["last"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)
    deleted = [request.path for request in instances_api.writes if request.method == "DELETE"]
    assert deleted == [f"/instances/{ids[name]}" for name in reversed(order)]


def test_what_ignore_changes_keeps_can_be_read(stack: Harness, instances_api: Emulator) -> None:
    """The state holds it still, although the program no longer gives it."""
    text = """
        box = Instance(
            "box", your_mom="dropbox", {}opts=pulumi.ResourceOptions(ignore_changes=["configuration"]),
        )
        pulumi.export("url", box.configuration.apply(lambda it: (it or {{}}).get("url")))
    """
    stack.program(text.format('configuration={"url": "https://a"}, '))
    assert stack.up().outputs["url"].value == "https://a"
    stack.program(text.format(""))
    assert stack.up().outputs["url"].value == "https://a"
    assert_settled(stack, instances_api)


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
