"""Lines of facts that depend on no earlier fact, and the header of a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.sentences import listed
from ftl2_enterprise.protocol.loops.nouns import IterationOutcome
from ftl2_enterprise.protocol.loops.replies import ModelWait
from ftl2_enterprise.render.loops.prompts import DEEPER, INDENT
from ftl2_enterprise.render.loops.standing import repetition, waiting
from ftl2_enterprise.render.text import Line, Role, count, duration, line, one_line, symbol, with_commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.loops.facts import (
        ActionFact,
        IterationChecked,
        IterationDelayed,
        IterationEnded,
        IterationObserved,
        LoopFrozen,
        LoopRested,
        LoopStarted,
        LoopUpdated,
        ModelOverran,
        ModelQueued,
        RuleFired,
    )
    from ftl2_enterprise.protocol.loops.nouns import Loop

SHOWN_UNMET = 12
EXPLAINED = {
    IterationOutcome.BLOCKED,
    IterationOutcome.CONVERGED,
    IterationOutcome.ACTED,
    IterationOutcome.RULE_FIRED,
}
"""Outcomes of iterations whose error other facts have shown already."""


def loop_started(fact: LoopStarted) -> list[Line]:
    """The number of the run, if it is not the first one, and whether it was resumed."""
    resumed = ", resumed" if fact.resumed else ""
    return [line((f"run {fact.run}{resumed}", Role.FAINT))] if resumed or fact.run != 1 else []


def loop_rested(fact: LoopRested) -> list[Line]:
    """When the next run begins, and why the last one failed."""
    if not fact.failures:
        return [line((f"next check in {duration(fact.delay)}", Role.FAINT))]
    why = one_line(fact.reason or fact.outcome)
    return [
        line(
            symbol("✘", Role.BAD),
            (fact.outcome.replace("_", " "), Role.BAD),
            f": {why}; {count(fact.failures, 'failed run')} in a row; next run in {duration(fact.delay)}",
        )
    ]


def loop_frozen(fact: LoopFrozen) -> list[Line]:
    """Who ordered the freeze, since when, and why."""
    return [line(symbol("■", Role.BAD), (one_line(fact.reason), Role.BAD), "; held until it ends")]


def loop_updated(fact: LoopUpdated) -> Line:
    """Which revision is in force, and why."""
    restores = f", as revision {fact.restores}" if fact.restores is not None else ""
    reason = f": {one_line(fact.reason)}" if fact.reason else ""
    return line(
        symbol("↻", Role.ACCENT), (f"revision {fact.revision}", Role.ACCENT), f" (was {fact.was}{restores}){reason}"
    )


def iteration_observed(fact: IterationObserved) -> list[Line]:
    """What was observed, and what could not be."""
    lines: list[Line] = []
    if fact.names:
        shown = one_line(listed([_observation_name(name) for name in fact.names]), 140)
        lines.append(line((f"observed {shown}", Role.FAINT), indent=INDENT))
    for bad in fact.failed:
        if bad.name in fact.denied:
            continue
        error = bad.error or "no reason given"
        name, host = _observation_name(bad.name), one_line(bad.host)
        text = f" {name if name.endswith(f'@{host}') else f'{name} on {host}'}: "
        if error.startswith("exit status"):
            if bad.name.startswith("manifest:"):
                # Its meaning is among the unmet conditions of the decision.
                continue
            # Not a failure: a command that tests something reports its result as an exit status.
            lines.append(line((f"result of{text}{one_line(error)}", Role.FAINT), indent=INDENT))
            continue
        lines.append(
            line(symbol("✘", Role.BAD), ("cannot observe", Role.BAD), text, *with_commands(error), indent=INDENT)
        )
    if fact.denied:
        text = f": {one_line(', '.join(fact.denied))}"
        lines.append(line(symbol("⊘", Role.BAD), ("observation DENIED", Role.BAD), text, indent=INDENT))
    return lines


def iteration_checked(fact: IterationChecked) -> list[Line]:
    """The result of the recorded check."""
    if fact.held:
        return [line(("the recorded check holds", Role.FAINT), indent=INDENT)]
    return [line("the recorded check does not hold", indent=INDENT), *unmet(fact.unmet, fact.unknown)]


def iteration_delayed(fact: IterationDelayed) -> list[Line]:
    """That the loop waits before it repeats something."""
    pause = duration(fact.seconds).replace(".0 ", " ")
    what = repetition(fact.calls, fact.attempts, fact.of)
    return [line((f"waits {pause} {what}", Role.FAINT), indent=INDENT)]


def unmet(items: Sequence[str], unknown: Sequence[str] = ()) -> list[Line]:
    """The conditions that are not met, and among them those of which that is not known."""
    lines = [
        line(symbol("?", Role.WARNING), "unknown: ", *with_commands(item), indent=INDENT)
        if item in unknown
        else line(symbol("≠", Role.WARNING), "not as desired: ", *with_commands(item), indent=INDENT)
        for item in items[:SHOWN_UNMET]
    ]
    if len(items) > SHOWN_UNMET:
        lines.append(line((f"and {len(items) - SHOWN_UNMET} more", Role.FAINT), indent=DEEPER))
    return lines


def iteration_ended(fact: IterationEnded) -> list[Line]:
    """Why an iteration failed, unless other facts have shown it."""
    if not fact.error or fact.outcome in EXPLAINED:
        return []
    word = fact.outcome.replace("_", " ")
    why = one_line(fact.error, 400).removeprefix(word).lstrip(":; ")
    return [line(symbol("✘", Role.BAD), (word, Role.BAD), f": {why}" if why else "", indent=INDENT)]


def rule_fired(fact: RuleFired) -> list[Line]:
    """The result of a rule."""
    rule = one_line(fact.rule)
    if fact.success:
        return [line(symbol("✔", Role.GOOD), ("rule fired", Role.GOOD), f": {rule}", indent=INDENT)]
    detail = one_line(fact.detail or "it failed")
    return [line(symbol("✘", Role.BAD), ("rule FAILED", Role.BAD), f": {rule}: {detail}", indent=INDENT)]


def model_queued(fact: ModelQueued) -> list[Line]:
    """Why a call of the model has to wait."""
    why = waiting(ModelWait(reason=fact.reason, until=fact.until, places=None, queued_at=0))
    return [line((why, Role.FAINT), indent=INDENT)]


def model_overran(fact: ModelOverran) -> list[Line]:
    """That a call used more than it had reserved."""
    used = f"{fact.cost_usd:.2f} USD and {count(fact.tokens, 'token')}"
    reserved = f"{fact.reserved_usd:.2f} USD and {count(fact.reserved_tokens, 'token')}"
    text = f": {used} were used, {reserved} were reserved"
    return [line(symbol("!", Role.WARNING), ("model call over its bound", Role.WARNING), text, indent=INDENT)]


def header(loop: Loop) -> list[Line]:
    """The loop that is about to run: name, mode, decider and inventory."""
    spec = loop.spec
    where = f", inventory {one_line(spec.inventory)}" if spec.inventory else ""
    lines = [
        line(
            symbol("━━", Role.ACCENT),
            ("loop ", Role.FAINT),
            (one_line(loop.name), Role.STRONG),
            (f" ({loop.mode}, decided by {spec.decider}{where})", Role.FAINT),
        )
    ]
    if spec.dry_run:
        words = "no action is executed; checks run as they are written" if spec.run_checks else "nothing is changed"
        lines.append(line((f"dry run: {words}", Role.ACCENT), indent=INDENT))
    return lines


def call_text(fact: ActionFact) -> str:
    """The module and the host of an action."""
    return one_line(f"{fact.module} on {fact.host}")


def _observation_name(name: str) -> str:
    """An observation's name, without the prefixes of those that a manifest makes itself."""
    return one_line(name.removeprefix("manifest:").removeprefix("step "))
