"""What filters, methods and operators may produce; each check is made before the value is.

Filters and methods whose result is at most a small multiple of their arguments need no check, only their result is
charged. Those that multiply are listed here, and methods that are not listed cannot be called.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Any, cast

from jinja2 import Undefined
from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.utils import Cycler, Joiner

from ftl2_enterprise.adapters.templates.meter import (
    LimitExceeded,
    charge,
    check_number_size,
    size_of,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_WIDTH = 100_000
"""The largest width, count or precision that a filter, a method or a format accepts."""
_DIGITS = re.compile(r"\d{5,}")
_PERCENT = re.compile(r"%(?:\([^)]*\))?([-#0 +]*[\d*]*(?:\.[\d*]*)?)[hlL]?[a-zA-Z%]")

METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {"capitalize", "casefold", "center", "count", "endswith", "expandtabs", "find", "format",
         "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier",
         "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower",
         "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust",
         "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title",
         "upper", "zfill"}
    ),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    int: frozenset({"bit_length", "is_integer"}),
    float: frozenset({"is_integer"}),
    LoopContext: frozenset({"changed", "cycle"}),
    Cycler: frozenset({"next", "reset"}),
}  # fmt: skip
"""The methods that a template may call, by the exact type of the object."""
CALLABLE = (Macro, BlockReference, LoopContext, Joiner, Undefined)
"""What is called as a whole: macros, blocks, recursive loops. An undefined name reports itself."""

PASSING = frozenset({"abs", "attr", "count", "d", "default", "first", "last", "length", "max", "min", "random"})
"""Filters that return a part of their argument or a small value."""
_WIDE = frozenset({"batch", "center", "round", "slice", "truncate", "wordwrap"})
MAX_SLOW = 1 << 16
"""Characters for filters that take quadratic time."""
MAX_PRODUCT = 1 << 28
"""Characters of a text times those of an argument, for methods that may compare each with each."""


def check_filter(name: str, args: tuple[Any, ...], given: Mapping[str, Any]) -> None:
    """Raises LimitExceeded if the filter would produce too much."""
    for item in (*args, *given.values()):
        weigh(item)
    value = args[0] if args else ""
    others = (*args[1:], *given.values())
    if name in _WIDE:
        _check_widths(others, 300 if name == "round" else MAX_WIDTH)
    match name:
        case "join":
            _check_join(given.get("d", args[1] if len(args) > 1 else ""), value)
        case "replace":
            _check_replace(str(value), *(str(item) for item in others[:2]))
        case "indent":
            width = max((item if isinstance(item, int) else len(str(item)) for item in others), default=4)
            charge((str(value).count("\n") + 1) * width)
        case "striptags" | "wordwrap":
            weigh(value, MAX_SLOW)
            charge(len(str(value)) * max((len(item) for item in others if isinstance(item, str)), default=1))
        case "trim":
            _check_product(str(value), others)
        case "format":
            check_percent(str(value), (args[1:], dict(given)))
        case "pprint":
            weigh(value, MAX_WIDTH)
        case "tojson":
            if any(not isinstance(item, bool | None) for item in others):
                _check_widths(others, 16)
                weigh(value, 1 << 20)
        case _:
            pass


def check_method(owner: Any, name: str, args: tuple[Any, ...], given: Mapping[str, Any]) -> None:
    """Raises LimitExceeded if the method of a text would produce too much."""
    others = (*args, *given.values())
    match name:
        case "center" | "ljust" | "rjust" | "zfill":
            _check_widths(others, MAX_WIDTH)
        case "expandtabs":
            _check_widths(others, MAX_WIDTH)
            charge(owner.count("\t") * max((item for item in others if isinstance(item, int)), default=8))
        case "replace":
            _check_replace(owner, *(item for item in others[:2] if isinstance(item, str)))
        case "join":
            _check_join(owner, args[0] if args else ())
        case "lstrip" | "rfind" | "rindex" | "rpartition" | "rsplit" | "rstrip" | "strip":
            _check_product(owner, others)
        case "format" | "format_map":
            check_format(owner, (args, dict(given)))
        case _:
            pass


def check_operator(operator: str, left: Any, right: Any) -> None:
    """Raises LimitExceeded if the operator would produce too much."""
    match operator, left, right:
        case "*", int(), int():
            check_number_size(left.bit_length() + right.bit_length())
        case "**", int(), int():
            check_number_size(left.bit_length() * max(right, 0))
        case "*", (str() | list() | tuple()), int():
            charge(weigh(left) * max(right, 0))
        case "*", int(), (str() | list() | tuple()):
            charge(weigh(right) * max(left, 0))
        case "+", int(), int():
            check_number_size(max(left.bit_length(), right.bit_length()))
        case "+", _, _:
            charge(size_of(left) + size_of(right))
            if not isinstance(left, str):
                weigh([left, right])
        case "%", str(), _:
            check_percent(left, right)
        case _:
            pass


def check_percent(text: str, values: Any) -> None:
    """Raises LimitExceeded for `%` formatting with a large width, or whose fields would produce too much."""
    fields = _PERCENT.findall(text)
    if any("*" in field or _DIGITS.search(field) for field in fields):
        raise LimitExceeded("a format in it has a width that is too large or computed")
    charge(len(text) + len(fields) * weigh(values))


def check_format(text: str, values: Any) -> None:
    """Raises LimitExceeded for a format with a large or computed width, or whose fields would produce too much."""
    fields = 0
    for _, name, spec, _ in Formatter().parse(text):
        fields += name is not None
        if spec and ("{" in spec or _DIGITS.search(spec)):
            raise LimitExceeded("a format in it has a width that is too large or computed")
    charge(len(text) + fields * weigh(values))


def _check_widths(values: tuple[Any, ...], limit: int) -> None:
    if any(isinstance(item, int) and abs(item) > limit for item in values):
        raise LimitExceeded(f"a width or a count in it is above {limit}")


def _check_product(text: str, values: tuple[Any, ...]) -> None:
    if any(len(text) * len(item) > MAX_PRODUCT for item in values if isinstance(item, str) and len(item) > 1):
        raise LimitExceeded("a text in it is too long for its search")


def _check_replace(text: str, old: str = "", new: str = "") -> None:
    charge((text.count(old) + 1) * len(new) + len(text))


def _check_join(separator: Any, items: Any) -> None:
    weigh(items)
    charge(size_of(items) * len(str(separator)))


def flat_sum(total: Callable[..., Any]) -> Callable[..., Any]:
    """The filter `sum` in linear time for lists, for which Python's takes quadratic time."""

    def summed(environment: Any, iterable: Any, attribute: Any = None, start: Any = 0) -> Any:
        if not isinstance(start, list):
            return total(environment, iterable, attribute, start)
        result: list[Any] = list(cast("list[Any]", start))
        items = environment.call_filter("map", iterable, kwargs={"attribute": attribute}) if attribute else iterable
        for item in items:
            charge(size_of(item))
            result = [*result] if not isinstance(item, list) else result
            result += item
        return result

    return summed
