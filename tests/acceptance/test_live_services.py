"""The dialect of the live services (docs/live-services.md), against an emulator that is as unkind as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator

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


LOST = [Fault.drop_after(), Fault.status_after(502), Fault.garbage(), Fault.truncated()]


def id_and_token(result: auto.UpResult) -> tuple[str, str]:
    """What other systems use, and what must never change by surprise."""
    return result.outputs["id"].value, result.outputs["token"].value


def test_a_configuration_is_changed_in_place(stack: Harness, live: Emulator, issued: Issued) -> None:
    """One PATCH of the changed keys, nested ones included, keeps id and token; nothing is shown afterwards.

    A key that the program drops is kept by the service. What is changed at the service is drift only with the setting,
    and only what the program gives and the service shows, in whatever model.
    """
    issued.note("f1rst-password", "s3cond-password", "d33p-f1rst-password", "d33p-s3cond-password")
    stack.program(CRM.format(password="f1rst-password"))
    before = id_and_token(stack.up())
    assert_settled(stack, live)

    stack.program(CRM.format(password="s3cond-password"))
    preview = stack.preview()
    assert preview.change_summary == {"same": 1, "update": 1}
    if stack.engine != "local":  # which prints no differences
        assert "[diff: ~configuration]" in preview.stdout
    assert id_and_token(stack.up()) == before
    assert calls(live) == ["POST /instances", f"PATCH /instances/{before[0]}"]
    sent = live.writes[-1].body
    assert sent is not None
    assert set(sent) == {"configuration"}
    assert set(sent["configuration"]) == {"password", "event.poller.configuration"}
    assert_settled(stack, live)

    by_hand = {"username": "joe", "password": "by-hand", "event.notification.enabled": "true"}
    live.change(before[0], configuration=by_hand)
    stack.refresh()
    assert stack.preview().change_summary == {"same": 2}
    stack.configure({"instances:configurationDrift": auto.ConfigValue("true")})
    assert stack.up().summary.resource_changes == {"same": 2}  # the setting reaches a refresh by an `up`
    assert stack.refresh().summary.resource_changes == {"same": 1, "update": 1}
    assert stack.instances()["crm"]["outputs"]["configuration"]["username"] == "joe"
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert live.writes[-1].body == {"configuration": {"username": "jane"}}
    assert_settled(stack, live)

    writes = len(live.writes)
    stack.program(CRM.format(password="s3cond-password").replace('"username": "jane",', ""))
    assert "the service keeps the configuration of username" in stack.up().stdout
    assert_settled(stack, live)
    assert len(live.writes) == writes
    assert_ends_empty(stack, live)


def test_what_the_service_masks_should_be_a_secret(stack: Harness, live: Emulator) -> None:
    """Its answer masks values of the type PASSWORD, whatever their keys are; that of `password` is a secret already."""
    made = live.add(your_mom="sfdc", name="crm")
    answer = {**live.instance(made), "configuration": {"vault.entry": "********", "password": "********"}}
    live.remove(made)
    live.fail("POST", "/instances", Fault.status(200, body=json.dumps(answer).encode()))
    stack.program('Instance("crm", your_mom="sfdc", configuration={"vault.entry": "v4lue", "password": "p4ss"})')

    line = f"instance {made}: the service treats the configuration of vault.entry as secret; make it a secret in the"
    assert line in stack.up().stdout


def test_a_new_code_logs_in_again_in_place(stack: Harness, live: Emulator, issued: Issued) -> None:
    """One PUT; a code that was used fails the update, and leaves the instance, its token and the old inputs.

    A login whose answer is lost is not sent again: the code counts as used, a line says so, and the state holds it.
    """
    codes = [f"c0de-number-{number}" for number in range(1, 7)]
    issued.note(*codes)
    stack.program(calendar(codes[0], require_valid=True))
    before = id_and_token(stack.up())
    stack.program(calendar(codes[1], require_valid=True))
    assert id_and_token(stack.up()) == before
    login = f"PUT /instances/{before[0]}"
    assert calls(live) == ["POST /instances", login]
    assert_settled(stack, live)

    stack.program(calendar(codes[0], require_valid=True))
    with pytest.raises(auto.CommandError, match=r"already used.*give a new code if this one was used"):
        stack.up()
    state = stack.instances()["calendar"]
    assert (state["id"], state["outputs"]["valid"]) == (before[0], True)

    for code, fault in zip(codes[2:], LOST, strict=True):
        live.fail("PUT", "/instances/{id}", fault)
        stack.program(calendar(code))
        up = stack.up()
        assert "the code counts as used" in up.stdout, fault
        assert id_and_token(up) == before
    assert calls(live) == ["POST /instances", *[login] * (2 + len(LOST))]
    assert_settled(stack, live)


def test_an_instance_is_disabled_and_enabled_in_place(stack: Harness, live: Emulator) -> None:
    """Where `enabled` is declared, an instance that the service disables is drift.

    A switch that fails stays a difference: what was created goes into the state, and the next `up` does the rest.
    """
    program = 'box = Instance("box", your_mom="sfdc", enabled={})\npulumi.export("id", box.id)\n'
    program += 'pulumi.export("token", box.token)'
    live.fail("DELETE", "/instances/{id}/enabled", Fault.status(403, "not for you"))
    stack.program(program.format("False"))
    up = stack.up()
    assert "not for you" in up.stdout
    before = id_and_token(up)
    assert live.instance(before[0])["disabled"] is False
    assert stack.preview().change_summary == {"same": 1, "update": 1}
    for enabled in (False, True):
        stack.program(program.format(enabled))
        assert id_and_token(stack.up()) == before
        assert live.instance(before[0])["disabled"] is not enabled
        assert_settled(stack, live)
    switched_off, switched_on = (f"{method} /instances/{before[0]}/enabled" for method in ("DELETE", "PUT"))
    assert calls(live)[1:] == [switched_off, switched_off, switched_on]

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
    assert_ends_empty(stack, live)


def _health_gate(stack: Harness, live: Emulator) -> int:
    """The exit code of `drift --health` for the state of this stack."""
    exported = stack.export()
    state = json.dumps({"version": exported.version, "deployment": exported.deployment})
    return stack.command(*COMMAND, "drift", "-", "--health", env=live.env, stdin=state).returncode


def test_a_connection_that_does_not_work_stops_nothing_but_up(stack: Harness, live: Emulator) -> None:
    """The instance stays in the state. Each `up` looks again, unless it leaves the instance out.

    A preview says so as well, and does not fail: the program may be about to mend it. A refresh and a destroy that run
    the program go on.
    """
    made = str(live.add("sfdc", "dead"))
    live.break_authentication(made, refreshes=0)
    stack.program(f'''
        box = Instance("box", your_mom="sfdc", adopt_id="{made}", require_valid=True)
        other = Instance("other", your_mom="sfdc")
    ''')
    dead = rf"instance {made}( \(box\))?: its connection does not work"
    with pytest.raises(auto.CommandError, match=dead):
        stack.up()
    assert stack.instances()["box"]["id"] == made
    assert "its connection does not work" in stack.preview().stdout
    live.change(made, valid=True, disabled=False)
    stack.up()
    assert_settled(stack, live)
    if stack.engine == "local":  # it knows no more of the options
        return
    live.break_authentication(made, refreshes=0)
    stack.refresh(run_program=True)
    with pytest.raises(auto.CommandError, match=dead):
        stack.up()
    stack.up(target=[stack.instances()["other"]["urn"]])
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
