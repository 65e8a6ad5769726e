"""The SDKs of the native package, as the Pulumi CLI generates them from the schema.

`python -m tools.native_sdk DIRECTORY` writes those whose generators are on PATH, and compiles the one for Java. The
tests and the benchmark use the one for Python.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from pulumi.automation import PulumiCommand

from pulumi_instances.native import schema

LANGUAGES = ("python", "nodejs", "go", "dotnet", "java")
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>com.pulumi</groupId><artifactId>instances</artifactId><version>{version}</version>
<properties>
<maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
</properties>
<dependencies>
{dependencies}
</dependencies>
</project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def generate_sdk(directory: Path, language: str = "python") -> Path:
    """Generate one below this directory. Returns where it is; the one for Python can be imported from there."""
    with logo() as url:
        (directory / "schema.json").write_text(json.dumps({**schema.document(), "logoUrl": url}))
        env = {"PULUMI_HOME": str(directory / "pulumi-home"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        command = ["package", "gen-sdk", "schema.json", "--language", language, "--out", "sdks"]
        PulumiCommand().run(command, str(directory), env)
    sdk, version = directory / "sdks" / language, schema.version_of_plugin()
    if language == "python":
        metadata = sdk / f"pulumi_instances_native-{version}.dist-info" / "METADATA"  # it looks for its version
        metadata.parent.mkdir(exist_ok=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: pulumi_instances_native\nVersion: {version}\n")
    return sdk


@contextmanager
def logo() -> Iterator[str]:
    """The URL of an empty file on loopback: the generator for .NET downloads a logo for each SDK."""
    with HTTPServer(("127.0.0.1", 0), _Logo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Logo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def compile_java(sdk: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Compile the SDK for Java with Maven, since the build file that is generated is for Gradle."""
    needed = re.findall(r'implementation\("(.*?):(.*?):(.*?)"\)', (sdk / "build.gradle").read_text())
    dependencies = "\n".join(_DEPENDENCY.format(*each) for each in needed)
    (sdk / "pom.xml").write_text(_POM.format(version=schema.version_of_plugin(), dependencies=dependencies))
    command = ["mvn", "--batch-mode", "--quiet", *options, "compile"]
    return subprocess.run(command, cwd=sdk, text=True, capture_output=True, check=False)  # noqa: S603  no shell


def main(directory: Path) -> None:
    """Generate what can be generated here, and say what cannot."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for language in LANGUAGES:
        if shutil.which(f"pulumi-language-{language}") is None:
            print(f"{language}: no pulumi-language-{language} on PATH")
            continue
        sdk, done = generate_sdk(directory, language), "generated"
        if language == "java" and shutil.which("mvn"):
            compiled = compile_java(sdk)
            if compiled.returncode != 0:
                sys.exit(compiled.stdout)
            done = "generated and compiled"
        print(f"{language}: {done}, {sdk}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
