"""Rules as lines: the list, and one with its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LOCALHOST
from ftl2_enterprise.protocol.loops.verbs import ListRules
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, Span, ago, count, line, one_line, person
from ftl2_enterprise.render.view import ViewContent

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.decision import ObservationSpec
    from ftl2_enterprise.protocol.loops.replies import RuleDetail, RuleInfo
    from ftl2_enterprise.protocol.loops.rules import RuleBinding, RuleFiring
    from ftl2_enterprise.render.view import ViewReader

COLUMNS = (
    Column("RULE", least=12),
    Column("STATE"),
    Column("FIRED", right=True),
    Column("LAST", drop=3),
    Column("APPLIES TO", least=12),
    Column("DESCRIPTION", least=16, drop=2),
    Column("PATH", least=12, drop=4),
)


def rules_view(reader: ViewReader, *, loop: str | None = None) -> ViewContent:
    """All rules, or those of a loop: whether they may fire, how often they fired, and what they apply to.

    The document is a list of `RuleInfo`.
    """
    rules = reader.call(ListRules(loop=loop))
    return ViewContent(rules, lambda: _lines(reader, rules, loop))


def _lines(reader: ViewReader, rules: list[RuleInfo], loop: str | None) -> list[Line]:
    if not rules and loop is not None:
        every = (reader.command("rules"), Role.COMMAND)
        return [line("no rule applies to ", (one_line(loop), Role.STRONG), "; all rules: ", every)]
    if not rules:
        where = (reader.command("settings loops.rules_dir"), Role.COMMAND)
        return [line("no rules: a rule is a Python file in the rules directory (", where, ")")]
    now = reader.now()
    rows = [
        [
            cell((one_line(rule.name, 80), Role.STRONG)),
            (_state(rule),),
            cell(str(rule.fired)),
            cell((ago(rule.last_fired_at, now), Role.FAINT)),
            cell(one_line(_binding(rule.applies_to), 200)),
            cell(one_line(rule.error or rule.description, 200) or "-"),
            cell((one_line(rule.path, 200), Role.FAINT)),
        ]
        for rule in rules
    ]
    return table(COLUMNS, rows, reader.room)


def _state(rule: RuleInfo) -> Span:
    word, role = ("broken", Role.BAD) if rule.error else ("on", Role.GOOD) if rule.enabled else ("off", Role.WARNING)
    return Span(word, role)


def _binding(binding: RuleBinding | None) -> str:
    """What a rule applies to, in one line."""
    if binding is None:
        return "-"
    if binding.is_everything:
        return "everything"
    labels = [f"{key}={'|'.join(values)}" for key, values in (binding.labels or {}).items()]
    named = (("loops", binding.loops), ("labels", labels), ("hosts", binding.hosts))
    return "; ".join(f"{name} {', '.join(texts)}" for name, texts in named if texts)


def rule_lines(detail: RuleDetail, now: Instant) -> list[Line]:
    """One rule and an empty line, after which its source is printed."""
    rule = detail.rule
    fired = f"fired {count(rule.fired, 'time')}, last {ago(rule.last_fired_at, now)}" if rule.fired else "never fired"
    by = f" (by {person(rule.disabled_by)})" if rule.disabled_by else ""
    shown = [
        line((one_line(rule.name), Role.STRONG), "  ", _state(rule), by, f", {fired}"),
        line((one_line(rule.path, 300), Role.FAINT), indent=2),
        line((f"sha256 {one_line(rule.digest)}", Role.FAINT), indent=2),
    ]
    if rule.description:
        shown.append(line(one_line(rule.description, 300), indent=2))
    if rule.error:
        shown.append(line((one_line(rule.error, 300), Role.BAD), indent=2))
    if rule.applies_to is not None:
        shown.append(line(f"applies to {one_line(_binding(rule.applies_to), 1000)}", indent=2))
        shown.append(line(_observations(detail.observe), indent=2))
    return [*shown, *(_firing(one, now) for one in detail.firings), line()]


def _observations(observe: list[ObservationSpec] | None) -> str:
    if observe is None:
        return "observes what its file computes"
    shown = [f"{one_line(one.name)} ({one_line(one.module)} on {one_line(one.host or LOCALHOST)})" for one in observe]
    return f"observes {', '.join(shown) or 'nothing'}"


def _firing(firing: RuleFiring, now: Instant) -> Line:
    word, role = ("ok", Role.GOOD) if firing.success else ("failed", Role.BAD)
    if firing.success is None:
        word, role = "not ended", Role.WARNING
    detail = "" if firing.success or not firing.detail else f": {one_line(firing.detail, 300)}"
    where = f"fired {ago(firing.created_at, now)} in {one_line(firing.loop)}, iteration {firing.iteration}: "
    return line(where, (word, role), detail, indent=2)


def switched_line(rule: RuleInfo) -> Line:
    """The reply to enabling or disabling a rule."""
    what = " (may fire)" if rule.enabled else " (fires in no loop until it is enabled)"
    return line((one_line(rule.name), Role.STRONG), ": ", _state(rule), what)
