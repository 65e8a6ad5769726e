"""What an error looks like in the terminal: one line of ours, after the SDK's traceback at the dynamic door."""

from __future__ import annotations

import re
from collections.abc import Callable

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.harness import Harness

BOX = 'Instance("box", your_mom="dropbox", name="first")'
FAILURES: dict[str, tuple[str, str, Callable[[Harness], object]]] = {
    "create": ("POST", "create instance 'first'", lambda stack: stack.up()),
    "update": ("PUT", "update instance {id}", lambda stack: stack.up()),
    "refresh": ("GET", "read instance {id}", lambda stack: stack.refresh()),
    "destroy": ("DELETE", "delete instance {id}", lambda stack: stack.destroy()),
}


@pytest.mark.parametrize("operation", FAILURES)
def test_the_last_line_of_an_error_says_it_all(stack: Harness, instances_api: Emulator, operation: str) -> None:
    """No cause and no body. At the dynamic door two frames of the SDK and one of ours come before it."""
    method, what, act = FAILURES[operation]
    made = ""
    if operation != "create":
        stack.program(BOX)
        stack.up()
        made = str(instances_api.instances()[0]["id"])
    stack.program(BOX.replace("first", "second") if operation == "update" else BOX)
    instances_api.fail(method, None, Fault.status(400, "not today"))

    with pytest.raises(auto.CommandError) as failure:
        act(stack)

    said = str(failure.value)
    if stack.engine == "local":
        diagnostics = said[said.index("Traceback") :]
    else:  # the CLI shows the traceback of the program that it has ended as well, under the stack
        diagnostics = said[said.index("Instance (box):\n", said.index("Diagnostics:")) :]
    line = re.escape(what.format(id=made))
    line += r': 400 "not today" \(requestId \S+\); correct what it names, then run again\n'
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
