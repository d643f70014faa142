"""Rules of a loop: where their files are, the process that executes them, and what is hidden from it."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.adapters.rules.runner import RuleProcesses
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.core.shorten import shorten_line
from ftl2_enterprise.loops.engine.inventory_state import registered_entries
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows
from ftl2_enterprise.loops.rules.files import in_use, rule_files
from ftl2_enterprise.loops.rules.load import load_rules
from ftl2_enterprise.loops.rules.rule import enabled
from ftl2_enterprise.loops.rules.scope import RuleScope
from ftl2_enterprise.loops.settings import LoopSettings, UnfencedRules
from ftl2_enterprise.wiring.loops import sources
from ftl2_enterprise.wiring.loops.hidden import hidden_places

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ftl2_enterprise.adapters.rules.runner import Open
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.loops.rules.files import RuleFile
    from ftl2_enterprise.loops.rules.rule import RuleSet
    from ftl2_enterprise.protocol.loops.nouns import LoopSpec
    from ftl2_enterprise.store.tx import Tx


def rules_dir(spec: LoopSpec, settings: Settings) -> Path | None:
    """The directory of the rules that a loop loads: its own one, or that of the settings if it exists."""
    if spec.rules_dir is not None:
        return Path(spec.rules_dir)
    # An empty setting means no directory; as a path it would be the working directory.
    found = settings.section(LoopSettings).rules_dir
    default = Path(found) if found else None
    return default if default is not None and default.is_dir() else None


def check(spec: LoopSpec, settings: Settings) -> None:
    """Refuse a missing directory, and a loop that only rules decide if it has none. Raises Problem."""
    files = in_use(rules_dir(spec, settings))
    if spec.decider != "rules" or any(file.error is None for file in files):
        return
    if files:
        raise invalid(f"cannot use the rule {files[0].name}: {files[0].error}", f"edit {files[0].path}")
    raise invalid(
        f"cannot decide on {shorten_line(spec.desired_state, 60)!r}: neither a model nor rules are configured",
        "give --decider claude, --rules-dir with rules in it, or a manifest (-f FILE.yaml)",
    )


def files_of(tx: Tx, ref: str, settings: Settings) -> list[RuleFile]:
    """The rule files that a loop loads, and those that state in no valid form to what they apply. Raises Problem."""
    loop = loop_rows.get_loop(tx, ref)
    inventory = inventory_files.load(loop.spec.inventory, sources.of_loop(tx, loop))
    registered = registered_entries(host_rows.get_hosts(tx, loop.id))
    for entry in registered:
        with contextlib.suppress(Problem):
            inventory.add(entry)
    scope = RuleScope(
        loop=loop.name,
        labels=loop.spec.labels,
        directory=inventory,
        registered=lambda: {entry.name for entry in registered},
    )
    directory = rules_dir(loop.spec, settings)
    files = rule_files([directory]) if directory is not None else []
    return [file for file in files if file.applies_to is None or scope.includes(file.applies_to)]


def processes(
    spec: LoopSpec, settings: Settings, open_supervisor: Open, output: Callable[[str], None] | None
) -> RuleProcesses:
    """What executes the rules of the loop; `output` receives what they print, by default standard error."""
    rules = RuleProcesses(
        open_supervisor,
        output=output or _print,
        hidden=[*hidden_places(settings), *([socket] if (socket := settings.supervisor.socket) else [])],
        needs_fence=settings.section(LoopSettings).unfenced_rules is UnfencedRules.DENY,
    )
    directory = rules_dir(spec, settings)
    if directory is not None and any(directory.glob("*.py")):
        rules.get_ready()
    return rules


def loader(
    spec: LoopSpec, settings: Settings, rules: RuleProcesses, disabled: Callable[[], Mapping[str, str | None]]
) -> Callable[[RuleScope], Awaitable[RuleSet]]:
    """What loads the rules that apply to the loop, each time; `disabled` reads which are disabled."""

    async def load(scope: RuleScope) -> RuleSet:
        found = await load_rules(rules_dir(spec, settings), rules, scope)
        return enabled(found, disabled()) if found.rules or found.broken else found

    return load


def _print(line: str) -> None:
    """Show a line that a rule has printed, next to the progress of a run in the foreground."""
    sys.stderr.write(f"rules: {line}\n")
