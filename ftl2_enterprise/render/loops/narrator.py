"""Narrates a loop: turns its facts into lines as they arrive, and counts them. Does no input or output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.protocol.fact import Fact, fact_of
from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECT
from ftl2_enterprise.protocol.loops.facts import (
    ActionDenied,
    ActionFact,
    ActionFailed,
    ActionLost,
    ActionPreviewed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    ApprovalGiven,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalVoided,
    IterationChecked,
    IterationDecided,
    IterationDelayed,
    IterationEnded,
    IterationObserved,
    IterationStarted,
    LoopAnswered,
    LoopConverged,
    LoopDrifted,
    LoopFrozen,
    LoopRested,
    LoopStarted,
    LoopUpdated,
    ModelAnswered,
    ModelAsked,
    ModelOverran,
    ModelQueued,
    PromptAnswered,
    PromptAsked,
    PromptDismissed,
    PromptExpired,
    RuleBroken,
    RuleFired,
    RuleMatched,
    StateChanged,
    StatePreviewed,
    StateRefused,
)
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, PromptState
from ftl2_enterprise.render.loops import fact_lines, state_words
from ftl2_enterprise.render.loops.actions import failure
from ftl2_enterprise.render.loops.approvals import (
    SHORT,
    SHOWN_ACTIONS,
    action_line,
    asked_again,
    more_actions,
    origin_lines,
    terms,
)
from ftl2_enterprise.render.loops.diffs import diff_lines
from ftl2_enterprise.render.loops.prompt_endings import answered, ending_line
from ftl2_enterprise.render.loops.prompts import DEEPER, INDENT, question, question_reason
from ftl2_enterprise.render.loops.standing import WITH_EXCEPTIONS
from ftl2_enterprise.render.loops.tally import Tally
from ftl2_enterprise.render.text import (
    Line,
    Role,
    Span,
    count,
    duration,
    line,
    one_line,
    person,
    symbol,
    with_commands,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.loops.nouns import Action, Prompt
    from ftl2_enterprise.protocol.text import StoredText

CHECK = "check"
"""The decider of an iteration that a recorded check decided."""


@dataclass
class Narrator:
    """Narrates the facts of one loop, which have to arrive in order."""

    lookup: Callable[[int], Action | None] = lambda _id: None
    """Returns the row of an action, for texts that no fact has; None when it cannot be read."""
    lookup_text: Callable[[StoredText], str] = lambda text: text.shown
    """Returns a stored text in full."""
    lookup_prompt: Callable[[int], Prompt | None] = lambda _id: None
    """Returns the row of a prompt, which another process may have answered; None when it cannot be read."""
    tally: Tally = field(default_factory=Tally)
    with_questions: bool = True
    """False where this terminal asks the user: the prompter shows the question then."""
    _summaries: dict[int, str] = field(default_factory=dict[int, str])
    """By the id of the action, until it ends."""
    _running: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    """Call and summary by the id of the action, until it ends."""
    _reasons: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    _broken: dict[str, str] = field(default_factory=dict[str, str])
    _deadlines: dict[int, Instant] = field(default_factory=dict[int, "Instant"])
    """When the prompts that ask for an approval expire, until the approval is shown."""
    _settled: set[int] = field(default_factory=set[int])
    _decided: set[int] = field(default_factory=set[int])
    """The prompts whose approval or rejection was shown."""
    _denials: set[str] = field(default_factory=set[str])
    """The reasons of denials that were shown in the current iteration: one rule often denies several actions."""

    def lines_of_event(self, event: Event) -> list[Line]:
        """The lines for an event; often none."""
        return self.lines_of(fact_of(event))

    def lines_of(self, fact: Fact) -> list[Line]:  # noqa: PLR0911, PLR0912 - one for each kind of fact
        """The lines for a fact; often none."""
        match fact:
            case LoopStarted():
                return fact_lines.loop_started(fact)
            case LoopConverged():
                return self._loop_converged(fact)
            case LoopDrifted():
                return self._loop_drifted()
            case LoopAnswered():
                return self._loop_answered(fact)
            case LoopRested():
                return fact_lines.loop_rested(fact)
            case LoopFrozen():
                return fact_lines.loop_frozen(fact)
            case LoopUpdated():
                return [fact_lines.loop_updated(fact)]
            case IterationStarted():
                return self._iteration_started(fact)
            case IterationObserved():
                return fact_lines.iteration_observed(fact)
            case IterationChecked():
                return fact_lines.iteration_checked(fact)
            case IterationDelayed():
                return fact_lines.iteration_delayed(fact)
            case IterationDecided():
                return self._iteration_decided(fact)
            case IterationEnded():
                # Its error repeats the reasons of the denials.
                is_shown = fact.outcome in state_words.EXPLAINED_BY_ACTIONS and bool(self._denials)
                return [] if is_shown else fact_lines.iteration_ended(fact)
            case RuleMatched():
                return [
                    line(
                        symbol("▸", Role.ACCENT),
                        ("rule matched", Role.ACCENT),
                        f": {one_line(fact.rule)}",
                        indent=INDENT,
                    )
                ]
            case RuleFired():
                return fact_lines.rule_fired(fact)
            case RuleBroken():
                return self._rule_broken(fact)
            case ModelAsked():
                self.tally.model_calls += 1
                return []
            case ModelAnswered():
                return self._model_answered(fact)
            case ModelQueued():
                return fact_lines.model_queued(fact)
            case ModelOverran():
                return fact_lines.model_overran(fact)
            case ActionStarted():
                return self._action_started(fact)
            case ActionSucceeded():
                return self._action_succeeded(fact)
            case ActionFailed():
                return self._action_failed(fact)
            case ActionDenied():
                return self._action_denied(fact)
            case ActionSkipped():
                self.tally.skipped += 1
                return self._without_effect(fact, "skipped", fact.reason)
            case ActionLost():
                self.tally.unknown += 1
                return self._without_effect(fact, "unknown", fact.reason)
            case ActionPreviewed():
                return self._action_previewed(fact)
            case PromptAsked():
                return self._prompt_asked(fact)
            case ApprovalRequested():
                return self._approval_requested(fact)
            case ApprovalGiven():
                return self._approval_given(fact)
            case ApprovalRejected():
                self._decided.add(fact.prompt_id)
                why = f": {one_line(fact.reason, 200)}" if fact.reason else ""
                return [line(symbol("⊘", Role.WARNING), f"rejected by {one_line(fact.by, 80)}{why}", indent=INDENT)]
            case ApprovalVoided():
                return self._approval_voided(fact)
            case PromptAnswered():
                self._settled.add(fact.prompt_id)
                # Who approved or rejected was shown, with the reason.
                is_shown = fact.prompt_id in self._decided
                return [] if is_shown else [answered(fact.answer, fact.answered_by)]
            case PromptExpired():
                return self._prompt_expired(fact.prompt_id, unattended=fact.unattended)
            case PromptDismissed():
                return self._prompt_dismissed(fact.prompt_id, fact.withdrawn, fact.dismissed_by)
            case StateChanged() | StatePreviewed():
                what = "recorded" if isinstance(fact, StateChanged) else "would record"
                text = f"{what}: {fact.op.replace('_', ' ')} {one_line(fact.name)}"
                return [line((text, Role.FAINT), indent=INDENT)]
            case StateRefused():
                return [line(("not recorded: ", Role.WARNING), one_line(fact.reason), indent=INDENT)]
            case _:
                return []

    # --- loops -----------------------------------------------------------------------------------------------------

    def _loop_converged(self, fact: LoopConverged) -> list[Line]:
        self.tally.converged += 1
        what = count(fact.changed, "change") if fact.changed else "nothing to change"
        return [
            line(
                symbol("✔", Role.GOOD),
                (WITH_EXCEPTIONS, Role.WARNING) if fact.left_out else ("converged", Role.GOOD),
                f" after {count(fact.iterations, 'iteration')}: {what}",
                f"; left out: {one_line(', '.join(fact.left_out), 300)}" if fact.left_out else "",
                (f" (decided by {one_line(fact.by)})", Role.FAINT),
            )
        ]

    def _loop_drifted(self) -> list[Line]:
        self.tally.drifted += 1
        return [
            line(
                symbol("≠", Role.WARNING),
                ("drift", Role.WARNING),
                ": the observed state no longer matches the desired state",
                indent=INDENT,
            )
        ]

    def _loop_answered(self, fact: LoopAnswered) -> list[Line]:
        prompt = None if fact.prompt_id in self._settled else self.lookup_prompt(fact.prompt_id)
        if prompt is None:
            return []
        match prompt.state:
            case PromptState.ANSWERED:
                return [ending_line(prompt)]
            case PromptState.EXPIRED:
                return self._prompt_expired(fact.prompt_id)
            case _:
                return self._prompt_dismissed(fact.prompt_id, prompt.withdrawn, prompt.dismissed_by)

    # --- iterations ------------------------------------------------------------------------------------------------

    def _iteration_started(self, fact: IterationStarted) -> list[Line]:
        self.tally.iterations += 1
        self._denials = set()
        return [
            line(
                symbol("◆", Role.ACCENT),
                (f"iteration {fact.n}", Role.STRONG),
                (f" ({fact.in_run} of {fact.of})", Role.FAINT),
            )
        ]

    def _iteration_decided(self, fact: IterationDecided) -> list[Line]:
        reasons = [one_line(action.reason or "", 120) for action in fact.actions]
        for n, reason in enumerate(reasons, start=1):
            # A reason that several actions share does not distinguish them; their parameters do.
            if reasons.count(reason) == 1:
                self._reasons[fact.iteration_id, n] = reason
        by = one_line(fact.by)
        if by.startswith("rule:"):
            # The rule's own facts are shown.
            return []
        if by == CHECK:
            # The result of the check is shown.
            return []
        if by == "rules" and not fact.converged:
            # Its reasoning repeats what is unmet, and broken rules have been shown.
            return fact_lines.unmet(fact.unmet, fact.unknown)
        lines = fact_lines.unmet(fact.unmet, fact.unknown)
        if reasoning := one_line(fact.reasoning, 400):
            lines.append(line((f"{by}: ", Role.ACCENT), reasoning, indent=INDENT))
        if fact.actions:
            later = f", {fact.later} of them for a later iteration" if fact.later else ""
            proposed = f"{by} proposes {count(len(fact.actions), 'action')}{later}"
            lines.append(line((proposed, Role.FAINT), indent=INDENT))
        if fact.blocked:
            text = f": {one_line(fact.blocked, 400)}"
            lines.append(line(symbol("■", Role.BAD), ("blocked", Role.BAD), text, indent=INDENT))
        return lines

    # --- rules and models ------------------------------------------------------------------------------------------

    def _rule_broken(self, fact: RuleBroken) -> list[Line]:
        rule, error = one_line(fact.rule), one_line(fact.error)
        if self._broken.get(rule) == error:
            # Each iteration reports it; it is shown again only when its error changes.
            return []
        self._broken[rule] = error
        text = f": {rule}: {error}"
        return [line(symbol("!", Role.WARNING), ("rule broken", Role.WARNING), text, indent=INDENT)]

    def _model_answered(self, fact: ModelAnswered) -> list[Line]:
        self.tally.input_tokens += fact.input_tokens or 0
        self.tally.output_tokens += fact.output_tokens or 0
        self.tally.cost_usd += fact.cost_usd or 0.0
        took = duration(fact.latency)
        if fact.outcome is CallOutcome.OK:
            return [line((f"the model answered in {took}", Role.FAINT), indent=INDENT)]
        why = one_line(fact.error or fact.outcome, 300)
        return [line(symbol("✘", Role.BAD), ("model call failed", Role.BAD), f" after {took}: {why}", indent=INDENT)]

    # --- actions ---------------------------------------------------------------------------------------------------

    def summary_of(self, fact: ActionFact) -> str:
        """The decider's reason for an action, or its parameters."""
        summary = one_line(fact.summary, 120) if isinstance(fact, ActionStarted | ActionPreviewed) else ""
        return self._reasons.get((fact.iteration_id, fact.n)) or summary.removeprefix(f"{fact.module} ")

    def running_lines(self) -> list[Line]:
        """The actions that have started and not ended."""
        return [
            line(
                *state_words.action_mark("running"),
                " ",
                (what, Role.STRONG),
                f": {summary}" if summary else "",
                indent=INDENT,
            )
            for what, summary in self._running.values()
        ]

    def _action_started(self, fact: ActionStarted) -> list[Line]:
        summary = self.summary_of(fact)
        self._summaries[fact.action_id] = summary
        self._running[fact.action_id] = fact_lines.call_text(fact), summary
        return []

    def _action_succeeded(self, fact: ActionSucceeded) -> list[Line]:
        if fact.changed:
            self.tally.changed += 1
        else:
            self.tally.ok += 1
        return [self._action(fact, "changed" if fact.changed else "ok", seconds=fact.seconds)]

    def _action_failed(self, fact: ActionFailed) -> list[Line]:
        self.tally.failed += 1
        error = fact.error or "no reason given"
        row = self.lookup(fact.action_id)
        stderr = row.stderr.shown if row else ""
        return [self._action(fact, "failed", seconds=fact.seconds), *failure(error, fact.rc, stderr)]

    def _action_denied(self, fact: ActionDenied) -> list[Line]:
        reason = one_line(fact.reason or "")
        kind = state_words.denial_kind(fact.reason)
        match kind:
            case "rejected":
                self.tally.rejected += 1
            case "unapproved":
                self.tally.unapproved += 1
            case _:
                self.tally.denied += 1
        lines = self._without_effect(fact, kind, None if reason in self._denials else reason)
        self._denials.add(reason)
        return lines

    def _action_previewed(self, fact: ActionPreviewed) -> list[Line]:
        self.tally.previewed += 1
        self.tally.would_ask += fact.asks is not None
        self._summaries[fact.action_id] = self.summary_of(fact)
        row = self.lookup(fact.action_id)
        diff = self.lookup_text(row.diff) if row is not None else ""
        return [*self._without_effect(fact, "previewed", fact.asks), *diff_lines(diff, indent=DEEPER)]

    def _without_effect(self, fact: ActionFact, kind: str, reason: str | None) -> list[Line]:
        why = one_line(reason or "", 300)
        return [self._action(fact, kind), *([line(why, indent=DEEPER)] if why else [])]

    def _action(self, fact: ActionFact, kind: str, *, seconds: float | None = None) -> Line:
        self._running.pop(fact.action_id, None)
        summary = self._summaries.pop(fact.action_id, None) or self.summary_of(fact)
        took = [Span(f" ({duration(seconds)})", Role.FAINT)] if seconds is not None else []
        return line(
            *state_words.action_mark(kind),
            " ",
            (fact_lines.call_text(fact), Role.STRONG),
            f": {summary}" if summary else "",
            *took,
            indent=INDENT,
        )

    # --- prompts ---------------------------------------------------------------------------------------------------

    def _prompt_asked(self, fact: PromptAsked) -> list[Line]:
        self.tally.questions += 1
        if not self.with_questions:
            return []
        is_approval, expires = fact.options == [APPROVE, REJECT], _expires(fact.deadline_at)
        if is_approval and fact.deadline_at is not None:
            self._deadlines[fact.prompt_id] = fact.deadline_at
        # The actions of an approval follow, and they are numbered.
        options = [] if is_approval else fact.options
        asked = question(fact.prompt_id, fact.question, options, fact.default, model=fact.model)
        # A manifest gives its reason before it asks.
        why = fact.context if fact.model is not None else None
        return [*asked, *question_reason(why, model=fact.model, indent=DEEPER), *([] if is_approval else expires)]

    def _approval_requested(self, fact: ApprovalRequested) -> list[Line]:
        if not self.with_questions:
            return []
        shown = [
            action_line(
                one.n,
                one.module,
                one.host,
                one_line(one.summary.removeprefix(one.module).strip(), SHORT),
                is_refused=one.refused is not None,
            )
            for one in fact.actions[:SHOWN_ACTIONS]
        ]
        origin = origin_lines(fact.origin, fact.decider, fact.reasoning, indent=DEEPER)
        asked = asked_again(fact.again, indent=DEEPER)
        hint = f"differences and complete parameters: `ftl2ctl answer {fact.prompt_id}`"
        return [
            *shown,
            *more_actions(len(fact.actions)),
            line(*with_commands(hint), indent=DEEPER),
            *origin,
            *asked,
            *terms([fact.why], fact.needs),
            *_expires(self._deadlines.pop(fact.prompt_id, None)),
        ]

    def _approval_given(self, fact: ApprovalGiven) -> list[Line]:
        self._decided.add(fact.prompt_id)
        why = f": {one_line(fact.reason, 200)}" if fact.reason else ""
        left = f"; {one_line(fact.missing, 200)}" if fact.missing else ""
        by = one_line(fact.by, 80)
        return [line(symbol("✔", Role.GOOD), f"approved by {by}", (why, Role.FAINT), left, indent=INDENT)]

    def _approval_voided(self, fact: ApprovalVoided) -> list[Line]:
        prompt = self.lookup_prompt(fact.prompt_id)
        if prompt is None or prompt.answer not in {APPROVE, REJECT}:
            # No person had decided; that it was withdrawn is shown.
            return []
        what = "approval" if prompt.answer == APPROVE else "rejection"
        text = f"the {what} of prompt {fact.prompt_id} is void"
        why = f": {one_line(fact.reason, 300)}"
        return [line(symbol("!", Role.WARNING), (text, Role.WARNING), why, indent=INDENT)]

    def _prompt_expired(self, prompt_id: int, *, unattended: bool = False) -> list[Line]:
        self._settled.add(prompt_id)
        what = (
            "no person was asked: this run is not interactive"
            if unattended
            else "the prompt expired without an answer"
        )
        return [line(symbol("!", Role.WARNING), (what, Role.WARNING), indent=INDENT)]

    def _prompt_dismissed(self, prompt_id: int, withdrawn: str | None, by: str | None) -> list[Line]:
        self._settled.add(prompt_id)
        what = f"dismissed by {person(by)}" if by else "dismissed"
        what = f"withdrawn: {one_line(withdrawn, 200)}" if withdrawn else what
        return [line((f"the prompt was {what}", Role.FAINT), indent=INDENT)]


def _expires(deadline: Instant | None) -> list[Line]:
    return [] if deadline is None else [line(("expires: ", Role.FAINT), moment(deadline), indent=DEEPER)]
