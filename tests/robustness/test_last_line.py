"""What an error looks like in the terminal: one line of ours, after the SDK's traceback at the dynamic door."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.harness import Harness

BOX = 'Instance("box", your_mom="dropbox", name="first")'
FAILURES: list[tuple[str, str, Callable[[Harness], object]]] = [
    ("PUT", "update instance {id}", lambda stack: stack.up()),
    ("GET", "read instance {id}", lambda stack: stack.refresh()),
    ("DELETE", "delete instance {id}", lambda stack: stack.destroy()),
]


def test_the_last_line_of_an_error_says_it_all(stack: Harness, instances_api: Emulator) -> None:
    """No cause and no body. At the dynamic door two frames of the SDK and one of ours come before it."""
    stack.program(BOX)
    instances_api.fail("POST", None, Fault.status(400, "not today"))
    assert_says_it_all(stack, "create instance 'first'", stack.up)
    stack.up()
    [made] = instances_api.instances()
    stack.program(BOX.replace("first", "second"))
    for method, what, act in FAILURES:
        instances_api.fail(method, None, Fault.status(400, "not today"))
        assert_says_it_all(stack, what.format(id=made["id"]), partial(act, stack))


def assert_says_it_all(stack: Harness, what: str, act: Callable[[], object]) -> None:
    """An operation fails in one line, which begins with what was done to which instance."""
    with pytest.raises(auto.CommandError) as failure:
        act()

    said = str(failure.value)
    if stack.engine == "local":
        diagnostics = said[said.index("Traceback") :]
    else:  # the CLI shows the traceback of the program that it has ended as well, under the stack
        diagnostics = said[said.index("Instance (box):\n", said.index("Diagnostics:")) :]
    line = re.escape(what)
    line += (
        r': 400 "not today" \(requestId \S+\) \(asked \S+ with the secrets of the default account, from the stack\'s '
    )
    line += r"configuration\); correct what it names, then run again\n"
    if stack.engine == "cli-native":
        assert re.match(rf"Instance \(box\):\n +error: {line}\n", diagnostics), diagnostics
        return
    [found] = re.finditer(r"pulumi_instances\.core\.errors\.StatusError: " + line, diagnostics)
    before = diagnostics[: found.start()]
    frames = re.findall(r'File "(\S+)", line \d+, in \w+', before)
    assert [re.sub(r".*/(?=\w+/\w+\.py)", "", frame) for frame in frames] == [
        "dynamic/__main__.py",
        "dynamic/__main__.py",
        "pulumi_instances/lifecycle.py",
    ]
    assert before.count("\n") <= 11
