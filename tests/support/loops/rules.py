"""Writing rule files and watching what rules do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops.ports import ModuleResult

if TYPE_CHECKING:
    from pathlib import Path

RULE = '''"""{doc}

More about it.
"""

{head}


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
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.py"
    path.write_text(RULE.format(doc=doc, head=head, condition=condition, action=action))
    return path


class Recorder:
    """Performs nothing and remembers the calls; `hosts` are the hosts of a target."""

    def __init__(self, hosts: dict[str, list[str]] | None = None, **results: ModuleResult) -> None:
        self.hosts = hosts or {}
        self.results = results
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []

    async def perform(self, module: str, params: dict[str, Any], host: str | None) -> list[tuple[str, ModuleResult]]:
        self.calls.append((module, params, host))
        result = self.results.get(
            module.rpartition(".")[2], ModuleResult(success=True, changed=True, rc=0, stdout="done")
        )
        names = self.hosts.get(host or "localhost", [host or "localhost"])
        return [(name, result) for name in names]
