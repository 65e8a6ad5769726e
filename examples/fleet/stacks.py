"""Create the stack of each customer in customers.yaml that has none, and write its configuration."""

import json
from pathlib import Path

import yaml
from pulumi import automation

PROJECT = Path(__file__).parent

for customer, connectors in yaml.safe_load((PROJECT / "customers.yaml").read_text()).items():
    stack = automation.create_or_select_stack(customer, work_dir=str(PROJECT))
    stack.set_config("connectors", automation.ConfigValue(json.dumps(connectors)))
    print(f"{customer}: {', '.join(connectors)}")
