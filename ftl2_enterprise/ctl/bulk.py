"""One request for each of several loops: all are tried, and each is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem, invalid
from ftl2_enterprise.ctl import name_lookup, registry
from ftl2_enterprise.ctl.commands import status
from ftl2_enterprise.ctl.problem_output import as_typed, document, failed
from ftl2_enterprise.render.text import line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.protocol.loops.verbs import PauseLoop, ResumeLoop, StopLoop
    from ftl2_enterprise.render.text import Line

EVERY = 1_000_000
"""Loops; more than there are."""


def named(session: Session, given: Given, command: str) -> list[str] | None:
    """The loops that are meant; None for just one that is named. Raises Problem."""
    refs = list(dict.fromkeys(given.many("loop")))
    if given.has("all") and refs:
        raise invalid(f"cannot {command} --all and {refs[0]!r}", "give names, or --all")
    if not given.has("all") and not refs:
        raise invalid(f"cannot run `{command}` without LOOP", "name one loop or several, or give --all")
    if not given.has("all") and len(refs) == 1:
        return None
    if given.has("wait"):
        raise invalid("cannot wait for several loops", f"`{registry.PROGRAM} status --watch` shows them all")
    if refs:
        return refs
    loops = status.read(session, finished=False, limit=EVERY).loops
    # By their ids: what was listed is what is meant.
    return [str(loop.id) for loop in reversed(loops) if name_lookup.is_of_all(loop, command)]


def run(
    session: Session,
    refs: Sequence[str],
    verb: type[PauseLoop | ResumeLoop | StopLoop],
    told: Callable[[Loop], Line],
    *,
    command: str,
) -> int:
    """Ask for each; the status of the first that failed."""
    if not refs and not session.wants_json:
        session.print(line(f"no loop to {command}"))
    found, _ = registry.find([command])
    statuses = [0]
    for ref in refs:
        try:
            loop = session.call(verb(loop=ref))
        except Problem as problem:
            typed = as_typed(problem, found)
            statuses.append(typed.exit_status)
            if session.wants_json:
                session.item({"loop": ref, **document(typed, is_shell=session.is_shell)})
            failed(typed, is_shell=session.is_shell)
            if problem.code is Code.DENIED:
                # It is the same for all.
                break
            if problem.code is Code.UNAVAILABLE:
                # The next one may be answered on another connection.
                session.close()
            continue
        if session.wants_json:
            session.item(loop)
        else:
            session.print(told(loop))
    return next((one for one in statuses if one), 0)
