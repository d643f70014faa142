"""The sandbox in which every template is rendered: those of manifests, and those in the parameters of modules.

A template reaches the given names, and nothing of Python: attributes of data only, and only the methods and functions
that are listed. Its filters, methods, operators and loops are limited (`meter`), so rendering ends soon with bounded
memory. Files can be included only where a loader is given (`parameters`).
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast, override

from jinja2 import BaseLoader, StrictUndefined, TemplateError, nodes, pass_context
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Namespace
from jinja2.visitor import NodeTransformer

from ftl2_enterprise.adapters.templates import operations
from ftl2_enterprise.adapters.templates.meter import STEP, LimitExceeded, charge, size_of, weigh

_READABLE = (
    str, int, float, list, tuple, Mapping, LoopContext, Macro, TemplateReference, TemplateModule, Cycler, Namespace,
)  # fmt: skip
"""The types of which a template may read attributes."""
_REMOVED_FILTERS = ("urlize", "xmlattr")
"""Filters for web pages, which multiply texts."""
_STEP, _JOIN, _MADE = "step!", "join!", "made!"
"""Internal filters; no name in a template contains an exclamation mark."""


class CannotRender(Exception):
    """A template that cannot be parsed or rendered; the text is the reason, for people."""


class Sandbox(ImmutableSandboxedEnvironment):
    """The Jinja2 environment of all templates. Undefined names are errors, nothing is escaped."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(
        self, *, loader: BaseLoader | None = None, trim_blocks: bool = False, lstrip_blocks: bool = False
    ) -> None:
        super().__init__(
            undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_finalize,
            loader=loader, trim_blocks=trim_blocks, lstrip_blocks=lstrip_blocks,
        )  # fmt: skip
        del self.globals["lipsum"]
        filters = cast("dict[str, Callable[..., Any]]", self.filters)
        for name in _REMOVED_FILTERS:
            del filters[name]
        # The copy keeps the mark by which Jinja2 passes the environment first.
        filters["sum"] = functools.update_wrapper(operations.flat_sum(filters["sum"]), filters["sum"])
        filters["quote"] = _quote
        filters.update({name: _limited(name, function) for name, function in filters.items()})
        filters.update({_STEP: _step, _JOIN: _join, _MADE: _made})
        self._functions = [self.globals[name] for name in ("range", "dict", "cycler", "joiner", "namespace")]

    @override
    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may read the attribute: of plain data and of what Jinja2 provides, never private."""
        return isinstance(obj, _READABLE) and super().is_safe_attribute(obj, attr, value)

    @override
    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator, limited."""
        operations.check_operator(operator, left, right)
        return super().call_binop(context, operator, left, right)

    @override
    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """The result of a call; only listed methods and functions can be called."""
        charge(STEP)
        __self._check_call(__obj, args, kwargs)
        result = super().call(__context, __obj, *args, **kwargs)
        charge(size_of(result))
        return result

    def _check_call(self, function: Any, args: tuple[Any, ...], given: Mapping[str, Any]) -> None:
        if isinstance(function, operations.CALLABLE):
            return
        if any(function is known for known in self._functions):
            weigh([*args, *given.values()])
            return
        # A format method is wrapped by Jinja2, which keeps the original one.
        method = getattr(function, "__wrapped__", function)
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        kind = next((kind for kind in operations.METHODS if isinstance(owner, kind)), None)
        if kind is None or name not in operations.METHODS[kind]:
            raise SecurityError(f"{name or 'this'} cannot be called")
        if kind is str:
            operations.check_method(owner, name, args, given)

    @override
    def _generate(self, source: nodes.Template, *args: Any, **given: Any) -> str:
        return super()._generate(_Limiter().visit(source), *args, **given)


class _Limiter(NodeTransformer):
    """Adds the checks of what no hook of Jinja2 intercepts: passes of loops, `~`, and lists, tuples and mappings."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        size = STEP + sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        step = nodes.Filter(nodes.Const(size), _STEP, [], [], None, None)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return nodes.Filter(nodes.Tuple(node.nodes, "load"), _JOIN, [], [], None, None, lineno=node.lineno)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return nodes.Filter(node, _MADE, [], [], None, None, lineno=node.lineno)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self.visit_List(cast("nodes.List", node))

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        if node.ctx != "load":
            return node
        return self.visit_List(cast("nodes.List", node))


def reason(error: BaseException) -> str:
    """Why a template cannot be rendered, for people; a template may raise any exception."""
    match error:
        case TemplateError():
            return error.message or type(error).__name__
        case LimitExceeded():
            return str(error)
        case RecursionError():
            return "the template is nested too deeply"
        case MemoryError():
            return "there is not enough memory"
        case _:
            return f"{type(error).__name__}: {error}"


def _finalize(value: Any) -> Any:
    charge(len(value) if isinstance(value, str) else weigh(value) + STEP)
    return value


def _quote(value: Any) -> str:
    return shlex.quote(str(value))


@pass_context  # without it the compiler would call it once, since its argument is constant
def _step(_: object, size: int) -> None:
    charge(max(size, STEP))


def _join(items: tuple[Any, ...]) -> str:
    charge(weigh(items))
    return "".join(map(str, items))


def _made[T](value: T) -> T:
    weigh(value)
    charge(size_of(value))
    return value


def _limited(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter with its limits."""
    if name in operations.PASSING:
        return function
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def limited(*args: Any, **given: Any) -> Any:
        if name == "join" and isinstance(args[first], Iterator):
            args = (*args[:first], _collected(args[first]), *args[first + 1 :])
        operations.check_filter(name, args[first:], given)
        result = function(*args, **given)
        charge(size_of(result) + 1)
        return result

    return limited


def _collected(items: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        charge(size_of(item))
        found.append(item)
    return found
