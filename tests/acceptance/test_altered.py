"""Services that make something else of the text that they are sent."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.acceptance.conftest import NewStack
from tests.support.checks import assert_ends_empty
from tests.support.harness import Harness, settings
from tests.support.watching import Issued

PROGRAM = """
    Instance("box", your_mom="sfdc", name=" Müller & Söhne{0} ", tags=[" EU", "eu", "{long}{0}"],
        configuration={{"url": " HTTPS://A.example ", "pages": {{"a": ["X ", 1, True]}}, "password": " P4ssw0rd"}})
    Instance("adopted", your_mom="sfdc", adopt_id="{adopted}", name="CRM{0}", tags=["A&B{0}"])
    Instance("tidy", your_mom="sfdc", name="tidy{0}")
"""
SAID = "no preview or refresh shows that as a difference"


def alter(text: str) -> str:
    """Trims, escapes, changes the case and cuts."""
    return html.escape(text.strip()).lower()[:64]


@pytest.fixture
def altering(engine: str) -> Iterator[Emulator]:
    """A service that alters text: of the documented dialect, and for the native package of the live services'."""
    with Emulator(dialect="elements" if engine == "cli-native" else "default") as api:
        api.alter(alter)
        yield api


@pytest.fixture
def stack(new_stack: NewStack, altering: Emulator, issued: Issued) -> Harness:
    """A stack without resources, configured for this service, with `configurationDrift`."""
    issued.note(altering.user_secret, altering.organization_secret)
    stack = new_stack()
    dialect = altering.env.get("INSTANCES_DIALECT", "default")
    more = {"instances:dialect": dialect, "instances:configurationDrift": "true"}
    stack.configure({**settings(altering), **{key: auto.ConfigValue(value) for key, value in more.items()}})
    return stack


def program(adopted: int, number: str = "") -> str:
    """The program, whose names and tags end in a number."""
    return PROGRAM.format(number, adopted=adopted, long="x" * 80)


def test_what_the_service_makes_of_a_text_is_said_once(stack: Harness, altering: Emulator) -> None:
    """It is no difference then, in previews and refreshes; what is changed by hand still is one."""
    adopted = altering.add("sfdc", "crm by hand", ["mine"])
    stack.program(program(adopted))
    up = stack.up()
    assert up.summary.resource_changes == {"create": 4}
    assert len(set(re.findall(f"instance [0-9]+: .*{SAID}", up.stdout))) == 2
    assert "the name ' Müller & Söhne ' as 'müller &amp; söhne'" in up.stdout
    assert stack.up(refresh=True).summary.resource_changes == {"same": 4}

    stack.program(program(adopted, "2"))
    assert stack.up().stdout.count("'tidy2' as") == 0
    there = {made["name"]: made["tags"] for made in altering.instances()}
    assert there.keys() == {"müller &amp; söhne2", "crm2", "tidy2"}
    assert there["tidy2"] == [], "with a mark for a tag, the name does not become one"
    assert stack.up(refresh=True).summary.resource_changes == {"same": 4}

    altering.change(adopted, name="by hand", tags=["by hand"])
    writes = len(altering.writes)
    assert stack.refresh().summary.resource_changes == {"same": 3, "update": 1}
    assert stack.instances()["adopted"]["outputs"]["name"] == "by hand"
    assert stack.up().summary.resource_changes == {"same": 3, "update": 1}
    assert (altering.instance(adopted)["name"], altering.instance(adopted)["tags"]) == ("crm2", ["a&amp;b2"])
    assert stack.up(refresh=True).summary.resource_changes == {"same": 4}
    assert len(altering.writes) == writes + 1
    assert sum(SAID in said for said in stack.said) == 3
    assert not any("p4ssw0rd" in said.lower() for said in stack.said)
    assert_ends_empty(stack, altering)
