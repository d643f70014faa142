"""`rules`: what spares the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.registry import Argument, Command, Example, Group, Kind
from ftl2_enterprise.protocol.loops.verbs import DisableRule, EnableRule, ListRules, ShowRule
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, Span, ago, clean, count, line, one_line, person

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.replies import RuleInfo

COLUMNS = (
    Column("RULE", least=12),
    Column("STATE"),
    Column("FIRED", right=True),
    Column("LAST", spare=3),
    Column("DESCRIPTION", least=16, spare=2),
    Column("PATH", least=12, spare=4),
)


def list_rules(session: Session, given: Given) -> int:
    """List them."""
    del given
    rules = session.call(ListRules())
    session.reply(rules, lambda: _lines(session, rules))
    return 0


def _lines(session: Session, rules: list[RuleInfo]) -> list[Line]:
    if not rules:
        tells_where = (session.command("settings loops.rules_dir"), Role.COMMAND)
        why = "a Python file with a condition and an action in the rules directory is one"
        return [line(f"no rules: {why} (", tells_where, " tells where)")]
    now = session.now()
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
    return table(COLUMNS, rows, session.out.room)


def _state(rule: RuleInfo) -> Span:
    word, role = ("broken", Role.BAD) if rule.error else ("on", Role.GOOD) if rule.enabled else ("off", Role.WARNING)
    return Span(word, role)


def show(session: Session, given: Given) -> int:
    """Show it with its text."""
    detail = session.call(ShowRule(rule=given.text("rule")))
    if session.wants_json:
        session.document(detail)
        return 0
    rule, now = detail.rule, session.now()
    fired = f"fired {count(rule.fired, 'time')}" + (f", last {ago(rule.last_fired_at, now)}" if rule.fired else "")
    by = f" (by {person(rule.disabled_by)})" if rule.disabled_by else ""
    shown = [
        line((one_line(rule.name), Role.STRONG), "  ", _state(rule), by, f", {fired}"),
        line((one_line(rule.path, 300), Role.FAINT), indent=2),
    ]
    if rule.description:
        shown.append(line(one_line(rule.description, 300), indent=2))
    if rule.error:
        shown.append(line((one_line(rule.error, 300), Role.BAD), indent=2))
    session.print([*shown, line()])
    session.out.stream.write(clean(detail.source).rstrip("\n") + "\n")
    session.out.stream.flush()
    return 0


RULE = Argument("rule", Kind.RULE, "The name of the rule.")


def _switch(name: str, summary: str, verb: type[EnableRule | DisableRule]) -> Command:
    def run(session: Session, given: Given) -> int:
        rule = session.call(verb(rule=given.text("rule")))
        what = " (fires again)" if rule.enabled else " (fires in no loop until it is enabled)"
        session.reply(rule, lambda: line((one_line(rule.name), Role.STRONG), ": ", _state(rule), what))
        return 0

    return Command(
        name=name,
        summary=summary,
        group=Group.RULES,
        run=run,
        verbs=(verb,),
        arguments=(RULE,),
        examples=(Example(f"{name} restart_nginx"),),
    )


COMMANDS = (
    Command(
        name="rules list",
        aliases=("rules",),
        summary="List the rules: whether they may fire, and how often they did.",
        group=Group.RULES,
        run=list_rules,
        verbs=(ListRules,),
        examples=(Example("rules"), Example("rules list --json")),
    ),
    Command(
        name="rules show",
        summary="Show a rule with its text.",
        group=Group.RULES,
        run=show,
        verbs=(ShowRule,),
        arguments=(RULE,),
        examples=(Example("rules show restart_nginx"),),
    ),
    _switch("rules enable", "Let a rule fire again.", EnableRule),
    _switch("rules disable", "Keep a rule from firing in every loop, until it is enabled.", DisableRule),
)
