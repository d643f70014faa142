"""What the text of a rule file declares, read without executing it.

What a rule applies to counts only as it is read here, in a process that the code of rules does not reach.
"""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast, override

import msgspec

from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.rules import RuleBinding

FUNCTIONS = {"condition": "state", "action": "ftl"}
"""The functions that a rule must define with their argument names; each is async."""
NAME = "applies_to"
EVERYTHING = "everything"
KEYS = ("loops", "labels", "hosts")
LONGEST = 200
"""Characters of a name or pattern."""
HOW = f'add {NAME} = "{EVERYTHING}", or name loops, labels or hosts'
JSON = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, kw_only=True)
class StaticDeclaration:
    """What can be known about a rule file without executing it."""

    description: str = ""
    """First line of the docstring."""
    applies_to: RuleBinding | None = None
    """None if it states none in a valid form; then there is an error."""
    observe: list[ObservationSpec] | None = None
    """None if only executing the file shows it."""
    error: str | None = None
    """Why the file cannot be a valid rule."""


class _NotValid(Exception):
    """The declaration is not valid; the message is the reason."""


@lru_cache(maxsize=256)
def declared(source: bytes) -> StaticDeclaration:
    """What the text declares."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return StaticDeclaration(error=f"SyntaxError: {error.msg} (line {error.lineno})")
    except (ValueError, RecursionError, MemoryError) as error:
        return StaticDeclaration(error=f"cannot be parsed: {type(error).__name__}")
    lines = (ast.get_docstring(tree) or "").splitlines()
    description = lines[0].strip() if lines else ""
    try:
        binding = _binding(tree)
    except _NotValid as error:
        return StaticDeclaration(description=description, error=str(error))
    return StaticDeclaration(
        description=description, applies_to=binding, observe=_observe(tree), error=_functions_error(tree)
    )


def _functions_error(tree: ast.Module) -> str | None:
    for name, argument in FUNCTIONS.items():
        # A function defined by other means (an import, an assignment) is found only by executing the file.
        if any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body):
            return f"{name} is not an async function; write `async def {name}({argument}):`"
    return None


def _binding(tree: ast.Module) -> RuleBinding:
    values = _assigned(tree, NAME)
    if not values:
        raise _NotValid(f"it does not state what it applies to; {HOW}")
    # A change of it, such as `applies_to["hosts"] = ...`, would have no effect, and the author would not notice.
    if sum(isinstance(node, ast.Name) and node.id == NAME for node in ast.walk(tree)) > 1:
        raise _NotValid(f"it uses {NAME} more than once; assign it once, and do not change it")
    try:
        value = ast.literal_eval(values[0])
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise _NotValid(
            f"{NAME} is computed; write its value, because it is read without executing the file"
        ) from None
    return _binding_of(value)


def _binding_of(value: Any) -> RuleBinding:
    if value == EVERYTHING:
        return RuleBinding()
    if not isinstance(value, dict):
        raise _NotValid(f'{NAME} is neither "{EVERYTHING}" nor a mapping; {HOW}')
    given = cast("dict[Any, Any]", value)
    for key in given:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(KEYS[:-1])} or {KEYS[-1]}"
            raise _NotValid(f"{NAME} has the key {key!r:.80}, which does not exist; {hint}")
    if not given:
        raise _NotValid(f"{NAME} is empty; {HOW}")
    return RuleBinding(
        loops=_texts("loops", given["loops"]) if "loops" in given else None,
        labels=_labels(given["labels"]) if "labels" in given else None,
        hosts=_texts("hosts", given["hosts"]) if "hosts" in given else None,
    )


def _labels(value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict) or not value:
        raise _NotValid(
            f'{NAME} has labels that are no mapping, or an empty one; write {{"labels": {{"tier": "web"}}}}'
        )
    given = cast("dict[Any, Any]", value)
    for key in given:
        if not _is_text(key):
            raise _NotValid(f"{NAME} has the label {key!r:.80}, which is no text")
    return {key: _texts(f"the label {key}", one) for key, one in given.items()}


def _texts(what: str, value: Any) -> list[str]:
    if not isinstance(value, str | list | tuple):
        raise _NotValid(f"{NAME} has for {what} neither a text nor a list of texts")
    given = [value] if isinstance(value, str) else cast("list[Any]", value)
    if not given:
        raise _NotValid(
            f"{NAME} has an empty list for {what}, to which nothing belongs; remove it, or name something"
        )
    for one in given:
        if not _is_text(one):
            raise _NotValid(f"{NAME} has for {what} {one!r:.80}, which is no name or pattern")
    return list(given)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable() and value.strip() == value


def _observe(tree: ast.Module) -> list[ObservationSpec] | None:
    values = _assigned(tree, "observe")
    if not values:
        return []
    try:
        given = ast.literal_eval(_JsonNames().visit(values[-1]))
        return msgspec.convert(given, list[ObservationSpec])
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, msgspec.ValidationError):
        return None


class _JsonNames(ast.NodeTransformer):
    """`true`, `false` and `null` as constants."""

    @override
    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(JSON[node.id]) if node.id in JSON else node


def _assigned(tree: ast.Module, name: str) -> list[ast.expr]:
    """The values that the module assigns to that name, outside of functions and conditions."""
    found: list[ast.expr] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                found.append(value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                found.append(value)
            case _:
                pass
    return found
