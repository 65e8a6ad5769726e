"""What the tests read from a Markdown document."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "examples/*.md", "examples/*/*.md")
    for path in ROOT.glob(pattern)
)
"""Every document for people, by its path."""


def document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    """The code blocks of a document in this language, in order."""
    return [code for found, code in code_blocks(document(name)) if found == language]


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Each code block of a text: its language and its code."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def tabs(name: str) -> dict[str, str]:
    """The sections of a document that are tabs on the website, by title."""
    [enclosed] = re.findall(r"^<!-- tabs -->\n(.*?)^<!-- /tabs -->$", document(name), re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^### ([^\n]*)\n(.*?)(?=^### |\Z)", enclosed, re.MULTILINE | re.DOTALL))


def table(name: str, first_column: str) -> list[dict[str, str]]:
    """The rows of the table whose first column has this title, as the plain text of their cells."""
    lines = iter(document(name).splitlines())
    title = next(line for line in lines if line.startswith(f"| {first_column} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(_cells(title), _cells(line), strict=True)))
    return rows


def headings(text: str) -> set[str]:
    """The anchors of a document: of its headings, as GitHub makes them, and those that it names."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    named = re.findall(r'<a id="([\w-]+)"></a>', text)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles} | set(named)


def normalised(line: str) -> str:
    """A line that a command prints, without its times, ids and machines."""
    return re.sub(r"\b\d+(\.\d+)? ?s\b|\b4\d{3}\b|(?<= on )[\w.-]+(?= in )", "N", line.rstrip())


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip("|").split("|")]
