"""One request about each of several loops: all are tried, and each result is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.finder import find
from ftl2_enterprise.commandline.problem_output import document, show
from ftl2_enterprise.core.problem import Code, Problem, invalid
from ftl2_enterprise.ctl.loops import held
from ftl2_enterprise.ctl.loops.names import is_of_all
from ftl2_enterprise.ctl.problem_text import as_typed
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.loops.verbs import ResumeLoop, StopLoop
from ftl2_enterprise.render.loops.loop_list import read_loops
from ftl2_enterprise.render.loops.standing import state_line
from ftl2_enterprise.render.text import line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.protocol.loops.verbs import PauseLoop

EVERY = 1_000_000
"""More loops than a service has."""


def named(session: CtlSession, given: GivenValues, command: str) -> list[str] | None:
    """The loops that are meant, as names or ids; None when just one is named. Raises Problem."""
    refs = list(dict.fromkeys(given.many("loop")))
    if given.has("all") and refs:
        raise invalid(f"cannot {command} --all and {refs[0]!r}", "give names, or --all")
    if not given.has("all") and not refs:
        raise invalid(f"cannot run `{command}` without LOOP", "name one loop or several, or give --all")
    if not given.has("all") and len(refs) == 1:
        return None
    if given.has("wait"):
        raise invalid("cannot wait for several loops", f"`{FTL2CTL.name} status --watch` shows all loops")
    if refs:
        return refs
    loops = read_loops(session, finished=False, limit=EVERY).loops
    # By id, so that a loop which is renamed or created in the meantime is not affected.
    return [str(loop.id) for loop in reversed(loops) if is_of_all(loop, command)]


def run(
    session: CtlSession, refs: Sequence[str], verb: type[PauseLoop | ResumeLoop | StopLoop], *, command: str
) -> int:
    """Make the request about each; returns the status of the first that failed."""
    if not refs and not session.wants_json:
        session.print(line(f"no loop to {command}"))
    found, _ = find(FTL2CTL, [command])
    statuses = [0]
    running: list[Loop] = []
    for ref in refs:
        try:
            loop = session.call(verb(loop=ref))
        except Problem as problem:
            typed = as_typed(problem, found, is_shell=session.is_shell, socket=session.socket)
            statuses.append(typed.exit_status)
            if session.wants_json:
                session.item({"loop": ref, **document(typed)})
            show(typed)
            if problem.code is Code.DENIED:
                # The others would be denied as well.
                break
            if problem.code is Code.UNAVAILABLE:
                # A new connection may reach a service that was restarted.
                session.close()
            continue
        if session.wants_json:
            session.item(loop)
        else:
            session.print(state_line(loop, session.now(), is_now=verb is StopLoop))
            running += [loop] if verb is ResumeLoop else []
    if running:
        held.show_freezes(session, *running)
    return next((one for one in statuses if one), 0)
