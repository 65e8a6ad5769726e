"""The archives from which the Pulumi CLI installs the native package."""

from __future__ import annotations

import tarfile
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import pytest
import yaml

from tools import release

from .conftest import ROOT


def test_the_archives_are_named_as_the_engine_asks(tmp_path: Path) -> None:
    """One for each platform of the CLI, all with the same bytes (engine: sdk/go/common/workspace/plugins.go)."""
    release.main(str(tmp_path))
    names = {path.name for path in tmp_path.iterdir()}
    assert f"pulumi-resource-instances-v{version('pulumi-instances')}-darwin-arm64.tar.gz" in names
    assert len(names) == 6
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {release.archive(version("pulumi-instances"))}


def test_an_archive_holds_three_files_and_pins_the_package() -> None:
    """Nothing in it depends on when and where it was made."""
    with tarfile.open(fileobj=BytesIO(release.archive("1.2.3"))) as archive:
        members = {member.name: member for member in archive.getmembers()}
        assert members.keys() == {"PulumiPlugin.yaml", "requirements.txt", "__main__.py"}
        pinned = archive.extractfile("requirements.txt")
        assert pinned is not None
        assert pinned.read() == b"pulumi-instances==1.2.3\n"
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members.values()} == {(0, 0, "", 0o644)}


DATED, UNDATED = "## [1.2.3] - 2026-11-30\n", "## [1.2.3] - unreleased\n"


@pytest.mark.parametrize(
    ("tags", "changelog", "said"),
    [
        ([], UNDATED, None),
        (["nightly"], UNDATED, None),
        (["v1.2.3", "nightly"], DATED, None),
        (["v1.2.4"], DATED, "this commit has the tag v1.2.4, and pyproject.toml the version 1.2.3"),
        (["v1.2.3", "v1.2.30"], DATED, "this commit has the tag v1.2.30, and pyproject.toml the version 1.2.3"),
        (["v1.2.3"], UNDATED, "this commit has the tag v1.2.3, and CHANGELOG.md no date for 1.2.3"),
        (["v1.2.3"], "## [1.2.30] - 2026-11-30\n", "CHANGELOG.md no date for 1.2.3"),
    ],
)
def test_a_commit_is_released_as_the_version_of_its_tag(tags: list[str], changelog: str, said: str | None) -> None:
    """A commit without a tag is no release: it may be built at any time."""
    found = release.problem_of(tags, "1.2.3", changelog)
    assert (found is None) == (said is None)
    assert said is None or said in str(found)


def test_the_plugin_directory_installs_the_package_of_its_clone() -> None:
    """So that `package add` by a git URL needs no release."""
    [requirement] = [line for line in (release.PLUGIN / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    assert (release.PLUGIN / requirement).resolve() == ROOT


def test_the_workflow_publishes_what_make_release_checked_and_holds_no_secret() -> None:
    """Only the job that publishes may ask the index for a token, and it runs nothing of the repository."""
    text = (ROOT / ".github/workflows/release.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    assert "make release" in [step.get("run") for step in jobs["build"]["steps"]]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert [step for step in jobs["publish"]["steps"] if "run" in step] == []
    assert "secrets." not in text
