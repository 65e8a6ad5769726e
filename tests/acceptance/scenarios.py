"""Scenarios that both engines run step by step, for features that no test with Instance covers."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi.automation as auto

from pulumi_instances.core.state_format import INSTANCE_TYPE
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.harness import Harness


def urn(name: str, parents: str = "") -> str:
    """The URN of an instance."""
    return f"urn:pulumi:dev::acceptance::{parents}{INSTANCE_TYPE}::{name}"


@dataclass(frozen=True)
class Do:
    """One operation, after a change of the program or of the world."""

    operation: str
    program: str = ""
    """The new program; without one the program stays as it is."""
    options: Mapping[str, Any] = field(default_factory=dict)
    fails: str = ""
    """A part of what it says when it fails, as it must; "" where it must succeed."""
    first: Callable[[Harness, Emulator], None] = lambda _stack, _api: None


HELPERS = textwrap.dedent("""
    def opts(**options):
        return pulumi.ResourceOptions(**options)

    class Team(pulumi.ComponentResource):
        def __init__(self, name, opts=None, kind="acceptance:index:Team"):
            super().__init__(kind, name, None, opts)
            child = pulumi.ResourceOptions(parent=self)
            self.box = Instance(f"{name}-box", your_mom="dropbox", name="in a team", opts=child)
            self.second = Instance(f"{name}-second", your_mom="box", name=self.box.id, opts=child)
            self.register_outputs({"box": self.box.id, "token": self.box.token})
""")

PROPERTIES = """
    keep = Instance("keep", your_mom="box", name="{0}", configuration={{"a.b": "{0}", "c": 1}},
                    opts=opts(ignore_changes=["name", 'configuration["a.b"]']))
    Instance("gone", your_mom="box", tags=["{0}"], opts=opts(ignore_changes=["provider_data.code", "tags"]))
    Instance("anew", your_mom="box", name="{0}", opts=opts(replace_on_changes=["name", "tags"]))
    Instance("place", your_mom="box", name="{0}", tags=["x"], opts=opts(replace_on_changes=["tags"]))
    Instance("hidden", your_mom="box", name="{0}", opts=opts(additional_secret_outputs=["name"]))
    told = Instance("told", your_mom="box", name=pulumi.Output.secret("{0}"), tags=["open", pulumi.Output.secret("t")])
    pulumi.export("nested", {{"token": [keep.token], "open": 1}})
    pulumi.export("token", keep.token)
    pulumi.export("name", told.name)
    pulumi.export("kinds", [1, 1.5, True, None, {{"a": "{0}"}}])
"""
THREE = """
    a = Instance("a", your_mom="box", name="{0} a")
    b = Instance("b", your_mom="box", name=a.id)
    c = Instance("c", your_mom="box", name="{0} c")
"""
LOOKUP = """
    made = Instance("made", your_mom="box")
    found = Instance.get("found", made.id)
    pulumi.export("found", found.name)
"""
OWNED = """
    made = Instance("made", your_mom="box")
    Instance("found", your_mom="sfdc")
"""
ACCOUNT = """
    config = pulumi.Config("instances")
    other = account("{0}", base_url=config.require("baseUrl"), user_secret=config.require_secret("userSecret"),
                    organization_secret=config.require_secret("organizationSecret"), settings={{"timeout": "{1}"}})
"""
TEAMS = (
    ACCOUNT
    + """
    team = Team("{2}", opts=opts(providers=[other], aliases={3}, protect={4}, retain_on_delete=False))
    Instance("free", your_mom="box", opts=opts(parent=team, protect=False))
    Instance("last", your_mom="box", opts=opts(depends_on=[team]))
"""
)
TWO_NAMES = """
    one = Instance("{0}", your_mom="box", opts=opts({1}))
    Instance("{2}", your_mom="box", opts=opts({3}depends_on=[one]))
"""
MOVED = """
    team = Team("team")
    Instance("in", your_mom="box", opts=opts({0}))
    Instance("out", your_mom="box", opts=opts({1}))
"""
HELD = """
    root = Instance("root", your_mom="{0}")
    Instance("held", your_mom=root.id.apply(lambda _: "box"), opts=opts(protect={1}))
    Instance("free", your_mom="box")
