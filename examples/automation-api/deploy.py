"""Deploy, recover or destroy the instances of customers: `python deploy.py up acme`, `python deploy.py destroy`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pulumi
from pulumi import automation

from pulumi_instances import Instance

PROJECT = "customers"
CUSTOMERS = {"acme": ["sfdc", "dropbox"], "globex": ["sfdc"]}
"""The connectors of each customer. In your own program they may come from a database."""


def open_stack(customer: str) -> automation.Stack:
    """Return the stack of this customer, whose program declares an instance of each connector."""

    def program() -> None:
        for connector in CUSTOMERS[customer]:
            instance = Instance(connector, your_mom=connector, tags=[customer])
            pulumi.export(connector, instance.token)

    return automation.create_or_select_stack(customer, PROJECT, program)


def up(stack: automation.Stack) -> automation.UpResult:
    """Deploy a stack. Where an earlier run has left instances, a second `up` takes them over."""
    try:
        return stack.up()
    except automation.CommandError as error:
        if "INSTANCES_TAKE_OVER=yes" not in f"{error}":  # the advice of the error about what is left
            raise
        print(f"{stack.name}: failed; once more, with INSTANCES_TAKE_OVER=yes")
        stack.workspace.env_vars = {**stack.workspace.env_vars, "INSTANCES_TAKE_OVER": "yes"}
        return stack.up()


def run(operation: str, customer: str) -> None:
    """Run one operation for one customer, and print what it has changed."""
    stack = open_stack(customer)
    if operation == "recover":
        stack.cancel()  # removes the lock of a run that was cut off
    if operation == "destroy":
        summary = stack.destroy().summary
        stack.workspace.remove_stack(customer)
        outputs: automation.OutputMap = {}
    else:
        result = up(stack)
        summary, outputs = result.summary, result.outputs
    print(f"{customer}: {summary.resource_changes}")
    for connector, token in sorted(outputs.items()):
        print(f"  {connector}: {token}")  # shown as [secret]; `token.value` is the token itself


def main(operation: str, customers: Sequence[str]) -> int:
    """Return the exit status: 1 if the operation has failed for a customer. The others are run all the same."""
    failed = False
    for customer in customers or CUSTOMERS:
        try:
            run(operation, customer)
        except automation.CommandError as error:
            print(f"{customer}: {error}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [("up" | "recover" | "destroy") as operation, *customers] if CUSTOMERS.keys() >= {*customers}:
            sys.exit(main(operation, customers))
    sys.exit(f"usage: python deploy.py up|recover|destroy [{'|'.join(CUSTOMERS)}]…")
