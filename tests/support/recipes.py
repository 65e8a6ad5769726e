"""What a test says where a step of a recipe in CONTRIBUTING.md was forgotten."""

from __future__ import annotations


def forgotten(*paths: str) -> str:
    """Return a message that names the files of the step; those of the package by their path in it."""
    others = ("docs/", "tests/", "CHANGELOG")
    named = [path if path.startswith(others) else f"provider/pulumi_instances/{path}" for path in paths]
    return f"see the recipes in CONTRIBUTING.md for {' and '.join(named)}"
