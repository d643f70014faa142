"""Facts as lines: each outcome has its own word, failures have a reason, and nothing is parsed as markup."""

from __future__ import annotations

import io

from ftl2_enterprise.cli.loops.progress import PlainProgress
from ftl2_enterprise.cli.loops.progress_live import LiveProgress
from ftl2_enterprise.core.event import Event
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECT
from ftl2_enterprise.protocol.loops.facts import (
    FACTS,
    ActionDenied,
    ActionFailed,
    ActionLost,
    ActionPreviewed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    ApprovalRequested,
    IterationDecided,
    IterationEnded,
    IterationObserved,
    IterationStarted,
    LoopConverged,
    LoopRested,
    LoopStarted,
    PromptAsked,
    RuleBroken,
    RuleFired,
    RuleMatched,
)
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    ActionState,
    IterationOutcome,
    Outcome,
    StoredText,
)
from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.loops import state_words
from ftl2_enterprise.render.loops.narrator import Narrator
from tests.support.data.facts import event
from tests.unit.render.test_text import Terminal


def action_row(stderr: str) -> Action:
    return Action(
        id=1, loop_id=1, iteration_id=1, n=1, host="web1", target="web1", module="shell", params={},
        origin="decision", state=ActionState.FAILED, changed=None, rc=3, stdout=StoredText(),
        stderr=StoredText(shown=stderr), output=StoredText(), error="exit status 3", started_at=0, ended_at=1,
    )  # fmt: skip


def rendered(*events: Event, narrator: Narrator | None = None) -> list[str]:
    narrator = narrator or Narrator()
    return [one.plain for fact in events for one in narrator.lines_of_event(fact)]


COMMON = {"action_id": 1, "n": 1, "module": "shell", "host": "web1"}


def test_every_outcome_of_an_action_has_its_own_word_and_symbol_or_role() -> None:
    """A failure, a denial, a dry run and a success are distinguishable."""
    shown = {kind: state_words.ACTION_WORDS[kind][1] for kind in state_words.ACTION_WORDS}
    assert len(set(shown.values())) == len(shown)
    styles = [(sign, role) for sign, _, role in state_words.ACTION_WORDS.values()]
    assert len(set(styles)) == len(styles)
    assert {str(state) for state in ActionState if state is not ActionState.SUCCEEDED} <= set(
        state_words.ACTION_WORDS
    )


def test_every_outcome_has_a_word() -> None:
    assert {one: word for one, (_, word, _) in state_words.OUTCOME_WORDS.items()} == {
        one: one.words for one in Outcome
    }
    assert len({word for _, word, _ in state_words.OUTCOME_WORDS.values()}) == len(Outcome)
    assert set(state_words.ITERATION_WORDS) == set(IterationOutcome)


def test_each_fact_of_an_action_is_one_line_with_its_word() -> None:
    narrator = Narrator()
    lines = rendered(
        event(ActionStarted, **COMMON, of=6, target="web", origin="decision", summary="shell cmd=true"),
        event(ActionSucceeded, **COMMON, changed=True, seconds=0.5),
        event(ActionSucceeded, **COMMON, changed=False, seconds=0.5),
        event(ActionPreviewed, **COMMON, summary="shell cmd=true"),
        event(ActionDenied, **COMMON, reason="no shell in production"),
        event(ActionSkipped, **COMMON, reason="an earlier action failed"),
        event(ActionLost, **COMMON, reason="its process ended"),
        narrator=narrator,
    )
    assert lines[0] == "  changed   shell on web1: cmd=true (0.5 s)"
    assert lines[1].startswith("  ok        shell on web1")
    assert lines[2] == "  would run shell on web1: cmd=true"
    assert lines[3].startswith("  DENIED    shell on web1")
    assert lines[4] == "    no shell in production"
    assert lines[5].startswith("  skipped ")
    assert lines[7].startswith("  UNKNOWN ")
    tally = narrator.tally
    assert (tally.changed, tally.ok, tally.previewed, tally.denied, tally.skipped, tally.unknown) == (1,) * 6
    assert tally.actions == 6


def test_a_dry_run_shows_what_would_need_an_approval() -> None:
    narrator = Narrator()
    why = "approval is required by policy rule 1 (p.yml line 2)"
    lines = rendered(
        event(ActionPreviewed, **COMMON, summary="shell cmd=true", asks=why),
        event(ActionPreviewed, **COMMON, summary="shell cmd=true"),
        narrator=narrator,
    )
    assert lines == [
        "  would run shell on web1: cmd=true",
        f"    {why}",
        "  would run shell on web1: cmd=true",
    ]
    assert (narrator.tally.previewed, narrator.tally.would_ask, narrator.tally.actions) == (2, 1, 2)


