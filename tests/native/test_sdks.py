"""The SDKs that `pulumi package gen-sdk` generates from the schema."""

from __future__ import annotations

import json
import shutil

import pytest

from pulumi_instances.native import schema
from tests.acceptance.conftest import needs_cli
from tests.support.shell import Handler, Server, Shell

LANGUAGES = {
    "nodejs": "instance.ts",
    "python": "pulumi_instances_native/instance.py",
    "go": "instances/instance.go",
    "dotnet": "Instance.cs",
    "java": "src/main/java/com/pulumi/instances/Instance.java",
}

pytestmark = needs_cli


class Logo(Handler):
    """What the generator for .NET downloads for each SDK."""

    def answer(self) -> None:
        self.send(b"a picture")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_sdk_is_generated(language: str, shell: Shell, attempts: list[str]) -> None:
    """For each language of which the machine has the generator."""
    if shutil.which(f"pulumi-language-{language}") is None:
        pytest.skip(f"no `pulumi-language-{language}` on PATH: it comes with the releases of the Pulumi CLI")
    with Server(Logo).running() as server:
        (shell.directory / "schema.json").write_text(json.dumps({**schema.document(), "logoUrl": server.url}))
        said = shell.run(f"pulumi package gen-sdk schema.json --language {language} --out sdks")
    assert "error" not in said
    sdk = shell.directory / "sdks" / language
    assert "yourMom" in (sdk / LANGUAGES[language]).read_text()
    if language == "nodejs":
        assert json.loads((sdk / "package.json").read_text())["name"] == "pulumi-instances"
    assert attempts == []
