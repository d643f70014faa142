"""How a problem is shown: two lines for people, a document for programs, a status for both."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import registry
from ftl2_enterprise.protocol.verb import name_of
from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.text import Piece, Role, clean, line

if TYPE_CHECKING:
    from typing import Any

SERVICE_PROGRAM = "ftl2-enterprise"
SHARED = ("status", "history", "prompts")
"""Commands that both programs have: a hint of the service names those of the other one."""


def as_typed(problem: Problem, command: registry.Command | None) -> Problem:
    """With the command's name for what the protocol calls otherwise."""
    if command is None:
        return problem
    for verb in command.verbs:
        if problem.message.startswith(said := f"cannot do {name_of(verb)}: "):
            message = f"cannot do {command.name}: {problem.message.removeprefix(said)}"
            return Problem(problem.code, message, hint=problem.hint)
    return problem


def failed(problem: Problem, *, wants_json: bool = False, is_shell: bool = False) -> int:
    """Show a problem where problems are shown; its exit status."""
    out = painter(sys.stderr)
    hint = _hint(problem, is_shell=is_shell)
    if wants_json:
        from ftl2_enterprise.render import json_output  # noqa: PLC0415

        sys.stdout.write(json_output.text(document(problem, is_shell=is_shell)) + "\n")
        sys.stdout.flush()
    out.print(line(("error: ", Role.BAD), clean(problem.message)))
    if hint:
        out.print(line(("hint: ", Role.ACCENT), *_pieces(hint)))
    return problem.exit_status


def document(problem: Problem, *, is_shell: bool = False) -> dict[str, Any]:
    """The problem for programs."""
    told = {"code": str(problem.code), "message": problem.message, "hint": _hint(problem, is_shell=is_shell)}
    return {"error": told, "exit_status": problem.exit_status}


def _hint(problem: Problem, *, is_shell: bool) -> str | None:
    if not problem.hint:
        return None
    hint = clean(problem.hint)
    for name in SHARED:
        hint = hint.replace(f"`{SERVICE_PROGRAM} {name}", f"`{registry.PROGRAM} {name}")
    return hint.replace(f"`{registry.PROGRAM} ", "`") if is_shell else hint


def _pieces(hint: str) -> list[Piece]:
    """Commands in it are to be copied."""
    parts = hint.split("`")
    return [(f"`{part}`", Role.COMMAND) if n % 2 else part for n, part in enumerate(parts) if part]
