"""The schema of the native package, from which Pulumi makes an SDK for each language.

Two rules protect instances. No property has `replaceOnChanges`: with it, the SDKs ask the engine to replace an instance
whose value would only be written to the state; Diff decides that. No setting has a default from the environment: an SDK
would write the default account's variables into the inputs of every other provider, and so into the state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import metadata, version
from typing import Any, NamedTuple

from ..core.config import NAMESPACE, SETTINGS, Setting
from ..core.dialect import IN_PLACE
from ..core.model import ALWAYS_SECRET, ANSWERED, INPUTS, OUTPUTS, REPLACING, SECRET_OUTPUTS, camel
from ..core.state_format import INSTANCE_TYPE, NATIVE_TYPE

PACKAGE = NAMESPACE
GET_INSTANCE = f"{PACKAGE}:index:getInstance"
GET_INSTANCES = f"{PACKAGE}:index:getInstances"

FOUND_INSTANCE = f"{PACKAGE}:index:FoundInstance"

Spec = dict[str, Any]

_TEXT: Spec = {"type": "string"}
_FLAG: Spec = {"type": "boolean"}
_TEXTS: Spec = {"type": "array", "items": {"type": "string"}}
_OBJECT: Spec = {"type": "object", "additionalProperties": {"$ref": "pulumi.json#/Any"}}


def version_of_plugin() -> str:
    """Return the version of this distribution, which is that of the plugin and of the package."""
    return version("pulumi-instances")


def _urls() -> dict[str, str]:
    """Return the URLs of the project by their labels, as the metadata of the distribution have them."""
    return dict(entry.split(", ", 1) for entry in metadata("pulumi-instances").get_all("Project-URL", []))


class _Property(NamedTuple):
    """The texts of a property. Which are secret, and which replace an instance, the sets of `model` say."""

    spec: Spec
    about: str
    as_input: str = ""
    """The text that the description of the input adds."""


_REPLACES = "A change replaces the instance."
_MAY_REPLACE = "A change replaces the instance, unless the service can change it in place."

_PROPERTIES = {
    "your_mom": _Property(_TEXT, "The key of the connector, such as `dropbox`.", _REPLACES),
    "name": _Property(
        _TEXT,
        "The name on the server, which need not be unique.",
        "The resource's name by default; an adopted or imported instance keeps its own. It changes in place.",
    ),
    "tags": _Property(
        _TEXTS,
        "The tags, a set: order and duplicates do not matter.",
        "Where none are given, the tags that the server has are left alone; `[]` clears them. They change in place.",
    ),
    "configuration": _Property(
        _OBJECT,
        "The configuration as declared. The values under secret-looking keys are secret.",
        f"Keys are those of the connector, such as `oauth.api.key`. {_MAY_REPLACE}",
    ),
    "provider_data": _Property(
        _OBJECT,
        "The data for the authentication as declared, with a digest in place of a code. Secret.",
        f"Such as `code`, which works once. {_MAY_REPLACE}",
    ),
    "enabled": _Property(
        _FLAG,
        "Whether the instance is enabled.",
        "It changes in place, at services that can do so. Where it is true, an instance that the service has disabled "
        "is drift.",
    ),
    "external_authentication": _Property(
        _TEXT, "How the instance was authenticated elsewhere, such as `initial`.", _REPLACES
    ),
    "events_enabled": _Property(_FLAG, "Whether the instance gets events.", _REPLACES),
    "retrieve_objects_after_instantiation": _Property(
        _FLAG, "Whether the service reads the objects of the account at once.", _REPLACES
    ),
    "extra": _Property(
        _OBJECT,
        "Other members of the body of the create, by the names of the API, as declared.",
        _REPLACES,
    ),
    "require_valid": _Property(
        _FLAG,
        "Whether a create, or a new login, fails where the connection does not work.",
        "It waits for the connection, for `createTimeout` at most. Where it fails, the instance stays in the state.",
    ),
    "adopt_id": _Property(
        _TEXT,
        "The id of an existing instance to adopt instead of creating one.",
        "Used only when the resource is created.",
    ),
    "token": _Property(_TEXT, "What other systems authenticate with. Secret."),
    "valid": _Property(_FLAG, "Whether the service reports that the connection works. It never causes a diff."),
    "disabled": _Property(_FLAG, "Whether the service has disabled the instance. It never causes a diff."),
}

_REQUIRED_INPUTS = ("your_mom",)
_KNOWN_OUTPUTS = ("your_mom", "name", "tags", "token")
FOUND = ANSWERED
"""The outputs in the answer of a look-up, beside the id and MANAGED_BY."""
MANAGED_BY = "managedBy"
"""In the answer of a look-up: the resource that manages the instance."""

_SETTINGS: dict[str, tuple[str, str]] = {
    "baseUrl": ("string", "Where the API is, with its path. Plain `http` is for loopback only. Required."),
    "userSecret": ("string", "The user secret. Required."),
    "organizationSecret": ("string", "The organization secret. Required."),
    "timeout": ("number", "Seconds for a request; 30 by default."),
    "createTimeout": ("number", "Seconds for creating an instance; 120 by default."),
    "maxRetries": ("integer", "How many times a failed request is retried; 4 by default."),
    "maxRequestsPerSecond": ("number", "The most requests to send to the account in a second; no limit by default."),
    "parallelism": ("integer", "The most operations at once; 32 by default."),
    "batchReads": (
        "boolean",
        "Serve concurrent reads from a single list request; true by default, but false with the dialect `elements`.",
    ),
    "caBundle": ("string", "A PEM file with the authorities to trust."),
    "allowInsecureHttp": ("boolean", "Allow plain `http` beyond loopback; false by default."),
    "userAgentSuffix": ("string", "Text to add to the User-Agent header."),
    "dialect": ("string", "`elements` for Cloud Elements and SAP Open Connectors; `default` otherwise."),
    "confirmGone": ("boolean", "Confirm that instances which the API does not show no longer exist; false by default."),
    "mark": ("boolean", "Whether each instance gets a tag that says which resource manages it; true by default."),
    "takeOver": (
        "string",
        "What a create does about an instance that an interrupted run has made: `ask` (default) fails and names it, "
        "`yes` takes it over, `no` creates another.",
    ),
    "updateInPlace": (
        "boolean",
        "Whether the service can change `configuration`, `providerData` and `enabled` in place. By default the dialect "
        "decides.",
    ),
    "defaultTags": ("string", "Tags of every instance, separated by commas, such as `pulumi,{project}/{stack}`."),
    "configurationDrift": ("boolean", "Compare `configuration` with what the service shows; false by default."),
    "refreshBeforeUpdate": (
        "boolean",
        "Refresh each instance first in a preview, `up` and `destroy`; false by default.",
    ),
}


_LANGUAGES: Spec = {
    # By default the name is `@pulumi/instances`, in a scope of npm that is not ours; and `pulumi_instances` is the
    # package of the dynamic provider, and of this plugin.
    "python": {
        "packageName": "pulumi_instances_native",
        "pyproject": {"enabled": True},
        "respectSchemaVersion": True,
    },
    "nodejs": {"packageName": "pulumi-instances", "respectSchemaVersion": True},
    "go": {"respectSchemaVersion": True, "generateResourceContainerTypes": True},
    "csharp": {"respectSchemaVersion": True},
}
"""How the generators of SDKs write each language."""


def document() -> Spec:
    """Return the schema."""
    settings = {setting.key: _setting(setting) for setting in SETTINGS}
    urls = _urls()
    repository = urls["Repository"]
    return {
        "name": PACKAGE,
        # With it, SDKs have the same name from any source: the engine derives another one from a git repository.
        "namespace": "pulumi",
        "displayName": "Instances",
        "publisher": "pulumi-instances",
        "version": version_of_plugin(),
        "homepage": urls["Documentation"],
        "repository": repository,
        # The archives that `make release` builds. Without a URL the engine would look for another package of this name;
        # with its ${VERSION} in the URL, `pulumi import` cannot read the program that it generates.
        "pluginDownloadURL": f"{repository}/releases/download/v{version_of_plugin()}",
        "description": "Declare authenticated connections of the Instances API, and keep their tokens secret.",
        "keywords": ["pulumi", "instances", "category/infrastructure"],
        "license": "Apache-2.0",
        "meta": {"moduleFormat": "(.*)"},
        "language": _LANGUAGES,
        "config": {"variables": settings},
        "provider": {
            "description": "An account of the Instances API.",
            "inputProperties": settings,
            "properties": settings,
        },
        "types": {FOUND_INSTANCE: {"description": "An instance that was looked up.", **_found()}},
        "resources": {NATIVE_TYPE: _instance()},
        "functions": {GET_INSTANCE: _get_instance(), GET_INSTANCES: _get_instances()},
    }


def text() -> str:
    """Return the schema as JSON, for GetSchema."""
    return json.dumps(document())


def _instance() -> Spec:
    return {
        "description": "An authenticated connection of an account to a service, such as Dropbox or Salesforce.",
        "inputProperties": {camel(key): _described(key, as_input=True) for key in INPUTS},
        "requiredInputs": [camel(key) for key in _REQUIRED_INPUTS],
        "properties": _specs(OUTPUTS),
        "required": [camel(key) for key in _KNOWN_OUTPUTS],
        "aliases": [{"type": INSTANCE_TYPE}],
    }


def _specs(keys: Iterable[str]) -> Spec:
    return {camel(key): _described(key) for key in keys}


def _described(key: str, *, as_input: bool = False) -> Spec:
    spec, about, more = _PROPERTIES[key]
    described: Spec = {**spec, "description": f"{about} {more}" if as_input and more else about}
    if key in ALWAYS_SECRET:
        described["secret"] = True
    if as_input and key in REPLACING and key not in IN_PLACE:
        described["willReplaceOnChanges"] = True
    return described


def _setting(setting: Setting) -> Spec:
    kind, about = _SETTINGS[setting.key]
    described: Spec = {
        "type": kind,
        "description": f"{about} The environment variable `{setting.variable(None)}` wins over it; for a provider "
        f"named `eu` it is `{setting.variable('eu')}`.",
    }
    if setting.secret:
        described["secret"] = True
    return described


_ID: Spec = {"type": "string", "description": "The id of the instance."}
_MANAGER: Spec = {
    "type": "string",
    "description": "Which resource manages the instance, such as `shop/dev/crm`. Not set if none does.",
}
_FILTERS: Spec = {
    "name": {"type": "string", "description": "The exact name."},
    "tags": {**_TEXTS, "description": "Tags that the instance must have, all of them; it may have more."},
    "yourMom": {"type": "string", "description": "The key of the connector."},
}


_PLAIN_FORM = (
    "The SDKs keep a token secret in the output form only. In the plain form, the program has to make it a secret."
)


def _found() -> Spec:
    return {
        "type": "object",
        "properties": {"id": _ID, **_specs(FOUND), MANAGED_BY: _MANAGER},
        "required": ["id", "name", "yourMom", "tags", *map(camel, SECRET_OUTPUTS)],
    }


def _get_instance() -> Spec:
    return {
        "description": "Look up the one instance with this id, or with this exact name, all these tags and this "
        f"connector. It fails where none matches, or several. {_PLAIN_FORM}",
        "inputs": {"properties": {"id": _ID, **_FILTERS}},
        "outputs": _found(),
    }


def _get_instances() -> Spec:
    return {
        "description": "Look up all instances with this exact name, all these tags and this connector, by ascending "
        f"id. It is not an error if none matches. {_PLAIN_FORM}",
        "inputs": {"properties": _FILTERS},
        "outputs": {
            "type": "object",
            "properties": {"instances": {"type": "array", "items": {"$ref": f"#/types/{FOUND_INSTANCE}"}}},
            "required": ["instances"],
        },
    }
