"""Handlers of rules, one per verb. A disabled rule fires in no loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.loops.rows import rules as rule_rows
from ftl2_enterprise.loops.rules.files import RuleFile, find_one
from ftl2_enterprise.protocol.loops.facts import RuleDisabled, RuleEnabled
from ftl2_enterprise.protocol.loops.replies import RuleDetail, RuleInfo
from ftl2_enterprise.protocol.loops.verbs import DisableRule, EnableRule, ListRules, ShowRule
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Table
    from ftl2_enterprise.core.clock import Instant

NOTES = "rules.json"


def directories(tx: Tx, rules_dir: str) -> list[Path]:
    """The rules directories of the service and of the loops that have their own."""
    return [Path(directory) for directory in ([rules_dir] if rules_dir else []) + rule_rows.rules_dirs(tx)]


def list_rules(tx: Tx, request: ListRules, children: Table, files: list[RuleFile]) -> list[RuleInfo]:
    """The rules in these files, with their states and counts."""
    disabled, fired = rule_rows.get_disabled_rules(tx), rule_rows.firings(tx)
    return [_info(file, disabled, fired) for file in files]


def show_rule(tx: Tx, request: ShowRule, children: Table, files: list[RuleFile]) -> RuleDetail:
    """One rule with its source text, its observations, and when it fired last."""
    file = find_one(files, request.rule)
    info = _info(file, rule_rows.get_disabled_rules(tx), rule_rows.firings(tx))
    last = rule_rows.last_firings(tx, file.name)
    return RuleDetail(rule=info, source=file.source, observe=file.observe, firings=last)


@unit
def enable_rule(tx: Tx, request: EnableRule, file: RuleFile) -> RuleInfo:
    """Enable the rule in all loops."""
    if file.switched_off:
        raise conflict(
            f"cannot enable the rule {file.name}: {Path(file.path).parent / NOTES} disables it",
            "remove it from there",
        )
    if rule_rows.enable_rule(tx, file.name):
        tx.emit(RuleEnabled(rule=file.name), subject=SERVICE)
    return _info(file, rule_rows.get_disabled_rules(tx), rule_rows.firings(tx))


@unit
def disable_rule(tx: Tx, request: DisableRule, file: RuleFile) -> RuleInfo:
    """Disable the rule in all loops."""
    if rule_rows.disable_rule(tx, file.name):
        tx.emit(RuleDisabled(rule=file.name), subject=SERVICE)
    return _info(file, rule_rows.get_disabled_rules(tx), rule_rows.firings(tx))


def _info(file: RuleFile, disabled: dict[str, str | None], fired: dict[str, tuple[int, Instant]]) -> RuleInfo:
    count, last = fired.get(file.name, (0, None))
    by = NOTES if file.switched_off else disabled.get(file.name)
    return RuleInfo(
        name=file.name,
        description=file.description,
        path=file.path,
        digest=file.digest,
        enabled=not file.switched_off and file.name not in disabled,
        disabled_by=by,
        error=file.error,
        fired=count,
        last_fired_at=last,
        applies_to=file.applies_to,
    )
