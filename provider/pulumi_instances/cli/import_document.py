"""What an import writes: the file for `pulumi import`, and a program that declares the instances. Pure.

`pulumi import` cannot read dynamic resources (pulumi/pulumi#16175). Since 3.254 it does not have to, if the file gives
the whole state of each resource (docs/engine.md, E13); then it sends nothing to the API either. The native package
reads each instance itself, so its file has only ids.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..core import model, validation
from ..core.state_format import INSTANCE_TYPE, NATIVE_TYPE, PROVIDER, SECRET

Found = Mapping[str, Any]

OLDEST_CLI = (3, 254, 0)
"""The first CLI that takes whole states in an import file (pulumi/pulumi#23984)."""


_NO_TEXT_IN_YAML = re.compile(r"True|TRUE|False|FALSE|(?i:~|null|[-+]?\.inf|\.nan|[-+]?0[xbo][0-9a-f_]+)")


def obstacle(found: Found, *, needs_token: bool = True, in_yaml: bool = False) -> str | None:
    """Return why an instance cannot be imported, and what to do; None where it can.

    ``in_yaml`` says that `pulumi import` is going to write a program in YAML, which reads `$$` as `$`: a name such as
    `$${crm.token}` would be the token of another instance. The CLI escapes the `${` in it only. Nor does it put quotes
    around all that YAML takes for null, a boolean or a number.
    """
    texts = (found["your_mom"], found["name"], *found.get("tags", ())) if in_yaml else ()
    elsewhere = "rename it at the service, or import it into a project in another language"
    if any("$$" in text for text in texts):
        return f"its name or a tag contains $$, and a program in YAML would evaluate what follows; {elsewhere}"
    if no_text := next(filter(_NO_TEXT_IN_YAML.fullmatch, texts), None):
        return f"its name or a tag is {no_text}, which a program in YAML does not read as a text; {elsewhere}"
    if needs_token and "token" not in found:
        return "the API does not report its token"
    _, problems = validation.check(inputs(found))
    # The advice of `check` is for programs; here the instance has to be corrected.
    faults = [problem.sentence() for problem in problems]
    return "; ".join([*faults, "correct it in the account, then import it"]) if faults else None


def resource_names(instances: Sequence[Found], taken: Collection[str] = ()) -> dict[str, str]:
    """Return a resource name for each id: the instance's own name where it can be one, else made from it.

    Letters, digits, ``_``, ``.`` and ``-`` stay; what YAML may read as a number, or as another literal, gets a word
    before it. Where two instances would have the same name, or ``taken`` has it, the id follows it. So a name
    depends neither on the order of the instances nor on a counter.
    """
    bases = {found["id"]: _base(found["name"]) for found in instances}
    counts = Counter(bases.values())
    names: dict[str, str] = {}
    used = set(taken)
    # Names that need no id come first: another one with an id must not take theirs.
    for instance_id, base in sorted(bases.items(), key=lambda item: (counts[item[1]] > 1, int(item[0]))):
        name = base if counts[base] == 1 else f"{base}-{instance_id}"
        while name in used:
            name = f"{name}-{instance_id}"
        used.add(name)
        names[instance_id] = name
    return names


def _base(name: str) -> str:
    base = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    # The CLI writes YAML without quotes.
    is_text = base and base[0] not in string.digits and base.lower() not in ("true", "false", "null")
    return base if is_text else "-".join(filter(None, ["instance", base]))


def native_import_file(names: Mapping[str, str]) -> dict[str, Any]:
    """Return the document for `pulumi import --file F` by the native package. It has no tokens.

    ``name`` is that of a variable in the generated program, and ``logicalName`` that of the resource.
    """
    variables = _variables(names)
    return {
        "resources": [
            {"type": NATIVE_TYPE, "name": variables[instance_id], "logicalName": name, "id": instance_id}
            for instance_id, name in names.items()
        ]
    }


def mistaken(instances: Sequence[Found]) -> list[str]:
    """Return the connectors and tags that are also the name or the id of an instance.

    The generator of `pulumi import` may write a reference to that instance for them (pulumi/pulumi: pkg/importer,
    createImportState). A change of the name would then change or replace another instance.
    """
    texts = {text for found in instances for text in (found["your_mom"], *found.get("tags", ()))}
    return sorted(texts & {found[key] for found in instances for key in ("id", "name")})


def _variables(names: Mapping[str, str]) -> dict[str, str]:
    """Return a variable for each id. Generators respell it for their language, so two differ in letters or digits."""
    variables: dict[str, str] = {}
    used = set(_RESERVED)
    for instance_id, name in names.items():
        variable = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_")
        if not variable[:1].isalpha():
            variable = "_".join(filter(None, ["instance", variable]))
        while _core(variable) in used:
            variable = f"{variable}_{instance_id}"
        used.add(_core(variable))
        variables[instance_id] = variable
    return variables


def _core(variable: str) -> str:
    return variable.lower().replace("_", "")


_RESERVED = ("pulumi", "instances", "true", "false", "null")
"""Words that generated programs use for imports and literals."""


def import_file(instances: Sequence[Found], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the document for `pulumi import --file F --generate-code=false --protect=false`. It has plain tokens."""
    from pulumi.dynamic.dynamic import serialize_provider

    from ..lifecycle import InstanceProvider

    pickle = {PROVIDER: serialize_provider(InstanceProvider())}
    return {"resources": [_resource(found, names[found["id"]], pickle) for found in instances]}


def _resource(found: Found, name: str, pickle: Mapping[str, str]) -> dict[str, Any]:
    outputs = model.outputs(found, {}, model.not_given(inputs(found)))
    return {
        "type": INSTANCE_TYPE,
        "name": name,
        "id": found["id"],
        "inputs": {**inputs(found), **pickle},
        "outputs": {**outputs, **{key: _secret(found[key]) for key in model.SECRET_OUTPUTS}, **pickle},
    }


def _secret(value: str) -> dict[str, str]:
    return {**SECRET, "plaintext": json.dumps(value)}


def inputs(found: Found) -> dict[str, Any]:
    """Return the inputs of a program that declares the instance, without tags where it has none."""
    return {key: found[key] for key in model.INPUTS if found.get(key) not in (None, [])}


# the program, in Python as `ruff format` writes it: `pulumi preview` with it shows no changes

_WIDTH = 88
_HEADER = '''"""Existing instances, generated once by `pulumi-instances`: edit this file freely."""

from pulumi_instances import Instance

'''


def program(instances: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return a program that declares these instances under these resource names, ordered by connector and name."""
    ordered = sorted(instances, key=lambda found: (found["your_mom"], names[found["id"]]))
    return _HEADER + "".join(_declaration(found, names[found["id"]]) for found in ordered)


def _declaration(found: Mapping[str, Any], resource_name: str) -> str:
    given = {key: value for key, value in inputs(found).items() if (key, value) != ("name", resource_name)}
    line = f"Instance({', '.join([_literal(resource_name), *(f'{key}={_literal(given[key])}' for key in given)])})"
    if _fits(line, _WIDTH):
        return f"{line}\n"
    lines = [f"    {_literal(resource_name)},\n", *(_argument(key, given[key]) for key in given)]
    return f"Instance(\n{''.join(lines)})\n"


def _argument(key: str, value: Any) -> str:
    """Return an argument on a line of its own, or on several where it is a list that does not fit."""
    line = f"    {key}={_literal(value)},"
    if not isinstance(value, list) or _fits(line, _WIDTH):
        return f"{line}\n"
    return f"    {key}=[\n" + "".join(f"        {_literal(item)},\n" for item in value) + "    ],\n"


def _fits(line: str, width: int) -> bool:
    # ruff counts two columns for a wide character: a line that is not ASCII is broken.
    return len(line) <= width and line.isascii()


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return _text_literal(value) if isinstance(value, str) else repr(value)


def _text_literal(text: str) -> str:
    """Return a string literal with the quotes that ruff prefers, and escapes for invisible characters."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    escaped = {mark: f"\\{mark}", "\\": "\\\\"}
    return mark + "".join(escaped.get(c, c if c.isprintable() else repr(c)[1:-1]) for c in text) + mark
