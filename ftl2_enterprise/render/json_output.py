"""JSON for programs: the stored structs, with times in ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.clock import iso
from ftl2_enterprise.core.untrusted import escape_json

OTHER_INSTANTS = {"at", "since", "until", "crashes_since"}
"""Fields that are instants although their names do not end with `_at`."""


def document(value: Any) -> Any:
    """A struct as built-in types: instants as ISO 8601 in UTC, owners without their machine id."""
    return _dated(msgspec.to_builtins(value))


def _dated(value: Any) -> Any:
    match value:
        case Mapping():
            items = cast("Mapping[str, Any]", value).items()
            return {key: _field(key, item) for key, item in items}
        case list():
            return [_dated(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value


def _field(name: str, value: Any) -> Any:
    match value:
        case int() if _is_instant(name):
            return iso(value)
        case str() if name == "owner":
            return lease.printable(value)
        case _:
            return _dated(value)


def _is_instant(name: str) -> bool:
    return name.endswith("_at") or name in OTHER_INSTANTS


def text(value: Any) -> str:
    """The document as indented JSON."""
    return escape_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def compact(value: Any) -> str:
    """The document as JSON on one line."""
    return escape_json(msgspec.json.encode(value).decode())
