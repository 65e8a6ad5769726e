"""What users' state files and programs depend on. Changing it breaks them, so only additions are allowed."""

from __future__ import annotations

import base64
import inspect
import json
import os
import pickle
import re
import subprocess
import sys
from typing import Any

import dill  # type: ignore[import-untyped]
import pytest

import pulumi_instances
from pulumi_instances import Instance, testing
from pulumi_instances.core import config, identity, model, state_format
from pulumi_instances.core.marks import Place, line_of, new_mark
from pulumi_instances.lifecycle import InstanceProvider
from tests.support.mocks import declare

PICKLE = "gASVNgAAAAAAAACMGnB1bHVtaV9pbnN0YW5jZXMubGlmZWN5Y2xllIwQSW5zdGFuY2VQcm92aWRlcpSTlCmBlC4="
"""`__provider` in every state file: the class by module and name, nothing else (protocol 4)."""


def fresh_process(code: str, **env: str) -> str:
    """What a new interpreter prints for this code."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_the_pickle_is_the_same_in_every_process(hash_seed: str) -> None:
    """Another one would show as a change of every resource."""
    code = (
        "import pickle; pickle.DEFAULT_PROTOCOL = 4  # 5 from Python 3.14 on\n"
        "from pulumi.dynamic.dynamic import serialize_provider\n"
        "from pulumi_instances.lifecycle import InstanceProvider\n"
        "print(serialize_provider(InstanceProvider()))"
    )
    assert fresh_process(code, PYTHONHASHSEED=hash_seed) == PICKLE


LINE = "pulumi:shop/dev/crm#7lef5h5qxgdbu5"
LINE_OF_CHILD = "pulumi:shop/dev/crm#7lef5h5ouumntl"
ACCOUNT = "1000a80befbff34e4eb6e5478cd39406"

OLD_PICKLES = {
    "0.1.0": PICKLE,
    "0.1.0, protocol 5 (Python 3.14)": (
        "gAWVNgAAAAAAAACMGnB1bHVtaV9pbnN0YW5jZXMubGlmZWN5Y2xllIwQSW5zdGFuY2VQcm92aWRlcpSTlCmBlC4="
    ),
}


@pytest.mark.parametrize("version", OLD_PICKLES)
def test_old_pickles_load(version: str) -> None:
    """Destroy and refresh run what the state names, whatever version wrote it."""
    loaded = dill.loads(base64.b64decode(OLD_PICKLES[version]))  # noqa: S301  our own bytes
    assert type(loaded) is InstanceProvider
    assert vars(loaded) == {}


def test_the_pickle_is_not_secret() -> None:
    """It contains nothing to hide, and each secret costs an encryption."""
    assert InstanceProvider.serialize_as_secret_always is False
    assert b"secret" not in pickle.dumps(InstanceProvider()).lower()


def test_the_words_of_state_files() -> None:
    """The type is part of every URN; the others are the engine's."""
    (request,) = declare(lambda: Instance("x", your_mom="box")).registered
    assert request.type == state_format.INSTANCE_TYPE == "pulumi-python:dynamic/instances:Instance"
    assert state_format.PROVIDER == "__provider"
    assert state_format.SECRET == {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def test_the_property_keys() -> None:
    """State files contain them, and so do `ignore_changes` and `replace_on_changes` in users' programs."""
    assert model.INPUTS == (
        "your_mom",
        "name",
        "tags",
        "configuration",
        "provider_data",
        "enabled",
        "external_authentication",
        "events_enabled",
        "retrieve_objects_after_instantiation",
        "extra",
        "require_valid",
        "adopt_id",
    )
    assert model.OUTPUT_ONLY == ("token", "valid", "disabled")


def test_the_hidden_keys() -> None:
    """State files contain them, and so do the inputs in there."""
    assert model.HIDDEN == ("__defaults", "__mark", "__account", "__created", "__made")
    assert model.LINE == "__line"
    assert model.SECRET_STATE == ("token", "__account", "__made")


def test_the_spelling_of_a_mark() -> None:
    """It is on instances at the service: another line would make them nobody's."""
    place = Place.of_urn("urn:pulumi:dev::shop::pulumi-python:dynamic/instances:Instance::crm")
    assert place is not None
    assert line_of(place) == LINE
    child = Place.of_urn("urn:pulumi:dev::shop::acme:index:Team$instances:index:Instance::crm")
    assert child is not None
    assert line_of(child) == LINE_OF_CHILD
    assert re.fullmatch(re.escape(LINE) + r"\.[a-z0-9]{4}", new_mark(LINE))


def test_the_digest_of_an_account() -> None:
    """State files contain it: another one would make a 404 worth less."""
    assert identity.account_of(config.Settings("https://a.test/v2", "us3r", "0rg")) == ACCOUNT


def test_the_arguments() -> None:
    """Programs use these names; all but the resource's name are keywords."""
    shown = [str(parameter).partition(":")[0] for parameter in inspect.signature(Instance).parameters.values()]
    assert shown == ["resource_name", *model.INPUTS, "opts"]
    kinds = {parameter.kind for parameter in list(inspect.signature(Instance).parameters.values())[1:]}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert list(inspect.signature(Instance.get).parameters) == ["resource_name", "id", "opts"]
    assert list(inspect.signature(pulumi_instances.account).parameters) == [
        "name",
        "base_url",
        "user_secret",
        "organization_secret",
        "settings",
        "opts",
    ]


def test_the_configuration_keys_and_their_variables() -> None:
    """Stack configurations and CI systems contain them."""
    assert {f"{config.NAMESPACE}:{s.key}": s.variable(None) for s in config.SETTINGS} == {
        "instances:baseUrl": "INSTANCES_BASE_URL",
        "instances:userSecret": "INSTANCES_USER_SECRET",
        "instances:organizationSecret": "INSTANCES_ORGANIZATION_SECRET",
        "instances:timeout": "INSTANCES_TIMEOUT",
        "instances:createTimeout": "INSTANCES_CREATE_TIMEOUT",
        "instances:maxRetries": "INSTANCES_MAX_RETRIES",
        "instances:caBundle": "INSTANCES_CA_BUNDLE",
        "instances:allowInsecureHttp": "INSTANCES_ALLOW_INSECURE_HTTP",
        "instances:maxRequestsPerSecond": "INSTANCES_MAX_REQUESTS_PER_SECOND",
        "instances:parallelism": "INSTANCES_PARALLELISM",
        "instances:batchReads": "INSTANCES_BATCH_READS",
        "instances:userAgentSuffix": "INSTANCES_USER_AGENT_SUFFIX",
        "instances:dialect": "INSTANCES_DIALECT",
        "instances:confirmGone": "INSTANCES_CONFIRM_GONE",
        "instances:mark": "INSTANCES_MARK",
        "instances:takeOver": "INSTANCES_TAKE_OVER",
        "instances:updateInPlace": "INSTANCES_UPDATE_IN_PLACE",
        "instances:defaultTags": "INSTANCES_DEFAULT_TAGS",
        "instances:configurationDrift": "INSTANCES_CONFIGURATION_DRIFT",
        "instances:refreshBeforeUpdate": "INSTANCES_REFRESH_BEFORE_UPDATE",
    }
    assert config.ACCOUNT_KEY == "instances:account"


def test_the_exported_names() -> None:
    """Programs import these."""
    assert pulumi_instances.__all__ == [
        "Instance",
        "InstanceResult",
        "InstancesError",
        "account",
        "get_instance",
        "get_instance_output",
        "get_instances",
        "get_instances_output",
    ]
    names = ["Account", "Emulator", "Fault", "Request", "StackDouble", "StackFactory", "UnsupportedFeatureError"]
    assert testing.__all__ == names
    for package in (pulumi_instances, testing):
        assert [getattr(package, name).__name__ for name in package.__all__] == package.__all__


def test_the_version_and_the_command_are_in_the_package() -> None:
    """`python -m pulumi_instances` is the command line, where the environment's `bin` is not on PATH."""
    command = [sys.executable, "-m", "pulumi_instances", "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"pulumi-instances, version {pulumi_instances.__version__}\n"


def test_importing_does_nothing() -> None:
    """It opens no socket, starts no thread and loads no HTTP library: the SDK imports the package before it runs."""
    code = """
import sys, json, threading
import pulumi
threads, opened = threading.active_count(), []
sys.addaudithook(lambda event, args: opened.append(event) if event.startswith("socket.") else None)
import pulumi_instances
late = [name for name in ("requests", "urllib3") if name in sys.modules]
print(json.dumps([opened, late, threading.active_count() - threads]))
"""
    found: Any = json.loads(fresh_process(code))
    assert found == [[], [], 0]
