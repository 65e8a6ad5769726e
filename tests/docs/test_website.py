"""The website of `make docs`: whole, linked, searchable, and without a request to another server."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections import defaultdict
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import pulumi_instances
from pulumi_instances import fleet, testing
from pulumi_instances.native import schema
from tools.website import pages
from tools.website.__main__ import build

from .markdown import document, table, tabs

pytest.importorskip("furo", reason="`make docs` installs what builds the website")

SHOWN = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""What a browser loads by itself to show a page: the tags, and the attribute that says from where."""

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
WIDE = {"measurements.html"}
"""Pages with tables of numbers that a reader of a phone moves sideways."""
LOOK = """<body><script>
(async () => {
  const cut = [];
  for (const page of PAGES) {
    const frame = document.createElement("iframe");
    frame.style.width = "390px";
    frame.src = page;
    await new Promise((loaded) => { frame.onload = loaded; document.body.append(frame); });
    const parts = frame.contentDocument.querySelectorAll("html, .table-wrapper, pre");
    for (const part of parts) {
      if (part.scrollWidth > part.clientWidth) cut.push(`${page}: ${part.textContent.trim().slice(0, 40)}`);
    }
    frame.remove();
  }
  document.body.textContent = JSON.stringify({ cut });
})();
</script></body>"""
"""Opens each page as on a phone, and says where something is wider than its place."""


class Page(HTMLParser):
    """What a page loads, where its links lead, its anchors and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.words: list[str] = []
        self._hidden = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._hidden = tag in ("script", "style")
        if tag in SHOWN and SHOWN[tag] in found:
            self.loads.append(found[SHOWN[tag]])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        self.anchors |= {found[name] for name in ("id", "name") if name in found}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data.split()


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The website that `--website` names, or one that is built here. A warning ends the build."""
    if given := request.config.getoption("--website"):
        return Path(given)
    directory = tmp_path_factory.mktemp("site")
    build(directory)
    return directory


@pytest.fixture(scope="module")
def found(site: Path) -> dict[str, Page]:
    """Each page by its path."""
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_every_document_is_a_page(found: dict[str, Page]) -> None:
    assert {f"{name}.html" for name in pages.documents().values()} <= found.keys()


def test_no_link_or_anchor_is_broken(site: Path, found: dict[str, Page]) -> None:
    """This holds for links to other servers as far as their form: nothing is asked."""
    broken = []
    for name, page in found.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme in ("https", "data"):
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            path = target.resolve().relative_to(site.resolve()).as_posix()
            anchors = found[path].anchors | {"", "top"} if path in found else {""}
            if not target.is_file() or parts.fragment not in anchors:
                broken.append(f"{name}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path, found: dict[str, Page]) -> None:
    """Every script, style sheet, picture and font is a file of the website."""
    loaded = [(name, link) for name, page in found.items() for link in page.loads if "//" in link]
    styles = [
        (path.name, link)
        for path in site.rglob("*.css")
        for link in re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s]+)", path.read_text(encoding="utf-8"))
        if "//" in link and not link.startswith("data:")
    ]
    scripts = [
        (path.name, link)
        for path in site.rglob("*.js")
        for link in re.findall(r"(?:fetch|import|src\s*=)\s*\(?\s*['\"`](https?://[^'\"`]+)", path.read_text("utf-8"))
    ]
    assert (loaded, styles, scripts) == ([], [], [])


def test_the_search_finds_each_page_by_a_word_of_its_own(site: Path, found: dict[str, Page]) -> None:
    """The index has the name of each page, and a word that is on no other page or on few."""
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index: dict[str, Any] = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    words = defaultdict(set)
    for kind in ("terms", "titleterms"):
        for word, numbers in index[kind].items():
            for number in numbers if isinstance(numbers, list) else [numbers]:
                words[index["docnames"][number]].add(word)
    without = {"search.html", "genindex.html"}
    assert {f"{name}.html" for name in index["docnames"]} == found.keys() - without
    assert [
        name for name in index["docnames"] if not words[name] & {word.lower() for word in found[f"{name}.html"].words}
    ] == []
    assert "troubleshooting" in index["docnames"]
    assert "sfdc" in words["getting-started"]


def test_each_language_is_a_tab(found: dict[str, Page]) -> None:
    text = " ".join(found["getting-started.html"].words)
    assert [title for title in tabs("docs/getting-started.md") if title not in text] == []
    assert "<!-- tabs" not in text
    assert len([name for name in found["getting-started.html"].anchors if "-input-" in name]) == 5


def test_each_error_has_an_anchor(found: dict[str, Page]) -> None:
    """Each row of the tables of troubleshooting has its own."""
    anchors = re.findall(r'^\|.*<a id="([\w-]+)">', document("docs/troubleshooting.md"), re.MULTILINE)
    rows = [line for line in document("docs/troubleshooting.md").splitlines() if line.startswith("| ")]
    titles = [line for line in rows if line.startswith("| what ")]
    assert len(set(anchors)) == len(anchors) == len(rows) - len(titles)
    assert set(anchors) <= found["troubleshooting.html"].anchors


def test_the_reference_has_every_public_name(found: dict[str, Page]) -> None:
    """Each name of `__all__` has its docstring, each property and setting of the schema its description."""
    anchors = found["reference-python.html"].anchors
    for module in (pulumi_instances, testing, fleet):
        assert [name for name in module.__all__ if f"{module.__name__}.{name}" not in anchors] == []
    words = set(found["reference-native.html"].words)
    spec = schema.document()
    for kind in (*spec["resources"].values(), spec["provider"]):
        assert set(kind["inputProperties"]) <= words
    assert {row["property"] for row in table("docs/resource.md", "property")} <= set(found["resource.html"].words)


class Quiet(SimpleHTTPRequestHandler):
    """Prints nothing."""

    def log_message(self, format: str, *_: object) -> None: ...


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
def test_nothing_is_cut_on_a_phone(site: Path, found: dict[str, Page], tmp_path: Path) -> None:
    """In a real browser, at 390 pixels."""
    copy = shutil.copytree(site, tmp_path / "site")
    (copy / "look.html").write_text(LOOK.replace("PAGES", json.dumps(sorted(found.keys() - WIDE))))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(copy))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=60000"]
        options += ["--dump-dom", f"--user-data-dir={tmp_path / 'profile'}"]
        command = [str(BROWSER), *options, f"http://127.0.0.1:{server.server_port}/look.html"]
        done = subprocess.run(command, text=True, capture_output=True, timeout=200, check=True)
        server.shutdown()
        thread.join()
    [answer] = re.findall(r"<body>(\{.*\})</body>", done.stdout)
    assert json.loads(html.unescape(answer))["cut"] == []
