from __future__ import annotations

import ast
import base64
import html
import inspect
import json
import pickle
import re
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_instances.core import errors
from pulumi_instances.core.errors import (
    ConnectionFailed,
    Forbidden,
    InstancesError,
    LookupFailed,
    NotFound,
    Problem,
    RateLimited,
    ServerError,
    SettingError,
    StatusError,
    Unauthorized,
    quote,
    status_error,
)


def _drawn() -> Iterator[tuple[str, str | None]]:
    """The (class, base) pairs of the tree in the module's docstring."""
    bases = ["InstancesError"]
    yield bases[0], None
    for branch, name in re.findall(r"^([│├└─ ]+)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4
        bases[depth:] = [name]
        yield name, bases[depth - 1]


def _defined() -> set[tuple[str, str | None]]:
    """The (class, base) pairs of the error classes that the module defines."""
    classes = [
        c
        for _, c in inspect.getmembers(errors, inspect.isclass)
        if c.__module__ == errors.__name__ and issubclass(c, Exception)
    ]
    return {(c.__name__, None if c is InstancesError else c.__bases__[0].__name__) for c in classes}


def test_the_tree_in_the_docstring_is_the_tree_there_is() -> None:
    """Every class is drawn below its base."""
    assert set(_drawn()) == _defined()


def test_all_errors_are_exported() -> None:
    """`__all__` holds every error class and `Problem`, sorted, and nothing else."""
    assert errors.__all__ == sorted([*(name for name, _ in _defined()), "Problem"])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, StatusError) for status in (400, 402, 405, 406, 409, 411, 412, 413, 414, 415, 418, 422, 431, 451)),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (410, NotFound),
        (429, RateLimited),
        *((status, ServerError) for status in (408, 500, 501, 502, 503, 504, 505, 599)),
    ],
)
def test_a_status_has_its_error(status: int, kind: type[StatusError]) -> None:
    """The error has exactly this class, not a subclass."""
    assert status_error(status) is kind


def test_a_status_error_keeps_the_facts() -> None:
    """It has status and requestId beside the text."""
    error = NotFound("read instance 7: 404", 404, "5f1e")
    assert (error.cause, error.advice, error.status, error.request_id) == (
        "read instance 7: 404",
        NotFound.advice,
        404,
        "5f1e",
    )
    assert str(error) == f"read instance 7: 404; {NotFound.advice}"
    assert ConnectionFailed("read instance 7: connection refused").timed_out is False


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InstancesError("it broke"), "it broke"),
        (InstancesError("it broke", "mend it"), "it broke; mend it"),
        (ServerError("it broke", 500), "it broke; run again later"),
        (ServerError("it broke", 500, advice="mend it"), "it broke; mend it"),
        (ServerError("it broke", 500, advice=""), "it broke"),
    ],
)
def test_cause_and_advice_are_joined(error: InstancesError, text: str) -> None:
    """An error can have other advice than its class, or none."""
    assert str(error) == text


def test_a_problem_is_one_line_that_begins_with_its_property() -> None:
    """Several problems are the cause of one error, which keeps them apart."""
    problems = [Problem("name", "is empty", "write one"), Problem("tags[0]", "is empty", "remove it")]
    error = SettingError(problems)
    assert str(error) == "name is empty; write one; tags[0] is empty; remove it"
    assert error.problems == problems
    assert problems[1].sentence() == "tags[0] is empty"


# quoting a server


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("plain words", [], "plain words"),
        ("  two\r\nlines\tand\x00more\x1b[31m ", [], "two lines and more [31m"),
        ("line\u2028paragraph\u2029next\x85", [], "line paragraph next"),
        ("", [], ""),
        (None, [], "None"),
        ({"a": 1}, [], "{'a': 1}"),
        ("token abcdef used", ["abcdef"], "token [secret] used"),
        ("abcdef abcdef", ["abcdef"], "[secret] [secret]"),
        ("longer abcdefgh", ["abcdef", "abcdefgh"], "longer [secret]"),
        ("short ones stay in words: abcdef, ab", ["bcd", "ab", ""], "short ones stay in words: abcdef, ab"),
        ("short words go: abc (abcde)", ["abc", "abcde"], "short words go: [secret] ([secret])"),
        ("x=a+b&y", ["a+b"], "x=[secret]&y"),
        ("x==b/,", ["=b/"], "x=[secret],"),
        ("a secret", ["secret", "[secret]"], "a [secret]"),
        ("no 314159 in 31415.9", ["314159", "31415"], "no [secret] in [secret].9"),
        ("bad line MIIabc or ab", ["-----BEGIN-----\nMIIabc\r\nab\n-----END-----"], "bad line [secret] or ab"),
        ("bad line MIIabc", [r'{"key": "-----BEGIN-----\nMIIabc\n"}'], "bad line [secret]"),
        ("x" * 300, [], "x" * 300),
        ("x" * 301, [], "x" * 299 + "…"),
        ("x" * 298 + "abcdef", ["abcdef"], "x" * 298 + "[…"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_quoted_words_are_safe_to_show(text: object, secrets: list[str], expected: str) -> None:
    """They are one line of at most 300 characters, without control characters or secrets."""
    assert quote(text, secrets) == expected


@given(st.text(), st.text(max_size=20), st.text(min_size=6, max_size=20))
def test_a_secret_never_survives_quoting(before: str, after: str, secret: str) -> None:
    """Neither its position nor the place where the text is cut matters."""
    shown = quote(f"{before}{secret}{after}", [secret])
    assert secret not in shown.replace("[secret]", "") or secret in "[secret]"
    assert len(shown) <= 300
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)


