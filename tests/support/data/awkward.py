"""Awkward values: texts that are hard to show, and results of modules that JSON cannot represent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LONG = "a-name-that-is-longer-than-any-column-" * 4
WIDE = "ウェブサーバー-東京"
CONTROL = "red\x1b[31m \x07bell\r\nsecond\tline \u202eright to left"
COMBINING = "cafe\u0301 nai\u0308ve"
NAMES = (LONG, WIDE, CONTROL, COMBINING, "-n", "two words", 'it\'s "quoted"')
PARAGRAPH = "The configuration of the server differs from the desired one in several places, " * 12

NOT_JSON: dict[Any, Any] = {
    "when": datetime(2026, 1, 2, tzinfo=UTC),
    "where": Path("/srv"),
    "raw": b"\xff\x00",
    "many": {"b", "a"},
    "nan": float("nan"),
    "far": float("inf"),
    "huge": 10**40,
    "half": "\ud800",
    3: "three",
    None: "nothing",
    "deep": {"error": ValueError("odd")},
}
