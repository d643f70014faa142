"""Performs one module on this machine, as the engine does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
    from ftl2_enterprise.loops.ports import ModuleResult

MIB = 1 << 20


async def run(
    modules: Ftl2Modules, module: str, timeout: float = 30, injected: Iterable[str] = (), **params: Any
) -> ModuleResult:
    return await modules.run(call_of(modules, module, params, timeout=timeout, injected=injected))