def test_a_reason_of_several_denials_is_shown_once_in_each_iteration() -> None:
    denied = [event(ActionDenied, **COMMON, reason="no shell") for _ in range(3)]
    ended = event(IterationEnded, n=1, outcome="denied", error="shell on web1: no shell")
    started = event(IterationStarted, n=2, in_run=2, of=10)
    lines = rendered(*denied, ended, started, *denied, narrator=Narrator())
    assert [one.strip().partition("  ")[0] for one in lines] == [
        "DENIED", "no shell", "DENIED", "DENIED", "iteration 2 (2 of 10)", "DENIED", "no shell", "DENIED", "DENIED",
    ]  # fmt: skip


def test_a_failure_shows_its_return_code_and_the_last_lines_of_stderr() -> None:
    stderr = "".join(f"line {n}\n" for n in range(20))
    narrator = Narrator(lookup=lambda _id: action_row(stderr))
    lines = rendered(event(ActionFailed, **COMMON, error="exit status 3", rc=3, seconds=0.1), narrator=narrator)
    assert lines[0].startswith("  FAILED    shell on web1")
    assert lines[1] == "    rc 3: exit status 3"
    assert lines[2:] == [f"    | line {n}" for n in range(15, 20)]


def test_an_action_is_shown_by_its_reason_unless_others_have_the_same() -> None:
    actions = [{"module": "shell", "host": "web1", "reason": reason} for reason in ("alone", "shared", "shared")]
    narrator = Narrator()
    rendered(event(IterationDecided, by="claude", reasoning="", actions=actions), narrator=narrator)
    lines = rendered(
        *(event(ActionPreviewed, **{**COMMON, "n": n}, summary=f"shell cmd={n}") for n in (1, 2, 3)),
        narrator=narrator,
    )
    assert [shown.partition(": ")[2] for shown in lines] == ["alone", "cmd=2", "cmd=3"]


def test_a_failed_test_is_a_result_and_an_unreachable_host_is_an_error() -> None:
    failed = [
        {"name": "nginx", "host": "web1", "error": "exit status 3: inactive"},
        {"name": "nginx", "host": "web2", "error": "cannot connect"},
    ]
    lines = rendered(event(IterationObserved, names=["nginx"], failed=failed, denied=[]))
    assert lines[1:] == [
        "  result of nginx on web1: exit status 3: inactive",
        "  cannot observe nginx on web2: cannot connect",
    ]


def test_every_fact_can_be_rendered_also_without_its_data() -> None:
    """A reader meets rows of other versions: a missing field is no reason to fail."""
    assert len(FACTS) > 40
    for fact in FACTS:
        rendered(Event(id=1, at=0, kind=kind_of(fact), subject="loop:1"))
        rendered(event(fact))


HOSTILE = "[command] ok [/path] [bold red]x[/] \x1b[2J\x1b]0;owned\x07 :smile:"


def hostile_facts() -> list[Event]:
    return [
        event(IterationStarted, n=1, in_run=1, of=10),
        event(IterationObserved, names=[HOSTILE], failed=[{"name": "a", "host": "b", "error": HOSTILE}], denied=[]),
        event(IterationDecided, by="claude", reasoning=HOSTILE, actions=[], unmet=[HOSTILE], blocked=HOSTILE),
        event(ActionStarted, **COMMON, of=1, target="b", origin="decision", summary=HOSTILE),
        event(ActionFailed, **COMMON, error=HOSTILE, rc=1, seconds=0.1),
        event(PromptAsked, prompt_id=1, question=HOSTILE, options=[HOSTILE], default=None),
        event(LoopRested, delay=5.0, outcome="not_converged", failures=1, reason=HOSTILE),
    ]


def test_text_from_hosts_is_never_markup_on_a_terminal() -> None:
    """Brackets stay, and no text can clear the screen or set the title."""
    stream = Terminal()
    live = LiveProgress(painter(stream, {"TERM": "xterm"}))
    try:
        for fact in hostile_facts():
            live(fact)
    finally:
        live.close()
    shown = stream.getvalue()
    assert shown.count("[command] ok [/path] [bold red]x[/]") >= 6
    assert ":smile:" in shown
    assert "\x1b[2J" not in shown
    assert "owned" not in shown


