"""Parser for the YAML of manifests: values with their line numbers.

Scalars are read as in YAML 1.2, so `yes` and `off` are texts. A number with a leading zero is a text, too, so that
`mode: 0644` keeps its digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from ftl2_enterprise.core.problem import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

type Where = tuple[str | int, ...]
"""A place in a document: the keys and indexes from the root."""

MAX_CHARACTERS = 1_000_000
MAX_NODES = 100_000
"""Maximum values of a document with all aliases expanded; a few lines of aliases can expand to billions."""

_PREFIX = "tag:yaml.org,2002:"
_CORE = {
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    "int": (re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+"), "-+0123456789"),
    "float": (
        re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+"),
        "-+.0123456789",
    ),
    "null": (re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
}


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(_PREFIX + _name, re.compile(f"(?:{_pattern.pattern})$"), list(_first))


@dataclass(frozen=True, kw_only=True)
class Document:
    """A YAML document with the line of each value."""

    source: str
    value: Mapping[str, Any]
    lines: Mapping[Where, int]

    def line(self, where: Where) -> int:
        """The line of a place, or of the nearest enclosing place."""
        while where not in self.lines and where:
            where = where[:-1]
        return self.lines.get(where, 1)

    def problem(self, where: Where, what: str, hint: str | None = None) -> Problem:
        """A problem about a place in the document, with its file and line."""
        return invalid(f"cannot use {self.source}:{self.line(where)}: {what}", hint)


def read(text: str, source: str) -> Document:
    """Read a document that is one mapping. Raises Problem(invalid) with file and line."""
    if len(text) > MAX_CHARACTERS:
        raise invalid(f"cannot use {source}: it has {len(text)} characters, more than {MAX_CHARACTERS}")
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        raise _broken(error, text, source) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise invalid(f"cannot use {source}:{line}: it contains a character that YAML does not allow") from None
    except RecursionError:
        raise invalid(f"cannot use {source}: it is nested too deeply") from None
    if node is None:
        raise invalid(f"cannot use {source}: it is empty", "a manifest begins with `version: 1`")
    builder = _Builder(source)
    if not isinstance(node, yaml.MappingNode):
        raise builder.problem(node, "it is not a mapping of keys to values", "a manifest begins with `version: 1`")
    try:
        value = builder.build(node, ())
    except RecursionError:
        raise invalid(f"cannot use {source}: it is nested too deeply") from None
    return Document(source=source, value=value, lines=builder.lines)


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _broken(error: yaml.MarkedYAMLError, text: str, source: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    number = mark.line + 1 if mark else 1
    lines = text.splitlines()
    line = lines[number - 1] if number <= len(lines) else ""
    if re.match(r" *\t", line):
        return invalid(f"cannot use {source}:{number}: the line is indented with a tab", "indent with spaces")
    what = error.problem or "it is not YAML"
    if isinstance(error, ComposerError) and "single document" in (error.context or ""):
        what = "it contains more than one document"
    hint = "quote a value that begins with {{" if "{{" in line else None
    hint = "put the text with the question mark in quotes" if "got '?'" in what else hint
    return invalid(f"cannot use {source}:{number}: {what}", hint)


class _Builder:
    """Converts nodes to values and records their lines."""

    def __init__(self, source: str) -> None:
        self.source: str = source
        self.lines: dict[Where, int] = {}
        self.count: int = 0
        self.open: set[int] = set()

    def problem(self, node: yaml.Node, what: str, hint: str | None = None) -> Problem:
        return invalid(f"cannot use {self.source}:{node.start_mark.line + 1}: {what}", hint)

    def build(self, node: yaml.Node, where: Where) -> Any:
        self.count += 1
        if self.count > MAX_NODES:
            raise self.problem(node, f"it has more than {MAX_NODES} values with its aliases expanded")
        if id(node) in self.open:
            raise self.problem(node, "an alias refers to a value that contains it")
        self.lines.setdefault(where, node.start_mark.line + 1)
        self.open.add(id(node))
        try:
            return self._value(node, where)
        finally:
            self.open.discard(id(node))

    def _value(self, node: yaml.Node, where: Where) -> Any:
        tag = node.tag
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode) and tag == _PREFIX + "seq":
            return [self.build(item, (*where, n)) for n, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and tag == _PREFIX + "map":
            return self._mapping(node, where)
        raise self._tagged(node)

    def _tagged(self, node: yaml.Node) -> Problem:
        return self.problem(node, f"the tag {node.tag.replace(_PREFIX, '!!')} is not allowed", "write plain values")

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.problem(key, "a key is not a text", "quote a value that begins with {{")
            name = self._text(key)
            if name == "<<" and key.style is None:
                raise self.problem(key, "merge keys (<<) are not supported", "use vars")
            if name in found:
                raise self.problem(key, f"the key {name!r} is given twice; it is already on line {first[name]}")
            first[name] = key.start_mark.line + 1
            self.lines[*where, name] = first[name]
            found[name] = self.build(value, (*where, name))
        return found

    def _text(self, node: yaml.ScalarNode) -> str:
        """The text of a value or key. Two escapes are one character beyond 16 bits, as in JSON; one half is none."""
        text: str = node.value
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self.problem(
                node, r"it has half of a character, such as \ud800", "write the character itself, without an escape"
            ) from None

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = self._text(node)
        match node.tag.removeprefix(_PREFIX):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if len(text) > 18:
                return text
            case "int":
                return int(text, 0)
            case "float":
                return float(text)
            case _:
                raise self._tagged(node)
