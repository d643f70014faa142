"""Calls that the gate permits, for tests of what runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.effects import Effect, EffectKind, Fence, HostIdentity, Origin, model_params
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.loops.ports import ModuleCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
    from ftl2_enterprise.adapters.models.port import Model, ModelRequest
    from ftl2_enterprise.gate.permits import Permit


def permit(
    identity: HostIdentity, privilege: str, module: str, params: Mapping[str, Any], fence: Fence = Fence.NONE
) -> Permit:
    """A permit of the gate, without any policy."""
    effect = Effect(
        kind=EffectKind.ACTION, origin=Origin.PERSON, subject="test:1", host=identity, module=canonical(module),
        params=params, privilege=privilege, fence=fence,
    )  # fmt: skip
    given = gate.judge(effect, gate.GateContext()).permit
    assert given is not None
    return given


def model_permit(provider: str, model: str | None, purpose: str, digest: str) -> Permit:
    """A permit of the gate for a request to a model, without any policy."""
    effect = Effect(
        kind=EffectKind.MODEL_CALL, origin=Origin.MODEL, subject="test:1", module=provider,
        params=model_params(model=model, purpose=purpose, digest=digest),
    )  # fmt: skip
    given = gate.judge(effect, gate.GateContext()).permit
    assert given is not None
    return given


def model_permit_of(request: ModelRequest, model: Model) -> Permit:
    """A permit for that request to that model."""
    return model_permit(model.provider, model.model, request.purpose, request.digest())


def call_of(
    modules: Ftl2Modules,
    module: str,
    params: Mapping[str, Any],
    *,
    host: str = "localhost",
    timeout: float = 30,
    fence: Fence = Fence.NONE,
    compare: bool = False,
    injected: Iterable[str] = (),
    is_still_allowed: Callable[[], bool] = lambda: True,
) -> ModuleCall:
    """A permitted call on one host of these modules."""
    return ModuleCall(
        module=module,
        params=params,
        host=host,
        timeout=timeout,
        permit=permit(modules.identity(host), modules.privilege(host), module, params, fence),
        fence=fence,
        compare=compare,
        injected=frozenset(injected),
        is_still_allowed=is_still_allowed,
    )
