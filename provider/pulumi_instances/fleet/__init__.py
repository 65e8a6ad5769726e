"""One operation on many stacks of a project, such as one stack for each customer, on one machine or a cluster.

    from pulumi_instances import fleet

    report = fleet.run("up", project="shop", stacks=["customer-*"], jobs=8)
    print(report.changes, [outcome.stack for outcome in report.failed])

The command line has the same as `pulumi-instances fleet`. See docs/fleets.md.
"""

from __future__ import annotations

from .report import FleetError, Outcome, Report
from .runner import Progress, run

__all__ = ["FleetError", "Outcome", "Progress", "Report", "run"]
