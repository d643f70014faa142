"""Rule files for display: read and parsed, never executed. `rules.load` loads them for execution."""

from __future__ import annotations

import difflib
import hashlib
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Problem, invalid, not_found
from ftl2_enterprise.core.regular_file import read_regular
from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.loops.rules.declared import declared
from ftl2_enterprise.loops.rules.index_file import RuleIndex, read_notes
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.rules import RuleBinding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LARGEST_RULE = 1 << 20
"""Bytes of a rule file."""


class RuleFile(Wire, frozen=True, kw_only=True):
    """One file of a rules directory."""

    name: str
    path: str
    digest: str
    description: str
    source: str
    error: str | None = None
    """The reason why it is not a valid rule, or the error of a loop that tried to load it."""
    switched_off: bool = False
    """Disabled in the rules.json of its directory."""
    applies_to: RuleBinding | None = None
    observe: list[ObservationSpec] | None = None
    """None if only executing the file shows it."""


def rule_files(directories: Iterable[Path]) -> list[RuleFile]:
    """Every rule file of the directories, by name; a missing directory has none."""
    unique = dict.fromkeys(directory.absolute() for directory in directories)
    return sorted((file for directory in unique for file in _in(directory)), key=lambda file: (file.name, file.path))


def in_use(directory: Path | None) -> list[RuleFile]:
    """The files of the directory that are not disabled. Raises Problem(not_found) when it is missing."""
    if directory is None:
        return []
    if not directory.is_dir():
        raise not_found(f"cannot find the rules directory {directory}", "create it, or name another one")
    return [file for file in _in(directory) if not file.switched_off]


def find(files: Iterable[RuleFile], ref: str) -> list[RuleFile]:
    """The files with that rule name, or the one with that path. Raises Problem(not_found)."""
    every = list(files)
    found = [file for file in every if ref in {file.name, file.path}]
    if not found:
        near = difflib.get_close_matches(ref, {file.name for file in every}, n=1)
        hint = (
            f'did you mean "{near[0]}"?' if near else "`ftl2ctl rules` lists them" if every else "there are no rules"
        )
        raise not_found(f'cannot find the rule "{ref[:80]}"', hint)
    return found


def find_one(files: Iterable[RuleFile], ref: str) -> RuleFile:
    """The only file with that rule name or path. Raises Problem(not_found), or Problem(invalid) for several."""
    found = find(files, ref)
    if len(found) > 1:
        listed = ", ".join(file.path for file in found)
        raise invalid(f'cannot find the rule "{ref}": several files have that name: {listed}', "give the path of one")
    return found[0]


def _in(directory: Path) -> Iterator[RuleFile]:
    try:
        # Regular files only: reading a pipe would block.
        paths = [
            path
            for path in directory.iterdir()
            if path.suffix == ".py" and not path.stem.startswith("__") and path.is_file()
        ]
    except OSError:
        return
    try:
        notes, damaged = read_notes(directory), None
    except Problem as problem:
        notes, damaged = RuleIndex(), problem.message
    for path in paths:
        try:
            content = read_regular(path, LARGEST_RULE)
        except OSError as error:
            yield RuleFile(
                name=path.stem, path=str(path), digest="", description="", source="",
                error=f"cannot be read: {error.strerror}",
            )  # fmt: skip
            continue
        digest = hashlib.sha256(content).hexdigest()
        found = declared(content)
        wrong, noted = found.error, notes.broken.get(path.stem)
        if wrong is None and noted is not None and noted.digest == digest:
            wrong = noted.error
        yield RuleFile(
            name=path.stem,
            path=str(path),
            digest=digest,
            description=found.description,
            source=content.decode("utf-8", "replace"),
            error=wrong or damaged,
            switched_off=path.stem in notes.disabled,
            applies_to=found.applies_to,
            observe=found.observe,
        )
