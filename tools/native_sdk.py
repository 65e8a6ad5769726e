"""The SDK for Python of the native package, as the Pulumi CLI generates it: for tests and the benchmark."""

from __future__ import annotations

from pathlib import Path

from pulumi.automation import PulumiCommand

from pulumi_instances.native import schema


def generate_sdk(directory: Path) -> Path:
    """Generate it below this directory. Returns where it can be imported from, as if it were installed."""
    (directory / "schema.json").write_text(schema.text())
    env = {"PULUMI_HOME": str(directory / "pulumi-home"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = ["package", "gen-sdk", "schema.json", "--language", "python", "--out", "sdks"]
    PulumiCommand().run(command, str(directory), env)
    sdk, version = directory / "sdks" / "python", schema.version_of_plugin()
    metadata = sdk / f"pulumi_instances_native-{version}.dist-info" / "METADATA"  # it looks for its version
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: pulumi_instances_native\nVersion: {version}\n")
    return sdk
