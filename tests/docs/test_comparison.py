"""docs/comparison.md: what each provider does, on the real tools that are on PATH, and what the benchmark measured."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from bench.engines import Cli, Engine
from bench.opentofu import OpenTofu
from pulumi_instances.testing.emulator import Emulator, Fault

from .conftest import needs_cli
from .markdown import table
from .test_results import fastest

ROWS = {
    row.pop("what is compared").replace("`", ""): {provider: cell.replace("`", "") for provider, cell in row.items()}
    for row in table("docs/comparison.md", "what is compared")
}
"""The cells of each row, by provider, without backticks."""
COMMAND = """
name: bench
runtime: yaml
resources:
  box:
    type: command:local:Command
    properties:
      create: >-
        curl -fsS -H "Authorization: User $INSTANCES_USER_SECRET, Organization $INSTANCES_ORGANIZATION_SECRET"
        -H "Content-Type: application/json" -d '{"your_mom": {"key": "dropbox"}, "name": "box-0", "tags": ["a"]}'
        $INSTANCES_BASE_URL/instances
      delete: >-
        curl -fsS -H "Authorization: User $INSTANCES_USER_SECRET, Organization $INSTANCES_ORGANIZATION_SECRET"
        -X DELETE $INSTANCES_BASE_URL/instances/$(echo "$PULUMI_COMMAND_STDOUT" | jq .id)
    options:
      additionalSecretOutputs: [stdout]
"""
"""What the documents of pulumi-command suggest for an API."""


REST = """
name: bench
runtime: yaml
resources:
  account:
    type: pulumi:providers:restapi
    properties:
      uri: {base_url}
      writeReturnsObject: true
      headers: {{Authorization: {{fn::secret: "{authorization}"}}, Content-Type: application/json}}
  box:
    type: restapi:Object
    properties:
      path: /instances
      data: '{{"your_mom": {{"key": "dropbox"}}, "name": "box-0", "tags": ["a"]}}'
    options:
      provider: ${{account}}
      additionalSecretOutputs: [apiData, apiResponse, createResponse]
"""


class CommandProvider(Cli):
    """The program with `curl`."""

    def __init__(self, directory: Path, variant: str, env: Mapping[str, str]) -> None:
        super().__init__(directory, variant, env)
        (directory / "Pulumi.yaml").write_text(COMMAND)


class RestInPulumi(Cli):
    """The REST provider of Terraform, as `pulumi package add terraform-provider` makes it usable."""

    def __init__(self, directory: Path, variant: str, env: Mapping[str, str]) -> None:
        super().__init__(directory, variant, env)
        secrets = [f"{kind} {env[f'INSTANCES_{kind.upper()}_SECRET']}" for kind in ("User", "Organization")]
        program = REST.format(base_url=env["INSTANCES_BASE_URL"], authorization=", ".join(secrets))
        (directory / "Pulumi.yaml").write_text(program)
        plugin, provider = (str(shutil.which(name)) for name in REST_PROGRAMS[1:])
        self._pulumi("plugin", "install", "resource", "terraform-provider", "v1.1.0", "--file", plugin)
        with suppress(RuntimeError):  # an older host of YAML fails after the SDK is there
            self._pulumi("package", "add", "terraform-provider@1.1.0", provider)


REST_PROGRAMS = ("pulumi-language-yaml", "pulumi-resource-terraform-provider", "terraform-provider-restapi")
PROVIDERS: dict[str, tuple[type[Engine], str, tuple[str, ...]]] = {
    "pulumi-instances": (Cli, "ours", ()),
    "hand-written dynamic provider": (Cli, "textbook", ()),
    "pulumi-command": (CommandProvider, "floor", ("curl", "pulumi-language-yaml", "pulumi-resource-command")),
    "REST inside Pulumi": (RestInPulumi, "floor", REST_PROGRAMS),
    "OpenTofu and REST": (OpenTofu, "opentofu", ("tofu", "terraform-provider-restapi")),
}


@needs_cli
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_each_provider_does(provider: str, tmp_path: Path, instances_api: Emulator) -> None:
    """One instance: the answer to its create is lost, and later somebody renames it."""
    engine, variant, programs = PROVIDERS[provider]
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"not on PATH: {', '.join(missing)}")
    stack = engine(tmp_path / "stack", variant, {**instances_api.env, "BENCH_COUNT": "1", "BENCH_TAG": "a"})

    instances_api.fail("POST", "/instances", Fault.drop_after())
    with suppress(RuntimeError):
        stack.run("up")
    stack.run("up")
    made = instances_api.instances()
    assert ROWS["instances after a create whose answer was lost, and another up"][provider] == str(len(made))
    token, state = made[-1]["token"], _state(stack.directory)
    assert "dropbox" in state
    assert ROWS["the token in the state"][provider].startswith("plain text" if token in state else "encrypted")
    assert ROWS["a rename by hand is undone by"][provider] == _what_undoes_a_rename(
        stack, made[-1]["id"], instances_api
    )


def _state(directory: Path) -> str:
    [file] = [*directory.glob(".pulumi/stacks/*/dev.json"), *directory.glob("terraform.tfstate")]
    return file.read_text(encoding="utf-8")


def _what_undoes_a_rename(stack: Engine, instance: int, api: Emulator) -> str:
    api.change(instance, name="renamed")
    stack.run("up")
    if api.instance(instance)["name"] == "box-0":
        return "apply"
    stack.run("refresh")
    stack.run("up")
    return "refresh, then up" if api.instance(instance)["name"] == "box-0" else "nothing"


MEASURED = {
    "seconds for an up of 100": ("up", "seconds", ".1f"),
    "seconds for a refresh of 100": ("refresh", "seconds", ".1f"),
    "requests in an up of 100": ("up", "requests", "d"),
    "requests in a preview of 100 that are unchanged": ("preview", "requests", "d"),
    "requests in a refresh of 100": ("refresh", "requests", "d"),
    "bytes per instance in the state": ("up", "state", ",d"),
}
"""The operation, the figure and its format."""
NOT_MEASURED = ("pulumi-command", "REST inside Pulumi")


@pytest.mark.parametrize("what", MEASURED)
def test_what_was_measured(what: str) -> None:
    """Each number is that of the benchmark, and what it does not measure is empty."""
    operation, figure, form = MEASURED[what]
    for provider, (_, variant, _) in PROVIDERS.items():
        measured = fastest("cli", 100, 200, variant, operation)[figure]
        assert ROWS[what][provider] == ("" if provider in NOT_MEASURED else format(measured, form))


def test_every_row_has_its_test() -> None:
    assert len(ROWS) == len(MEASURED) + 3
