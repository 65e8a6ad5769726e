"""The dialect of the live services (docs/live-services.md), against an emulator that is as unkind as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.acceptance.conftest import NewStack
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness, settings
from tests.support.processes import COMMAND
from tests.support.watching import Issued


@pytest.fixture
def live() -> Iterator[Emulator]:
    """A live service."""
    with Emulator(dialect="elements") as api:
        yield api


@pytest.fixture
def stack(new_stack: NewStack, live: Emulator, issued: Issued) -> Harness:
    """A stack without resources, configured for the live service."""
    issued.note(live.user_secret, live.organization_secret)
    stack = new_stack()
    stack.configure({**settings(live), "instances:dialect": auto.ConfigValue("elements")})
    return stack


CRM = """
    crm = Instance(
        "crm",
        your_mom="sfdc",
        external_authentication="initial",
        configuration={{
            "oauth.user.token": "t0ken-of-the-user",
            "oauth.user.refresh_token": "r3fresh-of-the-user",
            "username": "jane",
            "password": "{password}",
            "event.notification.enabled": True,
            "event.poller.configuration": {{"contacts": {{"apiPassword": "d33p-{password}", "pages": [1, 2.5]}}}},
        }},
    )
    pulumi.export("id", crm.id)
    pulumi.export("token", crm.token)
"""

CALENDAR = """
    login = {{"code": "{code}"}}
    calendar = Instance("calendar", your_mom="dropbox", provider_data=login, require_valid={require_valid})
    pulumi.export("id", calendar.id)
    pulumi.export("token", calendar.token)
