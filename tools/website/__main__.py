"""`python -m tools.website DIRECTORY`: build the website there. Any warning of Sphinx is an error."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from . import pages, reference


def build(directory: Path) -> None:
    """Build the website. Raises CalledProcessError where Sphinx warns, and LookupError where a link leads nowhere."""
    with tempfile.TemporaryDirectory() as source:
        pages.write(Path(source))
        reference.write(Path(source))
        command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--builder", "html"]
        places = [
            "--conf-dir",
            str(Path(__file__).parent),
            "--doctree-dir",
            f"{source}/.doctrees",
            source,
            str(directory),
        ]
        subprocess.run([*command, *places], check=True)  # noqa: S603  Sphinx


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    print(f"Open {Path(sys.argv[1], 'index.html')}")
