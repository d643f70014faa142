"""Permits: the proof that an effect was allowed. What causes an effect takes one, and refuses any other effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, final, override

import msgspec

from ftl2_enterprise.gate.effects import EffectKind
from ftl2_enterprise.gate.key import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.gate.effects import Effect, Fence, HostIdentity


class NotPermitted(Exception):
    """An effect was about to begin without a permit for exactly this effect: a defect of this program."""


@final
class Permit:
    """The leave for one effect. Only `gate.judge` makes one."""

    __slots__ = ("_effect", "digest")
    digest: str
    """The digest of the effect that it permits."""

    def __init__(self, effect: Effect, *, key: object = None) -> None:
        if key is not KEY:
            raise NotPermitted("a permit is made by the gate alone")
        object.__setattr__(self, "_effect", effect)
        object.__setattr__(self, "digest", effect.digest())

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise NotPermitted("a permit does not change")

    @override
    def __reduce__(self) -> NoReturn:
        raise NotPermitted("a permit is not copied into files or messages")

    @override
    def __repr__(self) -> str:
        return f"<permit {self.digest[:12]}>"

    def require_call(
        self, *, host: HostIdentity, module: str, params: Mapping[str, Any], privilege: str, fence: Fence
    ) -> None:
        """Raise NotPermitted unless this permit was made for a module call with exactly these values."""
        self._require(self._effect.digest_with(host, module, params, privilege, fence), module, host.name)

    def require_model_call(self, *, provider: str, params: Mapping[str, Any]) -> None:
        """Raise NotPermitted unless this permit was made for exactly this request to a model."""
        if self._effect.kind is not EffectKind.MODEL_CALL:
            raise NotPermitted(f"the permit for {self._effect.module} is not one for a request to a model")
        self.require(msgspec.structs.replace(self._effect, module=provider, params=params))

    def require(self, effect: Effect) -> None:
        """Raise NotPermitted unless this permit was made for exactly this effect."""
        self._require(effect.digest(), effect.module, effect.host.name)

    def _require(self, digest: str, module: str, host: str) -> None:
        if digest != self.digest:
            raise NotPermitted(f"{module} on {host} differs from what was permitted")
