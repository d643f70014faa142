"""Tells events as lines, and keeps count. Pure but for what it remembers of the loop that it follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.render.loops import state_words
from ftl2_enterprise.render.loops.prompt_text import DEEPER, INDENT, answered, failure, question
from ftl2_enterprise.render.text import Line, Role, Span, count, duration, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.loops.nouns import Action, Loop, Prompt

SHOWN_UNMET = 12


@dataclass
class Tally:
    """What this process has seen happen."""

    iterations: int = 0
    changed: int = 0
    ok: int = 0
    failed: int = 0
    denied: int = 0
    unknown: int = 0
    skipped: int = 0
    previewed: int = 0
    converged: int = 0
    drifted: int = 0
    questions: int = 0
    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def actions(self) -> int:
        """Actions with any outcome."""
        return self.changed + self.ok + self.failed + self.denied + self.unknown + self.skipped + self.previewed


@dataclass
class Narrator:
    """One for each loop that is shown."""

    lookup: Callable[[int], Action | None] = lambda _id: None
    """The whole row of an action; its last lines of stderr explain a failure."""
    lookup_prompt: Callable[[int], Prompt | None] = lambda _id: None
    """The whole row of a question; it may have been answered through another process."""
    tally: Tally = field(default_factory=Tally)
    with_questions: bool = True
    """False where a person is asked right here: then the question is shown by who asks it."""
    _told: dict[int, str] = field(default_factory=dict[int, str])
    _begun: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    _reasons: dict[tuple[int | None, int], str] = field(default_factory=dict[tuple[int | None, int], str])
    _broken: dict[str, str] = field(default_factory=dict[str, str])
    _settled: set[int] = field(default_factory=set[int])

    def tell(self, event: Event) -> list[Line]:
        """The lines for an event; often none."""
        teller = getattr(self, "_" + event.kind.replace(".", "_"), None)
        return [] if teller is None else teller(event)

    # --- loops -----------------------------------------------------------------------------------------------------

    def _loop_started(self, event: Event) -> list[Line]:
        data = event.data
        again = ", going on where it was left" if data.get("resumed") else ""
        return [line((f"run {data.get('run')}{again}", Role.FAINT))] if again or data.get("run", 1) != 1 else []

    def _loop_converged(self, event: Event) -> list[Line]:
        self.tally.converged += 1
        data = event.data
        changed = int(data.get("changed") or 0)
        what = count(changed, "change") if changed else "nothing to change"
        return [
            line(
                symbol("✔", Role.GOOD),
                ("converged", Role.GOOD),
                f" after {count(int(data.get('iterations') or 0), 'iteration')}: {what}",
                (f" (found by {one_line(str(data.get('by')))})", Role.FAINT),
            )
        ]

    def _loop_drifted(self, event: Event) -> list[Line]:
        self.tally.drifted += 1
        return [
            line(
                symbol("≠", Role.WARNING),
                ("drift", Role.WARNING),
                ": what was in place is not any more",
                indent=INDENT,
            )
        ]

    def _loop_answered(self, event: Event) -> list[Line]:
        prompt_id = int(event.data.get("prompt_id") or 0)
        prompt = None if prompt_id in self._settled else self.lookup_prompt(prompt_id)
        if prompt is None:
            return []
        match prompt.state:
            case PromptState.ANSWERED:
                return [answered(prompt.answer, prompt.answered_by)]
            case PromptState.EXPIRED:
                return self._prompt_expired(event)
            case _:
                return self._prompt_dismissed(event)

    def _loop_rested(self, event: Event) -> list[Line]:
        data = event.data
        delay = float(data.get("delay") or 0.0)
        bad = data.get("failures") or 0
        if not bad:
            return [line((f"next look in {duration(delay)}", Role.FAINT))]
        why = one_line(str(data.get("reason") or data.get("outcome")))
        return [
            line(
                symbol("✘", Role.BAD),
                (str(data.get("outcome")).replace("_", " "), Role.BAD),
                f": {why}; {count(int(bad), 'run')} in a row; next try in {duration(delay)}",
            )
        ]

    # --- iterations ------------------------------------------------------------------------------------------------

    def _iteration_started(self, event: Event) -> list[Line]:
        self.tally.iterations += 1
        data = event.data
        return [
            line(
                symbol("◆", Role.ACCENT),
                (f"iteration {data.get('n')}", Role.STRONG),
                (f" ({data.get('in_run')} of {data.get('of')})", Role.FAINT),
            )
        ]

    def _iteration_observed(self, event: Event) -> list[Line]:
        names: list[str] = [str(name) for name in _list(event.data, "names")]
        denied: list[str] = [str(name) for name in _list(event.data, "denied")]
        lines: list[Line] = []
        if names:
            shown = one_line(", ".join(_look(name) for name in names), 140)
            lines.append(line((f"observed {shown}", Role.FAINT), indent=INDENT))
        for bad in _list(event.data, "failed"):
            if bad.get("name") in denied:
                continue
            error = one_line(str(bad.get("error") or "no reason given"))
            name, host = _look(str(bad.get("name"))), one_line(str(bad.get("host")))
            text = f" {name if name.endswith(f'@{host}') else f'{name} on {host}'}: {error}"
            if error.startswith("exit status"):
                if str(bad.get("name")).startswith("manifest:"):
                    # What it means is among the things that are not as desired.
                    continue
                # Not in trouble: a command that tests something says so by its status.
                lines.append(line((f"saw{text}", Role.FAINT), indent=INDENT))
                continue
            lines.append(line(symbol("✘", Role.BAD), ("cannot observe", Role.BAD), text, indent=INDENT))
        if denied:
            text = f": {one_line(', '.join(denied))}"
            lines.append(line(symbol("⊘", Role.BAD), ("DENIED to observe", Role.BAD), text, indent=INDENT))
        return lines

    def _iteration_checked(self, event: Event) -> list[Line]:
        if event.data.get("held"):
            return [line(("the recorded check holds", Role.FAINT), indent=INDENT)]
        return [line("the recorded check does not hold", indent=INDENT), *self._unmet(event.data)]

    def _iteration_decided(self, event: Event) -> list[Line]:
        data = event.data
        actions: list[dict[str, Any]] = _list(data, "actions")
        reasons = [one_line(str(action.get("reason") or ""), 120) for action in actions]
        for n, reason in enumerate(reasons, start=1):
            # A reason that several actions share does not tell them apart; what they do, does.
            if reasons.count(reason) == 1:
                self._reasons[event.iteration_id, n] = reason
        by = one_line(str(data.get("by")))
        if by.startswith("rule:"):
            # A rule that fires is told by its own facts.
            return []
        if by == "rules" and not data.get("converged"):
            # Its reasoning says the same once more, and rules that are broken have been told.
            return self._unmet(data)
        lines = self._unmet(data)
        if reasoning := one_line(str(data.get("reasoning") or ""), 400):
            lines.append(line((f"{by}: ", Role.ACCENT), reasoning, indent=INDENT))
        if actions:
            lines.append(line((f"{by} wants {count(len(actions), 'action')}", Role.FAINT), indent=INDENT))
        if data.get("blocked"):
            text = f": {one_line(str(data['blocked']), 400)}"
            lines.append(line(symbol("■", Role.BAD), ("blocked", Role.BAD), text, indent=INDENT))
        return lines

    def _unmet(self, data: dict[str, Any]) -> list[Line]:
        unmet: list[str] = [one_line(str(item)) for item in _list(data, "unmet")]
        mark = symbol("≠", Role.WARNING)
        lines = [line(mark, f"not as desired: {item}", indent=INDENT) for item in unmet[:SHOWN_UNMET]]
        if len(unmet) > SHOWN_UNMET:
            lines.append(line((f"and {len(unmet) - SHOWN_UNMET} more", Role.FAINT), indent=DEEPER))
        return lines

    def _iteration_ended(self, event: Event) -> list[Line]:
        outcome, error = event.data.get("outcome"), event.data.get("error")
        if not error or outcome in {"blocked", "converged", "acted", "rule_fired"}:
            return []
        word = str(outcome).replace("_", " ")
        why = one_line(str(error), 400).removeprefix(word).lstrip(":; ")
        return [line(symbol("✘", Role.BAD), (word, Role.BAD), f": {why}" if why else "", indent=INDENT)]

    # --- rules and models ------------------------------------------------------------------------------------------

    def _rule_matched(self, event: Event) -> list[Line]:
        return [
            line(
                symbol("▸", Role.ACCENT),
                ("rule ", Role.ACCENT),
                one_line(str(event.data.get("rule"))),
                " holds",
                indent=INDENT,
            )
        ]

    def _rule_fired(self, event: Event) -> list[Line]:
        data = event.data
        rule = one_line(str(data.get("rule")))
        if data.get("success"):
            return [line(symbol("✔", Role.GOOD), ("rule fired", Role.GOOD), f": {rule}", indent=INDENT)]
        detail = one_line(str(data.get("detail") or "it failed"))
        return [line(symbol("✘", Role.BAD), ("rule FAILED", Role.BAD), f": {rule}: {detail}", indent=INDENT)]

    def _rule_broken(self, event: Event) -> list[Line]:
        rule, error = one_line(str(event.data.get("rule"))), one_line(str(event.data.get("error")))
        if self._broken.get(rule) == error:
            # It is found in each iteration; once is enough until it breaks in another way.
            return []
        self._broken[rule] = error
        text = f": {rule}: {error}"
        return [line(symbol("!", Role.WARNING), ("rule broken", Role.WARNING), text, indent=INDENT)]

    def _model_asked(self, event: Event) -> list[Line]:
        self.tally.model_calls += 1
        return []

    def _model_answered(self, event: Event) -> list[Line]:
        data = event.data
        self.tally.input_tokens += data.get("input_tokens") or 0
        self.tally.output_tokens += data.get("output_tokens") or 0
        self.tally.cost_usd += data.get("cost_usd") or 0.0
        took = duration(data.get("latency"))
        if data.get("outcome") == "ok":
            return [line((f"the model answered in {took}", Role.FAINT), indent=INDENT)]
        why = one_line(str(data.get("error") or data.get("outcome")), 300)
        return [line(symbol("✘", Role.BAD), ("model call failed", Role.BAD), f" after {took}: {why}", indent=INDENT)]

    # --- actions ---------------------------------------------------------------------------------------------------

    def summary_of(self, event: Event) -> str:
        """What an action is for, or what it does."""
        data = event.data
        n = int(data.get("n") or 0)
        summary = one_line(str(data.get("summary") or ""), 120)
        return self._reasons.get((event.iteration_id, n)) or summary.removeprefix(f"{data.get('module')} ")

    def in_hand(self) -> list[Line]:
        """The actions that have been told to begin and not to end."""
        return [
            line(
                *state_words.action_mark("running"),
                " ",
                (what, Role.STRONG),
                f": {told}" if told else "",
                indent=INDENT,
            )
            for what, told in self._begun.values()
        ]

    def _action_started(self, event: Event) -> list[Line]:
        action_id, told = int(event.data["action_id"]), self.summary_of(event)
        self._told[action_id] = told
        self._begun[action_id] = _what(event), told
        return []

    def _action_succeeded(self, event: Event) -> list[Line]:
        kind = "changed" if event.data.get("changed") else "ok"
        self._add(kind)
        return [self._action(event, kind)]

    def _action_failed(self, event: Event) -> list[Line]:
        self._add("failed")
        data = event.data
        rc = data.get("rc")
        error = one_line(str(data.get("error") or "no reason given"), 300)
        return [self._action(event, "failed"), *failure(error, rc, self._stderr(event))]

    def _action_denied(self, event: Event) -> list[Line]:
        return self._without_effect(event, "denied")

    def _action_skipped(self, event: Event) -> list[Line]:
        return self._without_effect(event, "skipped")

    def _action_lost(self, event: Event) -> list[Line]:
        return self._without_effect(event, "unknown")

    def _action_previewed(self, event: Event) -> list[Line]:
        self._add("previewed")
        self._told[int(event.data["action_id"])] = self.summary_of(event)
        return [self._action(event, "previewed")]

    def _without_effect(self, event: Event, kind: str) -> list[Line]:
        self._add(kind)
        reason = one_line(str(event.data.get("reason") or ""), 300)
        return [self._action(event, kind), *([line(reason, indent=DEEPER)] if reason else [])]

    def _action(self, event: Event, kind: str) -> Line:
        data = event.data
        action_id = int(data.get("action_id") or 0)
        self._begun.pop(action_id, None)
        told = self._told.pop(action_id, None) or self.summary_of(event)
        seconds = data.get("seconds")
        took = [Span(f" ({duration(seconds)})", Role.FAINT)] if seconds is not None else []
        return line(
            *state_words.action_mark(kind),
            " ",
            (_what(event), Role.STRONG),
            f": {told}" if told else "",
            *took,
            indent=INDENT,
        )

    def _stderr(self, event: Event) -> str:
        row = self.lookup(int(event.data.get("action_id") or 0))
        return row.stderr.shown if row else ""

    def _add(self, kind: str) -> None:
        setattr(self.tally, kind, getattr(self.tally, kind) + 1)

    # --- questions -------------------------------------------------------------------------------------------------

    def _prompt_asked(self, event: Event) -> list[Line]:
        self.tally.questions += 1
        if not self.with_questions:
            return []
        data = event.data
        options = [str(option) for option in _list(data, "options")]
        return question(int(data.get("prompt_id") or 0), str(data.get("question")), options, data.get("default"))

    def _prompt_answered(self, event: Event) -> list[Line]:
        self._note_settled(event)
        return [answered(event.data.get("answer"), event.data.get("answered_by"))]

    def _note_settled(self, event: Event) -> None:
        self._settled.add(int(event.data.get("prompt_id") or 0))

    def _prompt_expired(self, event: Event) -> list[Line]:
        self._note_settled(event)
        return [line(symbol("!", Role.WARNING), ("nobody answered in time", Role.WARNING), indent=INDENT)]

    def _prompt_dismissed(self, event: Event) -> list[Line]:
        self._note_settled(event)
        return [line(("the prompt was dismissed", Role.FAINT), indent=INDENT)]

    def _state_changed(self, event: Event) -> list[Line]:
        text = f"{str(event.data.get('op')).replace('_', ' ')} {one_line(str(event.data.get('name')))}"
        return [line((f"remembered: {text}", Role.FAINT), indent=INDENT)]


def header(loop: Loop) -> list[Line]:
    """What is about to run."""
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
        lines.append(line(("dry run: nothing is changed", Role.ACCENT), indent=INDENT))
    return lines


def _what(event: Event) -> str:
    return one_line(f"{event.data.get('module')} on {event.data.get('host')}")


def _look(name: str) -> str:
    """An observation's name, without what a manifest's own looks carry in front."""
    return one_line(name.removeprefix("manifest:").removeprefix("step "))


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return cast("list[Any]", value) if isinstance(value, list) else []
