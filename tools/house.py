"""`make house`: how far a reader has to go in the package, and how much of it there is, beside the targets.

The calls are those of the dynamic provider, on an emulator. Exits with 1 if a target is missed that was met before.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from pulumi.dynamic import Config, ConfigureRequest
from pulumi.runtime.rpc import unwrap_rpc_secret
from rich.console import Console
from rich.table import Table

from pulumi_instances.lifecycle import InstanceProvider
from pulumi_instances.testing.emulator import Emulator

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "provider" / "pulumi_instances"
LONGEST = 40
"""Lines of a function, without its signature and its docstring."""
URN = "urn:pulumi:dev::shop::pulumi-python:dynamic/instances:Instance::crm"
PROGRAM = {"your_mom": "sfdc", "name": "crm", "tags": ["eu"], "__urn": URN}


class Trace(NamedTuple):
    """What one call goes through."""

    calls: int
    modules: int
    switches: int
    depth: int


class Target(NamedTuple):
    """A count that should be at most ``most``. One that has never been met is ``open``."""

    what: str
    found: int
    most: int
    open: bool = False
    names: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        verdicts = ("met", "met: no longer open") if self.found <= self.most else ("MISSED", "open")
        return verdicts[self.open]


def lines(directory: Path, without: str = "") -> int:
    """Return the number of lines of the modules below a directory, blank lines and comments included."""
    files = (file for file in directory.rglob("*.py") if without not in file.relative_to(directory).parts)
    return sum(len(file.read_bytes().splitlines()) for file in files)


def modules_of(package: Path) -> dict[str, Path]:
    """Return the file of each module of a package, by its dotted name."""
    return {
        ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for file in sorted(package.rglob("*.py"))
    }


def long_functions(modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield the functions of more than LONGEST lines."""
    for name, file in modules.items():
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[1:2] if ast.get_docstring(node) else node.body[:1]
                length = sum((node.end_lineno or 0) - statement.lineno + 1 for statement in first)
                if length > LONGEST:
                    yield f"{name}.{node.name}: {length}"


def circles(modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield circles of imports, those inside functions included and those for type checkers left out."""
    graph = {name: sorted({*_imported(name, modules)} & modules.keys()) for name in modules}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1][::-1]
            yield " > ".join(circle)
            graph[circle[0]].remove(circle[1])
        else:
            return


def _imported(name: str, modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield what a module imports: of `from x import y` the module x.y or, where there is none, x."""
    parts, tree = name.split(".") + [""] * (modules[name].name == "__init__.py"), ast.parse(modules[name].read_bytes())
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    for node in {*ast.walk(tree)} - {node for block in blocks for node in ast.walk(block)}:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*parts[: -node.level or 0], *filter(None, [node.module])])
            yield from (full if (full := f"{base}.{alias.name}") in modules else base for alias in node.names)


def trace(call: Callable[[], object], files: Mapping[str, str]) -> Trace:
    """Run a call, and return what it goes through of these files, each with the name of its module.

    A function counts each time that it is called or resumed; comprehensions and lambdas belong to the function that
    they are in. A switch is a call into another module than that of the call before.
    """
    passed: list[str] = []
    stack: list[str] = []
    depths = [0]

    def note(frame: FrameType, event: str, _argument: object) -> None:
        module = files.get(frame.f_code.co_filename)
        if module is None or frame.f_code.co_name.startswith("<"):
            return
        if event == "call":
            passed.append(module)
            stack.append(module)
            depths.append(len(stack))
        elif event == "return":
            stack.pop()

    sys.setprofile(note)
    call()
    sys.setprofile(None)
    switches = sum(one != other for one, other in pairwise(passed))
    return Trace(len(passed), len({*passed}), switches, max(depths))


def traces() -> dict[str, Trace]:
    """Return the traces of the engine's calls about one instance, testing/ left out."""
    files = {str(file): name for name, file in modules_of(PACKAGE).items() if ".testing" not in name}
    with Emulator() as api:
        os.environ.update(api.env)
        provider = InstanceProvider()
        provider.configure(ConfigureRequest(Config({"instances:batchReads": "false"}, "shop")))
        inputs = provider.check({}, PROGRAM).inputs
        found = {"check of a new one": trace(lambda: provider.check({}, PROGRAM), files)}
        state: dict[str, Any] = {}
        found["first create"] = trace(lambda: state.update(vars(provider.create(inputs))), files)
        id_, outs = state["id"], {key: unwrap_rpc_secret(value) for key, value in state["outs"].items()}
        found["diff, unchanged"] = trace(lambda: provider.diff(id_, outs, inputs), files)
        found["refresh read, one GET"] = trace(lambda: provider.read(id_, outs), files)
        found["delete"] = trace(lambda: provider.delete(id_, outs), files)
    return found


def main() -> int:
    """Print both tables. Exit status 1 where a target that is not open is missed."""
    console, found, modules = Console(highlight=False, width=110), traces(), modules_of(PACKAGE)
    circular, long = (*circles(modules),), (*long_functions(modules),)
    calls = Table("what the engine calls", *Trace._fields, box=None)
    for what, counted in found.items():
        calls.add_row(what, *map(str, counted))
    targets = [
        Target("modules of a first create", found["first create"].modules, 14, open=True),
        Target("depth of a refresh read", found["refresh read, one GET"].depth, 8),
        Target("lines of the package, without testing/", lines(PACKAGE, "testing"), 7_600, open=True),
        Target("lines of the tests", lines(ROOT / "tests"), 17_000, open=True),
        Target(f"functions over {LONGEST} lines, signature and docstring left out", len(long), 0, names=long),
        Target("circles of imports, those inside functions included", len(circular), 0, names=circular),
    ]
    counts = Table("what is counted", "count", "at most", "", box=None)
    for each in targets:
        counts.add_row("\n  ".join([each.what, *each.names]), f"{each.found:,}", f"{each.most:,}", each.verdict)
    console.print(calls, "", counts, sep="\n")
    return int(any(each.verdict == "MISSED" for each in targets))


if __name__ == "__main__":
    sys.exit(main())
