"""`python -m tools.install_cli DIRECTORY`: the Pulumi CLI by its official installer. Run by `tools.engines`."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

import pulumi.automation as auto

INSTALLER = "https://get.pulumi.com/install.sh"


def main(root: str) -> None:
    """Install the CLI that belongs to the installed SDK, unless it is there already. Raises where it cannot."""
    if not (Path(root) / "bin" / "pulumi").exists():
        # `install` waits for ever for a network that does not answer.
        with urllib.request.urlopen(INSTALLER, timeout=5):
            pass
    auto.PulumiCommand.install(root=root)


if __name__ == "__main__":
    main(sys.argv[1])
