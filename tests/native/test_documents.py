"""What README.md and docs/native.md say to type, from `pip install` to a managed instance."""

from __future__ import annotations

import re
import shutil

import pytest

from pulumi_instances.native.schema import version_of_plugin
from pulumi_instances.testing.emulator import Emulator
from tests.acceptance.conftest import needs_cli
from tests.docs.markdown import blocks, code_blocks, document, tabs
from tests.docs.test_examples import NOT_KEPT, copy
from tests.support.shell import Shell

from .test_routes import needs_yaml

TYPESCRIPT = blocks("docs/native.md", "typescript")
START = "docs/getting-started.md"
RUNTIMES = {
    "Python": "python",
    "TypeScript": "nodejs",
    "YAML": "yaml",
    "Go": "go",
    "Python, native package": "python",
}
"""The languages of docs/getting-started.md, and the host that runs each."""
NEW = {"Go": 'package main\n\nimport _ "github.com/pulumi/pulumi/sdk/v3/go/pulumi"\n\nfunc main() {}\n'}
"""A program that `pulumi new` has made, where it matters that this one does not import the SDK."""
UP = "pulumi up --yes --skip-preview"

pytestmark = needs_cli


@pytest.fixture
def typescript(shell: Shell, api: Emulator) -> Shell:
    """A new project in TypeScript, and an environment that says nothing of the account."""
    if shutil.which("pulumi-language-nodejs") is None:
        pytest.skip("no `pulumi-language-nodejs` on PATH: it comes with the releases of the Pulumi CLI")
    for variable in api.env:
        del shell.env[variable]
    copy("typescript", shell.directory)
    done = shell.try_to("npm install && pulumi stack init dev")
    if done.returncode and NOT_KEPT.search(done.stdout):
        pytest.skip("npm has nothing to install examples/typescript from: run `npm install` there once")
    assert done.returncode == 0, done.stdout
    return shell


def test_from_pip_install_to_an_instance(typescript: Shell, api: Emulator, attempts: list[str]) -> None:
    """The commands as they stand, but for the API and its secrets."""
    script, _ = blocks("docs/native.md", "sh")
    script = _answered(script, api)
    (typescript.directory / "index.ts").write_text(TYPESCRIPT[0])
    said = typescript.run(f"{script}\n{UP}")
    [made] = api.instances()
    assert (made["name"], made["tags"]) == ("crm", ["eu"])
    assert "token: [secret]" in said
    # docs/native.md says that it does not work.
    assert typescript.try_to("source .venv/bin/activate && pulumi install").returncode != 0
    attempts.clear()


def test_an_account_of_its_own(typescript: Shell, api: Emulator) -> None:
    """Its settings come from the program, unless the environment has others."""
    other = api.add_account()
    (typescript.directory / "index.ts").write_text(TYPESCRIPT[1])
    typescript.put_plugin_on_path()
    typescript.run(
        f"""
        pulumi package add "$(which pulumi-resource-instances)"
        pulumi config set euBaseUrl {api.base_url}
        pulumi config set --secret euUserSecret wrong
        pulumi config set --secret euOrganizationSecret {other.organization_secret}
        export INSTANCES_EU_USER_SECRET={other.user_secret}
        {UP}
        """
    )
    assert [instance["name"] for instance in api.instances(other)] == ["crm"]
    assert api.instances() == []


def test_the_readme_alone_suffices_for_typescript(typescript: Shell, api: Emulator, attempts: list[str]) -> None:
    """Its paragraph, with the commands that it refers to."""
    command, program, _ = _of_readme()
    typescript.put_plugin_on_path()
    source = f'import * as instances from "pulumi-instances";\n{program};\n'
    (typescript.directory / "index.ts").write_text(source)
    typescript.run(f"{command}\n{_settings(api)}\n{UP}")
    assert [instance["name"] for instance in api.instances()] == ["crm"]
    assert attempts == []


@needs_yaml
def test_the_readme_alone_suffices_for_yaml(shell: Shell, api: Emulator, attempts: list[str]) -> None:
    """The resource that it shows, in a project in YAML."""
    _, _, resource = _of_readme()
    shell.put_plugin_on_path()
    (shell.directory / "Pulumi.yaml").write_text(f"name: readme\nruntime: yaml\nresources:\n  {resource}\n")
    for variable in api.env:
        del shell.env[variable]
    shell.run(f"pulumi stack init dev\n{_settings(api)}\n{UP}")
    assert [instance["name"] for instance in api.instances()] == ["crm"]
    assert attempts == []


