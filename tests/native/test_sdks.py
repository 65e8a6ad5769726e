"""The SDKs that `pulumi package gen-sdk` generates from the schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pulumi_instances.native import schema
from tests.acceptance.conftest import needs_cli
from tests.docs.markdown import blocks
from tests.support.shell import Shell
from tools import native_sdk

LANGUAGES = {
    "nodejs": "instance.ts",
    "python": "pulumi_instances_native/instance.py",
    "go": "instances/instance.go",
    "dotnet": "Instance.cs",
    "java": "src/main/java/com/pulumi/instances/Instance.java",
}

pytestmark = needs_cli


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_sdk_is_generated(language: str, shell: Shell, attempts: list[str]) -> None:
    """For each language of which the machine has the generator."""
    if shutil.which(f"pulumi-language-{language}") is None:
        pytest.skip(f"no `pulumi-language-{language}` on PATH: it comes with the releases of the Pulumi CLI")
    with native_sdk.logo() as url:
        (shell.directory / "schema.json").write_text(json.dumps({**schema.document(), "logoUrl": url}))
        said = shell.run(f"pulumi package gen-sdk schema.json --language {language} --out sdks")
    assert "error" not in said
    sdk = shell.directory / "sdks" / language
    assert "yourMom" in (sdk / LANGUAGES[language]).read_text()
    if language == "nodejs":
        assert json.loads((sdk / "package.json").read_text())["name"] == "pulumi-instances"
    assert attempts == []
    if language == "java":
        _demand_that_it_compiles(sdk)


def _demand_that_it_compiles(sdk: Path) -> None:
    """With the program of docs/native.md, and from what Maven has kept."""
    program = sdk / "src" / "main" / "java" / "quickstart" / "App.java"
    program.parent.mkdir()
    program.write_text(*blocks("docs/native.md", "java"))
    if shutil.which("mvn") is None:
        pytest.skip("no `mvn` on PATH, which compiles the SDK")
    compiled = native_sdk.compile_java(sdk, "--offline")
    if "offline mode" in compiled.stdout:
        pytest.skip("Maven has not kept what the SDK for Java needs: run `make sdks` once")
    assert compiled.returncode == 0, compiled.stdout
