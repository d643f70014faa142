"""The manifest: a desired state in YAML, for which decisions need no model.

`python -m ftl2_enterprise.protocol.loops.manifest` prints its JSON Schema.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from ftl2_enterprise.core.wire import Strict
from ftl2_enterprise.protocol.loops.decision import Operator
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

SCHEMA_ID = "urn:ftl2-enterprise:manifest:1"

type Text = Annotated[str, Meta(min_length=1)]
type Key = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that is valid after a dot in templates."""
type FilePerms = Annotated[str | int, Meta(description='Permissions in octal digits, as in 0644 or "0644".')]


class FileState(StrEnum):
    """The desired state of a path."""

    FILE = "file"
    DIRECTORY = "directory"
    TOUCH = "touch"
    LINK = "link"
    ABSENT = "absent"


class Question(Strict, frozen=True, kw_only=True):
    """A question to a person. It is asked when a step that is otherwise ready needs the answer."""

    key: Key
    """Templates read the answer as `answers.KEY`."""
    question: Text
    options: list[str | int] = []
    """The accepted answers; without options any text is accepted."""
    default: str | int | None = None
    """The answer if the prompt expires or is dismissed."""
    secret: bool = False
    """Whether the answer is a secret. Actions read it as `secrets.KEY`; it is neither shown nor in the database."""


class ManifestObservation(Strict, frozen=True, kw_only=True):
    """A named observation, which `when`, `expect` and the parameters of actions read as `observed.NAME`."""

    name: Key
    module: Text
    params: dict[str, Any] = {}
    host: str | list[str] = LOCALHOST


class FileParams(Strict, frozen=True, kw_only=True):
    """A path and its desired state. Needs no separate check."""

    path: Text
    state: FileState = FileState.FILE
    mode: FilePerms | None = None
    owner: str | None = None
    group: str | None = None
    src: str | None = None
    """The target of a link."""
    force: bool | None = None
    """Whether a link may replace something that is not a link."""


class CopyParams(Strict, frozen=True, kw_only=True):
    """A file with exactly this content. Needs no separate check."""

    dest: Text
    content: str | None = None
    src: str | None = None
    """A text file, relative to the manifest, in place of `content`."""
    mode: FilePerms | None = None
    owner: str | None = None
    group: str | None = None


class TemplateParams(Strict, frozen=True, kw_only=True):
    """A file rendered from a Jinja2 template on the machine that the loop runs on. Needs no separate check."""

    src: Text
    """The template, relative to the manifest."""
    dest: Text
    mode: FilePerms | None = None
    owner: str | None = None
    group: str | None = None
    variables: dict[str, Any] = {}
    """Further names for this template, in addition to `vars`, `answers`, `observed` and `host`."""


class ManifestCall(Strict, frozen=True, kw_only=True):
    """One module call that observes and changes nothing."""

    module: Text
    params: dict[str, Any] = {}


class Expect(Strict, frozen=True, kw_only=True):
    """One predicate: the value at `path` (dotted, "" is the whole result) against `value`."""

    path: str = ""
    op: Operator = Operator.EQUALS
    value: Any = None


class StepCheck(Strict, frozen=True, kw_only=True):
    """How to check whether a step is in place. Exactly one of `observe`, `command` and `path`."""

    observe: ManifestCall | None = None
    command: str | None = None
    """A shell command that changes nothing; the step is in place when its exit status is 0."""
    path: str | None = None
    """A path that exists."""
    expect: list[Expect] | dict[str, Any] = []
    """Predicates over the observation or the command; a mapping means that each path equals its value."""
    state: FileState | None = None
    """With `path`: its state."""
    mode: FilePerms | None = None
    """With `path`: its permissions."""


class StepAction(Strict, frozen=True, kw_only=True):
    """One module call that brings a step into place."""

    module: Text
    params: dict[str, Any] = {}
    reason: str | None = None


class Step(Strict, frozen=True, kw_only=True):
    """One part of the desired state. Exactly one of `file`, `copy`, `template`, `action` and `actions`."""

    name: Text
    host: str | list[str] = LOCALHOST
    """A host, a group, or a list of them."""
    when: str | bool = True
    """A Jinja2 expression; the step exists only where it is true."""
    requires: list[str] = []
    """Steps that have to be in place before this one is executed."""
    file: FileParams | None = None
    copy: CopyParams | None = None
    template: TemplateParams | None = None
    action: StepAction | None = None
    actions: list[StepAction] = []
    check: StepCheck | None = None
    """Optional for file, copy and template, from which the check is derived."""


class Manifest(Strict, frozen=True, kw_only=True):
    """A desired state: variables, questions, observations and steps."""

    version: Literal[1]
    name: Text
    steps: Annotated[list[Step], Meta(min_length=1)]
    description: str = ""
    remediation: Literal["auto", "ask", "never"] = "auto"
    """Whether the loop repairs drift, asks for an approval first, or only reports it."""
    labels: dict[str, str] = {}
    """By which rules select the loop; `--label` replaces one of the same key."""
    vars: dict[str, Any] = {}
    """Values for templates, read as `vars.NAME`; each may use those above it."""
    allow_literal: list[str] = []
    """Variables that look like secrets and are none."""
    secrets: dict[Key, Annotated[str, Meta(min_length=1)] | None] = {}
    """Secrets, which parameters of actions and templates read as `secrets.NAME`. Each has its source,
    `credential:NAME` or a variable of the environment; without one, `--secret NAME=SOURCE` gives it."""
    questions: list[Question] = []
    observe: list[ManifestObservation] = []


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest, for editors."""
    (_,), definitions = msgspec.json.schema_components([Manifest], ref_template="#/$defs/{name}")
    root = definitions.pop(Manifest.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **root,
        "$defs": _null_last(dict(sorted(definitions.items()))),
    }


def _null_last(schema: Any) -> Any:
    """The schema with `null` at the end of each `anyOf`; its position differs between versions of msgspec."""
    if isinstance(schema, list):
        return [_null_last(item) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    ordered = {key: _null_last(value) for key, value in cast("dict[str, Any]", schema).items()}
    if "anyOf" in ordered:
        ordered["anyOf"].sort(key={"type": "null"}.__eq__)
    return ordered


def schema_text() -> str:
    """The JSON Schema as in docs/reference/manifest.schema.json."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
