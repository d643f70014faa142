"""The question to a person when a budget has no room for the next call of the model, and what its answer leads to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ftl2_enterprise.gate.budgets import MICRO, Amount, Breach, day_of, dollars_text, end_of_day, tokens_text
from ftl2_enterprise.loops.engine import prompting
from ftl2_enterprise.loops.rows.model_spending import OF_DAY
from ftl2_enterprise.loops.units import budgets as budget_units
from ftl2_enterprise.protocol.loops.answers import BY_DEFAULT
from ftl2_enterprise.protocol.loops.decision import Ask, Decision

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.protocol.loops.nouns import Iteration, Prompt

KEY = f"{prompting.OWN}budget:"
WITHOUT_MODEL, TRY_AGAIN, STOP = "continue without the model", "try again", "stop"
_RAISE = re.compile(r"raise by (?P<number>[0-9.]+) (?P<unit>USD|tokens)")
_CENT = MICRO // 100
_THOUSAND = 1000
_KEY = re.compile(rf"{KEY}(?P<kind>loop|day):(?P<day>-?[0-9]+):[0-9]+")


class BudgetQuestion(NamedTuple):
    """A question about a budget, as its key identifies it."""

    is_of_day: bool
    """It is about the budget of all loops for a day."""
    day: int


def question_of(prompt: Prompt) -> BudgetQuestion | None:
    """What the prompt asks, if it is about a budget."""
    match = _KEY.fullmatch(prompt.key)
    return None if match is None else BudgetQuestion(match["kind"] == "day", int(match["day"]))


def decision(breach: Breach, iteration: Iteration, now: Instant) -> tuple[Decision, Instant | None]:
    """The decision to ask a person, and when the question expires: the budget of a day ends with the day."""
    is_of_day, day = breach.budget == OF_DAY, day_of(now)
    again = [TRY_AGAIN] if is_of_day else []
    ask = Ask(
        question="The budget for model calls has no room for the next call. How shall the loop continue?",
        options=[*(f"raise by {amount}" for amount in _amounts(breach)), *again, WITHOUT_MODEL, STOP],
        default=STOP,
        key=f"{KEY}{'day' if is_of_day else 'loop'}:{day}:{iteration.n}",
    )
    return Decision(reasoning=breach.sentence("call the model"), ask=ask), end_of_day(day) if is_of_day else None


def _amounts(breach: Breach) -> list[str]:
    """By how much the limit may be raised: enough for the next call, and the limit again if that is more."""
    step, text = (_THOUSAND, tokens_text) if breach.of_tokens else (_CENT, dollars_text)
    least = _up(max(breach.missing, breach.needed, 1), step)
    return [text(amount) for amount in dict.fromkeys((least, max(least, _up(breach.limit, step))))]


def _up(amount: int, step: int) -> int:
    return -(-amount // step) * step


def apply_with_next(engine: LoopContext, prompt: Prompt, about: BudgetQuestion) -> str | None:
    """Apply the answer in the transaction of the next commit; returns why the loop stops, or None if it continues."""
    journal, answer, by = engine.journal, prompt.answer, prompt.answered_by
    if (match := _RAISE.fullmatch(answer or "")) is not None:
        amount = _amount(match["number"], match["unit"])
        if about.is_of_day:
            journal.defer(budget_units.raise_day, journal.loop_id, about.day, amount, by=by)
        else:
            journal.defer(budget_units.raise_loop, journal.loop_id, journal.generation, amount, by=by)
        return None
    if answer == WITHOUT_MODEL:
        journal.defer(budget_units.leave_out_model, journal.loop_id, journal.generation, by=by)
        return None
    expired = by == BY_DEFAULT and about.is_of_day and engine.clock.now() >= end_of_day(about.day)
    if answer == TRY_AGAIN or expired:
        return None
    return prompt.context or "the budget for model calls has no room for the next call"


def _amount(number: str, unit: str) -> Amount:
    return Amount(tokens=int(number)) if unit == "tokens" else Amount(cost=round(float(number) * MICRO))


def put(engine: LoopContext, iteration: Iteration, breach: Breach) -> Prompt:
    """Commit the question."""
    asked, until = decision(breach, iteration, engine.clock.now())
    return prompting.put(engine, iteration, asked, by="budget", until=until)