def test_text_from_hosts_brings_no_control_codes_into_a_pipe() -> None:
    stream = io.StringIO()
    plain = PlainProgress(painter(stream, {}))
    for fact in hostile_facts():
        plain(fact)
    assert stream.getvalue().count("[command] ok [/path]") >= 6
    assert stream.getvalue().replace("\n", "").isprintable()


def test_noop_iterations_are_counted_on_a_terminal_and_not_listed() -> None:
    stream = Terminal()
    live = LiveProgress(painter(stream, {"NO_COLOR": "1"}))
    try:
        for n in range(1, 6):
            for fact in (
                event(LoopStarted, run=n, resumed=False),
                event(IterationStarted, n=n, in_run=1, of=10),
                event(IterationObserved, names=["a"], failed=[], denied=[]),
                event(IterationDecided, by="rules", reasoning="nothing to do", converged=True, actions=[]),
                event(LoopConverged, run=n, iterations=1, changed=0, by="rules"),
                event(IterationEnded, n=n, outcome="converged"),
                event(LoopRested, delay=60.0, outcome="converged", failures=0),
            ):
                live(fact)
    finally:
        live.close()
    assert "iteration 1" in stream.getvalue()
    assert "iteration 2" not in stream.getvalue()
    assert "checked 5 times" in stream.getvalue()


def test_a_reader_that_leaves_does_not_end_the_loop() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise BrokenPipeError

    plain = PlainProgress(painter(Gone(), {}))
    plain(event(IterationStarted, n=1, in_run=1, of=10))
    plain(event(IterationStarted, n=2, in_run=2, of=10))
    assert plain.narrator.tally.iterations == 2


def test_the_message_of_a_rule_is_shown_once() -> None:
    holds, still = "rule disk: its condition holds", "rule disk: its condition still holds although it has fired"
    fired = [
        event(IterationDecided, by="rule:disk", reasoning=holds, unmet=[holds], actions=[]),
        event(RuleMatched, rule="disk"),
        event(RuleFired, rule="disk", success=False, detail="exit status 9"),
        event(IterationEnded, n=1, outcome="rule_fired", error="rule disk: exit status 9"),
    ]
    assert rendered(*fired) == ["  rule matched: disk", "  rule FAILED: disk: exit status 9"]
    observed = [event(IterationDecided, by="rules", reasoning=still, unmet=[still], actions=[])]
    assert rendered(*observed) == [f"  not as desired: {still}"]
    broken = [
        event(RuleBroken, rule="disk", error="KeyError: 'df'"),
        event(IterationDecided, by="rules", reasoning="cannot evaluate rule disk: KeyError: 'df'", actions=[]),
    ]
    assert rendered(*broken) == ["  rule broken: disk: KeyError: 'df'"]


def test_a_broken_rule_is_shown_once_until_its_error_changes() -> None:
    first, other = (event(RuleBroken, rule="disk", error=error) for error in ("no name x", "no name y"))
    assert len(rendered(first, first, first, other)) == 2


def test_what_the_error_quotes_is_not_shown_again() -> None:
    narrator = Narrator(lookup=lambda _id: action_row("no luck\n"))
    lines = rendered(event(ActionFailed, **COMMON, error="exit status 3: no luck", rc=3), narrator=narrator)
    assert lines[1:] == ["    rc 3: exit status 3: no luck"]


def test_an_interruption_is_shown_once() -> None:
    error = "interrupted; observing again first"
    assert rendered(event(IterationEnded, outcome="interrupted", error=error)) == [
        "  interrupted: observing again first"
    ]


def test_the_actions_to_approve_are_listed_unless_this_terminal_asks() -> None:
    actions = [
        {"n": 1, "module": "copy", "host": "web1", "summary": "copy dest=/etc/a"},
        {"n": 2, "module": "reboot", "host": "web2", "summary": "reboot", "refused": "denied by policy rule 1"},
    ]
    why = "approval is required by policy rule 2 (a.yaml line 3)"
    requested = event(ApprovalRequested, prompt_id=3, actions=actions, why=why, needs=["2 persons"])
    asked = event(PromptAsked, prompt_id=3, question="Approve?", options=[APPROVE, REJECT], deadline_at=0)
    assert rendered(asked, requested)[1:] == [
        "    1. copy on web1  dest=/etc/a",
        "    not run: 2. reboot on web2",
        "    differences and complete parameters: `ftl2ctl answer 3`",
        f"    policy: {why}",
        "    needs: 2 persons",
        "    expires: 1970-01-01 00:00:00Z",
    ]
    assert rendered(requested, narrator=Narrator(with_questions=False)) == []
