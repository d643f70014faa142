"""Finds the rule of a policy that is about an effect. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.gate.effects import LOCAL, EffectKind, HostIdentity
from ftl2_enterprise.gate.modules import equivalents, synonyms
from ftl2_enterprise.gate.policy.types import PARAM, AppliesTo, DenyRule, Policy

if TYPE_CHECKING:
    from ftl2_enterprise.gate.effects import Effect


def first_match(policy: Policy, effect: Effect) -> DenyRule | None:
    """The first rule whose conditions are all about the effect, or None."""
    kind = AppliesTo.OBSERVATIONS if effect.kind is EffectKind.OBSERVATION else AppliesTo.ACTIONS
    names = equivalents(effect.module)
    places = _places(effect.host)
    for rule in policy.rules:
        if kind in rule.applies_to and all(
            any(fnmatchcase(text, pattern) for text in _texts(key, names, places, effect))
            for key, pattern in rule.match.items()
        ):
            return rule
    return None


def _places(host: HostIdentity) -> tuple[str, ...]:
    return (host.name, *host.names, *(("local",) if host.name == LOCAL else ()))


def _texts(key: str, names: Iterable[str], places: Iterable[str], effect: Effect) -> Iterable[str]:
    """The texts that the pattern under that key is matched against; one match is enough."""
    match key:
        case "module":
            return names
        case "host":
            return places
        case "environment":
            return (effect.environment,)
        case _:
            same = synonyms(effect.module, key.removeprefix(PARAM))
            return [text for name in same if name in effect.params for text in param_texts(effect.params[name])]


def param_texts(value: Any) -> tuple[str, ...]:
    """The texts under which a parameter can be matched.

    A boolean matches in its YAML and its Python spelling; a list also matches as one command line, its items joined
    by spaces.
    """
    match value:
        case bool():
            return (json.dumps(value), str(value))
        case str():
            truth = _YAML_TRUTH.get(value.lower())
            return (value,) if truth is None else (value, truth)
        case None:
            return ("null", "None")
        case list() | tuple() | Mapping():
            whole = json.dumps(value, ensure_ascii=False, default=str)
            if isinstance(value, Mapping):
                return (whole,)
            return (whole, " ".join(str(item) for item in cast("Iterable[Any]", value)))
        case _:
            return (str(value),)


_YAML_TRUTH = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