@pytest.mark.parametrize("title", tabs(START), ids=str)
def test_each_language_of_getting_started(title: str, shell: Shell, api: Emulator, attempts: list[str]) -> None:
    """The commands and the program of its tab, in a new project, then the commands and the output for all languages."""
    runtime = RUNTIMES[title]
    if shutil.which(f"pulumi-language-{runtime}") is None:
        pytest.skip(f"no `pulumi-language-{runtime}` on PATH: it comes with the releases of the Pulumi CLI")
    (script, (_, program)), [file] = code_blocks(tabs(START)[title]), re.findall("^`(.*)`:$", tabs(START)[title], re.M)
    afterwards = re.findall("^Then run `(.*?)`", tabs(START)[title], re.M)
    if title in ("TypeScript", "Go"):  # `pulumi new` asks for the SDK of Pulumi
        copy(title.lower(), shell.directory)
        (shell.directory / file).write_text(NEW.get(title, ""))
        if title == "TypeScript" and shell.try_to("npm install").returncode:
            pytest.skip("npm has nothing to install examples/typescript from: run `npm install` there once")
    for variable in api.env:
        del shell.env[variable]
    typed = script[1]
    if title == "Python, native package":  # `pulumi new` makes an environment
        runtime = "{name: python, options: {virtualenv: venv}}"
        (shell.directory / "requirements.txt").write_text("pulumi>=3.0.0,<4.0.0\n")
        typed = f"python3 -m venv venv\n{typed}"
    else:
        shell.put_plugin_on_path()
        typed = re.sub("^(python3 -m venv|source|pip install).*$", "", typed, flags=re.MULTILINE)
    (shell.directory / "Pulumi.yaml").write_text(f"name: quickstart\nruntime: {runtime}\n")
    (shell.directory / "program").write_text(program)
    common = _answered(blocks(START, "sh")[-2], api).replace("pulumi up", UP)
    done = shell.try_to("\n".join(["pulumi stack init dev", typed, f"mv program {file}", *afterwards, common]))
    assert "is replaced but not required" not in done.stdout, done.stdout
    if done.returncode and NOT_KEPT.search(done.stdout):
        pytest.skip("Go has nothing to install examples/go from: do once what its README says")
    assert done.returncode == 0, done.stdout
    [made] = api.instances()
    assert (made["name"], made["tags"]) == ("crm", ["quickstart"])
    shown = blocks(START, "text")[1]
    if title == "Python":
        [name] = re.findall(r"In the first tab, the type is `(.*?)`", document(START))
        shown = shown.replace("instances:index:Instance", name)
    printed = [_timeless(line) for line in done.stdout.splitlines()]
    assert [line for line in shown.splitlines() if _timeless(line) not in printed] == [], done.stdout
    assert made["token"] not in done.stdout
    assert attempts == []


def _timeless(line: str) -> str:
    return re.sub(r"\d+(\.\d+)?s", "N", line.rstrip())


def test_the_urls_are_those_of_this_version() -> None:
    """What a reader copies names a release."""
    urls = re.findall(r"pulumi package add (\S+)@([\d.]+)( --server \S+/v([\d.]+)`)?", document("docs/native.md"))
    assert len(urls) == 2
    assert {version for url in urls for version in (url[1], url[3]) if version} == {version_of_plugin()}


def _of_readme() -> list[str]:
    """The command, the program in TypeScript and the resource in YAML of the README's paragraph."""
    [paragraph] = re.findall(r"^TypeScript, YAML, Go .*?\n\n", document("README.md"), re.MULTILINE | re.DOTALL)
    found = re.findall(r"`((?:pulumi package|new|crm:)[^`]*)`", paragraph)
    assert len(found) == 3
    return found


def _settings(api: Emulator) -> str:
    """The commands of the README for the settings."""
    commands = [line for line in blocks("README.md", "sh")[0].splitlines() if line.startswith("pulumi config")]
    return _answered("\n".join(commands), api)


def _answered(script: str, api: Emulator) -> str:
    """The script with the URL of the emulated API, and with what a person types when asked for a secret."""
    script = script.replace("https://api.example.com/your_moms/api-v2", api.base_url)
    for key, secret in (("userSecret", api.user_secret), ("organizationSecret", api.organization_secret)):
        script = re.sub(rf"^(pulumi config set --secret \S*{key})$", rf"printf %s '{secret}' | \1", script, flags=re.M)
    return script
