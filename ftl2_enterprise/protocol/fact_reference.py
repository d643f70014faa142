"""The page of the reference that lists every fact: `python -m ftl2_enterprise.protocol.fact_reference`."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from msgspec import UnsetType, inspect as types

from ftl2_enterprise.core import packages
from ftl2_enterprise.protocol.fact import Fact, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = """\
# Events

Made from the facts in `ftl2_enterprise/protocol/` by `make reference`.

The event log holds facts, in the past tense. Each is written in the same transaction as the rows that it is
about, so that it is true when it can be read. An event has an `id`, which grows and is the cursor that readers
continue from; the instant `at` in microseconds; its `kind`; its `subject`, `KIND:ID`, which is empty
for facts about the service; the `actor` who caused it, when that is known; and `data`, whose fields are listed
here. Texts in `data` are redacted and at most 2,000 characters long. Instants are microseconds since 1970.
Fields may be added by later versions.

"Wakes managers": the service compares desired and actual state after it. "Last": no event follows about its
subject, and the log of the subject is removed. The level is that of the line in the logs; when what happened
needs attention, or is routine, a single fact may have another one.
"""


def document() -> str:
    """The page, in Markdown."""
    found = [packages.load(name) for name in packages.modules_named("facts", among="ftl2_enterprise.protocol")]
    return "".join([_HEAD, *(line for module in found for line in _section(module.TITLE, module.FACTS))])


def _section(title: str, facts: Iterable[type[Fact]]) -> Iterable[str]:
    yield f"\n## {title}\n"
    for fact in facts:
        yield f"\n### `{kind_of(fact)}`\n\n{inspect.getdoc(fact)}\n"
        marks = [f"Level: {fact.level}."]
        marks += ["Wakes managers."] if fact.wakes else []
        marks += ["Last."] if fact.is_final else []
        yield f"\n{' '.join(marks)}\n"
        meanings = _meanings(fact)
        described = types.type_info(fact)
        assert isinstance(described, types.StructType)
        if described.fields:
            yield "\n| field | type | meaning |\n|---|---|---|\n"
        for field in described.fields:
            yield f"| `{field.name}` | {_type(field.type)} | {meanings[field.name]} |\n"


def _meanings(fact: type[Any]) -> dict[str, str]:
    """The docstring of each field of the fact and its bases, which Python does not keep."""
    found: dict[str, str] = {}
    for base in reversed(fact.__mro__):
        if base is Fact or not issubclass(base, Fact):
            continue
        (declared,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(declared, ast.ClassDef)
        for field, text in zip(declared.body, declared.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                    found[name] = " ".join(meaning.split())
                case _:
                    pass
    return found


_WORDS: dict[type[types.Type], str] = {
    types.NoneType: "null",
    types.BoolType: "boolean",
    types.IntType: "integer",
    types.FloatType: "number",
    types.StrType: "text",
}


def _type(kind: types.Type) -> str:
    match kind:
        case types.EnumType():
            return ", ".join(f"`{word.value}`" for word in kind.cls)
        case types.ListType():
            return f"list of {_type(kind.item_type)}"
        case types.StructType():
            return "{" + ", ".join(f"`{field.name}`" for field in kind.fields) + "}"
        case types.UnionType():
            parts = [_type(part) for part in kind.types if not _is_unset(part)]
            return " or ".join(sorted(parts, key=lambda part: part == "null"))
        case _:
            return _WORDS[type(kind)]


def _is_unset(kind: types.Type) -> bool:
    return isinstance(kind, types.CustomType) and kind.cls is UnsetType


if __name__ == "__main__":
    sys.stdout.write(document())
