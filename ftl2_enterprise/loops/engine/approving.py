"""Approvals: asking people about the actions of a decision, and using what they approved, once."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core.clock import after, seconds_between
from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.core.sentences import SEPARATOR, listed, without_repeats
from ftl2_enterprise.gate.approvals import (
    OBSERVATIONS_CHANGED,
    binding,
    digest_of,
    distinct,
    is_complete,
    is_same,
    shortest_expiry,
    why_void,
)
from ftl2_enterprise.gate.modules import RUNS_COMMANDS, canonical, find
from ftl2_enterprise.loops import approval_terms
from ftl2_enterprise.loops.engine import execute, foresee, observation_changes, observe
from ftl2_enterprise.loops.engine.context import Held
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    approvals as approval_rows,
    loops as loop_rows,
    prompts as prompt_rows,
    revisions as revision_rows,
)
from ftl2_enterprise.loops.units import approvals as approval_units
from ftl2_enterprise.protocol.loops.approvals import (
    NO_PERSON,
    NOT_IN_TIME,
    REQUEST_DISMISSED,
    ApprovalState,
    NewApproval,
    ProposedAction,
)
from ftl2_enterprise.protocol.loops.nouns import ActionState, PromptState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl2_enterprise.gate.approvals import ApprovalTerms
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.engine.execute import JudgedAction
    from ftl2_enterprise.loops.ports import ObservationResult
    from ftl2_enterprise.loops.units import actions as action_units
    from ftl2_enterprise.protocol.loops.approvals import ApprovalRequest
    from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
    from ftl2_enterprise.protocol.loops.nouns import Iteration, Loop, Prompt
    from ftl2_enterprise.store.tx import Tx

TIMING = frozenset({"start", "end", "delta"})
"""Fields of the result of a command that only describe the call."""
ACCESS_TIMES = frozenset({"atime", "access_time"})
"""Fields that change because a file is read."""
BACKGROUND = frozenset({"uptime", "df -h /", "free -m"})
"""Commands whose output is another one each time."""
HOSTS_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class ApprovedDecision:
    """A decision that people approved, ready to be executed."""

    decision: Decision
    by: str
    judged: Sequence[JudgedAction]
    ids: Sequence[int]


# --- what an approval is bound to ----------------------------------------------------------------------------------


def digest_of_observations(engine: LoopContext, seen: Sequence[ObservationResult]) -> str:
    """The digest of what was observed, without what changes although nothing was done, and without secrets."""
    form = sorted(
        observe.encode([one.name, one.host, one.success, _stable(engine, one)])
        for one in seen
        if not _is_background(one)
    )
    return digest_of("\n".join(form))


def _is_background(one: ObservationResult) -> bool:
    if canonical(one.module) not in RUNS_COMMANDS:
        return False
    command: Any = one.result.get("cmd")
    text = " ".join(map(str, cast("list[Any]", command))) if isinstance(command, list) else str(command or "")
    return text in BACKGROUND


def _stable(engine: LoopContext, one: ObservationResult) -> dict[str, Any]:
    known, result = find(one.module), engine.redactor.value(dict(one.result))
    volatile = ACCESS_TIMES | frozenset(known.volatile if known is not None else ())
    top = TIMING if canonical(one.module) in RUNS_COMMANDS else frozenset[str]()
    return {key: _without(value, volatile) for key, value in result.items() if key not in top | volatile}


def _without(value: Any, names: frozenset[str]) -> Any:
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {key: _without(one, names) for key, one in fields.items() if key not in names}
        case list():
            return [_without(one, names) for one in cast("list[Any]", value)]
        case _:
            return value


def _places(engine: LoopContext, one: JudgedAction, salt: bytes) -> str:
    return engine.places_bound(one.effect.resolved, salt) if one.effect is not None else ""


def _bound(engine: LoopContext, judged: Sequence[JudgedAction], salt: bytes) -> str:
    """The binding of the effects in order, with where their paths lead."""
    parts = [
        _part(one.digest, is_refused=one.row.event is not None, places=_places(engine, one, salt)) for one in judged
    ]
    return binding(parts, salt)


def _salt_of(request: ApprovalRequest) -> bytes:
    """The salt; empty if what is stored is not hexadecimal, which this program has not written."""
    try:
        return bytes.fromhex(request.salt)
    except ValueError:
        return b""


def _bound_as_asked(engine: LoopContext, judged: Sequence[JudgedAction], request: ApprovalRequest) -> str:
    """The same, of what would happen now. What was refused stays refused; what is refused now will not happen.

    Empty, which equals no binding, if it cannot be that of the request.
    """
    salt = _salt_of(request)
    if not salt or len(judged) != len(request.actions):
        return ""
    parts = [
        _part(
            one.digest,
            is_refused=shown.refused is not None,
            places=_places(engine, one, salt) if one.row.event is None else shown.places or "",
        )
        for one, shown in zip(judged, request.actions, strict=True)
    ]
    return binding(parts, salt)


def _part(digest: str, *, is_refused: bool, places: str) -> str:
    return f"{digest} {'refused' if is_refused else places}"


# --- asking --------------------------------------------------------------------------------------------------------


def must_ask(judged: Sequence[JudgedAction]) -> bool:
    """Whether the gate asks people about one of the actions."""
    return any(one.asks for one in judged)


def may_ask(engine: LoopContext, actions: Sequence[ActionSpec]) -> bool:
    """Whether the gate asks people about one of the actions, as far as it is known without asking their hosts."""
    return must_ask(execute.judge_actions(engine, actions, origin="decision"))


def why_not_askable(judged: Sequence[JudgedAction]) -> str | None:
    """Why people cannot be asked: the stored actions would differ from those that would run."""
    for one in judged:
        if contains_mask(one.params):
            return (
                f"cannot ask for the approval of {one.row.module} on {one.row.host}: its parameters contain the text "
                "of a secret; bind it with --secret"
            )
    return None


async def put(
    engine: LoopContext,
    loop: Loop,
    iteration: Iteration,
    decision: Decision,
    judged: Sequence[JudgedAction],
    *,
    by: str,
    seen: Sequence[ObservationResult],
    again: str | None,
) -> Prompt:
    """Commit one request for all actions of the decision, with what they would change. Raises Held."""
    salt = secrets.token_bytes(16)
    # Before the differences are found out: what is written to a file in the meantime makes the approval void.
    sources = await asyncio.to_thread(_sources, engine, judged, salt)
    planned = await foresee.to_approve(engine, judged)
    needs = distinct(need for one in judged if one.asks and one.verdict is not None for need in one.verdict.needs)
    expires = shortest_expiry(needs, engine.limits.approval_timeout)
    if engine.spec.prompt_timeout is not None:
        expires = min(expires, engine.spec.prompt_timeout)
    why = SEPARATOR.join(without_repeats(one.why for one in judged if one.asks))
    requester = approval_terms.uid_of(loop.submitted_by)
    if requester is None and not loop.managed and engine.person is not None:
        requester = engine.person.uid
    new = NewApproval(
        question=_question(judged),
        # Without the reasoning: in one text with it, a model could imitate the words of policy.
        context="; ".join(filter(None, (f"asked again: {again}" if again else "", why))),
        why=why,
        origin=str(engine.decided_by),
        again=again,
        needs=[approval_terms.required(need) for need in needs],
        actions=[
            _proposed(engine, one, row, decision, salt, source)
            for one, row, source in zip(judged, planned, sources, strict=True)
        ],
        summaries=[one.row.summary for one in judged],
        salt=salt.hex(),
        effects_digest=_bound(engine, judged, salt),
        observations_digest=digest_of_observations(engine, seen),
        requester=requester,
        authors=_authors(engine.journal.read(revision_rows.makers, loop.id)),
        deadline_at=after(engine.clock.now(), expires),
    )
    prompt = engine.journal.commit(approval_units.ask, iteration, engine.journal.generation, decision, by=by, new=new)
    reach(LoopFaultPoint.APPROVAL_ASKED)
    return prompt


def _authors(makers: Iterable[str]) -> list[int]:
    """The people who have submitted or changed the loop: a later change by another person does not hide them."""
    return sorted({uid for one in makers if (uid := approval_terms.uid_of(one)) is not None})


def _question(judged: Sequence[JudgedAction]) -> str:
    running = [one for one in judged if one.row.event is None]
    hosts = list(dict.fromkeys(one.row.host for one in running))
    more = [f"{len(hosts) - HOSTS_NAMED} more"] if len(hosts) > HOSTS_NAMED else []
    named = listed([*hosts[:HOSTS_NAMED], *more])
    return f"Approve {len(running)} action{'' if len(running) == 1 else 's'} on {named}?"


def _sources(engine: LoopContext, judged: Sequence[JudgedAction], salt: bytes) -> list[str]:
    """For each action what its approval is bound to of the file whose content it writes; empty without one."""
    found = [engine.modules.source_digest(one.row.module, one.params) for one in judged]
    return [binding([one], salt) if one else "" for one in found]


def _proposed(
    engine: LoopContext,
    one: JudgedAction,
    row: action_units.NewAction,
    decision: Decision,
    salt: bytes,
    source: str,
) -> ProposedAction:
    return ProposedAction(
        n=one.row.n,
        module=one.row.module,
        host=one.row.host,
        params=one.row.params,
        reason=decision.actions[one.row.n - 1].reason,
        asks=one.why if one.asks else None,
        refused=one.row.reason if one.row.event is not None else None,
        diff=row.diff or None,
        places=_places(engine, one, salt) or None,
        source=source or None,
        origin=str(engine.decided_by),
    )


# --- after the answer ----------------------------------------------------------------------------------------------


def why_unapproved(tx: Tx, prompt: Prompt) -> tuple[ApprovalRequest, str | None]:
    """The request of a closed prompt, and why its actions may not run; None if people approved them."""
    request = approval_rows.of_prompt(tx, prompt.id)
    assert request is not None
    if request.state is ApprovalState.APPROVED:
        return request, None
    if request.state is not ApprovalState.OPEN:
        return request, request.reason or str(request.state)
    missing = approval_terms.missing(request, approval_rows.get_votes(tx, request.id))
    if prompt.state is PromptState.DISMISSED:
        by = f" by {approval_terms.name_of(prompt.dismissed_by)}" if prompt.dismissed_by else ""
        return request, f"{REQUEST_DISMISSED}{by}; {missing}"
    if tx.now < request.deadline_at:
        return request, f"{NO_PERSON}, which is not interactive; {missing}"
    seconds = round(seconds_between(request.asked_at, request.deadline_at), 1)
    return request, f"{NOT_IN_TIME}{seconds:g} s; {missing}"


def denied(engine: LoopContext, iteration: Iteration, reason: str) -> list[action_units.NewAction]:
    """A row for each action that the iteration asked about, denied for the reason, unless it is refused anyway."""
    decision = engine.journal.read(loop_rows.get_iteration, iteration.id).decision
    judged = execute.judge_actions(engine, decision.actions if decision else [], origin="decision")
    return [one.row if one.row.event is not None else execute.denied(one, reason).row for one in judged]


def still_rejected(
    engine: LoopContext, seen: Sequence[ObservationResult], judged: Sequence[JudgedAction] | None = None
) -> str | None:
    """Why people are not asked: they rejected the same, and no person has started the loop again since.

    `judged` are the actions; None compares the observations alone.
    """
    for request in engine.journal.read(_rejections, engine.journal.loop_id, digest_of_observations(engine, seen)):
        if judged is not None and _would_do_more(judged, request):
            continue
        if judged is None or is_same(request.effects_digest, _bound_as_asked(engine, judged, request)):
            return f"{request.reason} (prompt {request.prompt_id}), and nothing has changed since"
    return None


def _rejections(tx: Tx, loop_id: int, observations_digest: str) -> list[ApprovalRequest]:
    """What people rejected on these observations since a person has started the loop, newest first."""
    found = approval_rows.rejected(tx, loop_id, observations_digest)
    return [request for request in found if not _is_outdated(tx, request)]


def _would_do_more(judged: Sequence[JudgedAction], request: ApprovalRequest) -> bool:
    """Whether something would happen now that was refused when people were asked, so that they did not reject it."""
    return len(judged) == len(request.actions) and any(
        one.row.event is None and shown.refused is not None
        for one, shown in zip(judged, request.actions, strict=True)
    )


def _is_outdated(tx: Tx, request: ApprovalRequest) -> bool:
    """Whether a person has started the loop again since the request."""
    asked = loop_rows.get_iteration(tx, request.iteration_id)
    return asked.run < prompt_rows.run_by_person(tx, request.loop_id)


# --- using an approval ---------------------------------------------------------------------------------------------


async def use(
    engine: LoopContext, iteration: Iteration, request: ApprovalRequest, seen: Sequence[ObservationResult]
) -> ApprovedDecision | str | None:
    """Begin the approved actions, once, exactly as they were approved; else end the approval: the text is why.

    None if the loop has to stop at once; then the approval is kept. Raises Held, if a freeze holds something; then
    it is kept, too.
    """
    asked = engine.journal.read(loop_rows.get_iteration, request.iteration_id)
    decision = asked.decision
    assert decision is not None
    judged = await execute.judge_to_ask(engine, decision.actions)
    if judged is None:
        return None
    for one in judged:
        if one.verdict is not None and one.verdict.freeze is not None:
            raise Held(one.verdict.freeze)
    effects, observations = _bound_as_asked(engine, judged, request), digest_of_observations(engine, seen)
    votes = approval_terms.approvals_of(engine.journal.read(approval_rows.get_votes, request.id))
    terms = approval_terms.terms_of(request)
    why = (
        (None if _salt_of(request) else "what is stored of the request was changed: its salt is not hexadecimal")
        or why_not_askable(judged)
        or _why_others_needed(terms, judged)
        or is_complete(terms, votes, now=engine.clock.now(), effects=effects, observations=observations)
    )
    if why == OBSERVATIONS_CHANGED and (different := _what_changed(engine, request, seen)) is not None:
        why = f"{why}: {different}"
    if why is None:
        why = await _why_other_content(engine, judged, request)
        if engine.stop.now.is_set():
            return None
    reach(LoopFaultPoint.APPROVAL_CHECKED)
    if why is None:
        by = asked.decided_by or engine.decider.name
        judged = _as_asked(judged, request)
        try:
            ids = engine.journal.commit(
                approval_units.use,
                iteration,
                engine.journal.generation,
                request.id,
                decision,
                by=by,
                actions=[
                    msgspec.structs.replace(one.row, diff=shown.diff or "")
                    for one, shown in zip(judged, request.actions, strict=True)
                ],
                bound=(effects, observations),
            )
        except Problem as problem:
            if problem.code is not Code.DENIED:
                raise
            why = problem.message
        else:
            grant(engine, judged, request)
            reach(LoopFaultPoint.APPROVAL_USED)
            return ApprovedDecision(decision=decision, by=by, judged=judged, ids=ids)
    engine.journal.commit(approval_units.end, request.id, reason=why)
    return why


def _what_changed(engine: LoopContext, request: ApprovalRequest, seen: Sequence[ObservationResult]) -> str | None:
    """Which observations differ from those of the iteration that asked; None if that cannot be determined."""
    try:
        before = engine.journal.read(observe.stored_view, request.iteration_id).seen
    except (LookupError, msgspec.MsgspecError):
        # Its results are not stored any more, or not as this program writes them.
        return None
    found = observation_changes.difference(_comparable(engine, before), _comparable(engine, seen))
    return None if found is None else engine.redactor.text(found)


def _comparable(engine: LoopContext, seen: Sequence[ObservationResult]) -> observation_changes.Observed:
    return {
        (one.name, one.host): {"success": one.success, **_stable(engine, one)}
        for one in seen
        if not _is_background(one)
    }


def _why_others_needed(terms: ApprovalTerms, judged: Sequence[JudgedAction]) -> str | None:
    """Why those who were asked are not enough any more; None if they are."""
    now = {need for one in judged if one.asks and one.verdict is not None for need in one.verdict.needs}
    return None if now <= set(terms.needs) else "the policy requires other people since it was asked"


async def _why_other_content(
    engine: LoopContext, judged: Sequence[JudgedAction], request: ApprovalRequest
) -> str | None:
    """Why people have not agreed to what would be written now; None if they have. Raises Held.

    The effect has the name of a file that a module reads, and not its content, so the content is compared; of what
    the host decides, such as the content of the destination, the differences.
    """
    if len(judged) != len(request.actions):
        return None
    if any(one.source for one in request.actions):
        sources = await asyncio.to_thread(_sources, engine, judged, _salt_of(request))
        for one, asked, source in zip(judged, request.actions, sources, strict=True):
            if one.row.event is None and asked.source and not is_same(source, asked.source):
                return f"the content of {one.params['src']} is not what it was when it was asked"
    named = {n for n, one in enumerate(judged) if one.row.event is None and one.params.get("src")}
    if not any(request.actions[n].diff for n in named):
        return None
    rows = await foresee.to_approve(engine, judged)
    changed = [rows[n] for n in sorted(named) if (rows[n].diff or None) != request.actions[n].diff]
    if not changed:
        return None
    return f"what {changed[0].module} on {changed[0].host} would change is not what was shown when it was asked"


def _as_asked(judged: Sequence[JudgedAction], request: ApprovalRequest) -> list[JudgedAction]:
    """The actions; what was refused when people were asked is denied, even if policy would allow it now."""
    return [
        one if one.row.event is not None or shown.refused is None else execute.denied(one, shown.refused)
        for one, shown in zip(judged, request.actions, strict=True)
    ]


def grant(engine: LoopContext, judged: Sequence[JudgedAction], request: ApprovalRequest) -> None:
    """Let the gate allow exactly these effects, where no one else has to agree, until `revoke`."""
    met = frozenset(approval_terms.terms_of(request).needs)
    running = [
        (one, shown)
        for one, shown in zip(judged, request.actions, strict=True)
        # A host that could not be asked where paths lead may answer when the action begins.
        if shown.refused is None and one.row.event in {None, ActionEvent.FAILED}
    ]
    engine.grants.effects = {one.digest: met for one, _ in running}
    engine.grants.places = {one.digest: shown.places or "" for one, shown in running}
    engine.grants.salt = _salt_of(request)


def revoke(engine: LoopContext) -> None:
    """Nothing is approved any more."""
    engine.grants.effects, engine.grants.places = {}, {}


async def restore(engine: LoopContext, iteration: Iteration) -> bool:
    """Allow the rest of an interrupted iteration that executes approved actions, if its approval is still valid.

    The observations are those of the approval: the iteration has observed them itself before it used it. False if
    the loop has to stop at once before it is known whether the approval is valid.
    """
    request = engine.journal.read(approval_rows.used_by, iteration.id)
    if request is None or iteration.decision is None:
        return True
    rows = engine.journal.read(action_rows.get_actions_for_iteration, iteration.id)
    ended = {(row.n, row.host) for row in rows if row.state is not ActionState.PROPOSED}
    judged = await execute.judge_to_ask(engine, iteration.decision.actions, ended)
    if judged is None:
        return False
    other = await _why_other_content(engine, judged, request)
    if engine.stop.now.is_set():
        return False
    terms = approval_terms.terms_of(request)
    effects = _bound_as_asked(engine, judged, request)
    now = engine.clock.now()
    if (other or why_void(terms, effects=effects, observations=request.observations_digest)) is None and (
        request.asked_at <= now < request.deadline_at
    ):
        grant(engine, _as_asked(judged, request), request)
    return True
