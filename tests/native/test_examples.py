"""The examples for the native package: what each README says to type, from a copy of the project."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.acceptance.conftest import needs_cli
from tests.docs.markdown import ROOT, blocks, normalised
from tests.support.shell import Shell

HOSTS = {"yaml": "yaml", "typescript": "nodejs", "go": "go", "native-python": "python"}
CREATED = {"yaml": {"crm"}, "typescript": {"sales-crm", "sales-desk"}, "go": {"crm"}, "native-python": {"crm"}}
NOT_KEPT = re.compile("ENOTCACHED|module lookup disabled by GOPROXY=off|verifying module")
"""What npm and Go say of a package that is not on this machine."""

pytestmark = needs_cli


@pytest.fixture(params=HOSTS)
def example(request: pytest.FixtureRequest) -> str:
    """An example whose language this machine has."""
    host = f"pulumi-language-{HOSTS[request.param]}"
    if shutil.which(host) is None:
        pytest.skip(f"no `{host}` on PATH: it comes with the releases of the Pulumi CLI")
    return str(request.param)


def test_what_the_readme_says_to_type(example: str, shell: Shell, api: Emulator, attempts: list[str]) -> None:
    """It prints what the README shows; then a preview is empty, and destroy leaves only what was there before."""
    files = api.add(your_mom="dropbox", name="Team files", tags=["quickstart"])
    copy(example, shell.directory)
    [script] = blocks(f"examples/{example}/README.md", "sh")
    if "pip install pulumi-instances\n" in script:  # `test_from_pip_install_to_an_instance` does that
        shell.put_plugin_on_path()
        script = script.replace("pip install pulumi-instances\n", "")
    done = shell.try_to(script)
    if done.returncode and NOT_KEPT.search(done.stdout):
        pytest.skip(f"npm or Go have nothing to install examples/{example} from: do once what its README says")
    assert done.returncode == 0, done.stdout
    [shown] = blocks(f"examples/{example}/README.md", "text")
    printed = [normalised(line) for line in done.stdout.splitlines()]
    assert [line for line in shown.splitlines() if normalised(line) not in printed] == [], done.stdout
    made = {instance["name"]: instance for instance in api.instances()}
    assert made.keys() == {"Team files", *CREATED[example]}
    assert all(instance["token"] not in done.stdout for instance in made.values())
    if (given := ROOT / "examples" / example / "requirements.txt").exists():  # the line that brings the plugin stays
        assert given.read_text() in (shell.directory / "requirements.txt").read_text()
    shell.run("pulumi preview --expect-no-changes")
    shell.run("pulumi destroy --yes --skip-preview")
    assert [instance["id"] for instance in api.instances()] == [files]
    assert attempts == []


def copy(example: str, directory: Path) -> None:
    """Copy an example, without what its commands have made there."""
    made = shutil.ignore_patterns("node_modules", "sdks", ".venv", "package-lock.json", "Pulumi.*.yaml")
    shutil.copytree(ROOT / "examples" / example, directory, ignore=made, dirs_exist_ok=True)
