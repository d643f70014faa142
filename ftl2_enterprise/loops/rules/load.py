"""Loads rule files: each is compiled and checked once per content, and errors are recorded in rules.json."""

from __future__ import annotations

import hashlib
import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.loops.rules.index_file import BrokenRule, read_notes, write_broken
from ftl2_enterprise.loops.rules.rule import Rule, RuleSet, error_text
from ftl2_enterprise.protocol.loops.decision import ObservationSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from ftl2_enterprise.loops.rules.api import RuleApi

_cache: dict[Path, Rule | BrokenRule] = {}
"""The last result of loading each file; a continuous loop loads its rules in every run."""


@dataclass(frozen=True, kw_only=True)
class _SourceFile:
    path: Path
    source: bytes
    digest: str


class _NotARule(Exception):
    """The file can be imported but is not a valid rule."""


def load_rules(directory: Path | None, *, required: bool = True) -> RuleSet:
    """Load every rule of the directory in name order; without a directory, or if it is missing and not required,
    none.

    Raises Problem(not_found) or Problem(invalid) when the directory or its rules.json cannot be read.
    """
    if directory is None or (not required and not directory.exists()):
        return RuleSet()
    if not directory.exists():
        raise not_found(f"cannot find the rules directory {directory}", "create it, or omit --rules-dir")
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".py" and path.is_file())
    except OSError as error:
        raise invalid(f"cannot read the rules directory {directory}: {error.strerror}") from error
    notes = read_notes(directory)
    rules: list[Rule] = []
    broken: dict[str, BrokenRule] = {}
    for path in paths:
        if path.stem in notes.disabled or path.stem.startswith("__"):
            continue
        loaded = _load(path, notes.broken.get(path.stem))
        if isinstance(loaded, BrokenRule):
            broken[path.stem] = loaded
        else:
            rules.append(loaded)
    # Entries of disabled rules are kept: their files were not examined.
    kept = {stem: entry for stem, entry in notes.broken.items() if stem in notes.disabled}
    if kept | broken != notes.broken:
        write_broken(directory, kept | broken)
    errors = {stem: entry.error for stem, entry in broken.items()}
    return RuleSet(rules=tuple(rules), broken=errors, disabled=tuple(sorted(notes.disabled)))


def _load(path: Path, noted: BrokenRule | None) -> Rule | BrokenRule:
    try:
        source = path.read_bytes()
    except OSError as error:
        return BrokenRule(error=f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(source).hexdigest()
    known = _cache.get(path.resolve())
    if known is not None and known.digest == digest:
        return known
    # A missing import may be installed by now without any change to the file.
    if noted is not None and noted.digest == digest and not noted.error.startswith(("ImportError", "ModuleNotFound")):
        return noted
    loaded = _compile(_SourceFile(path=path, source=source, digest=digest))
    if isinstance(loaded, Rule):
        _cache[path.resolve()] = loaded
    return loaded


def _compile(file: _SourceFile) -> Rule | BrokenRule:
    try:
        return _rule(file, _import(file))
    except _NotARule as error:
        return BrokenRule(error=str(error), digest=file.digest)
    except (Exception, SystemExit) as error:
        return BrokenRule(error=_with_line(error, file.path), digest=file.digest)


def _import(file: _SourceFile) -> ModuleType:
    """Execute the file as a module; it is compiled here, so that no bytecode is written next to it."""
    name = f"ftl2_rule_{hashlib.sha256(str(file.path.resolve()).encode()).hexdigest()[:8]}_{file.path.stem}"
    module = ModuleType(name)
    module.__file__ = str(file.path)
    # Generated rules of earlier versions contain their observations as JSON.
    vars(module).update({"true": True, "false": False, "null": None})
    code = compile(file.source, str(file.path), "exec", dont_inherit=True)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(code, vars(module))
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return module


def _rule(file: _SourceFile, module: ModuleType) -> Rule:
    condition = _function(module, "condition", "state")
    action = _function(module, "action", "ftl")
    lines = (module.__doc__ or "").strip().splitlines()
    return Rule(
        name=file.path.stem,
        path=file.path,
        digest=file.digest,
        description=lines[0].strip() if lines else "",
        source=file.source.decode("utf-8", "replace"),
        observe=_observe(module),
        condition=condition,
        action=_contained(action),
    )


def _function(module: ModuleType, name: str, argument: str) -> Callable[[Any], Coroutine[Any, Any, object]]:
    function = getattr(module, name, None)
    if function is None:
        raise _NotARule(f"it has no function {name}; write `async def {name}({argument}):`")
    if not inspect.iscoroutinefunction(function):
        raise _NotARule(f"{name} is not an async function; write `async def {name}({argument}):`")
    try:
        inspect.signature(function).bind(object())
    except TypeError:
        raise _NotARule(f"{name} does not take one argument; write `async def {name}({argument}):`") from None
    return cast("Callable[[Any], Coroutine[Any, Any, object]]", function)


def _observe(module: ModuleType) -> tuple[ObservationSpec, ...]:
    value = getattr(module, "observe", None)
    try:
        return () if value is None else tuple(msgspec.convert(value, list[ObservationSpec]))
    except msgspec.ValidationError as error:
        raise _NotARule(f"observe is not a list of observations: {error}") from None


def _contained(
    action: Callable[[RuleApi], Coroutine[Any, Any, object]],
) -> Callable[[RuleApi], Coroutine[Any, Any, object]]:
    async def contained(ftl: RuleApi) -> object:
        try:
            return await action(ftl)
        except SystemExit as error:
            # SystemExit would end the process of the loop.
            raise RuntimeError(f"the rule called exit({error.code!r})") from error

    return contained


def _with_line(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    step, line = error.__traceback__, None
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return error_text(error) + (f" (line {line})" if line else "")
