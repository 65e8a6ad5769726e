"""What is in the wheel and in the sdist, and what the wheel does where only its runtime dependencies are."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from .conftest import ROOT

PACKAGE = ROOT / "provider"


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """It contains every module, the marker for type checkers and the licence, but no tests, tools or caches."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    [info] = {name.split("/")[0] for name in names if ".dist-info/" in name}
    sources = {
        path.relative_to(PACKAGE).as_posix()
        for path in (PACKAGE / "pulumi_instances").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"pulumi_instances/py.typed", "pulumi_instances/pulumi-plugin.json"} <= sources
    members = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert names == sources | {f"{info}/{member}" for member in members}


def test_every_way_to_install_it_says_that_there_is_no_plugin(installed: Path) -> None:
    """The wheel and an editable install have the file where the Python language host looks for it (engine: main.go)."""
    program = (
        "import importlib.util, json, pathlib\n"
        "[place] = importlib.util.find_spec('pulumi_instances').submodule_search_locations\n"
        "assert json.loads(pathlib.Path(place, 'pulumi-plugin.json').read_text()) == {'resource': False}\n"
    )
    for python in (str(installed / "python"), sys.executable):
        subprocess.run([python, "-c", program], check=True)


def test_the_sdist_holds_what_its_tests_need(sdist: Path) -> None:
    """Whoever packages this can run `make test` from the sdist, and finds nothing of our machines in it."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        ".ci/run",
        ".github/workflows/release.yml",
        ".gitignore",
        "Makefile",
        "Pulumi.yaml",
        "noxfile.py",
        "pyproject.toml",
        "requirements/dev.txt",
    }
    needed |= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "tools/demo.py"}
    needed |= {"examples/quickstart/__main__.py", "tests/conftest.py", "provider/pulumi_instances/py.typed"}
    needed.add("provider/pulumi_instances/pulumi-plugin.json")
    assert needed - names == set()
    foreign = re.compile(
        r"(^|/)(\.venv|\.demo|\.cache|\.git|\.\w+_cache|\.hypothesis|__pycache__|Pulumi\.\w+\.yaml)(/|$)"
    )
    assert [name for name in names if foreign.search(name)] == []


def test_the_metadata_says_what_is_needed(metadata: Message) -> None:
    """There are few runtime dependencies; all others come with an extra."""
    required = [value for value in metadata.get_all("Requires-Dist", []) if "extra ==" not in value]
    assert {re.split(r"[<>=]", value)[0] for value in required} == {"pulumi", "requests", "urllib3"}
    assert set(metadata.get_all("Provides-Extra", [])) == {"cli", "dev", "fleet", "testing"}
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0", ">=3.10")


def test_the_links_of_the_readme_lead_into_the_repository(metadata: Message) -> None:
    """The wheel's description is the README, and the build lets its relative links begin with the repository."""
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", []))
    assert urls.keys() == {"Repository", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith(urls["Repository"]) for url in urls.values())
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", str(metadata.get_payload()))
    absolute = {"!": f"{urls['Repository']}/raw/main/", "": f"{urls['Repository']}/blob/main/"}
    relative = [(image, target.removeprefix(absolute[image])) for image, target in links]
    assert relative == re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", readme)
    assert all(target.startswith("https://") for _, target in links)
    assert len({image for image, _ in links}) == 2


def test_the_version_is_the_newest_of_the_changelog(metadata: Message) -> None:
    """A release is documented before it is made."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## \[([^\]]+)\] - (?:\d{4}-\d\d-\d\d|unreleased)$", changelog, re.MULTILINE)
    assert newest is not None
    assert metadata["Version"] == newest[1]


def test_it_imports_with_its_runtime_dependencies_only(installed: Path) -> None:
    """What users write needs no extra."""
    program = "from pulumi_instances import Instance, InstancesError, account; import pulumi_instances.lifecycle"
    subprocess.run([installed / "python", "-W", "error", "-c", program], check=True)


def test_the_command_without_its_extra_says_what_to_install(installed: Path) -> None:
    """It prints one line, not a traceback."""
    done = subprocess.run([installed / "pulumi-instances"], text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["The command line needs an extra: pip install 'pulumi-instances[cli]'"]


def test_the_plugin_without_the_extra_leaves_pytest_alone(installed: Path, tmp_path: Path) -> None:
    """pytest loads the plugin wherever the package is installed, so it must import nothing of its own."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n"
        "    loaded = {'click', 'cryptography', 'requests', 'rich', 'starlette', 'uvicorn'} & set(sys.modules)\n"
        "    assert not loaded\n"
    )
    command = [str(installed / "python"), "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "plugins: pulumi-instances-" in done.stdout
