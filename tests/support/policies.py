"""The environment in which the CLI runs policy packs, for tests that need one."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

SDK = Path(sys.prefix, "policy")
"""Where `make` has put pulumi-policy: it asks for other dependencies than those of the tests, and works with both."""
_HOST = "pulumi-language-python"

needs_policies = [
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="no `pulumi` on PATH: install the Pulumi CLI"),
    pytest.mark.skipif(shutil.which(_HOST) is None, reason=f"no `{_HOST}` on PATH: it comes with the Pulumi CLI"),
    pytest.mark.skipif(not SDK.exists(), reason=f"no pulumi-policy in {SDK}: `make check` installs it"),
]
"""Marks of tests that run policy packs."""


def make_environment(pack: Path) -> None:
    """Make the `.venv` of the policy pack in this directory, with what the tests have installed, and the SDK."""
    venv.create(pack / ".venv")
    packages = sysconfig.get_path("purelib", vars={"base": str(pack / ".venv")})
    Path(packages, "installed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{SDK}\n")


def write_pack(pack: Path, remediation: str) -> str:
    """Write a policy pack that gives each instance, in a copy of its inputs, the tags that the expression says.

    It writes into the file ``seen`` what a validation and a policy for the whole stack get.
    """
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: {name: python, options: {virtualenv: .venv}}\n")
    (pack / "__main__.py").write_text(_PACK.format(remediation=remediation))
    make_environment(pack)
    return str(pack)


_PACK = """\
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy, StackValidationPolicy


def is_instance(resource):
    return resource.resource_type.endswith(":Instance")


def plain(value):
    if isinstance(value, Mapping):
        return {{key: plain(value[key]) for key in value}}
    return [*map(plain, value)] if isinstance(value, Sequence) and not isinstance(value, str) else value


def remediate(args):
    if is_instance(args):
        return {{**args.props, "tags": {remediation}}}


def validate(args, _report):
    if is_instance(args):
        with Path("seen").open("a") as file:
            print(json.dumps(plain(args.props)), file=file)


def validate_stack(args, report):
    for resource in args.resources:
        validate(resource, report)


PolicyPack(
    "tests",
    [
        ResourceValidationPolicy(
            "tags", "Tags.", validate, remediate=remediate, enforcement_level=EnforcementLevel.REMEDIATE
        ),
        StackValidationPolicy("stack", "Stack.", validate_stack),
    ],
)
"""
