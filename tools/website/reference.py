"""The pages about the API: from the docstrings of the public names, and from the schema of the native package."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pulumi_instances.native import schema

MODULES = ("pulumi_instances", "pulumi_instances.testing", "pulumi_instances.fleet")
"""Those whose `__all__` is public."""


def write(directory: Path) -> None:
    """Write both pages."""
    (directory / "reference-python.rst").write_text("\n".join(_python()), encoding="utf-8")
    (directory / "reference-native.md").write_text("\n".join(_native(schema.document())), encoding="utf-8")


def _python() -> Iterator[str]:
    """Directives with which Sphinx reads the docstrings."""
    yield from _title("Python reference", "=")
    yield "The public names, from their docstrings. All else is internal, and may change in any release."
    for module in MODULES:
        yield from _title(f"``{module}``", "-")
        for name in import_module(module).__all__:
            value = getattr(import_module(module), name)
            kind = "autofunction" if inspect.isfunction(value) else "autoclass"
            if inspect.isclass(value) and issubclass(value, Exception):
                kind = "autoexception"
            yield f".. {kind}:: {module}.{name}"
            yield "" if kind == "autofunction" else "   :members:\n"


def _title(text: str, line: str) -> tuple[str, str, str, str]:
    return ("", text, line * len(text), "")


def _native(spec: Mapping[str, Any]) -> Iterator[str]:
    """The resources, functions and settings of the schema."""
    yield "# Schema of the native package\n"
    yield "What `pulumi package get-schema` says of the package `instances`, from which the SDKs are generated."
    yield "The names are spelled as in each language: `yourMom` in YAML and TypeScript,"
    yield "`YourMom` in Go, `your_mom` in Python."
    yield ""
    for token, resource in spec["resources"].items():
        yield f"## {_name(token)}\n\n{resource['description']}\n\nToken: `{token}`\n\n### Inputs of {_name(token)}\n"
        yield from _properties(resource["inputProperties"], resource.get("requiredInputs", ()))
        outputs = {
            key: value for key, value in resource["properties"].items() if key not in resource["inputProperties"]
        }
        yield f"### Outputs of {_name(token)}\n\nThe inputs are outputs, too.\n"
        yield from _properties(outputs)
    for token, function in spec["functions"].items():
        yield f"## {_name(token)}\n\n{function['description']}\n\nToken: `{token}`\n\n### Arguments of {_name(token)}\n"
        yield from _properties(function["inputs"]["properties"], function["inputs"].get("required", ()))
        yield f"### Result of {_name(token)}\n"
        yield from _properties(function["outputs"]["properties"])
    for token, kind in spec.get("types", {}).items():
        yield f"## {_name(token)}\n\n{kind.get('description', '')}\n"
        yield from _properties(kind["properties"])
    yield f"## Provider\n\n{spec['provider']['description']}\n"
    yield from _properties(spec["provider"]["inputProperties"])


def _name(token: str) -> str:
    return token.rpartition(":")[2].rpartition("/")[2]


def _properties(properties: Mapping[str, Any], required: Any = ()) -> Iterator[str]:
    for name, found in properties.items():
        facts = [
            _type(found),
            *(["required"] if name in required else []),
            *(["secret"] if found.get("secret") else []),
        ]
        yield f"`{name}` ({', '.join(facts)})\n: {found.get('description', '')}\n"


def _type(spec: Mapping[str, Any]) -> str:
    if "$ref" in spec:
        return _name(str(spec["$ref"]))
    if spec["type"] == "array":
        return f"list of {_type(spec['items'])}"
    if spec["type"] == "object":
        return f"map of {_type(spec['additionalProperties'])}"
    return str(spec["type"])
