"""Performs one module on this machine, as the engine does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules

MIB = 1 << 20


async def run(modules: Ftl2Modules, module: str, timeout: float = 30, **params: Any) -> ModuleResult:
    return await modules.run(ModuleCall(module=module, params=params, host="localhost", timeout=timeout))
