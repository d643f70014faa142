"""Loading a manifest: a mistake that can be found without touching a host is found here, with its file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.adapters.deciders.manifest import (
    steps as manifest_steps,
    template as manifest_template,
    yaml_lines,
)
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.protocol.loops.manifest import Manifest, Question, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.adapters.deciders.manifest.steps import Prepared
    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Document, Where

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
class LoadedManifest:
    """A manifest that has been checked, with its variables settled and the files that it names read."""

    manifest: Manifest
    document: Document
    directory: Path
    vars: Mapping[str, Any]
    steps: tuple[Prepared, ...]
    looks: tuple[manifest_steps.PreparedLook, ...]

    @property
    def name(self) -> str:
        """The manifest's name."""
        return self.manifest.name

    @property
    def source(self) -> str:
        """The file it came from."""
        return self.document.source

    def question(self, key: str) -> Question:
        """The question with that key, which exists."""
        return next(question for question in self.manifest.questions if question.key == key)


def looks_like_manifest(text: str) -> bool:
    """Whether a desired state is meant as a manifest: it has `version:` and `steps:` at the start of lines.

    Written as one mapping in braces, as JSON is, it has them anywhere.
    """
    if text.lstrip().startswith("{"):
        return all(re.search(rf"""[{{,\s](["']?){key}\1\s*:""", text) for key in ("version", "steps"))
    return bool(re.search(r"^version[ \t]*:", text, re.MULTILINE) and re.search(r"^steps[ \t]*:", text, re.MULTILINE))


def load(path: str | Path, vars: Mapping[str, Any] | None = None) -> LoadedManifest:
    """Read and check a manifest; `vars` replace its variables. Raises Problem(invalid)."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise invalid(f"cannot read the manifest {file}: it does not exist") from None
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read the manifest {file}: it is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise invalid(f"cannot read the manifest {file}: {error.strerror or error}") from None
    return parse(text, source=str(file), directory=file.absolute().parent, vars=vars)


def parse(
    text: str,
    *,
    source: str,
    directory: Path,
    vars: Mapping[str, Any] | None = None,
) -> LoadedManifest:
    """Check a manifest's text; files that it names are relative to the directory. Raises Problem(invalid)."""
    document = yaml_lines.read(text, source)
    manifest = _convert(document)
    _check_names(document, manifest)
    settled = _settle_vars(document, manifest, directory, vars or {})
    context = manifest_steps.Context(document=document, manifest=manifest, directory=directory, vars=settled)
    looks = tuple(manifest_steps.prepare_look(context, n) for n in range(len(manifest.observe)))
    context = replace(context, looks=looks)
    steps = tuple(manifest_steps.prepare(context, n) for n in range(len(manifest.steps)))
    return LoadedManifest(
        manifest=manifest, document=document, directory=directory, vars=settled, steps=steps, looks=looks
    )


@cache
def _shape() -> msgspec.inspect.Type:
    """The fields of a manifest and of what is in it: deriving them takes longer than reading a manifest."""
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
        wanted = " or ".join(
            dict.fromkeys(_KINDS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null")
        )
        return f"{name} is {_KINDS.get(found[2], found[2])}, but it has to be {wanted}"
    if "matching regex" in message:
        return f"{name} is {value!r}, but a name here has only letters, digits and _ and begins with a letter"
    if "length >= 1" in message:
        return f"{name} is empty"
    return f"{name}: {message[0].lower()}{message[1:]}"


def _allowed(kind: msgspec.inspect.Type, where: Where) -> str | None:
    """What can stand at that place, where only certain values can."""
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
    """Refuse keys that no struct has, before anything else is said: a misspelt key explains the rest."""
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
                hint = _nearest(key, known) or f"known keys: {', '.join(known)}"
                raise document.problem((*where, key), f"unknown key `{key}` in {_spelled(where)}", hint)
            _refuse_unknown(document, item, known[key], (*where, key))
    return None


def _nearest(name: str, known: Mapping[str, Any] | set[str] | list[str]) -> str | None:
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else None


def _check_names(document: Document, manifest: Manifest) -> None:
    _refuse_repeats(document, "questions", "key", [question.key for question in manifest.questions])
    _refuse_repeats(document, "observe", "name", [look.name for look in manifest.observe])
    _refuse_repeats(document, "steps", "name", [step.name for step in manifest.steps])
    for n, question in enumerate(manifest.questions):
        options = [str(option) for option in question.options]
        if question.default is not None and options and str(question.default) not in options:
            what = f"the default {question.default!r} of the question {question.key!r} is not one of its options"
            raise document.problem(("questions", n, "default"), what, f"options: {', '.join(options)}")
    names = [step.name for step in manifest.steps]
    for n, step in enumerate(manifest.steps):
        for m, required in enumerate(step.requires):
            if required not in names:
                what = f"the step {step.name!r} requires {required!r}, which is not a step"
                raise document.problem(("steps", n, "requires", m), what, _nearest(required, names))
    _refuse_circles(document, manifest.steps)


def _refuse_repeats(document: Document, section: str, field: str, names: list[str]) -> None:
    for n, name in enumerate(names):
        if name in names[:n]:
            first = document.line((section, names.index(name), field))
            raise document.problem(
                (section, n, field), f"{section} has {name!r} twice; it is already on line {first}"
            )


def _refuse_circles(document: Document, steps: list[Step]) -> None:
    requires = {step.name: step.requires for step in steps}
    finished: set[str] = set()

    for n, step in enumerate(steps):
        trail: list[str] = []
        todo: list[tuple[str, bool]] = [(step.name, False)]
        while todo:
            name, leaving = todo.pop()
            if leaving:
                trail.pop()
                finished.add(name)
            elif name in trail:
                circle = " -> ".join([*trail[trail.index(name) :], name])
                raise document.problem(("steps", n, "requires"), f"steps require each other in a circle: {circle}")
            elif name not in finished:
                trail.append(name)
                todo.append((name, True))
                todo.extend((required, False) for required in requires[name])


def _settle_vars(document: Document, manifest: Manifest, directory: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in manifest.vars:
            raise invalid(
                f"cannot set the variable {name!r}: {document.source} has none of that name",
                _nearest(name, manifest.vars),
            )
    settled: dict[str, Any] = {}
    for name, value in manifest.vars.items():
        where = ("vars", name)
        try:
            reads = manifest_template.references(value)
            if other := sorted(reads.names - manifest_template.BUILT_IN - manifest_template.EARLY):
                raise document.problem(where, f"the variable {name!r} reads {other[0]!r}, but may read only vars")
            scope = {"vars": settled, "manifest_dir": str(directory)}
            settled[name] = given[name] if name in given else manifest_template.render(value, scope)
        except manifest_template.CannotRender as error:
            hint = "a variable may use only those above it" if "undefined" in str(error) else None
            raise document.problem(where, f"the variable {name!r}: {error}", hint) from None
    return settled


__all__ = ["LoadedManifest", "Problem", "load", "looks_like_manifest", "parse"]
