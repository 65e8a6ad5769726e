"""A small dynamic provider whose objects are files, and which writes down every call it gets."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

OUTPUT_ONLY = ("token", "region")


class Cloud:
    """The objects and the calls, in the directory `TOY_CLOUD`."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def note(self, call: str, **facts: Any) -> None:
        line = json.dumps({"call": call, **facts}, default=lambda value: f"<{type(value).__name__}>")
        with (self.directory / "calls").open("a") as file:
            file.write(line + "\n")

    def calls(self, *kinds: str) -> list[dict[str, Any]]:
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [call for call in map(json.loads, lines) if not kinds or call["call"] in kinds]

    def forget_calls(self) -> None:
        (self.directory / "calls").unlink(missing_ok=True)

    def path(self, id_: str) -> Path:
        return self.directory / f"{id_}.json"

    def put(self, id_: str, properties: dict[str, Any]) -> None:
        self.path(id_).write_text(json.dumps({k: v for k, v in properties.items() if k != "__provider"}))

    def id_of(self, name: str) -> str:
        return next(p.stem for p in self.directory.glob("*.json") if json.loads(p.read_text())["name"] == name)


def _visible(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key != "__provider" and key not in OUTPUT_ONLY}


class ThingProvider(ResourceProvider):
    """Replaces on `kind`, fills `filled`, refuses `bad`; the input `diff_says` may be `none`."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        self.cloud = Cloud(os.environ["TOY_CLOUD"])
        self.region = req.config.get("toy:region") or "nowhere"
        self.cloud.note("configure", region=self.region)

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        self.cloud.note("check", olds=_visible(olds), news=_visible(news))
        failures = [CheckFailure("bad", "it is bad")] if "bad" in news else []
        return CheckResult({**news, "filled": olds.get("filled", "new")}, failures)

    def diff(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        self.cloud.note("diff", id=id_, olds=_visible(olds), news=_visible(news))
        replaces = ["kind"] if olds.get("kind") != news.get("kind") else []
        if news.get("diff_says") == "none":
            return DiffResult(changes=False, replaces=["kind"])
        if _visible(olds) == _visible(news):
            return DiffResult(changes=False)
        return DiffResult(changes=None, replaces=replaces)

    def create(self, props: dict[str, Any]) -> CreateResult:
        self.cloud.note("create", props=_visible(props))
        if props.get("die"):
            os._exit(7)
        id_ = uuid.uuid4().hex
        self.cloud.put(id_, _visible(props))
        return CreateResult(id_, {**props, "token": f"token of {props.get('name')}", "region": self.region})

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        self.cloud.note("update", id=id_, olds=_visible(olds), news=_visible(news))
        self.cloud.put(id_, _visible(news))
        return UpdateResult({**news, **{key: olds[key] for key in OUTPUT_ONLY if key in olds}})

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        self.cloud.note("delete", id=id_, name=props.get("name"))
        self.cloud.path(id_).unlink(missing_ok=True)


class Thing(Resource, module="toy", name="Thing"):
    """Whatever it is given, plus `token` (secret) and `region` (the provider's configuration)."""

    token: pulumi.Output[str]
    region: pulumi.Output[str]

    def __init__(self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        secrets = pulumi.ResourceOptions(additional_secret_outputs=["token"])
        props = {"token": None, "region": None, **props}
        super().__init__(ThingProvider(), resource_name, props, pulumi.ResourceOptions.merge(secrets, opts))
