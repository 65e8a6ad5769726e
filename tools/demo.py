"""`make demo`: a real deployment of the quickstart, from preview to destroy, on the emulator of the Instances API."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, cast

import pulumi.automation as auto

from pulumi_instances.testing.emulator import Emulator
from pulumi_instances.testing.engine import StackDouble

from . import engines
from .engines import Stack

NAME = "demo"


class Unexpected(Exception):
    """Something that the demo shows is not so."""


class Demo:
    """The steps, each told in one line, with the engine's own output below it and what was checked at its end."""

    def __init__(self, api: Emulator, stack: Stack) -> None:
        """Run on ``api``, with a stack that is empty."""
        self.api = api
        self.stack = stack
        self.shown: list[str] = []
        self.options: dict[str, Any] = {
            "on_output": self.show,
            "color": "always" if sys.stdout.isatty() else "never",
        }
        self.count = 0

    def run(self) -> None:
        """All steps in order. Raises Unexpected, or CommandError where the engine fails."""
        self.preview()
        self.create()
        self.change()
        self.drift()
        self.prove_secrets()
        self.destroy()

    def step(self, text: str) -> None:
        """Tell what comes next."""
        self.count += 1
        print(f"\n[{self.count}] {text}", flush=True)

    def show(self, line: str) -> None:
        """Print a line of the engine, and keep it for the search for secrets."""
        self.shown.append(line)
        print(f"    {line.rstrip()}", flush=True)

    def expect(self, claim: str, holds: bool) -> None:
        """Say what was checked. Raises Unexpected when it is not so, without the values: some are secret."""
        if not holds:
            raise Unexpected(f"not so: {claim}")
        print(f"  ok: {claim}", flush=True)

    def files(self) -> dict[str, Any]:
        """The instance `files` as the API holds it."""
        [found] = [instance for instance in self.api.instances() if instance["your_mom"] == "dropbox"]
        return found

    def preview(self) -> None:
        """Nothing is there yet."""
        self.step("preview: what would be created")
        self.stack.preview(**self.options)
        self.expect("the preview sent no POST, PUT or DELETE", not self.api.writes)

    def create(self) -> None:
        """The first deployment."""
        self.step("up: creates both instances")
        self.stack.up(**self.options)
        self.expect("the API holds two instances", len(self.api.instances()) == 2)
        outputs = self.stack.outputs()
        self.expect(
            "the exported token is the one that the API gave", outputs["files_token"].value == self.files()["token"]
        )
        self.expect("the exported token is a secret", outputs["files_token"].secret)

    def change(self) -> None:
        """A tag and a name change in place."""
        before = self.files()
        writes = len(self.api.writes)
        self.stack.set_config("quickstart:name", auto.ConfigValue("Shared files"))
        self.stack.set_config("quickstart:tag", auto.ConfigValue("staging"))
        self.step("preview --diff: after `pulumi config set name` and `pulumi config set tag`")
        self.stack.preview(diff=True, **self.options)
        self.expect("the preview sent no POST, PUT or DELETE", len(self.api.writes) == writes)
        self.step("up: one instance changes in place")
        self.stack.up(**self.options)
        after, kept = self.files(), ("id", "token")
        self.expect("the API got one PUT", [request.method for request in self.api.writes[writes:]] == ["PUT"])
        self.expect("name and tags are new", self.as_declared())
        self.expect("id and token are the same", [after[key] for key in kept] == [before[key] for key in kept])

    def as_declared(self) -> bool:
        """Whether `files` has the name and the tags that the program declares from `change` on."""
        files = self.files()
        return files["name"] == "Shared files" and sorted(files["tags"]) == ["quickstart", "staging"]

    def drift(self) -> None:
        """Somebody changes an instance without Pulumi."""
        self.api.change(self.files()["id"], name="Renamed by hand", tags=["by-hand"])
        self.step("refresh: somebody renamed and retagged the instance in the service's console")
        summary = self.stack.refresh(**self.options).summary
        self.expect(
            "the engine found one instance changed", cast("dict[str, int]", summary.resource_changes).get("update") == 1
        )
        self.step("up: repairs it")
        self.stack.up(**self.options)
        self.expect("name and tags are as declared", self.as_declared())
        self.step("preview: nothing is left to do")
        self.stack.preview(expect_no_changes=True, **self.options)

    def prove_secrets(self) -> None:
        """Search the state and all that was printed for what the API knows to be secret."""
        self.step("secrets: search the state and the output above for the tokens that the API holds")
        secrets = [str(instance["token"]) for instance in self.api.instances()]
        secrets += [self.api.user_secret, self.api.organization_secret]
        state = "".join(_texts(engines.DEMO / NAME))
        output = "".join(self.shown)
        self.expect("no token and neither account secret was printed", not any(s in output for s in secrets))
        if isinstance(self.stack, StackDouble):
            print("  the local engine has its state in memory; the CLI encrypts them in its state file")
            return
        self.expect("nor are they in the state file", not any(s in state for s in secrets))
        print(f"  the token in the state: {_stored_token(engines.DEMO / NAME)[:60]}…")

    def destroy(self) -> None:
        """The end."""
        self.step("destroy: deletes both instances")
        self.stack.destroy(**self.options)
        self.expect("the API holds no instance", not self.api.instances())


def _texts(directory: Path) -> list[str]:
    return [file.read_text(errors="replace") for file in sorted(directory.rglob("*")) if file.is_file()]


def _stored_token(directory: Path) -> str:
    """The ciphertext under `token` of the resource `files`, from the CLI's checkpoint."""
    for text in _texts(directory):
        document = json.loads(text) if text.startswith("{") else {}
        state = document.get("checkpoint", {}).get("latest") or {}
        for resource in state.get("resources", []):
            if resource["urn"].endswith("::files"):
                return str(resource["outputs"]["token"]["ciphertext"])
    raise Unexpected("no checkpoint with the token as ciphertext was found")


def main() -> int:
    """Exit status 0 when all was as expected."""
    started = time.monotonic()
    engines.forget_stack(NAME)
    try:
        with Emulator() as api, engines.open_stack(NAME, api.env) as stack:
            print(f"API: an emulator of the Instances API, {api.base_url}", flush=True)
            Demo(api, stack).run()
    except KeyboardInterrupt:
        print("\nStopped. `make demo` starts afresh.", file=sys.stderr)
        return 130
    except (Unexpected, engines.Unavailable) as problem:
        print(f"\nThe demo failed: {problem}.", file=sys.stderr)
        return 1
    except auto.CommandError as problem:
        print(f"\nThe demo failed: {engines.reason(problem)}", file=sys.stderr)
        return 1
    finally:
        engines.forget_stack(NAME)
    print(f"\nAll as expected, in {time.monotonic() - started:.0f} s. Next: `make up` to play on, README.md for more.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
