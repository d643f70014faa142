"""Which freeze holds an effect. Pure: the freezes and the time are arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.addresses import normal, number_of
from ftl2_enterprise.core.freeze import Freeze, FreezeScope, freeze_of_unusable_policy, sentence_of_unusable_policy
from ftl2_enterprise.gate.effects import LOCAL, EffectKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.gate.effects import Effect


def holding(effect: Effect, freezes: Iterable[Freeze], now: Instant) -> Freeze | None:
    """The first freeze that holds the effect now; None if it may begin."""
    return next((freeze for freeze in freezes if covers(freeze, effect) and not freeze.is_over(now)), None)


def cutting(effect: Effect, freezes: Iterable[Freeze], now: Instant) -> Freeze | None:
    """The first freeze that ends the effect although it has begun; None if it may continue."""
    return holding(effect, (freeze for freeze in freezes if freeze.now), now)


def holding_subject(subject: str, freezes: Iterable[Freeze], now: Instant) -> Freeze | None:
    """The first freeze that holds every effect which the subject could ask for; None if there may be others."""
    return next(
        (
            freeze
            for freeze in freezes
            if (freeze.scope is FreezeScope.ALL or (freeze.scope is FreezeScope.SUBJECT and freeze.of == subject))
            and not freeze.is_over(now)
        ),
        None,
    )


def with_unusable(freezes: Sequence[Freeze], problem: str) -> Sequence[Freeze]:
    """The freezes, and one of everything if there is a problem with the policy of the site: it cannot be used.

    Its verdicts would deny everything, which ends what runs until a person starts it again; what a freeze holds
    continues when the policy has been repaired.
    """
    return (*freezes, freeze_of_unusable_policy(sentence_of_unusable_policy(problem))) if problem else freezes


def covers(freeze: Freeze, effect: Effect) -> bool:
    """Whether the freeze is about the effect, at any time."""
    match freeze.scope:
        case FreezeScope.ALL:
            return True
        case FreezeScope.SUBJECT:
            return effect.subject == freeze.of
        case FreezeScope.KIND:
            return effect.kind == freeze.of
        case FreezeScope.TARGET:
            names = {spelled(name) for name in effect.host.every_name}
            # A request to a model has no host; the name in its effect is a default.
            return effect.kind is not EffectKind.MODEL_CALL and spelled(freeze.of) in names


def spelled(name: str) -> str:
    """The name as freezes compare it: every spelling of an address of this machine is `localhost`."""
    number = number_of(name)
    if number is not None and (number.is_loopback or number.is_unspecified):
        return LOCAL
    return normal(name) if number is not None else name.casefold().rstrip(".")
