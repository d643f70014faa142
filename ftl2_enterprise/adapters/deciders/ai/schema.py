"""The JSON Schema of a decision, generated from the struct that it is decoded into."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import msgspec

from ftl2_enterprise.protocol.loops.decision import Decision

STATE_OPS: tuple[str, ...] = ("add_resource", "add_host", "remove")


@cache
def decision_schema() -> dict[str, Any]:
    """The schema of Decision with its root inlined, as providers require."""
    schema = cast("dict[str, Any]", _without_titles(msgspec.json.schema(Decision)))
    definitions = schema.pop("$defs")
    root = definitions.pop(schema.pop("$ref").rsplit("/", 1)[-1])
    definitions["StateOp"]["properties"]["op"] = {"type": "string", "enum": list(STATE_OPS)}
    return {**root, "$defs": definitions}


def _without_titles(value: Any) -> Any:
    match value:
        case dict():
            pairs = cast("dict[str, Any]", value).items()
            return {
                key: _without_titles(item) for key, item in pairs if not (key == "title" and isinstance(item, str))
            }
        case list():
            return [_without_titles(item) for item in cast("list[Any]", value)]
        case _:
            return value
