"""Scenarios of narration: what is shown of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.facts import (
    ActionDenied,
    ActionFailed,
    ActionLost,
    ActionPreviewed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    ApprovalRequested,
    IterationChecked,
    IterationDecided,
    IterationDelayed,
    IterationEnded,
    IterationObserved,
    IterationStarted,
    LoopAnswered,
    LoopCompleted,
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
)
from ftl2_enterprise.protocol.loops.nouns import (
    CallOutcome,
    IterationOutcome,
    LoopSpec,
    Outcome,
    PromptState,
    WaitReason,
)
from ftl2_enterprise.render.loops import (
    fact_lines,
    narrator,
    watched,
)
from tests.snapshots.loops.scenarios.details import FAILED_ACTION, SPEC
from tests.snapshots.scenario import FixedReader, Scenario, fixed
from tests.support.data import awkward
from tests.support.data.builders import event, loop, prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.fact import Fact
    from ftl2_enterprise.render.text import Line


CALL: dict[str, Any] = {"iteration_id": 12, "module": "service", "host": "web1"}


def events_of(*facts: tuple[type[Fact], dict[str, Any]]) -> list[Event]:
    return [fixed(event(n, kind, **fields)) for n, (kind, fields) in enumerate(facts, 1)]


def started(n: int, summary: str = "service name=nginx state=started") -> tuple[type[Fact], dict[str, Any]]:
    return ActionStarted, {**CALL, "action_id": n, "n": n, "summary": summary}


NO_OP = events_of(
    (LoopStarted, {"run": 4, "resumed": False}),
    (IterationStarted, {"n": 13, "in_run": 1, "of": 10}),
    (IterationObserved, {"names": ["manifest:step nginx", "disk"]}),
    (IterationChecked, {"held": True}),
    (IterationDelayed, {"calls": ["service on web1", "copy on web1"], "seconds": 4.0, "attempts": 3}),
    (IterationDelayed, {"calls": ["service on web1"], "seconds": 4.0, "attempts": 3, "of": 5}),
    (IterationDelayed, {"calls": [], "seconds": 2.0, "attempts": 1, "of": 3}),
    (IterationDecided, {"by": "check", "converged": True, "reasoning": "the recorded check holds"}),
    (LoopConverged, {"iterations": 1, "changed": 0, "by": "check"}),
    (LoopRested, {"outcome": Outcome.CONVERGED, "delay": 300.0, "failures": 0}),
)
REPAIR = events_of(
    (LoopStarted, {"run": 5, "resumed": True}),
    (IterationStarted, {"n": 14, "in_run": 1, "of": 10}),
    (
        IterationObserved,
        {
            "names": ["nginx", "disk"],
            "failed": [
                {"name": "nginx", "host": "web1", "error": "exit status 3: inactive"},
                {"name": "disk", "host": "web2", "error": "cannot connect to web2"},
            ],
            "denied": ["secrets"],
        },
    ),
    (IterationChecked, {"held": False, "unmet": ["nginx is stopped"]}),
    (LoopDrifted, {"unmet": ["nginx is stopped"]}),
    (ModelQueued, {"provider": "claude", "reason": WaitReason.PLACES}),
    (ModelAsked, {"purpose": "decide", "provider": "claude"}),
    (ModelAnswered, {"outcome": CallOutcome.OK, "latency": 3.2, "cost_usd": 0.01}),
    (
        IterationDecided,
        {
            "by": "model",
            "reasoning": "nginx has to be started.",
            "actions": [{"module": "service", "host": "web1", "reason": "nginx is stopped"}],
            "unmet": ["nginx is stopped"],
        },
    ),
    started(1),
    (ActionSucceeded, {**CALL, "action_id": 1, "n": 1, "changed": True, "seconds": 1.4}),
    started(2),
    (ActionSucceeded, {**CALL, "action_id": 2, "n": 2, "changed": False, "seconds": 0.2}),
    started(3),
    (
        ActionFailed,
        {**CALL, "action_id": 3, "n": 3, "error": "Job for nginx.service failed", "seconds": 61.0, "rc": 1},
    ),
    (ActionPreviewed, {**CALL, "action_id": 4, "n": 4, "summary": "service name=nginx"}),
    (
        ActionPreviewed,
        {**CALL, "action_id": 8, "n": 8, "summary": "service name=nginx", "asks": "remediation is `ask`"},
    ),
    (ActionDenied, {**CALL, "action_id": 5, "n": 5, "reason": "policy: no restarts by day"}),
    (ActionSkipped, {**CALL, "action_id": 6, "n": 6, "reason": "an earlier action failed"}),
    (ActionLost, {**CALL, "action_id": 7, "n": 7, "reason": "the process ended during the action"}),
    (RuleMatched, {"rule": "restart_nginx"}),
    (RuleFired, {"rule": "restart_nginx", "success": True}),
    (RuleFired, {"rule": "restart_nginx", "success": False, "detail": "exit status 9"}),
    (RuleBroken, {"rule": "broken", "error": "line 3: invalid syntax"}),
    (StateChanged, {"op": "add_host", "name": "web3"}),
    (IterationEnded, {"n": 14, "outcome": IterationOutcome.FAILED, "error": "1 action failed"}),
    (LoopConverged, {"iterations": 2, "changed": 1, "by": "manifest"}),
    (LoopFrozen, {"freeze": "5f3a0c11", "reason": "frozen by ann since 2026-01-01 00:00:00Z: incident 4711"}),
    (LoopUpdated, {"revision": 3, "was": 2, "restores": 1, "reason": "the port was wrong"}),
    (LoopRested, {"outcome": Outcome.NOT_CONVERGED, "delay": 600.0, "failures": 2, "reason": "1 action failed"}),
)
ASKING = events_of(
    (PromptAsked, {"prompt_id": 3, "question": "Restart nginx now?", "options": ["yes", "no"], "default": "no"}),
    (PromptAnswered, {"prompt_id": 3, "answer": "yes", "answered_by": "ada (uid 7)"}),
    (PromptAsked, {"prompt_id": 4, "question": "Which port?"}),
    (PromptExpired, {"prompt_id": 4}),
    (PromptAsked, {"prompt_id": 5, "question": "Which name?", "default": "web"}),
    (PromptDismissed, {"prompt_id": 5}),
    (PromptAsked, {"prompt_id": 7, "question": "Approve 11 actions on web1?", "options": ["approve", "reject"]}),
    (
        ApprovalRequested,
        {
            "prompt_id": 7,
            "actions": [
                {"n": 1, "module": "copy", "host": "web1", "summary": "copy dest=/etc/a mode=0644"},
                {
                    "n": 2,
                    "module": "reboot",
                    "host": "web1",
                    "summary": "reboot",
                    "refused": "denied by policy rule 1",
                },
                *(
                    {"n": n, "module": "service", "host": "web1", "summary": f"service name=a{n}"}
                    for n in range(3, 13)
                ),
            ],
        },
    ),
    (LoopAnswered, {"prompt_id": 6}),
    (IterationDecided, {"by": "model", "blocked": "the package nginx does not exist"}),
    (ModelOverran, {"reserved_usd": 0.1, "cost_usd": 0.25, "reserved_tokens": 1000, "tokens": 1000}),
    (ModelAnswered, {"outcome": CallOutcome.FAILED, "latency": 30.0, "error": "rate limit"}),
    (LoopCompleted, {"outcome": Outcome.CONVERGED}),
)
AWKWARD = events_of(
    (IterationObserved, {"names": list(awkward.NAMES)}),
    (IterationDecided, {"by": "model", "reasoning": awkward.PARAGRAPH, "unmet": [awkward.CONTROL] * 14}),
    started(1, awkward.CONTROL),
    (ActionFailed, {**CALL, "action_id": 1, "n": 1, "error": awkward.PARAGRAPH, "seconds": 0.01}),
    (PromptAsked, {"prompt_id": 3, "question": awkward.PARAGRAPH, "options": list(awkward.NAMES)}),
)


def failed_action(action_id: int) -> Any:
    return FAILED_ACTION if action_id == 3 else None


def answered_elsewhere(_prompt_id: int) -> Any:
    return prompt(6, state=PromptState.ANSWERED, answer="yes", answered_by="ada (uid 7)")


def teller() -> narrator.Narrator:
    return narrator.Narrator(lookup=failed_action, lookup_prompt=answered_elsewhere)


def narrated(events: Sequence[Event]) -> Callable[[FixedReader], list[Line]]:
    def lines(_: FixedReader) -> list[Line]:
        one = teller()
        return [
            *fact_lines.header(loop(spec=SPEC)),
            *(found for fact in events for found in one.lines_of_event(fact)),
        ]

    return lines


def watching(events: Sequence[Event]) -> Callable[[FixedReader], list[Line]]:
    def lines(_: FixedReader) -> list[Line]:
        one = watched.Watched(teller())
        return [*(found for fact in events for found in one.lines_of_event(fact)), *one.held_lines()]

    return lines


def running(_: FixedReader) -> list[Line]:
    one = teller()
    for fact in events_of(started(1), started(2, awkward.PARAGRAPH)):
        one.lines_of_event(fact)
    return one.running_lines()


NARRATION = [
    Scenario("a run that repairs drift", narrated(REPAIR), has_colour=True),
    Scenario("a no-op run", narrated(NO_OP)),
    Scenario("prompts and problems", narrated(ASKING)),
    Scenario("awkward texts", narrated(AWKWARD)),
    Scenario("running actions", running),
    Scenario(
        "a dry run", lambda _: fact_lines.header(loop(spec=LoopSpec(name="web", desired_state="x", dry_run=True)))
    ),
]
WATCHED = [
    Scenario("a no-op run, then drift", watching([*NO_OP, *REPAIR])),
    Scenario("a run that has not ended", watching(NO_OP[:5])),
]
