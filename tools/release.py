"""`python -m tools.release DIRECTORY`: the archives from which the Pulumi CLI installs the native package.

All hold the same three files: those of provider/plugin, with the released package as the requirement. The engine asks
for the archive of its own system and processor.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from importlib.metadata import version
from itertools import product
from pathlib import Path

PLUGIN = Path(__file__).parents[1] / "provider" / "plugin"
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


def main(directory: str) -> None:
    """Write the archives into the directory, under the names that the engine asks for."""
    release = version("pulumi-instances")
    content = archive(release)
    for platform in PLATFORMS:
        Path(directory, f"pulumi-resource-instances-v{release}-{platform}.tar.gz").write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
