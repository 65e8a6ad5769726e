"""`python -m tools.release DIRECTORY`: the archives from which the Pulumi CLI installs the native package.

All hold the same three files: those of provider/plugin, with the released package as the requirement. The engine asks
for the archive of its own system and processor. A commit with the tag of another version is refused.
"""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from importlib.metadata import version
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "provider" / "plugin"
PLATFORMS = tuple(map("-".join, product(("linux", "darwin", "windows"), ("amd64", "arm64"))))


def archive(release: str) -> bytes:
    """The archive of a version: without time stamps and owners, so that the same source gives the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name in ("PulumiPlugin.yaml", "__main__.py", "requirements.txt"):
            is_pinned = name == "requirements.txt"
            content = f"pulumi-instances=={release}\n".encode() if is_pinned else (PLUGIN / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def problem_of(tags: Iterable[str], release: str, changelog: str) -> str | None:
    """What is wrong with a commit that has these tags: it is a release only as this version, with a date."""
    versions = [tag for tag in tags if re.match(r"v\d", tag)]
    if other := [tag for tag in versions if tag != f"v{release}"]:
        return f"this commit has the tag {other[0]}, and pyproject.toml the version {release}; make them the same"
    if versions and not re.search(rf"^## \[{re.escape(release)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        return f"this commit has the tag v{release}, and CHANGELOG.md no date for {release}; write it"
    return None


def _tags() -> list[str]:
    """The tags of the commit; none outside of a clone."""
    command = ["git", "-C", str(ROOT), "tag", "--points-at", "HEAD"]
    return subprocess.run(command, text=True, capture_output=True, check=False).stdout.split()  # noqa: S603  no shell


def main(directory: str) -> None:
    """Write the archives into the directory, under the names that the engine asks for."""
    release = version("pulumi-instances")
    if problem := problem_of(_tags(), release, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        sys.exit(problem)
    content = archive(release)
    for platform in PLATFORMS:
        Path(directory, f"pulumi-resource-instances-v{release}-{platform}.tar.gz").write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
