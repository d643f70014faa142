"""Scenarios of the end of a run, of replies to requests, and of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
    Outcome,
)
from ftl2_enterprise.render.loops import (
    exit_status,
    inventory,
    loop_table,
    standing,
    state_words,
    summary,
)
from ftl2_enterprise.render.loops.tally import Tally
from ftl2_enterprise.render.text import Line, Role, columns, line, symbol
from tests.snapshots.loops.scenarios.lists import QUEUED, STANDINGS
from tests.snapshots.scenario import NOW, FixedReader, Scenario, fixed
from tests.support.data import awkward
from tests.support.data.builders import loop, prompt

if TYPE_CHECKING:
    from collections.abc import Callable


LEFT: dict[str, dict[str, Any]] = {
    "converged": {"state": LoopState.COMPLETED, "outcome": Outcome.CONVERGED},
    "a dry run": {
        "state": LoopState.COMPLETED,
        "outcome": Outcome.PREVIEWED,
        "reason": "Of 4 steps, would change: a; then b. 2 steps wait for required steps: c, d.",
    },
    "paused": {"state": LoopState.PAUSED, "desired": Desired.PAUSE, "reason": "paused by ada"},
    "blocked": {"state": LoopState.BLOCKED, "reason": "the package nginx does not exist"},
}
NOT_OF_LOOP = {"pid", "queued", "model_wait", "stale", "dry_run", "only_reports"}
"""Fields of lists alone."""
TALLY = Tally(iterations=2, changed=3, ok=1, failed=1, denied=1, unknown=1, skipped=1, previewed=1,
              model_calls=2, cost_usd=0.0421)  # fmt: skip


def summed(fields: dict[str, Any], tally: Tally, *asked: Any) -> Callable[[FixedReader], list[Line]]:
    return lambda _: summary.summary(
        loop("two words", **fields),
        tally,
        took="42 s",
        prompts=asked,
        command=lambda words: f"ftl2-enterprise {words}",
    )


SUMMARY = [
    *(Scenario(title, summed(fields, TALLY), has_colour=title == "blocked") for title, fields in LEFT.items()),
    Scenario("a dry run of approvals", summed(LEFT["a dry run"], Tally(iterations=1, previewed=3, would_ask=2))),
    Scenario("waiting", summed({"state": LoopState.WAITING}, Tally(iterations=1, questions=1), prompt())),
    Scenario("awkward reason", summed(LEFT["blocked"] | {"reason": awkward.PARAGRAPH}, Tally())),
]


def standing_loop(name: str, fields: dict[str, Any]) -> Any:
    """The loop of an entry of STANDINGS; some of its fields exist only in lists."""
    of_loop = {key: value for key, value in fields.items() if key not in NOT_OF_LOOP}
    return loop(name, failures=2 if name == "failing" else 0, **of_loop)


def replied(*, is_now: bool = False) -> list[Line]:
    found = [standing_loop(name, fields) for name, fields in STANDINGS.items()]
    return [standing.state_line(fixed(one), NOW, is_now=is_now) for one in found]


REPLIES = [
    Scenario("every status", lambda _: replied(), has_colour=True),
    Scenario("interrupting", lambda _: replied(is_now=True)[4:7]),
    Scenario("queued", lambda _: standing.state_line(loop(state=LoopState.PENDING), NOW, QUEUED)),
    Scenario("a stopping service", lambda _: loop_table.stopping_lines([], draining=True)),
    Scenario("a freeze of an unknown host", lambda _: inventory.unknown_target_lines("wbe1", ["web1", "web2"])),
    Scenario("a freeze of an unknown host that is like no other", lambda _: inventory.unknown_target_lines("db", [])),
]


def exits(_: FixedReader) -> list[Line]:
    rows = [
        [line(str(status.value)).spans[0], line(meaning).spans[0]] for status, meaning in exit_status.MEANINGS.items()
    ]
    ends = [
        line(f"{name}: {exit_status.exit_of(standing_loop(name, fields)).value}")
        for name, fields in STANDINGS.items()
    ]
    return [*columns(rows), line(), *ends]


def words_of_states(_: FixedReader) -> list[Line]:
    words = [
        *state_words.ACTION_WORDS.values(),
        *state_words.OUTCOME_WORDS.values(),
        *(("", *word) for word in state_words.ITERATION_WORDS.values()),
        *(("", *word) for word in state_words.CONDITION_WORDS.values()),
    ]
    states = [line(symbol(sign, Role.PLAIN), str(state)) for state, sign in state_words.STATE_SYMBOLS.items()]
    return [*states, *(line(symbol(sign, role), (word, role)) for sign, word, role in words)]
