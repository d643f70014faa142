"""Templates in manifests: Jinja2 in its sandbox, with undefined names as errors.

A value that consists of a single expression keeps the type of the expression; every other value is a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from jinja2 import Template, TemplateError, Undefined, meta, nodes

from ftl2_enterprise.adapters.templates.meter import MAX_SECONDS, MAX_SIZE, charge, metered
from ftl2_enterprise.adapters.templates.sandbox import CannotRender, Sandbox, reason

LIMITS = f"a template may produce {MAX_SIZE >> 20} Mi characters, and take {MAX_SECONDS:g} s"
EARLY = frozenset({"vars", "manifest_dir"})
"""Top-level names that are known when a manifest is loaded."""
ROOTS = EARLY | {"answers", "observed", "host", "secrets"}


@dataclass(frozen=True, kw_only=True)
class References:
    """The names that a template reads, by top-level name."""

    names: frozenset[str] = frozenset()
    vars: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    observed: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()

    def __or__(self, other: References) -> References:
        return References(
            names=self.names | other.names,
            vars=self.vars | other.vars,
            answers=self.answers | other.answers,
            observed=self.observed | other.observed,
            secrets=self.secrets | other.secrets,
        )


NOTHING = References()


_ENVIRONMENT = Sandbox()
_CACHED = 4096
"""Compiled templates that are cached: each is rendered for every host in every iteration."""
BUILT_IN = frozenset(_ENVIRONMENT.globals)
"""Names that Jinja2 itself defines: range, dict, namespace and others."""


def references(value: Any) -> References:
    """The references of the texts in a value. Raises CannotRender for a malformed template."""
    found = NOTHING
    for text in _texts(value):
        if "{" in text:
            found |= _references(_parse(text))
    return found


def expression_references(expression: str) -> References:
    """The references of an expression, as in `when`."""
    return _references(_parse("{{ " + _bare(expression) + " }}"))


def render(value: Any, scope: Mapping[str, Any]) -> Any:
    """The value with every template in it rendered; raises CannotRender."""
    if isinstance(value, str):
        return render_text(value, scope) if "{" in value else value
    if isinstance(value, Mapping):
        return {key: render(item, scope) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [render(item, scope) for item in cast("list[Any]", value)]
    return value


def render_text(text: str, scope: Mapping[str, Any]) -> Any:
    """One text, rendered; the value has the type of the expression when the text is a single one."""
    if _is_one_expression(text):
        return evaluate(text, scope)
    return render_file(text, scope)


def render_file(text: str, scope: Mapping[str, Any]) -> str:
    """One text, rendered; always a text."""
    try:
        with metered():
            return _compiled(text).render(scope)
    except Exception as error:
        raise CannotRender(reason(error)) from None


def evaluate(expression: str, scope: Mapping[str, Any]) -> Any:
    """The value of an expression, with or without its braces."""
    try:
        with metered():
            value = _compiled_expression(expression)(**scope)
        if isinstance(value, Undefined):
            str(value)
    except Exception as error:
        raise CannotRender(reason(error)) from None
    return value


@lru_cache(_CACHED)
def _compiled(text: str) -> Template:
    charge(len(text))
    return _ENVIRONMENT.from_string(text)


@lru_cache(_CACHED)
def _compiled_expression(expression: str) -> Callable[..., Any]:
    return _ENVIRONMENT.compile_expression(_bare(expression), undefined_to_none=False)


def _bare(expression: str) -> str:
    text = expression.strip()
    if text.startswith("{{") and text.endswith("}}") and _is_one_expression(text):
        return text[2:-2].strip("-+ ") if text[2:3] in "-+" or text[-3:-2] in "-+" else text[2:-2].strip()
    return text


@lru_cache(_CACHED)
def _is_one_expression(text: str) -> bool:
    # White space around it makes it a text: the final line break of a file belongs to its content.
    if not (text.startswith("{{") and text.endswith("}}")):
        return False
    body = _parse(text).body
    if len(body) != 1 or not isinstance(output := body[0], nodes.Output):
        return False
    return len(output.nodes) == 1 and not isinstance(output.nodes[0], nodes.TemplateData)


def _parse(text: str) -> nodes.Template:
    try:
        return _ENVIRONMENT.parse(text)
    except Exception as error:
        raise CannotRender(reason(error)) from None


def _references(tree: nodes.Template) -> References:
    if any(True for _ in meta.find_referenced_templates(tree)):
        raise CannotRender("a template cannot include or extend another")
    found: dict[str, set[str]] = {root: set() for root in ("vars", "answers", "observed", "secrets")}
    for node, key in _children(tree):
        if isinstance(node, nodes.Name) and node.name in found:
            found[node.name].add(key)
    try:
        names = meta.find_undeclared_variables(tree)
    except TemplateError as error:
        # It compiles the template, and finds out whether its filters exist.
        raise CannotRender(reason(error)) from None
    if "secrets" in names and not _are_alone(tree):
        raise CannotRender(
            "a secret can only be written as {{ secrets.NAME }}, without filters, conditions and blocks around it"
        )
    return References(
        names=frozenset(names),
        vars=frozenset(found["vars"]),
        answers=frozenset(found["answers"]),
        observed=frozenset(found["observed"]),
        secrets=frozenset(found["secrets"]),
    )


def _are_alone(tree: nodes.Template) -> bool:
    """Whether each secret is only printed: anything else would work on the text that stands for it."""
    if any(True for _ in tree.find_all((nodes.FilterBlock, nodes.AssignBlock, nodes.Macro, nodes.CallBlock))):
        return False
    used = sum(node.name == "secrets" for node in tree.find_all(nodes.Name))
    printed = [node for output in tree.find_all(nodes.Output) for node in output.nodes]
    alone = [
        node
        for node in printed
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "secrets"
    ]
    return used == len(alone)


def _children(tree: nodes.Template) -> Iterator[tuple[nodes.Node, str]]:
    for node in tree.find_all(nodes.Getattr):
        yield node.node, node.attr
    for node in tree.find_all(nodes.Getitem):
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            yield node.node, node.arg.value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, Any]", value).values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _texts(item)
