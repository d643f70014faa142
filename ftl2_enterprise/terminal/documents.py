"""JSON for programs: what is stored, with times in ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ftl2_enterprise.core.clock import iso


def document(value: Any) -> Any:
    """A struct as JSON has it: instants (`..._at`) become ISO 8601 in UTC."""
    return _dated(msgspec.to_builtins(value))


def _dated(value: Any) -> Any:
    match value:
        case Mapping():
            items = cast("Mapping[str, Any]", value).items()
            return {
                key: iso(item) if key.endswith("_at") and isinstance(item, int) else _dated(item)
                for key, item in items
            }
        case list():
            return [_dated(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value


def text(value: Any) -> str:
    """The document as text, indented."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def compact(value: Any) -> str:
    """The document on one line."""
    return msgspec.json.encode(value).decode()
