"""Loads rule files: each is executed and checked once per content, and errors are recorded in rules.json."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.loops.ports import BrokenRuleFile, CannotRunRules, RuleSource
from ftl2_enterprise.loops.rules.index_file import BrokenRule, RuleIndex, read_notes, write_broken
from ftl2_enterprise.loops.rules.rule import Rule, RuleSet

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import RuleRunner


async def load_rules(directory: Path | None, runner: RuleRunner, *, required: bool = True) -> RuleSet:
    """Load every rule of the directory in name order; without a directory, or if it is missing and not required,
    none.

    Raises Problem(not_found) or Problem(invalid) when the directory or its rules.json cannot be read.
    """
    found = _read(directory, required=required) if directory is not None else None
    if directory is None or found is None:
        return RuleSet()
    notes, files = found
    rules: list[Rule] = []
    broken: dict[str, BrokenRule] = {}
    disabled = tuple(sorted(notes.disabled))
    try:
        for name, file in files.items():
            loaded = file if isinstance(file, BrokenRule) else await _load(file, notes.broken.get(name), runner)
            if isinstance(loaded, BrokenRule):
                broken[name] = loaded
            else:
                rules.append(loaded)
    except CannotRunRules as error:
        return RuleSet(broken=dict.fromkeys(files, str(error)), disabled=disabled)
    # Entries of disabled rules are kept: their files were not examined.
    kept = {stem: entry for stem, entry in notes.broken.items() if stem in notes.disabled}
    if kept | broken != notes.broken:
        write_broken(directory, kept | broken)
    errors = {stem: entry.error for stem, entry in broken.items()}
    return RuleSet(rules=tuple(rules), broken=errors, disabled=disabled)


def _read(directory: Path, *, required: bool) -> tuple[RuleIndex, dict[str, RuleSource | BrokenRule]] | None:
    """The content of rules.json and of each file that is not disabled, by name; None for a missing directory."""
    if not directory.exists():
        if not required:
            return None
        raise not_found(f"cannot find the rules directory {directory}", "create it, or omit --rules-dir")
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".py" and path.is_file())
    except OSError as error:
        raise invalid(f"cannot read the rules directory {directory}: {error.strerror}") from error
    notes = read_notes(directory)
    needed = [path for path in paths if path.stem not in notes.disabled and not path.stem.startswith("__")]
    return notes, {path.stem: _source(path) for path in needed}


def _source(path: Path) -> RuleSource | BrokenRule:
    try:
        source = path.read_bytes()
    except OSError as error:
        return BrokenRule(error=f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(source).hexdigest()
    return RuleSource(name=path.stem, path=str(path.resolve()), digest=digest, source=source)


async def _load(file: RuleSource, noted: BrokenRule | None, runner: RuleRunner) -> Rule | BrokenRule:
    # A missing import may be installed by now without any change to the file.
    if (
        noted is not None
        and noted.digest == file.digest
        and not noted.error.startswith(("ImportError", "ModuleNotFound"))
    ):
        return noted
    loaded = await runner.load(file)
    if isinstance(loaded, BrokenRuleFile):
        return BrokenRule(error=loaded.error, digest=file.digest if loaded.is_certain else None)
    return Rule(file=file, description=loaded.description, observe=loaded.observe)
