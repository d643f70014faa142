"""The freezes that hold loops which a command has requested to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.verbs import ShowLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.approvals import ApprovalDetail
    from ftl2_enterprise.protocol.loops.nouns import Loop, Prompt
    from ftl2_enterprise.protocol.service.verbs import FreezeRecord
    from ftl2_enterprise.render.text import Line


def show_freezes(session: CtlSession, *loops: Loop) -> None:
    """Show the freezes that hold loops which were requested to run, each once."""
    if session.wants_json:
        return
    from ftl2_enterprise.render.freezes import freeze_lines  # noqa: PLC0415 - not needed for JSON

    session.print(freeze_lines(freezes_of(session, *loops), session.now()))


def approved_lines(session: CtlSession, prompt: Prompt, approval: ApprovalDetail | None) -> list[Line]:
    """The reply to a person who approved actions, with what keeps the loop from executing them."""
    from ftl2_enterprise.core.problem import Problem  # noqa: PLC0415 - loaded already
    from ftl2_enterprise.render.freezes import freeze_lines  # noqa: PLC0415 - not needed for JSON
    from ftl2_enterprise.render.loops.approvals import awaited, decided  # noqa: PLC0415

    if approval is not None and approval.missing is not None:
        return [decided(prompt, approval)]
    try:
        loop = session.call(ShowLoop(loop=str(prompt.loop_id))).loop
    except Problem:
        # The approval is recorded.
        return [decided(prompt, approval)]
    hosts = [] if approval is None else [action.host for action in approval.request.actions]
    freezes = freezes_of(session, loop, hosts=hosts)
    when = awaited(session, loop, is_frozen=bool(freezes))
    return [decided(prompt, approval, when=when), *freeze_lines(freezes, session.now())]


def freezes_of(session: CtlSession, *loops: Loop, hosts: Sequence[str] = ()) -> list[FreezeRecord]:
    """The freezes that hold the loops, or calls on these hosts.

    None if the service ends, because the request before has succeeded.
    """
    from ftl2_enterprise.core.problem import Problem  # noqa: PLC0415 - loaded already
    from ftl2_enterprise.render.loops.loop_detail import holding  # noqa: PLC0415 - not needed for JSON

    try:
        return list({one.freeze.id: one for loop in loops for one in holding(session, loop, hosts=hosts)}.values())
    except Problem:
        return []
