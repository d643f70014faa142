"""Labels of loops: `KEY=VALUE`, by which rules select loops."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 64
"""Labels of one loop."""
LONGEST_VALUE = 200
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_KEY_HINT = "a key has at most 63 letters, digits and characters of `._/-`, and begins with a letter or digit"
_VALUE_HINT = f"a value has 1 to {LONGEST_VALUE} printable characters, and no space at its ends"


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """The labels of texts KEY=VALUE. Raises Problem(invalid)."""
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise invalid(f"cannot take the label {text[:80]!r}: it has no value", "write KEY=VALUE, as in tier=web")
        if labels.setdefault(key, value) != value:
            raise invalid(f"cannot take two values for the label {key[:80]!r}", "give each label once")
    check_labels(labels)
    return labels


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise Problem(invalid) for labels that cannot be written on a command line or shown in one line."""
    fault = label_fault(labels)
    if fault is not None:
        raise invalid(f"cannot take {fault[0]}", fault[1])


def label_fault(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """What of the labels is not valid, and a hint; None for valid ones."""
    if len(labels) > MOST:
        return f"{len(labels)} labels", f"a loop has at most {MOST}"
    for key, value in labels.items():
        if _KEY.fullmatch(key) is None:
            return f"the label {key[:80]!r}", _KEY_HINT
        if not _is_value(value):
            return f"the value {value[:80]!r} for the label {key}", _VALUE_HINT
    return None


def _is_value(text: str) -> bool:
    return 0 < len(text) <= LONGEST_VALUE and text.isprintable() and text.strip() == text
