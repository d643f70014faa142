"""Rules as lines: the list, and one with its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.verbs import ListRules
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, Span, ago, count, line, one_line, person
from ftl2_enterprise.render.view import ViewContent

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.replies import RuleInfo
    from ftl2_enterprise.render.view import ViewReader

COLUMNS = (
    Column("RULE", least=12),
    Column("STATE"),
    Column("FIRED", right=True),
    Column("LAST", drop=3),
    Column("DESCRIPTION", least=16, drop=2),
    Column("PATH", least=12, drop=4),
)


def rules_view(reader: ViewReader) -> ViewContent:
    """All rules: whether they may fire, and how often they fired; the document is a list of `RuleInfo`."""
    rules = reader.call(ListRules())
    return ViewContent(rules, lambda: _lines(reader, rules))


def _lines(reader: ViewReader, rules: list[RuleInfo]) -> list[Line]:
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
            cell(one_line(rule.error or rule.description, 200) or "-"),
            cell((one_line(rule.path, 200), Role.FAINT)),
        ]
        for rule in rules
    ]
    return table(COLUMNS, rows, reader.room)


def _state(rule: RuleInfo) -> Span:
    word, role = ("broken", Role.BAD) if rule.error else ("on", Role.GOOD) if rule.enabled else ("off", Role.WARNING)
    return Span(word, role)


def rule_lines(rule: RuleInfo, now: Instant) -> list[Line]:
    """One rule and an empty line, after which its source is printed."""
    fired = f"fired {count(rule.fired, 'time')}, last {ago(rule.last_fired_at, now)}" if rule.fired else "never fired"
    by = f" (by {person(rule.disabled_by)})" if rule.disabled_by else ""
    shown = [
        line((one_line(rule.name), Role.STRONG), "  ", _state(rule), by, f", {fired}"),
        line((one_line(rule.path, 300), Role.FAINT), indent=2),
    ]
    if rule.description:
        shown.append(line(one_line(rule.description, 300), indent=2))
    if rule.error:
        shown.append(line((one_line(rule.error, 300), Role.BAD), indent=2))
    return [*shown, line()]


def switched_line(rule: RuleInfo) -> Line:
    """The reply to enabling or disabling a rule."""
    what = " (may fire)" if rule.enabled else " (fires in no loop until it is enabled)"
    return line((one_line(rule.name), Role.STRONG), ": ", _state(rule), what)
