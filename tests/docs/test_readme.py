"""README.md: short enough to be read, and complete wherever it is shown."""

from __future__ import annotations

import re

import pytest

from .markdown import ROOT, document, headings

README = document("README.md")
LINKS = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", README)
[REPOSITORY] = re.findall(r'^Repository = "(.*)"$', document("pyproject.toml"), re.MULTILINE)


def test_it_fits_on_a_few_screens() -> None:
    assert len(README.splitlines()) <= 130


def test_it_names_the_two_commands_for_a_clone() -> None:
    commands = re.search(r"^```sh\nmake demo .*\nmake test .*\n```$", README, re.MULTILINE)
    assert commands, "the commands `make demo` and `make test` stand in one block"


def test_every_document_is_linked() -> None:
    linked = {target.partition("#")[0] for _, target in LINKS}
    documents = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")]
    assert len(documents) >= 9
    assert [path for path in documents if f"{REPOSITORY}/blob/main/{path}" not in linked] == []


@pytest.mark.parametrize(("image", "target"), LINKS)
def test_its_links_and_pictures_work_outside_of_the_repository(image: str, target: str) -> None:
    """A package index shows the README too: links are absolute, and those into the repository lead to files in it."""
    assert target.startswith("https://")
    if image:
        assert target.startswith(f"{REPOSITORY}/raw/main/"), "a page of the repository is not a picture"
    if target.startswith(REPOSITORY):
        path, _, heading = re.sub(r"^/(blob|raw)/main/", "", target.removeprefix(REPOSITORY)).partition("#")
        assert (ROOT / path).is_file(), target
        assert not heading or heading in headings(document(path)), target
