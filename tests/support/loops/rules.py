"""Writing rule files and watching what rules do."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.loops.ports import BrokenRuleFile, HostEntry, ModuleResult, RuleDeclaration, RuleSource
from ftl2_enterprise.loops.rules.api import shown
from ftl2_enterprise.loops.rules.compiled import NotARule, compile_rule
from ftl2_enterprise.loops.rules.scope import RuleScope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl2_enterprise.loops.ports import RuleEffects, RuleJudgement

RULED = '''"""Makes the ruled file."""
applies_to = "everything"
observe = [{{
    "name": "ruled",
    "module": "shell",
    "params": {{"cmd": "date +%s.%N >> {base}/effects; test -e {base}/ruled || echo missing"}},
}}]

async def condition(state):
    return "missing" in state["ruled"]["stdout"]

async def action(ftl):
    await ftl.shell(cmd="date +%s.%N >> {base}/effects; touch {base}/ruled")
'''
"""Makes `{base}/ruled`; its observation and its action add the time to `{base}/effects`."""
RULE = '''"""{doc}

More about it.
"""

{head}

applies_to = {applies_to}


async def condition(state):
    {condition}


async def action(ftl):
    {action}
'''


def write_rule(
    directory: Path,
    name: str,
    *,
    condition: str = "return True",
    action: str = 'await ftl.shell(cmd="true")',
    head: str = "",
    doc: str = "Repair it",
    applies_to: object = "everything",
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.py"
    path.write_text(RULE.format(doc=doc, head=head, condition=condition, action=action, applies_to=repr(applies_to)))
    return path


def source_of(path: Path) -> RuleSource:
    source = path.read_bytes()
    return RuleSource(name=path.stem, path=str(path), digest=hashlib.sha256(source).hexdigest(), source=source)


def scope(
    loop: str = "web",
    labels: Mapping[str, str] | None = None,
    hosts: Mapping[str, Sequence[str]] | None = None,
    registered: Sequence[HostEntry] = (),
) -> RuleScope:
    """A loop for which rules are loaded; `hosts` are the hosts of its inventory, with their groups."""
    inventory = Inventory()
    for host, groups in (hosts or {}).items():
        inventory.host(host)
        for group in groups:
            inventory.group(group).members[host] = None
    inventory.settle()
    for entry in registered:
        inventory.add(entry)
    return RuleScope(
        loop=loop, labels=labels or {}, directory=inventory, registered=lambda: [one.name for one in registered]
    )


class RulesHere:
    """Executes files in the process of the test, for tests of what files are loaded. It evaluates and runs none."""

    async def load(self, file: RuleSource) -> RuleDeclaration | BrokenRuleFile:
        try:
            return compile_rule(file).declaration
        except NotARule as error:
            return BrokenRuleFile(error=str(error))

    async def evaluate(self, file: RuleSource, state: Mapping[str, Any], limit: float) -> RuleJudgement:
        raise NotImplementedError

    async def act(
        self, file: RuleSource, state: Mapping[str, Any], targets: Sequence[str], effects: RuleEffects
    ) -> str:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Recorder:
    """Performs nothing and remembers the calls; `hosts` are the hosts of a target."""

    def __init__(self, hosts: dict[str, list[str]] | None = None, **results: ModuleResult) -> None:
        self.hosts = hosts or {}
        self.results = results
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []

    async def perform(
        self, module: str, params: dict[str, Any], host: str | None
    ) -> list[tuple[str, dict[str, Any]]]:
        self.calls.append((module, params, host))
        result = self.results.get(
            module.rpartition(".")[2], ModuleResult(success=True, changed=True, rc=0, stdout="done")
        )
        names = self.hosts.get(host or "localhost", [host or "localhost"])
        return [(name, shown(module, name, result)) for name in names]
