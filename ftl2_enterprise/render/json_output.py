"""JSON for programs: what is stored, with times in ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ftl2_enterprise.core.clock import iso

OTHER_INSTANTS = {"at", "since", "crashes_since"}
"""Names of instants that do not end with `_at`."""


def document(value: Any) -> Any:
    """A struct as JSON has it: instants become ISO 8601 in UTC."""
    return _dated(msgspec.to_builtins(value))


def _dated(value: Any) -> Any:
    match value:
        case Mapping():
            items = cast("Mapping[str, Any]", value).items()
            return {
                key: iso(item) if _is_instant(key) and isinstance(item, int) else _dated(item) for key, item in items
            }
        case list():
            return [_dated(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value


def _is_instant(name: str) -> bool:
    return name.endswith("_at") or name in OTHER_INSTANTS


def text(value: Any) -> str:
    """The document as text, indented."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def compact(value: Any) -> str:
    """The document on one line."""
    return msgspec.json.encode(value).decode()
