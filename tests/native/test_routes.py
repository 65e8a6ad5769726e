"""How the CLI comes by the plugin: from PATH, a directory, an archive on a static server, a git repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pulumi_instances.native.schema import version_of_plugin
from pulumi_instances.testing.emulator import Emulator
from tests.acceptance.conftest import needs_cli
from tests.docs.markdown import ROOT, blocks, document
from tests.support.certificates import self_signed
from tests.support.shell import PLUGIN, Handler, Server, Shell, Tunnel
from tools import release

pytestmark = needs_cli
needs_yaml = pytest.mark.skipif(
    shutil.which("pulumi-language-yaml") is None,
    reason="no `pulumi-language-yaml` on PATH: it comes with the releases of the Pulumi CLI",
)
slow = pytest.mark.timeout(900)
"""The CLI makes environments and fills them with pip: minutes where others share the processor."""

YAML = """\
name: routes
runtime: yaml
resources:
  crm: {type: instances:Instance, properties: {yourMom: sfdc}}
"""
PYTHON = """\
name: routes
runtime:
  name: python
  options: {virtualenv: .venv}
"""
PROGRAM = """\
import pulumi_instances_native as instances

instances.Instance("crm", your_mom="sfdc")
"""
UP = "pulumi up --yes --skip-preview --non-interactive --stack dev"
ON_PATH = "warning: using pulumi-resource-instances from $PATH"


@pytest.fixture
def python(shell: Shell) -> Shell:
    """A project in Python, with an environment of its own that does not hold this package."""
    (shell.directory / "Pulumi.yaml").write_text(PYTHON)
    (shell.directory / "__main__.py").write_text(PROGRAM)
    (shell.directory / "requirements.txt").write_text("pulumi>=3,<4\n")
    shell.run("pulumi stack init dev")
    return shell


def test_a_plugin_on_path(python: Shell, api: Emulator, attempts: list[str]) -> None:
    """The SDK says where the plugin is to be downloaded. As long as it is there, nobody asks."""
    python.put_plugin_on_path()
    python.run('pulumi package add "$(which pulumi-resource-instances)"')
    assert ON_PATH in python.run(UP)
    assert [instance["name"] for instance in api.instances()] == ["crm"]
    [metadata] = python.directory.glob("sdks/*/pulumi_instances_native/pulumi-plugin.json")
    assert json.loads(metadata.read_text())["server"].endswith(f"/releases/download/v{version_of_plugin()}")
    python.run("pulumi destroy --yes --skip-preview --stack dev")
    assert attempts == []
    python.take_plugin_from_path()
    assert "failed to download plugin: instances-" in python.try_to(UP).stdout
    assert set(attempts) == {"git.example.com:443"}


@needs_yaml
def test_a_path_in_the_project(shell: Shell, api: Emulator, attempts: list[str]) -> None:
    """It is relative to the project, such as that of its own environment; there is no warning."""
    (shell.directory / ".venv/bin").mkdir(parents=True)
    (shell.directory / ".venv/bin" / PLUGIN.name).symlink_to(PLUGIN)
    [plugins] = blocks("docs/native.md", "yaml")
    (shell.directory / "Pulumi.yaml").write_text(YAML + plugins)
    assert ON_PATH not in shell.run(f"pulumi stack init dev && {UP}")
    assert [instance["name"] for instance in api.instances()] == ["crm"]
    assert attempts == []


class Static(Handler):
    """A server of what `make release` builds."""

    def answer(self) -> None:
        self.send(release.archive(version_of_plugin()))


@slow
def test_an_archive_on_a_static_server(python: Shell, api: Emulator, attempts: list[str]) -> None:
    """The project keeps the URL: `pulumi install` suffices in a fresh clone, on a machine without the plugin."""
    with Server(Static).running() as server:
        python.run(f"pulumi package add instances@{version_of_plugin()} --server {server.url}")
        assert server.url in (python.directory / "Pulumi.yaml").read_text()
        for made in (python.directory / "sdks", python.env["PULUMI_HOME"]):
            shutil.rmtree(made)
        python.run("pulumi install")
        name = f"/pulumi-resource-instances-v{version_of_plugin()}"
        assert [path.rsplit("-", 2)[0] for path in server.asked] == [name, name]
        assert ON_PATH not in python.run(UP)
    python.run("pulumi preview --expect-no-changes --stack dev")
    assert [instance["name"] for instance in api.instances()] == ["crm"]
    assert attempts == []


class Git(Handler):
    """A server of git repositories."""

    root: Path

    def answer(self) -> None:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length", 0))
        env = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(length),
            env={**os.environ, **env},
            capture_output=True,
            check=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send(body, int(headers.pop("Status", "200")[:3]), headers)


@slow
def test_a_directory_of_a_git_repository(python: Shell, api: Emulator, tmp_path: Path) -> None:
    """It installs the package of the very commit: nothing has to be released."""
    repository = tmp_path / "pulumi-instances.git"
    repository.mkdir()
    for name in ("provider", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, repository / name)
    identity = "-c user.name=n -c user.email=e@example.com"
    python.run(f"cd {repository} && git init -q && git add . && git {identity} commit -qm 1 && git tag v9.9.9")
    context, certificate = self_signed(tmp_path, host="git.example.com")
    repositories = Server(type("Repositories", (Git,), {"root": tmp_path}))
    repositories.socket = context.wrap_socket(repositories.socket, server_side=True)
    tunnel = Server(type("ToRepositories", (Tunnel,), {"port": repositories.server_port}))
    python.env["SSL_CERT_FILE"] = str(certificate)
    with repositories.running(), tunnel.running():
        python.use_proxy(tunnel.url)
        [url] = re.findall(r"`(pulumi package add https://\S+@)", document("docs/native.md"))
        python.run(f"{url}9.9.9")
        assert "pulumi-instances.git/provider/plugin@9.9.9" in (python.directory / "Pulumi.yaml").read_text()
        python.run(UP)
    assert [instance["name"] for instance in api.instances()] == ["crm"]
    assert set(tunnel.asked) == {"git.example.com:443"}