"""


def drift(stack: Harness, api: Emulator) -> None:
    """Rename `a` by hand, and delete `c`."""
    found = stack.instances()
    api.change(found["a"]["id"], name="by hand")
    api.remove(found["c"]["id"])


def refuse(method: str, path: str | None) -> Callable[[Harness, Emulator], None]:
    """Have the API answer the next such request with 403."""
    return lambda _stack, api: api.fail(method, path, Fault.status(403, "not now"))


def hide(stack: Harness, api: Emulator) -> None:
    """Rename `a` by hand, and refuse to show `b`."""
    found = stack.instances()
    api.change(found["a"]["id"], name="again by hand")
    api.fail("GET", f"/instances/{found['b']['id']}", Fault.status(403, "not now"))


def keep(stack: Harness, api: Emulator) -> None:
    """Refuse to delete `a`, on which `b` depends."""
    api.fail("DELETE", f"/instances/{stack.instances()['a']['id']}", Fault.status(403, "not now"))


def reconfigure(stack: Harness, _api: Emulator) -> None:
    """Change the configuration of the default provider."""
    stack.configure({"instances:timeout": auto.ConfigValue("25")})


WAS_A = 'aliases=[pulumi.Alias(name="a")]'
RENAMED_TEAM = '[pulumi.Alias(name="team")]'

SCENARIOS: dict[str, list[Do]] = {
    "properties": [
        Do("up", PROPERTIES.format("one")),
        Do("preview", PROPERTIES.format("two")),
        Do("up"),
        Do("refresh"),
        Do("up", PROPERTIES.format("two").replace('configuration={"a.b": "two", "c": 1},', "")),
    ],
    "failed later": [
        Do("up", THREE.format("one")),
        Do("preview", THREE.format("two").replace('"c", your_mom="box"', '"c", your_mom="sfdc"')),
        Do("up", fails="not now", first=refuse("DELETE", None)),
        Do("up"),
        Do("destroy", fails="not now", first=keep),
        Do("destroy"),
    ],
    "refreshed first": [
        Do("up", THREE.format("one")),
        Do("preview", options={"refresh": True}, first=drift),
        Do("refresh"),
        Do("refresh", fails="not now", first=hide),
        Do("preview", options={"expect_no_changes": True}, fails="no changes were expected"),
        Do("up", options={"refresh": True}),
        Do("preview", options={"expect_no_changes": True}),
        Do("destroy", options={"refresh": True}, first=drift),
    ],
    "looked up and owned": [
        Do("up", OWNED),
        Do("preview", LOOKUP),
        Do("up"),
        Do("refresh"),
        Do("up", OWNED),
        Do("up", LOOKUP),
        Do("destroy"),
    ],
    "components and accounts": [
        Do("up", TEAMS.format("one", "20", "team", "[]", True)),
        Do("up", TEAMS.format("one", "25", "crew", RENAMED_TEAM, True)),
        Do("up", TEAMS.format("two", "25", "crew", "[]", False)),
        Do("up", TEAMS.format("two", "25", "crew", "[]", False).replace("providers=[other], ", "")),
        Do("destroy", " "),
    ],
    "moved": [
        Do("up", MOVED.format("", "parent=team")),
        Do(
            "up",
            MOVED.format(
                "parent=team, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]",
                "aliases=[pulumi.Alias(parent=team)]",
            ),
        ),
        Do("up", MOVED.format("parent=team, retain_on_delete=True", "retain_on_delete=False")),
        Do("destroy"),
    ],
    "of another type": [
        Do("up", 'Team("team")'),
        Do("up", 'Team("team", opts(aliases=[pulumi.Alias(type_="acceptance:index:Team")]), "acceptance:index:Crew")'),
        Do("up", 'Team("crew", opts(aliases=[pulumi.Alias("team", type_="acceptance:index:Crew")]))'),
    ],
    "given up": [
        Do("up", HELD.format("box", True)),
        Do("preview", HELD.format("sfdc", True).replace('.id.apply(lambda _: "box")', ".your_mom"), fails="protect"),
        Do("destroy", fails="cannot be deleted"),
        Do("up", HELD.format("box", False)),
        Do("up", HELD.format("sfdc", False), fails="not now", first=refuse("POST", "/instances")),
        Do("up", " "),
    ],
    "configured anew": [
        Do("up", THREE.format("one")),
        Do("up", THREE.format("two"), first=reconfigure),
        Do("refresh"),
        Do("destroy"),
    ],
    "refused": [
        Do("up", 'Instance("a", your_mom="box", opts=opts(protect=True))\npulumi.export("a", 1)'),
        Do("preview", 'Instance("a", your_mom="sfdc", opts=opts(protect=True))', fails="unable to replace"),
        Do("up", fails="unable to replace"),
        Do("destroy", fails="cannot be deleted"),
        Do("preview", 'Instance("d", your_mom="box")\nInstance("d", your_mom="sfdc")', fails="Duplicate resource URN"),
        Do("preview", TWO_NAMES.format("a", "", "b", WAS_A + ", "), fails="Duplicate resource alias"),
        Do("preview", TWO_NAMES.format("b", WAS_A, "a", ""), fails="conflicting with alias"),
        Do("up", 'Instance("a", your_mom="box")\npulumi.export("b", 2)\nraise ValueError("boom")', fails="boom"),
        Do("up", 'Instance("a", your_mom="box", name="n")', fails="not now", first=refuse("PUT", None)),
    ],
}
"""What users' tests of a program with this one provider may need; each option that stays is in one of them."""
