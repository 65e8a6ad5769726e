"""What the user sees, next to what the CLI shows without a terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pulumi import automation as auto

from pulumi_instances.testing.engine.display import Display
from pulumi_instances.testing.engine.project import Options, open_project
from pulumi_instances.testing.engine.values import UNKNOWN, Secret

from .conftest import NewStack
from .toy_cloud import Cloud


def before() -> None:
    import pulumi

    from tests.engine.toy_cloud import Thing

    Thing("web", name="n1", tags=["x", "y"], conf={"p": 1, "q": pulumi.Output.secret("s")})
    Thing("db", name="db", kind="1")
    Thing("old", name="old")
    pulumi.export("id", "one")
    pulumi.export("n", {"x": [1, 2]})


def after() -> None:
    import pulumi

    from tests.engine.toy_cloud import Thing

    web = Thing("web", name="n2", tags=["y"], conf={"p": 2, "q": pulumi.Output.secret("t")})
    Thing("db", name="db", kind="2")
    Thing("new", name=web.token)
    print("hello")
    pulumi.log.warn("careful", resource=web)
    pulumi.export("id", "two")


def shown(text: str) -> list[str]:
    """The lines, without times, ids and the versions of types' names."""
    text = re.sub(r"\(\d+\.\d+s\)", "(0.00s)", text)
    return [line.replace("pulumi-python:dynamic/toy:", "") for line in text.splitlines()]


def test_a_preview_reads_like_the_clis(new_stack: NewStack) -> None:
    """It has rows with symbols and changed keys, the changes themselves, messages, outputs and counts."""
    new_stack(before).up()
    lines = shown(new_stack(after).preview(parallel=1).stdout)
    assert lines[0] == "Previewing update (dev):"
    rows = "\n".join(lines)
    assert " ~  Thing web update [diff: ~conf,name,tags]\n" in rows
    assert '      ~ name: "n1" => "n2"\n' in rows
    assert "      ~ conf.q: [secret] => [secret]\n" in rows
    assert '      ~ tags[0]: "x" => "y"\n      - tags[1]: "y"\n' in rows
    assert " +- Thing db replace [diff: ~kind]\n" in rows
    assert " +  Thing new create\n" in rows
    assert " -  Thing old delete\n" in rows
    assert "    Thing web: warning: careful\n" in rows
    assert "    pulumi:pulumi:Stack toy-dev: hello\n" in rows
    assert lines[lines.index("Outputs:") :] == [
        "Outputs:",
        '    id: "two"',
        "",
        "Resources:",
        "    + 1 to create",
        "    ~ 1 to update",
        "    - 1 to delete",
        "    +-1 to replace",
        "    4 changes. 1 unchanged",
    ]


def test_an_update_says_what_was_done(new_stack: NewStack) -> None:
    """It uses the past tense and shows the time that each step took."""
    new_stack(before).up()
    lines = shown(new_stack(after).up(parallel=1).stdout)
    assert lines[0] == "Updating (dev):"
    for row in (
        " ~  Thing web updated (0.00s)",
        " ++ Thing db creating replacement [diff: ~kind]",
        " ++ Thing db created replacement (0.00s)",
        " -- Thing db deleting original",
        " -- Thing db deleted original (0.00s)",
        " +  Thing new created (0.00s)",
        " -  Thing old deleted (0.00s)",
        "    + 1 created",
        "    4 changes. 1 unchanged",
    ):
        assert row in lines
    assert lines[-1].startswith("Duration: ")


def test_nothing_to_do_is_short(new_stack: NewStack) -> None:
    """There is no row for what stays the same."""
    stack = new_stack(before)
    stack.up()
    assert shown(stack.preview().stdout) == [
        "Previewing update (dev):",
        "",
        "Resources:",
        "    4 unchanged",
    ]


def test_a_rich_diff_lists_what_is_created(new_stack: NewStack) -> None:
    """`diff=True`; what is not known yet is said to be so."""
    new_stack(before).up()
    text = "\n".join(shown(new_stack(after).preview(diff=True).stdout))
    assert ' +  Thing new create\n        filled: "new"\n        name  : [unknown]\n' in text


def test_a_failure_is_shown_at_its_resource(new_stack: NewStack, cloud: Cloud) -> None:
    """It is also counted."""
    cloud.refuse("create", "db")
    with pytest.raises(auto.CommandError) as failure:
        new_stack(before).up(parallel=1)
    lines = shown(str(failure.value))
    assert " +  Thing db **creating failed**" in lines
    assert "    pulumi:pulumi:Stack toy-dev: error: update failed" in lines
    assert "    2 errored" in lines


def test_lines_come_as_they_happen(new_stack: NewStack) -> None:
    """`on_output` gets each line, without colours."""
    told: list[str] = []
    done = new_stack(before).preview(on_output=told.append, color="always")
    assert "".join(f"{line}\n" for line in told) == done.stdout
    assert "\x1b[" not in done.stdout


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (Secret("hush"), ["    k: [secret]"]),
        (UNKNOWN, ["    k: [unknown]"]),
        (None, ["    k: <null>"]),
        (True, ["    k: true"]),
        (1.5, ["    k: 1.5"]),
        ('a "b"', ['    k: "a \\"b\\""']),
        ([], ["    k: []"]),
        ({}, ["    k: {}"]),
        ([1, {"a": 2}], ["    k: [", "        [0]: 1", "        [1]: {", "            a: 2", "        }", "    ]"]),
    ],
)
def test_outputs_are_written_as_the_cli_writes_them(value: Any, lines: list[str]) -> None:
    """They stand one below the other, indented."""
    display = Display("update", open_project(None, "toy", "dev", None, None), Options(), None)
    display.outputs({}, {"k": value})
    display.finish(0)
    shown = display.text.splitlines()
    assert shown[shown.index("Outputs:") + 1 :][: len(lines)] == lines
