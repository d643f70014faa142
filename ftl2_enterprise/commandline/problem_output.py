"""Shows problems: a sentence and a hint for people, a document for programs, an exit status for both."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.text import Line, Piece, Role, clean, line

if TYPE_CHECKING:
    from typing import Any

    from ftl2_enterprise.core.problem import Problem


def show(problem: Problem, *, wants_json: bool = False) -> int:
    """Show the problem, for programs on standard output as well; returns its exit status."""
    if wants_json:
        from ftl2_enterprise.render import json_output  # noqa: PLC0415 - for programs only

        sys.stdout.write(json_output.text(document(problem)) + "\n")
        sys.stdout.flush()
    painter(sys.stderr).print(lines(problem))
    return problem.exit_status


def lines(problem: Problem) -> list[Line]:
    """The sentence, and the hint with its commands marked, so that they are copied whole."""
    shown = [line(("error: ", Role.BAD), clean(problem.message))]
    if problem.hint:
        shown.append(line(("hint: ", Role.ACCENT), *_pieces(clean(problem.hint))))
    return shown


def document(problem: Problem) -> dict[str, Any]:
    """The problem for programs."""
    error = {"code": str(problem.code), "message": problem.message, "hint": problem.hint and clean(problem.hint)}
    return {"error": error, "exit_status": problem.exit_status}


def _pieces(hint: str) -> list[Piece]:
    parts = hint.split("`")
    return [(f"`{part}`", Role.COMMAND) if n % 2 else part for n, part in enumerate(parts) if part]
