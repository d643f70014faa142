"""rules.json: the rules that a user has disabled, and those found broken, with the digest of the broken content."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.regular_file import read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "rules.json"


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """Why a file is not a valid rule, and the SHA-256 of the content that failed to load (None when unknown)."""

    error: str
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class RuleIndex:
    """The content of rules.json."""

    disabled: frozenset[str] = frozenset()
    broken: Mapping[str, BrokenRule] = field(default_factory=dict[str, BrokenRule])


class _IndexEntry(msgspec.Struct):
    error: str
    digest: str | None = None


class _StoredIndex(msgspec.Struct):
    disabled: list[str] = []
    broken: dict[str, str | _IndexEntry] = {}


def read_notes(directory: Path) -> RuleIndex:
    """Read the file; a missing one is like an empty one.

    Raises Problem(invalid) for a damaged file: ignoring it could fire a rule that a user has disabled.
    """
    path = directory / NAME
    try:
        stored = msgspec.json.decode(read_regular(path), type=_StoredIndex)
    except FileNotFoundError:
        return RuleIndex()
    except OSError as error:
        raise invalid(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = 'write {"disabled": ["name", ...]}, or remove the file if no rule is to be disabled'
        raise invalid(f"cannot read {path}: {error}", hint) from error
    broken = {
        stem: BrokenRule(error=entry)
        if isinstance(entry, str)
        else BrokenRule(error=entry.error, digest=entry.digest)
        for stem, entry in stored.broken.items()
    }
    return RuleIndex(disabled=frozenset(stored.disabled), broken=broken)


def write_broken(directory: Path, broken: Mapping[str, BrokenRule]) -> None:
    """Replace the broken entries and keep everything else; a directory that is not writable is ignored."""
    path = directory / NAME
    content: dict[str, Any] = {}
    with contextlib.suppress(OSError, msgspec.DecodeError):
        # Read again just before the write: a user may have edited it in the meantime.
        content = cast("dict[str, Any]", msgspec.json.decode(read_regular(path), type=dict))
    content.setdefault("disabled", [])
    content["broken"] = {
        stem: {"error": entry.error, "digest": entry.digest} for stem, entry in sorted(broken.items())
    }
    with contextlib.suppress(OSError):
        _replace(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def _replace(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
