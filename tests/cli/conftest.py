"""The fixture `run`: the command line, as `main` runs it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from pulumi_instances import cli
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.testing.emulator import Emulator
from tests.support.marks import mark_of

PLACE = Place("shop", "dev", "", "crm")
MARK = mark_of(line_of(PLACE), 1)
"""The tag of an instance that the resource `crm` of the stack shop/dev has made."""
LEFT_OUT = (
    "1 instance left out: a program manages each, as its tags say. "
    "After a lost state, run INSTANCES_TAKE_OVER=yes pulumi up with that program\n"
)
"""What `import` and `import-file` say of it."""


class Done(NamedTuple):
    """What a run left."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("list", "--json")` answers the exit code and what was written. ``stdin`` is what it may read."""

    def call(*arguments: object, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["pulumi-instances", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        written = capsys.readouterr()
        return Done(int(ended.value.code or 0), written.out, written.err)

    return call


@pytest.fixture
def api(instances_api: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulated API, with its settings in the environment."""
    for name, value in instances_api.env.items():
        monkeypatch.setenv(name, value)
    return instances_api
