"""Loads the rule files that apply to a loop: each is executed and checked once per content.

Errors are recorded in rules.json.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.core.regular_file import read_regular
from ftl2_enterprise.loops.ports import BrokenRuleFile, CannotRunRules, RuleSource
from ftl2_enterprise.loops.rules.declared import declared
from ftl2_enterprise.loops.rules.files import LARGEST_RULE
from ftl2_enterprise.loops.rules.index_file import BrokenRule, RuleIndex, read_notes, write_broken
from ftl2_enterprise.loops.rules.rule import Rule, RuleSet

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import RuleRunner
    from ftl2_enterprise.loops.rules.scope import RuleScope


async def load_rules(
    directory: Path | None, runner: RuleRunner, scope: RuleScope, *, required: bool = True
) -> RuleSet:
    """Load the rules of the directory that apply to the loop, in name order; without a directory, or if it is missing
    and not required, none.

    Files that apply to other loops are not executed.

    Raises Problem(not_found) or Problem(invalid) when the directory or its rules.json cannot be read.
    """
    found = _read(directory, required=required) if directory is not None else None
    if directory is None or found is None:
        return RuleSet()
    notes, files = found
    rules: list[Rule] = []
    broken: dict[str, BrokenRule] = {}
    disabled = tuple(sorted(notes.disabled))
    elsewhere = {name for name, file in files.items() if _is_elsewhere(file, scope)}
    here = {name: file for name, file in files.items() if name not in elsewhere}
    try:
        for name, file in here.items():
            loaded = file if isinstance(file, BrokenRule) else await _load(file, notes.broken.get(name), runner)
            if isinstance(loaded, BrokenRule):
                broken[name] = loaded
            else:
                rules.append(loaded)
    except CannotRunRules as error:
        return RuleSet(broken=dict.fromkeys(here, str(error)), disabled=disabled)
    # Entries of files that were not examined are kept.
    kept = {stem: entry for stem, entry in notes.broken.items() if stem in notes.disabled or stem in elsewhere}
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
        source = read_regular(path, LARGEST_RULE)
    except OSError as error:
        return BrokenRule(error=f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(source).hexdigest()
    return RuleSource(name=path.stem, path=str(path.resolve()), digest=digest, source=source)


def _is_elsewhere(file: RuleSource | BrokenRule, scope: RuleScope) -> bool:
    """Whether it applies to other loops only. A file that states it in no valid form is broken in every loop."""
    if isinstance(file, BrokenRule):
        return False
    binding = declared(file.source).applies_to
    return binding is not None and not scope.includes(binding)


async def _load(file: RuleSource, noted: BrokenRule | None, runner: RuleRunner) -> Rule | BrokenRule:
    found = declared(file.source)
    if found.applies_to is None:
        return BrokenRule(error=found.error or "", digest=file.digest)
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
    return Rule(file=file, description=loaded.description, observe=loaded.observe, applies_to=found.applies_to)
