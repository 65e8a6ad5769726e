"""The fixture `run`: the command line, as `main` runs it. What it writes with `--json` has to fit the schema."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from pulumi_instances import cli
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.state_format import INSTANCE_TYPE, SECRET
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
SCHEMA = json.loads(Path(__file__).parents[2].joinpath("docs", "output.schema.json").read_text(encoding="utf-8"))
"""What each command writes with `--json`."""
PREFIX = f"urn:pulumi:dev::p::{INSTANCE_TYPE}::"
PROVIDER = "urn:pulumi:dev::p::pulumi:providers:pulumi-python::"


def resource(instance: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    """An instance of the API as a state holds it."""
    told = {key: instance[key] for key in ("name", "your_mom", "tags")}
    token = {**SECRET, "plaintext": json.dumps(instance["token"])}
    return {
        "urn": PREFIX + instance["name"],
        "type": INSTANCE_TYPE,
        "id": str(instance["id"]),
        "provider": f"{PROVIDER}default::1",
        "outputs": {**told, "token": token, **outputs},  # as exported with --show-secrets
    }


def state(*resources: dict[str, Any]) -> str:
    """The exported state with these resources."""
    return json.dumps({"version": 3, "deployment": {"resources": list(resources)}})


class Done(NamedTuple):
    """What a run left."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]
PutOnPath = Callable[..., None]
Stack = Callable[..., None]


def demand_valid(command: str, written: str) -> None:
    """Fail where what a command has written is not as docs/output.schema.json says."""
    schema = {"$ref": f"#/$defs/{command}", "$defs": SCHEMA["$defs"]}
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    faults = [f"{fault.json_path}: {fault.message}" for fault in checker.iter_errors(json.loads(written))]
    assert faults == [], "correct docs/output.schema.json"


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
        if written.out and "--json" in arguments and (arguments[0] != "fleet" or arguments[-1] == "-"):
            demand_valid(str(arguments[0]), written.out)
        return Done(int(ended.value.code or 0), written.out, written.err)

    return call


@pytest.fixture
def put_on_path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> PutOnPath:
    """`put_on_path("pulumi", "echo v3.260.0")` makes a tool of these lines of shell, which is found first."""
    folder = tmp_path_factory.mktemp("tools")
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))

    def put(name: str, script: str, interpreter: str = "/bin/sh") -> None:
        (folder / name).write_text(f"#!{interpreter}\n{script}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def stack(put_on_path: PutOnPath, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """`stack(state, config)` is what the Pulumi CLI says of each stack."""
    folder = tmp_path_factory.mktemp("stack")

    def say(exported: str, config: str = "{}") -> None:
        (folder / "state").write_text(exported)
        (folder / "config").write_text(config)
        put_on_path("pulumi", f"case $* in *export*) cat {folder}/state ;; *) cat {folder}/config ;; esac")

    return say


@pytest.fixture
def api(instances_api: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulated API, with its settings in the environment."""
    for name, value in instances_api.env.items():
        monkeypatch.setenv(name, value)
    return instances_api
