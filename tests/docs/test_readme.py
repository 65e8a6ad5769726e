"""README.md: short enough to be read, and complete wherever it is shown."""

from __future__ import annotations

import ast
import html
import re

import nox.project

from noxfile import PYTHONS
from pulumi_instances import __version__
from tools import install_cli

from .markdown import ROOT, blocks, document
from .test_marks import said

README = document("README.md")
LINKS = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", README)
[PICTURE] = re.findall(r"\((docs/.*\.svg)\)", README)


def test_it_fits_on_a_few_screens() -> None:
    assert len(README.splitlines()) <= 100


def test_it_begins_with_three_lines_of_program() -> None:
    """A sentence and a title come before, and the picture comes next."""
    [program] = blocks("README.md", "python")
    assert len(ast.parse(program).body) == 3
    assert README.index("```python") < README.index(PICTURE) < README.index("**Status:**") < README.index("\n## ")
    assert len(README[: README.index("```python")].splitlines()) <= 4


def test_its_status_is_the_state_of_the_project() -> None:
    [status] = re.findall(r"^\*\*Status:\*\* (.*)$", README, re.MULTILINE)
    newest, oldest = install_cli.versions()
    assert status == (
        f"{__version__}, beta. The tests run on the Pulumi CLI {oldest} and {newest}, "
        f"and on Python {PYTHONS[0]} to {PYTHONS[-1]}."
    )
    project = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
    assert "Development Status :: 4 - Beta" in project["classifiers"]


def test_it_names_the_two_commands_for_a_clone() -> None:
    commands = re.search(r"^```sh\nmake demo .*\nmake test .*\n```$", README, re.MULTILINE)
    assert commands, "the commands `make demo` and `make test` stand in one block"


def test_every_document_is_linked() -> None:
    """The two pages for the Pulumi Registry are not: they say there what others say here."""
    linked = {target.partition("#")[0] for _, target in LINKS}
    documents = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")]
    assert len(documents) >= 9
    not_linked = {path for path in documents if path not in linked}
    assert not_linked == {"docs/_index.md", "docs/installation-configuration.md"}


def test_its_pictures_are_files_of_the_repository() -> None:
    """Where its links lead is in test_documents.py; the build makes them absolute (tests/packaging)."""
    assert [target for image, target in LINKS if image and not (ROOT / target).is_file()] == []


def test_the_picture_shows_what_is_said() -> None:
    """`make picture` draws it anew from a run of the CLI: necessary where one of these messages has changed."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", (ROOT / PICTURE).read_text(), re.DOTALL)
    shown = " ".join(html.unescape(" ".join(texts)).split())
    for start in ("carries the mark of this resource already", "is taken over with the configuration and login"):
        messages = [" ".join(text.split()) for text in said() if start in text]
        assert messages
        assert [text for text in messages if not re.search(re.escape(text).replace("…", ".+"), shown)] == []
    assert "http" not in re.sub(r'xmlns="[^"]*"|<!--.*?-->', "", (ROOT / PICTURE).read_text())
