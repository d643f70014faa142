"""A process of rules for tests, and what a rule asked for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.local.calls import LocalCalls
from ftl2_enterprise.adapters.rules.runner import RuleProcesses
from ftl2_enterprise.loops.ports import ModuleResult, RuleDeclaration
from tests.support.loops.rules import source_of, write_rule

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from ftl2_enterprise.loops.ports import RuleJudgement, RuleSource
    from ftl2_enterprise.protocol.loops.decision import StateOp


class Effects:
    """Performs nothing and remembers what was asked for."""

    def __init__(self, results: Callable[[str, dict[str, Any]], ModuleResult] | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []
        self.ops: list[StateOp] = []
        self._results = results or (lambda module, params: ModuleResult(success=True, rc=0, stdout="done"))

    async def perform(self, module: str, params: dict[str, Any], host: str | None) -> list[tuple[str, ModuleResult]]:
        self.calls.append((module, params, host))
        return [(host or "localhost", self._results(module, params))]

    def change(self, op: StateOp) -> None:
        self.ops.append(op)


class RuleProcessAtHand:
    """A runner, and short forms of what tests do with it."""

    def __init__(self, runner: RuleProcesses, directory: Path, printed: list[str]) -> None:
        self.runner = runner
        self.directory = directory
        self.printed = printed

    async def load(self, name: str = "one", **parts: str) -> RuleSource:
        """Write a rule and load it."""
        file = source_of(write_rule(self.directory, name, **parts))
        loaded = await self.runner.load(file)
        assert isinstance(loaded, RuleDeclaration), loaded
        return file

    async def judge(self, limit: float = 20.0, **parts: str) -> RuleJudgement:
        """Write a rule, load it and evaluate its condition."""
        return await self.runner.evaluate(await self.load(**parts), {}, limit)

    async def act(self, effects: Effects | None = None, **parts: str) -> str:
        """Write a rule, load it and run its action."""
        return await self.runner.act(await self.load(**parts), {}, ["web01"], effects or Effects())


@asynccontextmanager
async def rule_process(directory: Path, **options: Any) -> AsyncGenerator[RuleProcessAtHand]:
    """A process of rules, which has ended afterwards."""
    local = LocalCalls()
    printed: list[str] = []
    runner = RuleProcesses(local.open_supervisor, output=printed.append, **options)
    try:
        yield RuleProcessAtHand(runner, directory, printed)
    finally:
        await runner.close()
        local.close()
