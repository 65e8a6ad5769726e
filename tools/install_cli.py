"""`python -m tools.install_cli [VERSION]`, which is `make cli`: the Pulumi CLI of this clone, in `.cache/cli`.

The official installer takes seconds. Where it cannot be reached, Go builds the CLI, the hosts of programs in YAML and
in Python, and what programs in Python need beside them. `tools/cli` pins the modules and holds their checksums.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "tools" / "cli"
CACHE = ROOT / ".cache" / "cli"
INSTALL_LIMIT = 120.0
"""Seconds that the official installer may take."""

_PULUMI = "github.com/pulumi/pulumi"
_YAML = "github.com/pulumi/pulumi-yaml"
_SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
"""Files of the SDK's module that the host of Python programs and the engine execute."""

_INSTALL = """\
import sys, urllib.request
import pulumi.automation as auto
from semver import VersionInfo

urllib.request.urlopen("https://get.pulumi.com/install.sh", timeout=5).close()  # `install` would wait for ever
auto.PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""


class Unavailable(Exception):
    """The CLI is not to be had; the text says why, in one line."""


def newest() -> str:
    """The version that is used unless another one is named."""
    return _pinned(MODULES / "go.mod", f"{_PULUMI}/pkg/v3")


def versions() -> list[str]:
    """All versions that can be had, the newest first."""
    return [newest(), *sorted(file.stem for file in MODULES.glob("3.*.mod"))]


def directory(version: str) -> Path:
    """Where `bin` with this version is or will be."""
    return CACHE / version


def is_here(version: str) -> bool:
    """Whether this version was made, from the modules that are pinned now."""
    made_from = directory(version) / "made-from"
    return made_from.exists() and made_from.read_text() in ("installer", _fingerprint(version))


def install(version: str) -> bool:
    """Run the official installer quietly and within limits. Returns whether it has brought the CLI."""
    with _whole_or_nothing(version) as target:
        command = [sys.executable, "-c", _INSTALL, str(target), version]
        with subprocess.Popen(  # noqa: S603  the command is ours
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as installer:
            try:
                is_done = installer.wait(timeout=INSTALL_LIMIT) == 0
            except BaseException as stopped:
                # The installer is a script with children: all of them stop.
                os.killpg(installer.pid, signal.SIGKILL)
                if not isinstance(stopped, subprocess.TimeoutExpired):
                    raise
                is_done = False
        if is_done:
            (target / "made-from").write_text("installer")
    return is_done


def build(version: str) -> None:
    """Build the CLI and all that belongs to it. Raises Unavailable without Go, or where Go cannot build it."""
    if shutil.which("go") is None:
        raise Unavailable("the official installer cannot be reached, and there is no `go` on PATH to build it with")
    pins, yaml = _pins(version), MODULES / "yaml.mod"
    yaml_version = _pinned(yaml, _YAML)
    with _whole_or_nothing(version) as target:
        binaries = target / "bin"
        _build(
            "the CLI and the host of Python programs",
            pins,
            binaries,
            f"{_PULUMI}/sdk/v3/go/common/version.Version=v{version}",
            f"{_PULUMI}/pkg/v3/cmd/pulumi",
            ".",
        )
        _build(
            "the host of YAML programs",
            yaml,
            binaries,
            f"{_YAML}/pkg/version.Version=v{yaml_version}",
            f"{_YAML}/cmd/pulumi-language-yaml",
            f"{_YAML}/cmd/pulumi-converter-yaml",
        )
        sdk = _go("list", pins, "-m", "-f", "{{.Dir}}", f"{_PULUMI}/sdk/v3")
        for script in _SCRIPTS:
            copy = binaries / Path(script).name
            shutil.copyfile(Path(sdk, script), copy)
            copy.chmod(0o755)
        (target / "made-from").write_text(_fingerprint(version))


def _build(what: str, pins: Path, binaries: Path, version: str, *packages: str) -> None:
    """Build commands, each of which is a package, with their version linked in."""
    started = time.monotonic()
    _go("build", pins, "-buildvcs=false", "-ldflags", f"-s -w -X {version}", "-o", f"{binaries}{os.sep}", *packages)
    print(f"  {what}: {time.monotonic() - started:.0f} s", flush=True)


def _go(verb: str, pins: Path, *arguments: str) -> str:
    """Run a command of Go on the modules that this file pins, and return what it prints. Raises Unavailable."""
    command = ["go", verb, "-mod=readonly", f"-modfile={pins.name}", *arguments]
    # A workspace around the clone would choose other versions.
    env = {**os.environ, "GOWORK": "off"}
    done = subprocess.run(command, cwd=MODULES, env=env, text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        log = CACHE / "go.log"
        log.write_text(done.stderr)
        raise Unavailable(f"Go could not build it: {log.relative_to(ROOT)} says why")
    return done.stdout.strip()


@contextmanager
def _whole_or_nothing(version: str) -> Iterator[Path]:
    """A directory to fill, which gets its name when it holds `made-from`, and is removed otherwise."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{version}-") as passing:
        target = Path(passing, "cli")
        yield target
        if (target / "made-from").exists():
            shutil.rmtree(directory(version), ignore_errors=True)
            target.rename(directory(version))


def _pins(version: str) -> Path:
    return MODULES / ("go.mod" if version == newest() else f"{version}.mod")


def _pinned(pins: Path, module: str) -> str:
    """The version of a module that this file pins."""
    [version] = re.findall(rf"^\s*{re.escape(module)} v(\S+)", pins.read_text(), re.MULTILINE)
    return str(version)


def _fingerprint(version: str) -> str:
    """What changes when another build would give another result."""
    pins = (_pins(version), MODULES / "yaml.mod")
    sources = [*pins, *(each.with_suffix(".sum") for each in pins), MODULES / "python_host.go", Path(__file__)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def main(version: str) -> int:
    """Exit status 0 when the CLI is there."""
    place = (directory(version) / "bin").relative_to(ROOT)
    if version not in versions():
        print(f"make cli: no CLI {version}: there are {' and '.join(versions())}.", file=sys.stderr)
        return 2
    if is_here(version):
        print(f"The Pulumi CLI {version} is in {place}.")
        return 0
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing half is left then, either
    try:
        if not install(version):
            if shutil.which("go"):
                print(f"Building the Pulumi CLI {version} with Go, once: 4 to 6 minutes on two cores.", flush=True)
            build(version)
    except Unavailable as problem:
        print(f"make cli: no CLI: {problem}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. `make cli` starts afresh, with what Go has compiled so far.", file=sys.stderr)
        return 130
    print(f"The Pulumi CLI {version} is in {place}, after {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or [newest()]))
