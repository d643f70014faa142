"""Compiling the source of a rule and evaluating its condition; only the process of rules does that."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import importlib
import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.loops.ports import RuleDeclaration, RuleJudgement, RuleSource
from ftl2_enterprise.protocol.loops.decision import ObservationSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from ftl2_enterprise.loops.rules.api import RuleApi

LONGEST_ERROR = 10_000
"""Characters of an error."""


@dataclass(frozen=True, kw_only=True)
class CompiledRule:
    """A rule whose file has been executed."""

    declaration: RuleDeclaration
    condition: Callable[[dict[str, Any]], Coroutine[Any, Any, object]]
    action: Callable[[RuleApi], Coroutine[Any, Any, object]]


class NotARule(Exception):
    """The file is not a valid rule; the message is the reason."""


def compile_rule(file: RuleSource) -> CompiledRule:
    """Execute the file as a module and check what it defines. Raises NotARule."""
    try:
        return _rule(_execute(file))
    except NotARule:
        raise
    except BaseException as error:
        raise NotARule(_with_line(error, file.path)) from error


async def evaluate(rule: CompiledRule, state: Mapping[str, Any], timeout: float) -> RuleJudgement:  # noqa: ASYNC109
    """Evaluate the condition on a copy of the state. `timeout` is in seconds. Raises nothing but CancelledError."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            # A condition that changes its argument must not affect later rules.
            return RuleJudgement(matched=bool(await rule.condition(copy.deepcopy(dict(state)))))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return RuleJudgement(error="the condition was cancelled from within")
    except TimeoutError as error:
        return RuleJudgement(error=not_in_time(timeout) if limit.expired() else error_text(error))
    except BaseException as error:
        return RuleJudgement(error=error_text(error))


async def act(rule: CompiledRule, ftl: RuleApi) -> str:
    """Run the action; returns its error, or an empty text. Raises nothing but CancelledError."""
    try:
        await rule.action(ftl)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return "the action was cancelled from within"
    except SystemExit as error:
        return f"RuntimeError: the rule called exit({error.code!r})"
    except BaseException as error:
        return error_text(error)
    return ""


def not_in_time(timeout: float) -> str:
    """The error of a condition that did not end within `timeout` seconds."""
    return f"the condition did not end within {timeout:g} s"


def error_text(error: BaseException) -> str:
    """One line: the type of the error and its message."""
    try:
        message = " ".join(str(error).split())[:LONGEST_ERROR]
    except Exception:
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _execute(file: RuleSource) -> ModuleType:
    """Execute the file as a module; it is compiled here, so that no bytecode is written next to it."""
    name = f"ftl2_rule_{hashlib.sha256(file.path.encode()).hexdigest()[:8]}_{file.name}"
    module = ModuleType(name)
    module.__file__ = file.path
    # Generated rules of earlier versions contain their observations as JSON.
    vars(module).update({"true": True, "false": False, "null": None})
    code = compile(file.source, file.path, "exec", dont_inherit=True)
    before = sys.modules.get(name)
    sys.modules[name] = module
    # A module that was missing when another rule imported it may be there by now.
    importlib.invalidate_caches()
    try:
        exec(code, vars(module))
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return module


def _rule(module: ModuleType) -> CompiledRule:
    condition = _function(module, "condition", "state")
    action = _function(module, "action", "ftl")
    doc = module.__doc__
    lines = doc.strip().splitlines() if isinstance(doc, str) else []
    described = lines[0].strip() if lines else ""
    return CompiledRule(
        declaration=RuleDeclaration(description=described, observe=_observe(module)),
        condition=condition,
        action=action,
    )


def _function(module: ModuleType, name: str, argument: str) -> Callable[[Any], Coroutine[Any, Any, object]]:
    function = getattr(module, name, None)
    if function is None:
        raise NotARule(f"it has no function {name}; write `async def {name}({argument}):`")
    if not inspect.iscoroutinefunction(function):
        raise NotARule(f"{name} is not an async function; write `async def {name}({argument}):`")
    try:
        inspect.signature(function).bind(object())
    except TypeError:
        raise NotARule(f"{name} does not take one argument; write `async def {name}({argument}):`") from None
    return cast("Callable[[Any], Coroutine[Any, Any, object]]", function)


def _observe(module: ModuleType) -> tuple[ObservationSpec, ...]:
    value = getattr(module, "observe", None)
    try:
        return () if value is None else tuple(msgspec.convert(value, list[ObservationSpec]))
    except msgspec.ValidationError as error:
        raise NotARule(f"observe is not a list of observations: {error}") from None


def _with_line(error: BaseException, path: str) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    step, line = error.__traceback__, None
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            line = step.tb_lineno
        step = step.tb_next
    return error_text(error) + (f" (line {line})" if line else "")
