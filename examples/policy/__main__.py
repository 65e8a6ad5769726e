"""What every instance of every stack has to keep to, whichever language its program is written in."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Secret,
)

INSTANCE_TYPES = ("pulumi-python:dynamic/instances:Instance", "instances:index:Instance")
"""The type of `Instance` in Python, and that of the native package."""
OWNER = re.compile(r"owner:[a-z]+")
NAME = re.compile(r"[a-z][a-z0-9-]*")


def demand_owner(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
    """Report an instance without the tag of an owner."""
    if args.resource_type in INSTANCE_TYPES and not any(map(OWNER.fullmatch, args.props.get("tags", []))):
        report_violation('Add a tag such as "owner:billing".', None)


def demand_name(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
    """Report a name that is not like the others. An adopted instance without a name in the program keeps its own."""
    if args.resource_type in INSTANCE_TYPES and not NAME.fullmatch(args.props.get("name", "adopted")):
        report_violation('Write a name such as "billing-files".', None)


def encrypt_configuration(args: ResourceValidationArgs) -> Any:
    """Return the properties with the whole configuration as a secret; None where there is nothing to change."""
    configuration = args.props.get("configuration")
    if args.resource_type not in INSTANCE_TYPES or not isinstance(configuration, Mapping):  # a preview may not know it
        return None
    # Not a copy, such as `{**args.props}`: it would hold the secrets among the other properties in plain.
    props = cast("MutableMapping[str, Any]", args.props)
    props["configuration"] = Secret({**configuration})
    return props


PolicyPack(
    "instances",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy("owner-tag", "Each instance has an owner.", demand_owner),
        ResourceValidationPolicy("name-pattern", "Names are lower case, with hyphens.", demand_name),
        ResourceValidationPolicy(
            "no-plain-secret",
            "The configuration is encrypted.",
            remediate=encrypt_configuration,
            enforcement_level=EnforcementLevel.REMEDIATE,
        ),
    ],
)
