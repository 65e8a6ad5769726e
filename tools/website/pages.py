"""The documents as pages of the website. GitHub shows the same files as they are.

Links between documents lead to the pages, others into the repository. `<!-- tabs -->` and `<!-- /tabs -->` enclose
sections that become tabs, and `<a id="name"></a>` becomes an anchor.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath

ROOT = Path(__file__).resolve().parents[2]
NAVIGATION = {
    "Start": ("getting-started", "native", "examples", "comparison", "how-it-works"),
    "Write programs": ("resource", "settings", "live-services", "testing", "emulator"),
    "Operate": ("command-line", "moving", "ci", "large-stacks", "fleets", "speed", "measurements"),
    "Trust": ("promises", "failures", "troubleshooting", "security"),
    "Reference": ("reference-python", "reference-native", "engine", "contributing", "changelog"),
}
"""The pages under each heading of the sidebar. A page that is missing here is a warning of Sphinx."""
_EXAMPLES = """
```{toctree}
:hidden:
:glob:

examples/*
```
"""
_OF_THE_REGISTRY = ("_index.md", "installation-configuration.md")
"""What the Pulumi Registry shows of a package, by the names that it asks for. The website says the same elsewhere."""
_OTHERS = {
    "README.md": "index",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "security",
    "examples/README.md": "examples",
    "bench/results/table.md": "measurements",
}
_LANGUAGES = {".py": "python", ".ts": "typescript", ".go": "go", ".yaml": "yaml"}
_CODE = re.compile(r"(^```.*?^```$|`(?:[^`\n]|\n(?!\n))+`)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TABS = re.compile(r"^<!-- tabs -->\n(.*?)^<!-- /tabs -->$", re.MULTILINE | re.DOTALL)
_TAB = re.compile(r"^### ([^\n]*)\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)


def documents() -> dict[str, str]:
    """Each document by its path in the repository, and the name of its page."""
    guides = {
        path.relative_to(ROOT).as_posix(): path.stem
        for path in sorted(ROOT.glob("docs/*.md"))
        if path.name not in _OF_THE_REGISTRY
    }
    examples = {
        path.relative_to(ROOT).as_posix(): f"examples/{path.parent.name}"
        for path in sorted(ROOT.glob("examples/*/README.md"))
    }
    return {**_OTHERS, **guides, **examples}


def write(directory: Path) -> None:
    """Write the pages, and the pictures that they show, into an empty directory."""
    (directory / "examples").mkdir()
    for source, name in documents().items():
        text = page(source, directory)
        if name == "index":
            text += "".join(_navigation())
        if name == "examples":
            text += _EXAMPLES
        if name.startswith("examples/"):
            text += "".join(_files(Path(source).parent))
        (directory / f"{name}.md").write_text(text, encoding="utf-8")


def page(source: str, directory: Path) -> str:
    """The text of a document for Sphinx. Pictures that it shows are copied into the directory."""
    parts = _CODE.split((ROOT / source).read_text(encoding="utf-8"))
    for number in range(0, len(parts), 2):  # the others are code
        parts[number] = _LINK.sub(lambda link: f"]({_target(source, link[1], directory)})", parts[number])
        parts[number] = re.sub(r'<a id="([\w-]+)"></a>', r"[]{#\1}", parts[number])
    return _TABS.sub(lambda tabs: _tabs(tabs[1]), "".join(parts))


def _target(source: str, link: str, directory: Path) -> str:
    """Where a link of a document leads on the website. Raises LookupError where there is no such file."""
    path, mark, anchor = link.partition("#")
    if not path or link.startswith("https://"):
        return link
    file = normpath(Path(source).parent / path)
    if page := documents().get(file):
        return f"/{page}.md{mark}{anchor}"
    if not (ROOT / file).exists():
        raise LookupError(f"{source}: {link}")
    if Path(file).suffix in {".svg", ".png"}:
        shutil.copy(ROOT / file, directory)
        return f"/{Path(file).name}"
    return f"{_repository()}/{'tree' if (ROOT / file).is_dir() else 'blob'}/main/{file}{mark}{anchor}"


def _repository() -> str:
    [url] = re.findall(r'^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return str(url)


def _tabs(text: str) -> str:
    return "\n".join(f"::::{{tab}} {title}\n{content.strip()}\n::::\n" for title, content in _TAB.findall(text))


def _navigation() -> Iterator[str]:
    for caption, names in NAVIGATION.items():
        yield "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```\n"])


def _files(example: Path) -> Iterator[str]:
    """The files of an example, for readers who have no clone."""
    for path in sorted((ROOT / example).iterdir()):
        if (language := _LANGUAGES.get(path.suffix)) and not re.match(r"Pulumi\..+\.", path.name):
            yield f"\n## `{path.name}`\n\n```{language}\n{path.read_text(encoding='utf-8').strip()}\n```\n"
