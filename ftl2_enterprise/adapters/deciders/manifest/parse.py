"""First step of loading a manifest: from text to values of the declared types, each with its place in the text.

The parameters of `file`, `copy` and `template` have declared types, too, and are converted here. References are not
checked yet: a name may still refer to nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.adapters.deciders.manifest import yaml_lines
from ftl2_enterprise.gate.modules import name_of
from ftl2_enterprise.protocol.loops.manifest import (
    CopyParams,
    FileParams,
    Manifest,
    Step,
    StepAction,
    TemplateParams,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Document, Where

type PathParams = FileParams | CopyParams | TemplateParams
"""Parameters that describe the desired state of a path, from which the check of the action is derived."""

PATH_MODULES: dict[str, type[PathParams]] = {"file": FileParams, "copy": CopyParams, "template": TemplateParams}
_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_KINDS = {
    "int": "a number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


@dataclass(frozen=True, kw_only=True)
class ParsedAction:
    """One action of a step."""

    where: Where
    """The place of its parameters, or of the action if its module has no declared parameters."""
    module: str
    params: Mapping[str, Any]
    reason: str | None = None
    path_params: PathParams | None = None
    """The same parameters as typed values, for file, copy and template."""


@dataclass(frozen=True, kw_only=True)
class ParsedStep:
    """One step, with the actions from all of its keys."""

    where: Where
    step: Step
    actions: tuple[ParsedAction, ...]


@dataclass(frozen=True, kw_only=True)
class ParsedManifest:
    """A manifest whose values have the right types."""

    document: Document
    manifest: Manifest
    directory: Path
    """The directory that file names in the manifest are relative to."""
    steps: tuple[ParsedStep, ...]


def parse(text: str, *, source: str, directory: Path) -> ParsedManifest:
    """Parse the text of a manifest; `source` is its name in messages. Raises Problem(invalid)."""
    document = yaml_lines.read(text, source)
    manifest = _convert(document)
    steps = tuple(
        ParsedStep(where=("steps", n), step=step, actions=tuple(_actions(document, ("steps", n), step)))
        for n, step in enumerate(manifest.steps)
    )
    return ParsedManifest(document=document, manifest=manifest, directory=directory, steps=steps)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint with the nearest known name, if one is similar."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else None


# --- the document --------------------------------------------------------------------------------------------------


@cache
def _shape() -> msgspec.inspect.Type:
    """The type of a manifest with all its fields; cached, as deriving it takes longer than reading a manifest."""
    return msgspec.inspect.type_info(Manifest)


def _convert(document: Document) -> Manifest:
    _refuse_unknown(document, document.value, _shape(), ())
    try:
        return msgspec.convert(document.value, Manifest)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        where = tuple(int(n) if n.isdigit() else key or n for key, n in _PART.findall(place.rstrip("`")))
        value = _value_at(document.value, where)
        hint = _allowed(_shape(), where) if "enum value" in message else None
        raise document.problem(where, _reworded(message, where, value), hint) from None


def _reworded(message: str, where: Where, value: Any) -> str:
    name = _spelled(where)
    if found := re.fullmatch(r"Object missing required field `(.+)`", message):
        return f"{name} has no `{found[1]}`"
    if message.startswith("Invalid enum value"):
        return f"{name} cannot be {value!r}"
    if found := re.fullmatch(r"Expected `(.+)`, got `(.+)`", message):
        expected = " or ".join(
            dict.fromkeys(_KINDS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null")
        )
        return f"{name} is {_KINDS.get(found[2], found[2])}, but it has to be {expected}"
    if "matching regex" in message:
        return f"{name} is {value!r}, but a name here has only letters, digits and _ and begins with a letter"
    if "length >= 1" in message:
        return f"{name} is empty"
    return f"{name}: {message[0].lower()}{message[1:]}"


def _allowed(kind: msgspec.inspect.Type, where: Where) -> str | None:
    """A hint with the values that are allowed at that place, if they are limited."""
    match kind:
        case msgspec.inspect.Metadata():
            return _allowed(kind.type, where)
        case msgspec.inspect.UnionType():
            return next(filter(None, (_allowed(one, where) for one in kind.types)), None)
        case msgspec.inspect.ListType() if where:
            return _allowed(kind.item_type, where[1:])
        case msgspec.inspect.StructType() if where:
            known = {field.encode_name: field.type for field in kind.fields}
            return _allowed(known[str(where[0])], where[1:]) if str(where[0]) in known else None
        case msgspec.inspect.LiteralType() if not where:
            return _choices([str(one) for one in kind.values])
        case msgspec.inspect.EnumType() if not where:
            return _choices([str(one.value) for one in kind.cls])
        case _:
            return None


def _choices(allowed: list[str]) -> str:
    *others, last = sorted(allowed)
    return f"it can be {', '.join(others)}{' or ' if others else ''}{last}"


def _spelled(where: Where) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.lstrip(".") or "the manifest"


def _value_at(value: Any, where: Where) -> Any:
    for part in where:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _refuse_unknown(document: Document, value: Any, kind: msgspec.inspect.Type, where: Where) -> None:
    """Refuse unknown keys before other errors, which a misspelt key may have caused."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _refuse_unknown(document, value, kind.type, where)
    if isinstance(kind, msgspec.inspect.UnionType):
        for one in kind.types:
            if isinstance(one, msgspec.inspect.StructType | msgspec.inspect.ListType):
                _refuse_unknown(document, value, one, where)
    elif isinstance(kind, msgspec.inspect.ListType) and isinstance(value, list):
        for n, item in enumerate(cast("list[Any]", value)):
            _refuse_unknown(document, item, kind.item_type, (*where, n))
    elif isinstance(kind, msgspec.inspect.StructType) and isinstance(value, dict):
        known = {field.encode_name: field.type for field in kind.fields}
        for key, item in cast("dict[str, Any]", value).items():
            if key not in known:
                hint = nearest(key, known) or f"known keys: {', '.join(known)}"
                raise document.problem((*where, key), f"unknown key `{key}` in {_spelled(where)}", hint)
            _refuse_unknown(document, item, known[key], (*where, key))
    return None


# --- actions -------------------------------------------------------------------------------------------------------


def _actions(document: Document, where: Where, step: Step) -> Iterator[ParsedAction]:
    for module, params in (("file", step.file), ("copy", step.copy), ("template", step.template)):
        if params is not None:
            yield _path_action((*where, module), module, params, None)
    if step.action is not None:
        yield _action(document, (*where, "action"), step.action)
    for n, action in enumerate(step.actions):
        yield _action(document, (*where, "actions", n), action)


def _action(document: Document, where: Where, action: StepAction) -> ParsedAction:
    module = name_of(action.module)
    kind = PATH_MODULES.get(module)
    if kind is None:
        return ParsedAction(where=where, module=action.module, params=action.params, reason=action.reason)
    where = (*where, "params")
    known = [one.encode_name for one in msgspec.structs.fields(kind)]
    for key in action.params:
        if key not in known:
            hint = nearest(key, known) or f"known parameters: {', '.join(known)}"
            raise document.problem((*where, key), f"{module} has no parameter {key!r}", hint)
    try:
        params = msgspec.convert(action.params, kind)
    except msgspec.ValidationError as error:
        raise document.problem(where, f"{module}: {str(error).split(' - at ')[0]}") from None
    return _path_action(where, module, params, action.reason)


def _path_action(where: Where, module: str, params: PathParams, reason: str | None) -> ParsedAction:
    given = {key: value for key, value in msgspec.to_builtins(params).items() if value is not None}
    return ParsedAction(where=where, module=module, params=given, reason=reason, path_params=params)
