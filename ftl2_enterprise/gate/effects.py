"""Effects: whatever reaches a host, the files of the controller, or a model. Values; they have one canonical form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, cast

import msgspec

from ftl2_enterprise.core.value import Value

LOCAL = "localhost"
"""The name of the machine of this process, where no inventory gives it another one."""


class EffectKind(StrEnum):
    """What an effect is for."""

    ACTION = "action"
    """A module call that changes a host."""
    OBSERVATION = "observation"
    """A module call that only has to return what it sees."""
    STATE = "state"
    """A change of what is registered."""
    MODEL_CALL = "model_call"
    """A request to a model."""


class Origin(StrEnum):
    """Who asks for an effect."""

    MANIFEST = "manifest"
    PLAYBOOK = "playbook"
    RULE = "rule"
    MODEL = "model"
    PERSON = "person"


class Fence(StrEnum):
    """By what a module call is kept from changing its host."""

    NONE = "none"
    """By nothing."""
    READING = "reading"
    """The module only reads."""
    CHECK_MODE = "check_mode"
    """The module runs in check mode."""
    SANDBOX = "sandbox"
    """It runs in the read-only sandbox of the host."""


class Mutates(StrEnum):
    """Whether an effect changes something."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class HostIdentity:
    """One host, whatever it is called."""

    name: str = LOCAL
    connection: str = "local"
    address: str = ""
    port: int = 0
    names: tuple[str, ...] = ()
    """What else policy may call it: its groups."""
    others: tuple[tuple[str, ...], ...] = ()
    """The hosts with the same address: the name of each, and its groups. Policy may call this one by any of them."""
    aliases: tuple[str, ...] = ()
    """Further names and addresses of the same machine: those of this one, whose connection has none."""
    is_registered: bool = False
    """Whether it was added while the program ran, so that its name and groups are not those of an inventory."""
    way: tuple[str, ...] = ()
    """The hosts that a connection to it passes, as USER@ADDRESS:PORT; empty for a direct connection."""

    @cached_property
    def own_names(self) -> tuple[str, ...]:
        """Its name and its groups."""
        return (self.name, *self.names, *(("local",) if self.name == LOCAL else ()))

    @cached_property
    def every_name(self) -> tuple[str, ...]:
        """Everything that it may be called: its names and groups, its address, and those of the same machine."""
        of_others = (one for names in self.others for one in names)
        return (*self.own_names, *((self.address,) if self.address else ()), *of_others, *self.aliases)


class Effect(Value, frozen=True, kw_only=True):
    """One effect, in the form in which it is judged and in which its digest is taken."""

    kind: EffectKind
    origin: Origin
    subject: str
    """What asks for it, as `kind:id`."""
    host: HostIdentity = msgspec.field(default_factory=HostIdentity)
    module: str = ""
    """The canonical name of the module; of a model call, the provider."""
    params: Mapping[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """The parameters that the module receives, secrets included; they are never shown or stored. Of a model call:
    `model`, `purpose`, and `request`, the digest of what is sent.
    """
    privilege: str = ""
    """The user that the module runs as, if it is not the one of the connection or of this process."""
    fence: Fence = Fence.NONE
    environment: str = ""
    """The label that people gave to the environment, as in `prod`."""
    resolved: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    """Paths in the parameters, each with the places on the host to which it leads: first without any link, with a
    slash at its end if it is a directory. They are not part of the digest, since they follow from the rest and from
    the host.
    """

    @property
    def mutates(self) -> Mutates:
        """Whether it changes something on its host."""
        if self.kind is EffectKind.MODEL_CALL or self.fence is not Fence.NONE:
            return Mutates.NO
        return Mutates.UNKNOWN if self.kind is EffectKind.OBSERVATION else Mutates.YES

    def digest(self) -> str:
        """SHA-256 of its canonical form, as 64 hexadecimal digits."""
        return self.digest_with(self.host, self.module, self.params, self.privilege, self.fence)

    def digest_with(
        self, host: HostIdentity, module: str, params: Mapping[str, Any], privilege: str, fence: Fence
    ) -> str:
        """The digest of an effect that differs from this one in no more than these values."""
        form = (
            self.kind, self.origin, self.subject, host.name, host.connection, host.address, host.port,
            module, params, privilege, fence,
            # Not for a direct connection, so that approvals from before an upgrade stay valid.
            *((host.way,) if host.way else ()),
        )  # fmt: skip
        try:
            text = _ENCODER.encode(form)
        except TypeError:
            # Keys that are no texts, or of several types, which have no order. No form above is a pair.
            text = _ENCODER.encode(("", _plain(form)))
        return sha256(text.encode()).hexdigest()


def model_params(*, model: str | None, purpose: str, digest: str) -> Mapping[str, str]:
    """The parameters of a model call. `model` is None for the provider's default; `digest` is of what is sent."""
    return {"model": model or "", "purpose": purpose, "request": digest}


def _encodable(value: Any) -> Any:
    """What JSON lacks: any mapping is an object, and anything else a text, as it is for modules."""
    return dict(cast("Mapping[Any, Any]", value)) if isinstance(value, Mapping) else str(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True, default=_encodable)


def _plain(value: Any) -> Any:
    """The value with mappings as sorted pairs."""
    match value:
        case str() | int() | float() | None:
            return value
        case Mapping():
            found = cast("Mapping[Any, Any]", value)
            return {"": [[str(key), _plain(found[key])] for key in sorted(found, key=_order)]}
        case list() | tuple():
            return [_plain(one) for one in cast("Sequence[Any]", value)]
        case _:
            return str(value)


def _order(key: Any) -> tuple[str, str]:
    """The number 1 and the text "1" are two keys."""
    return str(key), type(key).__name__