SECRETS = {
    "URL": "p@ss w0rd/+=&ü",
    "JSON": 'qu"ote\\back/slash\nnext\tü',
    "HTML": '<b>R&D\'s "own"</b>',
    "token": "BUIWhN8NTPaeyYo7Kblo91CJ1tCG6PUonwnV/XJjy2A=",
    "short": "p/1&'",
}
ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "percent": lambda secret: urllib.parse.quote(secret, safe=""),
    "percent, path": urllib.parse.quote,
    "percent, lower case": lambda secret: re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(secret)),
    "form": urllib.parse.quote_plus,
    "JSON": json.dumps,
    "JSON, UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "JSON, PHP": lambda secret: json.dumps(secret).replace("/", r"\/"),
    "HTML": html.escape,
    "HTML, Java": lambda secret: html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "HTML, text": lambda secret: html.escape(secret, quote=False),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64, URL": lambda secret: base64.urlsafe_b64encode(f"?>{secret}".encode()).decode(),
    "base64, percent": lambda secret: urllib.parse.quote(base64.b64encode(f"?>{secret}".encode()), safe=""),
    "base64, PHP": lambda secret: json.dumps(base64.b64encode(secret.encode()).decode()).replace("/", r"\/"),
    "base64, header": lambda secret: base64.b64encode(f"User {secret}, Organization x".encode()).decode(),
    "base64, after a word": lambda secret: "-" + base64.b64encode(json.dumps({"a": secret}).encode()).decode(),
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_an_encoded_secret_is_not_repeated(secret: str, encode: Callable[[str], str]) -> None:
    """Servers quote the URL, the JSON or the page that contained a value."""
    shown = quote(f"refused: value={encode(secret)} at once", [secret, "another-secret"])
    assert re.fullmatch(r'refused: value="?\[secret\]"? at once', shown)


def test_many_secrets_cost_little() -> None:
    """Only those that may occur in the text are encoded in all their forms."""
    secrets = [f"secret/{number}+=" for number in range(50_000)]
    assert quote("no such thing as secret%2F49999%2B%3D", secrets) == "no such thing as [secret]"


def test_what_was_asked_for_leaves_an_error() -> None:
    """Its kind and what else it holds stay; nothing that shows it has the secret."""
    error = LookupFailed('no instance has name="s3cret-name"', "look for s3cret-name", ["7"])
    assert error.without(["s3cret-name"]) is error
    assert (str(error), error.candidates) == ('no instance has name="[secret]"; look for [secret]', ["7"])
    assert "s3cret" not in repr(error) + repr(pickle.loads(pickle.dumps(error)))  # noqa: S301  our own


@pytest.mark.parametrize(
    "error",
    [
        errors.InputError("the id is wrong", "correct it"),
        NotFound("read instance 7: 404", 404, "5f1e", advice="look again"),
        ConnectionFailed("read instance 7: timed out", timed_out=True),
        LookupFailed("two match", "pass an id", ["7", "8"]),
        SettingError([Problem("name", "is empty", "write one")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_can_be_pickled(error: InstancesError) -> None:
    """Pytest-xdist and multiprocessing pass errors between processes."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


# no code takes a message apart


def _texts_of_errors(source: str) -> Iterator[str]:
    """Where a module has the text of an exception as a value, which it could look into, instead of only quoting it."""
    tree = ast.parse(source)
    caught = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and re.search(
            r"Exception|Error", ast.unparse(node.annotation or ast.Constant(""))
        ):
            caught.add(node.arg)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("str" | "repr" | "ascii"), args=[ast.Name(name)]) if name in caught:
                yield f"line {node.lineno}: {ast.unparse(node)}"
            case ast.Attribute(value=ast.JoinedStr()):
                yield f"line {node.lineno}: {ast.unparse(node)}"


PACKAGE = Path(errors.__file__).parents[1]
MODULES = [file for file in sorted(PACKAGE.rglob("*.py")) if file.relative_to(PACKAGE).parts[0] != "testing"]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_code_takes_a_message_apart(file: Path) -> None:
    """What code needs to know about an error is an attribute or the type of the error; its text is for people."""
    assert list(_texts_of_errors(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "try: f()\nexcept OSError as error: known = 'refused' in str(error)",
        "try: f()\nexcept OSError as error: g(str(error).removesuffix('; x'))",
        "def f(error: BaseException) -> str: text = str(error)\n",
        "try: f()\nexcept OSError as error: g(f'{error}'.partition(': '))",
    ],
)
def test_a_message_that_is_taken_apart_is_found(source: str) -> None:
    """The test above can fail."""
    assert len(list(_texts_of_errors(source))) == 1
