"""Recognises secrets that are written into a manifest, where they would be stored and shown.

By the name of the value, by its format, or because it seems to be random. A text with a template is no literal value.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from ftl2_enterprise.core.redact import is_sensitive

_FORMATS: Mapping[str, re.Pattern[str]] = {
    "a private key": re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY"),
    "an access key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    "a token of GitLab": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "a token of Slack": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a key of an API": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    "a password in a URL": re.compile(r"://[^\s/:@{]{0,256}:[^\s/@{]{1,1024}@"),
}
_RANDOM = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+=_/-]{20,}")
_NOT_RANDOM = ("/", "AAAA", "SHA256")
"""Beginnings of paths, of public SSH keys and of fingerprints."""
MIN_ENTROPY = 3.7
"""Bits a character, by the frequencies in the value itself; a random text of 20 characters has 4.0 to 4.3."""


def find(name: str, value: Any) -> str | None:
    """Why the value, or one inside it, seems to be a secret; None if nothing does."""
    match value:
        case Mapping():
            items = cast("Mapping[Any, Any]", value).items()
            return next((why for key, item in items if (why := find(_inner(name, str(key)), item))), None)
        case list():
            return next((why for item in cast("list[Any]", value) if (why := find(name, item))), None)
        case None | bool() | "":
            return None
        case _:
            return _reason(name, str(value))


def _inner(name: str, key: str) -> str:
    """The name of an entry: that of the mapping counts if it is sensitive, as `credentials: {key: ...}`."""
    return name if is_sensitive(name) and not is_sensitive(key) else key


def _reason(name: str, text: str) -> str | None:
    if "{{" in text or "{%" in text:
        return None
    for kind, pattern in _FORMATS.items():
        if pattern.search(text):
            return f"contains {kind}"
    if is_sensitive(name):
        return "has the name of a secret"
    if _RANDOM.fullmatch(text) and not text.startswith(_NOT_RANDOM) and _entropy(text) >= MIN_ENTROPY:
        return "seems to be a random secret"
    return None


def _entropy(text: str) -> float:
    """Shannon's entropy of the characters of a text, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