"""


def calendar(code: str, *, require_valid: bool = False) -> str:
    """The program with a login by this code."""
    return CALENDAR.format(code=code, require_valid=require_valid)


def id_and_token(result: auto.UpResult) -> tuple[str, str]:
    """What other systems use, and what must never change by surprise."""
    return result.outputs["id"].value, result.outputs["token"].value


@pytest.mark.needs_engine("differences in what is printed")
def test_a_rotated_password_keeps_id_and_token(stack: Harness, live: Emulator, issued: Issued) -> None:
    """One PATCH of the changed keys, nested ones included; neither preview nor refresh shows anything afterwards."""
    issued.note("f1rst-password", "s3cond-password", "d33p-f1rst-password", "d33p-s3cond-password")
    stack.program(CRM.format(password="f1rst-password"))
    before = id_and_token(stack.up())
    assert_settled(stack, live)

    stack.program(CRM.format(password="s3cond-password"))
    preview = stack.preview()
    assert preview.change_summary == {"same": 1, "update": 1}
    assert "[diff: ~configuration]" in preview.stdout
    assert id_and_token(stack.up()) == before

    assert calls(live) == ["POST /instances", f"PATCH /instances/{before[0]}"]
    sent = live.writes[-1].body
    assert sent is not None
    assert set(sent) == {"configuration"}
    assert set(sent["configuration"]) == {"password", "event.poller.configuration"}
    assert_settled(stack, live)
    assert_ends_empty(stack, live)


def test_a_key_that_the_program_drops_is_kept_by_the_service(stack: Harness, live: Emulator) -> None:
    """One line says so; nothing is sent, and nothing is left to do."""
    stack.program(CRM.format(password="f1rst-password"))
    stack.up()
    stack.program(CRM.format(password="f1rst-password").replace('"username": "jane",', ""))
    assert "the service keeps the configuration of username" in stack.up().stdout
    assert calls(live) == ["POST /instances"]
    assert_settled(stack, live)


@pytest.mark.parametrize(("key", "said"), [("vault.entry", True), ("password", False)])
def test_what_the_service_masks_should_be_a_secret(stack: Harness, live: Emulator, key: str, said: bool) -> None:
    """Its answer masks values of the type PASSWORD, whatever their keys are."""
    made = live.add(your_mom="sfdc", name="crm")
    answer = {**live.instance(made), "configuration": {key: "********"}}
    live.remove(made)
    live.fail("POST", "/instances", Fault.status(200, body=json.dumps(answer).encode()))
    stack.program(f'Instance("crm", your_mom="sfdc", configuration={{"{key}": "v4lue"}})')

    line = f"instance {made}: the service treats the configuration of {key} as secret; make it a secret in the program"
    assert (line in stack.up().stdout) == said


def test_a_new_code_logs_in_again_in_place(stack: Harness, live: Emulator, issued: Issued) -> None:
    """One PUT; a code that was used fails the update, and leaves the instance, its token and the old inputs."""
    issued.note("c0de-number-1", "c0de-number-2")
    stack.program(calendar("c0de-number-1", require_valid=True))
    before = id_and_token(stack.up())
    stack.program(calendar("c0de-number-2", require_valid=True))
    assert id_and_token(stack.up()) == before
    assert calls(live) == ["POST /instances", f"PUT /instances/{before[0]}"]
    assert_settled(stack, live)

    stack.program(calendar("c0de-number-1", require_valid=True))
    with pytest.raises(auto.CommandError, match=r"already used.*give a new code if this one was used"):
        stack.up()

    state = stack.instances()["calendar"]
    assert (state["id"], state["outputs"]["valid"]) == (before[0], True)
    stack.program(calendar("c0de-number-2", require_valid=True))
    assert id_and_token(stack.up()) == before
    assert_settled(stack, live)


def test_an_update_may_be_answered_by_nothing(stack: Harness, live: Emulator) -> None:
    """What it has come to is read, by one GET."""
    stack.program('Instance("box", your_mom="sfdc", tags=["a"])')
    stack.up()
    stack.program('Instance("box", your_mom="sfdc", name="other", tags=["b"])')
    live.fail("PUT", "/instances/{id}", replace(Fault.status_after(204), headers={}, body=b""))
    before = len(live.requests)

    stack.up()

    path = f"/instances/{stack.instances()['box']['id']}"
    assert [(each.method, each.path) for each in live.requests[before:]][-2:] == [("PUT", path), ("GET", path)]
    assert (live.instances()[0]["name"], live.instances()[0]["tags"]) == ("other", ["b"])
    assert_settled(stack, live)


def test_a_login_whose_answer_is_lost_is_not_sent_again(stack: Harness, live: Emulator) -> None:
    """The code counts as used: a line says so, and the state holds it."""
    stack.program(calendar("c0de-number-1"))
    before = id_and_token(stack.up())
    lost = [Fault.drop_after(), Fault.status_after(502), Fault.garbage(), Fault.truncated()]
    for number, fault in enumerate(lost, 2):
        live.fail("PUT", "/instances/{id}", fault)
        stack.program(calendar(f"c0de-number-{number}"))
        up = stack.up()
        assert "the code counts as used" in up.stdout, fault
        assert id_and_token(up) == before
    assert calls(live) == ["POST /instances", *[f"PUT /instances/{before[0]}"] * len(lost)]
    assert_settled(stack, live)


def test_what_the_service_makes_of_a_name_is_no_difference(stack: Harness, live: Emulator) -> None:
    """HTML and spaces are stripped; it is said once. With a mark for a tag, the name does not become one."""
    stack.program("""
        for tags in (None, []):
            Instance(f"box-{tags}", your_mom="sfdc", name=" <b>My</b> box", tags=tags, configuration={"a": 1})
    """)
    assert stack.up().stdout.count("stores the name ' <b>My</b> box' as 'My box'") >= 2
    assert [(made["name"], made["tags"]) for made in live.instances()] == [("My box", [])] * 2
    assert_settled(stack, live)
    assert stack.up(refresh=True).summary.resource_changes == {"same": 3}
    assert_ends_empty(stack, live)


def test_an_instance_is_disabled_and_enabled_in_place(stack: Harness, live: Emulator) -> None:
    """Where `enabled` is declared, an instance that the service disables is drift."""
    program = 'box = Instance("box", your_mom="sfdc", enabled={})\npulumi.export("id", box.id)\n'
    program += 'pulumi.export("token", box.token)'
    stack.program(program.format("True"))
    before = id_and_token(stack.up())
    assert_settled(stack, live)
    for enabled in (False, True):
        stack.program(program.format(enabled))
        assert id_and_token(stack.up()) == before
        assert live.instance(before[0])["disabled"] is not enabled
        assert_settled(stack, live)
    assert calls(live)[1:] == [f"DELETE /instances/{before[0]}/enabled", f"PUT /instances/{before[0]}/enabled"]

    live.change(before[0], disabled=True)
    refresh = stack.refresh()
    assert f"instance {before[0]} is disabled at the service" in refresh.stdout
    assert refresh.summary.resource_changes == {"same": 1, "update": 1}
    refresh = stack.refresh()  # the state still says what the program wants
    assert f"instance {before[0]} is disabled at the service" in refresh.stdout
    assert refresh.summary.resource_changes == {"same": 2}
    assert _health_gate(stack, live) == 2
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert live.instance(before[0])["disabled"] is False
    assert_settled(stack, live)


def _health_gate(stack: Harness, live: Emulator) -> int:
    """The exit code of `drift --health` for the state of this stack."""
    exported = stack.export()
    state = json.dumps({"version": exported.version, "deployment": exported.deployment})
    return stack.command(*COMMAND, "drift", "-", "--health", env=live.env, stdin=state).returncode


def test_a_switch_that_fails_stays_a_difference(stack: Harness, live: Emulator) -> None:
    """A create goes into the state all the same, and the next `up` does what was left."""
    live.fail("DELETE", "/instances/{id}/enabled", Fault.status(403, "not for you"))
    stack.program('box = Instance("box", your_mom="sfdc", enabled=False)')
    assert "not for you" in stack.up().stdout
    [made] = live.instances()
    assert made["disabled"] is False
    assert stack.preview().change_summary == {"same": 1, "update": 1}
    stack.up()
    assert live.instance(made["id"])["disabled"] is True
    assert_settled(stack, live)
    assert_ends_empty(stack, live)


def test_a_connection_that_does_not_work_fails_up_and_stays_in_the_state(stack: Harness, live: Emulator) -> None:
    """A preview says so as well, and does not fail: the program may be about to mend it."""
    made = str(live.add("sfdc", "dead"))
    live.break_authentication(made, refreshes=0)
    stack.program(f'Instance("box", your_mom="sfdc", adopt_id="{made}", require_valid=True)')
    with pytest.raises(auto.CommandError, match=rf"instance {made}( \(box\))?: its connection does not work"):
        stack.up()
    assert stack.instances()["box"]["id"] == made
    assert "its connection does not work" in stack.preview().stdout
    live.change(made, valid=True, disabled=False)
    stack.up()
    assert_settled(stack, live)


@pytest.mark.needs_engine("--run-program")
def test_a_connection_that_does_not_work_stops_nothing_but_up(stack: Harness, live: Emulator) -> None:
    """Each `up` looks again, unless it leaves the instance out. A refresh and a destroy run the program, and go on."""
    made = str(live.add("sfdc", "dead"))
    stack.program(f"""
        box = Instance("box", your_mom="sfdc", adopt_id="{made}", require_valid=True)
        other = Instance("other", your_mom="sfdc")
        pulumi.export("urn", other.urn)
    """)
    urn = stack.up().outputs["urn"].value
    live.break_authentication(made, refreshes=0)
    stack.refresh(run_program=True)
    with pytest.raises(auto.CommandError, match="its connection does not work"):
        stack.up()
    stack.up(target=[urn])
    stack.destroy(run_program=True)
    assert live.instances() == []


def test_a_refresh_tells_of_each_dead_connection(stack: Harness, live: Emulator) -> None:
    """However many there are: each is read by itself, and the state holds what the service says."""
    stack.program('for number in range(4):\n    Instance(f"box-{number}", your_mom="sfdc")')
    stack.up()
    ids = [str(made["id"]) for made in live.instances()]
    live.break_authentication(ids[1])
    live.change(ids[2], disabled=True)
    refresh = stack.refresh()
    assert f"instance {ids[1]} reports valid: false" in refresh.stdout
    assert f"instance {ids[2]} is disabled at the service" in refresh.stdout
    state = {each["id"]: each["outputs"] for each in stack.instances().values()}
    assert {key: (outs["valid"], outs["disabled"]) for key, outs in state.items()} == {
        ids[0]: (True, False),
        ids[1]: (False, False),
        ids[2]: (True, True),
        ids[3]: (True, False),
    }
    assert stack.preview().change_summary == {"same": 5}


def test_a_configuration_that_was_changed_at_the_service_is_drift(stack: Harness, live: Emulator) -> None:
    """Only with the setting, and only what the program gives and the service shows, in whatever model."""
    stack.program(CRM.format(password="f1rst-password"))
    made = stack.up().outputs["id"].value
    live.change(made, configuration={"username": "joe", "password": "by-hand", "event.notification.enabled": "true"})
    stack.refresh()
    assert stack.preview().change_summary == {"same": 2}
    stack.configure({"instances:configurationDrift": auto.ConfigValue("true")})
    assert stack.up().summary.resource_changes == {"same": 2}  # the setting reaches a refresh by an `up`
    assert stack.refresh().summary.resource_changes == {"same": 1, "update": 1}
    assert stack.instances()["crm"]["outputs"]["configuration"]["username"] == "joe"
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert live.writes[-1].body == {"configuration": {"username": "jane"}}
    assert_settled(stack, live)


def test_default_tags_are_added_and_follow_the_setting(stack: Harness, live: Emulator) -> None:
    """Where the program gives tags, or makes the instance; tags that are left to the service stay as they are."""
    adopted = live.add("sfdc", "by hand", ["mine"])
    stack.configure({"instances:defaultTags": auto.ConfigValue("pulumi,{project}/{stack}")})
    stack.program(f"""
        Instance("given", your_mom="sfdc", tags=["a"])
        Instance("none", your_mom="sfdc")
        Instance("adopted", your_mom="sfdc", adopt_id="{adopted}")
    """)
    stack.up()
    assert {made["name"]: sorted(made["tags"]) for made in live.instances()} == {
        "by hand": ["mine"],
        "given": ["a", "acceptance/dev", "pulumi"],
        "none": ["acceptance/dev", "pulumi"],
    }
    assert_settled(stack, live)
    stack.configure({"instances:defaultTags": auto.ConfigValue("other")})
    assert stack.preview().change_summary == {"same": 2, "update": 2}
    stack.up()
    assert {made["name"]: sorted(made["tags"]) for made in live.instances()} == {
        "by hand": ["mine"],
        "given": ["a", "other"],
        "none": ["other"],
    }
    assert_settled(stack, live)


def test_a_wrong_dialect_is_named_before_anything_is_made(stack: Harness, live: Emulator) -> None:
    """The first instance that the service shows is enough."""
    live.add("sfdc", "there")
    stack.unconfigure(["instances:dialect"])
    stack.program('Instance("box", your_mom="sfdc")')
    with pytest.raises(auto.CommandError, match="set instances:dialect to elements"):
        stack.up()
    assert live.writes == []
