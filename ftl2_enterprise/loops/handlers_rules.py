"""Rules as people see and switch them: one function per verb. A rule that is switched off fires in no loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.loops import store_service
from ftl2_enterprise.loops.rule_files import RuleFile, find, find_one, rule_files
from ftl2_enterprise.protocol.loop_replies import RuleDetail, RuleInfo
from ftl2_enterprise.protocol.loop_verbs import DisableRule, EnableRule, ListRules, ShowRule
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant

NOTES = "rules.json"


def list_rules(tx: Tx, request: ListRules, rules_dir: str) -> list[RuleInfo]:
    """Rules of the service's directory and of every loop's own."""
    disabled, fired = store_service.get_disabled_rules(tx), store_service.firings(tx)
    return [_info(file, disabled, fired) for file in _files(tx, rules_dir)]


def show_rule(tx: Tx, request: ShowRule, rules_dir: str) -> RuleDetail:
    """One rule with its text."""
    file = find_one(_files(tx, rules_dir), request.rule)
    info = _info(file, store_service.get_disabled_rules(tx), store_service.firings(tx))
    return RuleDetail(rule=info, source=file.source)


@unit
def enable(tx: Tx, request: EnableRule, rules_dir: str) -> RuleInfo:
    """Let the rule fire again."""
    file = find(_files(tx, rules_dir), request.rule)[0]
    if file.switched_off:
        raise conflict(
            f"cannot enable the rule {file.name}: {file.path.parent / NOTES} disables it", "remove it from there"
        )
    if store_service.enable_rule(tx, file.name):
        tx.emit("rule.enabled", rule=file.name)
    return _info(file, store_service.get_disabled_rules(tx), store_service.firings(tx))


@unit
def disable(tx: Tx, request: DisableRule, rules_dir: str) -> RuleInfo:
    """Keep the rule from firing in every loop."""
    file = find(_files(tx, rules_dir), request.rule)[0]
    if store_service.disable_rule(tx, file.name):
        tx.emit("rule.disabled", rule=file.name)
    return _info(file, store_service.get_disabled_rules(tx), store_service.firings(tx))


def _files(tx: Tx, rules_dir: str) -> list[RuleFile]:
    directories = [*([rules_dir] if rules_dir else []), *store_service.rules_dirs(tx)]
    return rule_files(Path(directory) for directory in directories)


def _info(file: RuleFile, disabled: dict[str, str | None], fired: dict[str, tuple[int, Instant]]) -> RuleInfo:
    count, last = fired.get(file.name, (0, None))
    by = NOTES if file.switched_off else disabled.get(file.name)
    return RuleInfo(
        name=file.name,
        description=file.description,
        path=str(file.path),
        digest=file.digest,
        enabled=not file.switched_off and file.name not in disabled,
        disabled_by=by,
        error=file.error,
        fired=count,
        last_fired_at=last,
    )
