"""The examples: what each README says to type, in an empty directory beside a clone, on the real CLI."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pulumi_instances.core.config import SETTINGS
from pulumi_instances.testing.emulator import Emulator
from tests.support.shell import Shell

from .conftest import needs_cli
from .markdown import ROOT, code_blocks, document, normalised

SENT = {
    "adopt-existing": "PUT",
    "component": "POST POST DELETE",
    "default-tags": "POST POST PUT PUT",
    "fleet": "POST POST POST POST POST PUT",
    "go": "POST",
    "lookup": "",
    "multiple-accounts": "POST POST",
    "native-python": "POST",
    "quickstart": "POST POST PUT",
    "rotation": "POST PUT",
    "testing-your-program": "",
    "typescript": "POST POST",
    "yaml": "POST",
}
"""The requests with which each example changes something at the API."""
HOSTS = {"yaml": "yaml", "typescript": "nodejs", "go": "go"}
"""The languages other than Python."""
CHECKS = {
    "typescript": "npx tsc --noEmit",
    "go": "go vet ./...",
}
"""What checks the types of a program that needs a generated SDK."""
ENDS = {"fleet": "pulumi-instances fleet destroy --yes", "testing-your-program": ""}
END = "pulumi preview --expect-no-changes\npulumi destroy --yes --skip-preview"
ACTIVATE = "for venv in venv .venv; do [ ! -d $venv ] || source $venv/bin/activate; done"
MARK = "--- the next step of the README ---"
NOT_KEPT = re.compile("ENOTCACHED|module lookup disabled by GOPROXY=off|verifying module")
"""What npm and Go say of a package that is not on this machine."""


def test_each_readme_is_short_and_says_how_to_begin_in_the_same_words() -> None:
    assert {path.parent.name for path in (ROOT / "examples").glob("*/Pulumi.yaml")} == {*SENT}
    beginnings = []
    for example in SENT:
        readme = document(f"examples/{example}/README.md")
        assert 15 <= len(readme.splitlines()) <= 70
        beginnings += re.findall("Without an account, .*? With an account", " ".join(readme.split()))
    assert len({words.replace(" --dialect elements", "") for words in beginnings}) == 1
    assert len(beginnings) == len(SENT) - 1  # `testing-your-program` needs no account


def test_the_table_lists_each_example() -> None:
    linked = re.findall(r"\]\(([\w-]+)/README\.md\)", document("examples/README.md"))
    assert sorted(linked) == sorted(path.parent.name for path in (ROOT / "examples").glob("*/README.md"))


@pytest.mark.parametrize("example", SENT)
def test_a_template_asks_for_the_account(example: str) -> None:
    """A secret is not shown while it is typed, and `pulumi new --yes` leaves what the environment has."""
    project = yaml.safe_load(document(f"examples/{example}/Pulumi.yaml"))
    template = project["template"]
    assert template["description"] == project["description"]
    for setting in SETTINGS:
        if setting.required:
            asked = template["config"][f"instances:{setting.key}"]
            assert (asked.get("secret", False), "default" in asked) == (setting.secret, False)
            assert f"INSTANCES_{setting.attribute.upper()}" in asked["description"]


@needs_cli
def test_each_is_a_template(shell: Shell) -> None:
    """`pulumi new` makes a project of each, with all its files."""
    for example in SENT:
        if not _missing_host(example):
            template, project = f"pulumi-instances/examples/{example}", shell.directory / example
            copy(example, shell.directory / template)
            shell.run(f"mkdir {example} && cd {example} && pulumi new ../{template} --yes --generate-only")
            assert _files(project) == _files(shell.directory / template)
            assert "template" not in yaml.safe_load((project / "Pulumi.yaml").read_text())


def _files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


@pytest.fixture(params=SENT)
def example(request: pytest.FixtureRequest) -> str:
    """An example for which this machine has what its README needs."""
    if missing := _missing_host(request.param):
        pytest.skip(f"no `{missing}` on PATH: it comes with the releases of the Pulumi CLI")
    if "curl " in document(f"examples/{request.param}/README.md") and shutil.which("curl") is None:
        pytest.skip("no `curl` on PATH")
    return str(request.param)


def _missing_host(example: str) -> str:
    host = f"pulumi-language-{HOSTS.get(example, 'python')}"
    return "" if shutil.which(host) else host


@pytest.fixture
def apis(example: str) -> Iterator[tuple[Emulator, Emulator]]:
    """The API that the README says to emulate, with the first ids, and that of a second account."""
    elements = "--dialect elements" in document(f"examples/{example}/README.md")
    with Emulator(dialect="elements" if elements else "default") as first, Emulator() as second:
        yield first, second


@needs_cli
def test_what_the_readme_says_to_type(
    example: str, shell: Shell, apis: tuple[Emulator, Emulator], attempts: list[str]
) -> None:
    """It prints what the README shows, but no token. Then a preview is empty, and `destroy` leaves what others made."""
    api, second = apis
    shell.env.update(api.env)
    shell.env.update({key.replace("INSTANCES", "EU"): value for key, value in second.env.items()})
    shell.env.update(PULUMI_BACKEND_URL=shell.directory.as_uri(), PULUMI_CONFIG_PASSPHRASE="")
    if example != "native-python":  # whose SDK is installed, too
        shell.share_environment()
    copy(example, shell.directory / "pulumi-instances/examples" / example)
    steps = [code for language, code in code_blocks(document(f"examples/{example}/README.md")) if language == "sh"]
    done = shell.try_to("".join(f"echo '{MARK}'\n{step}" for step in steps))
    if done.returncode and NOT_KEPT.search(done.stdout):
        pytest.skip(f"npm or Go have nothing to install examples/{example} from: do once what its README says")
    assert done.returncode == 0, done.stdout
    _, *printed = done.stdout.split(MARK)
    assert not _not_printed(example, printed), done.stdout
    assert " ".join(request.method for request in (*api.writes, *second.writes)) == SENT[example]
    made = [*api.instances(), *second.instances()]
    texts = {"": done.stdout, **_texts(shell.directory, example)}
    shown = {where for where, text in texts.items() if any(one["token"] in text for one in made)}
    assert shown == ({"crm.token"} if example == "component" else set())
    shell.run("\n".join([f"cd {example}", ACTIVATE, CHECKS.get(example, ""), ENDS.get(example, END)]))
    assert [*api.instances(), *second.instances()] == [one for one in made if one["managed_by"] is None]
    assert attempts == []


def _texts(directory: Path, example: str) -> dict[str, str]:
    """The states, and the files of the project, by name."""
    paths = [*(directory / ".pulumi").rglob("*"), *(directory / example).iterdir()]
    return {path.name: path.read_text(encoding="utf-8") for path in paths if path.is_file()}


def _not_printed(example: str, printed: list[str]) -> list[str]:
    """The lines that the README shows after a step, and that the step did not print."""
    missing = []
    step = -1
    for language, code in code_blocks(document(f"examples/{example}/README.md")):
        step += language == "sh"
        if language == "text":
            lines = [Counter(map(normalised, text.splitlines())) for text in (code, printed[step])]
            missing += [*(lines[0] - lines[1])]
    return missing


def copy(example: str, directory: Path) -> None:
    """Copy an example, without what its commands have made there."""
    made = shutil.ignore_patterns("node_modules", "sdks", "*venv", "package-lock.json", "Pulumi.*.yaml", "__pycache__")
    shutil.copytree(ROOT / "examples" / example, directory, ignore=made, dirs_exist_ok=True)
