"""Every kind of event is declared once, as a type; its declaration, its emitter and its page belong together."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

import ftl2_enterprise
from ftl2_enterprise.core import packages
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.protocol import fact_reference
from ftl2_enterprise.protocol.fact import KIND, Fact, UnknownFact, declare, fact_of, kind_of
from ftl2_enterprise.protocol.loops.facts import LoopHurried, LoopPaused
from ftl2_enterprise.protocol.subject import HIGHEST_ID, SERVICE, Subject, parse_subject
from ftl2_enterprise.wiring.capabilities import NAMES
from tests.support.data.facts import event, sample

MODULES = [packages.load(name) for name in packages.modules_named("facts", among="ftl2_enterprise.protocol")]
FACTS = tuple(fact for module in MODULES for fact in module.FACTS)
EMITTERS = {*NAMES, "supervisor"}
"""Folders in which facts happen."""
SOURCE = Path(ftl2_enterprise.__file__).parent
PAGE = SOURCE.parent / "docs" / "reference" / "events.md"


@cache
def sources() -> dict[Path, str]:
    """Every module of the program that declares no facts."""
    return {path: path.read_text() for path in SOURCE.rglob("*.py") if not {"facts", "facts.py"} & {*path.parts}}


def test_the_page_of_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text() == fact_reference.document(), "run `make reference`"


def subclasses(fact: type[Fact]) -> set[type[Fact]]:
    return {fact}.union(*(subclasses(one) for one in fact.__subclasses__()))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_fact_of_a_module_is_declared(module: Any) -> None:
    own = {one for one in subclasses(Fact) if f"{one.__module__}.".startswith(f"{module.__name__}.")}
    assert {one for one in own if "." in kind_of(one)} == set(module.FACTS)


@cache
def names_of_emitters() -> set[str]:
    """Every word of the sources that may emit facts."""
    texts = (text for path, text in sources().items() if path.relative_to(SOURCE).parts[0] in EMITTERS)
    return {word for text in texts for word in re.findall(r"\w+", text)}


@pytest.mark.parametrize("fact", FACTS, ids=kind_of)
def test_every_fact_has_an_emitter_a_docstring_and_a_level(fact: type[Fact]) -> None:
    assert fact.__name__ in names_of_emitters(), f"nothing emits {fact}"
    assert fact.__doc__
    assert fact.level in {"debug", "info", "warning", "error"}


def test_no_kind_is_assembled_or_repeated() -> None:
    """Where a kind is written, it is declared: everything else names the type."""
    kinds = set(map(kind_of, FACTS))
    for path, text in sources().items():
        if "versions" in path.parts:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant):
                assert node.value not in kinds, (path, node.lineno)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit":
                assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr), (path, node.lineno)


def test_a_kind_is_declared_once() -> None:
    class Other(Fact, frozen=True, tag="loop.paused"):
        pass

    class Nameless(Fact, frozen=True):
        pass

    with pytest.raises(ValueError, match="LoopPaused are both of the kind"):
        declare(Other)
    with pytest.raises(ValueError, match="Nameless needs a tag"):
        declare(Nameless)


@pytest.mark.parametrize("fact", FACTS, ids=kind_of)
@settings(max_examples=20)
@given(data=st.data())
def test_any_fact_is_read_back_from_its_event(fact: type[Fact], data: st.DataObject) -> None:
    made = data.draw(_facts(fact))
    assert fact_of(event(made)) == made


def _facts(fact: type[Fact]) -> st.SearchStrategy[Fact]:
    info = msgspec.inspect.type_info(fact)
    assert isinstance(info, msgspec.inspect.StructType)
    fields = {field.name: _values(field.type) for field in info.fields}
    return st.fixed_dictionaries(fields).map(lambda given: msgspec.convert(_set(given), fact))


def _set(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not msgspec.UNSET}


PLAIN: dict[type[Any], st.SearchStrategy[Any]] = {
    msgspec.inspect.NoneType: st.none(),
    msgspec.inspect.BoolType: st.booleans(),
    msgspec.inspect.IntType: st.integers(-(2**63), 2**63 - 1),
    msgspec.inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    msgspec.inspect.StrType: st.text(),
    msgspec.inspect.CustomType: st.just(msgspec.UNSET),
}


def _values(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case msgspec.inspect.EnumType():
            return st.sampled_from([word.value for word in kind.cls])
        case msgspec.inspect.UnionType():
            return st.one_of(*map(_values, kind.types))
        case msgspec.inspect.ListType():
            return st.lists(_values(kind.item_type), max_size=3)
        case msgspec.inspect.StructType():
            return st.fixed_dictionaries({field.name: _values(field.type) for field in kind.fields})
        case _:
            return PLAIN[type(kind)]


def test_facts_of_other_versions_are_unknown_and_lose_nothing() -> None:
    later = Event(id=1, at=0, kind="loop.painted", subject="loop:1", data={"colour": "blue"})
    assert fact_of(later) == UnknownFact(kind_given="loop.painted", data={"colour": "blue"})
    other = Event(id=1, at=0, kind="loop.paused", subject="loop:1", data={"outcome": 7})
    assert fact_of(other) == UnknownFact(kind_given="loop.paused", data={"outcome": 7})
    more = sample(LoopHurried)
    assert fact_of(Event(id=1, at=0, kind="loop.hurried", data={"new": 1})) == more


@given(st.from_regex(r"[a-z]+", fullmatch=True), st.integers(0, HIGHEST_ID))
def test_a_subject_is_read_back(kind: str, number: int) -> None:
    assert parse_subject(str(Subject(kind, number))) == (kind, number)


@pytest.mark.parametrize("text", [SERVICE, "loop", "loop:", ":1", "loop:x", "loop:-1", "loop:²", f"loop:{2**63}"])
def test_an_invalid_subject_is_refused(text: str) -> None:
    assert parse_subject(text) is None


def test_an_encoded_fact_names_its_kind() -> None:
    encoded = msgspec.json.decode(msgspec.json.encode(sample(LoopPaused)))
    assert encoded[KIND] == "loop.paused"
