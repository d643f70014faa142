"""Places on this machine that observations must not read: the secrets of the service, and the files of its database.

The sandbox covers them. Modules that read run without it, so their parameters are compared here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from ftl2_enterprise.loops.secrets import OF_THE_UNIT

SEARCHES = frozenset({"find"})
"""Modules that list what is below a directory."""
# This process does not have these variables any more, and what runs modules may.
_OF_THE_UNIT = re.compile(rf"\$\{{?(?:{'|'.join(OF_THE_UNIT)})\b")
_OF_PROCESSES = re.compile(r"/proc/[^/]+(?:/task/[^/]+)?/(?:environ|mem)")
"""What the service and its processes have received, which the redactor does not know."""
READS_FILES = ("contains", "get_checksum")
"""Parameters with which such a module also reads the files that it finds."""


def refused(module: str, params: Mapping[str, Any], hidden: Sequence[str]) -> str | None:
    """Why a reading call may not run here, or None. Links are followed."""
    places = [os.path.realpath(one) for one in hidden]
    # That a file exists is no secret, what is in it is; and of a directory also which names it has.
    reads = any(params.get(name) for name in READS_FILES)
    found = [one for one in places if reads or os.path.isdir(one)] if module in SEARCHES else []  # noqa: PTH112
    for text in _texts(params):
        if _OF_THE_UNIT.search(text):
            return f"cannot read {text}: it names a variable of the service's unit"
        # As modules do, which expand both.
        path = os.path.realpath(os.path.expanduser(os.path.expandvars(text)))  # noqa: PTH111 - a text
        if _OF_PROCESSES.fullmatch(path):
            return f"cannot read {text}: it is the environment or the memory of a process"
        if any(_is_below(path, place) for place in places) or any(_is_below(place, path) for place in found):
            return f"cannot read {text}: it leads to secrets or the database of the service"
    return None


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str() if "\0" not in value:
            yield value
            if "," in value:
                yield from (part.strip() for part in value.split(","))
        case Mapping():
            for one in cast("Mapping[Any, Any]", value).values():
                yield from _texts(one)
        case list() | tuple():
            for one in cast("Sequence[Any]", value):
                yield from _texts(one)
        case _:
            pass
