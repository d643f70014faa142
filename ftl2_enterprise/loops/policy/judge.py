"""Evaluates a policy for one call. Pure; no decider and no rule takes part, and no module has run yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from ftl2_enterprise.loops.policy.module_names import RUNS_COMMANDS, equivalents, short_name
from ftl2_enterprise.loops.policy.types import ALLOWED, PARAM, AppliesTo, Policy, PolicyVerdict
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST


def evaluate(
    policy: Policy,
    *,
    module: str,
    params: Mapping[str, Any],
    host: str,
    groups: Iterable[str],
    environment: str,
    observing: bool,
) -> PolicyVerdict:
    """Evaluate the policy for one call on one host.

    `params` are those that the module would receive, with secrets injected. `observing` selects the rules that apply
    to observations instead of those that apply to actions.
    """
    kind = AppliesTo.OBSERVATIONS if observing else AppliesTo.ACTIONS
    names = equivalents(module)
    places = (host, *groups, "local") if host == LOCALHOST else (host, *groups)
    for rule in policy.rules:
        if kind in rule.applies_to and all(
            any(fnmatchcase(text, pattern) for text in _texts(key, names, places, environment, module, params))
            for key, pattern in rule.match.items()
        ):
            because = f": {rule.reason}" if rule.reason else ""
            sentence = f"denied by policy rule {rule.number} ({rule.source}){because}"
            return PolicyVerdict(allowed=False, rule=rule.number, reason=sentence)
    return ALLOWED


def _texts(
    key: str,
    names: Iterable[str],
    places: Iterable[str],
    environment: str,
    module: str,
    params: Mapping[str, Any],
) -> Iterable[str]:
    """The texts that the pattern under that key is matched against; one match is enough."""
    match key:
        case "module":
            return names
        case "host":
            return places
        case "environment":
            return (environment,)
        case _:
            same = synonyms(module, key.removeprefix(PARAM))
            return [text for name in same if name in params for text in param_texts(params[name])]


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

_PATH = frozenset({"path", "dest", "destfile", "name"})
_PACKAGE = frozenset({"name", "pkg", "package"})
_SERVICE = frozenset({"name", "service", "unit"})
_COMMAND = frozenset({"cmd", "_raw_params", "argv"})

_SYNONYMS: dict[str, frozenset[str]] = (
    dict.fromkeys(("file", "lineinfile", "blockinfile", "replace"), _PATH)
    | dict.fromkeys(("apt", "dnf", "dnf5", "yum", "package"), _PACKAGE)
    | dict.fromkeys(("service", "systemd", "systemd_service", "sysvinit"), _SERVICE)
    | dict.fromkeys(RUNS_COMMANDS, _COMMAND)
    | {
        "user": frozenset({"name", "user"}),
        "stat": frozenset({"path", "dest", "name"}),
        "slurp": frozenset({"src", "path"}),
        "git": frozenset({"repo", "name"}),
    }
)


def synonyms(module: str, param: str) -> frozenset[str]:
    """Every name under which the module accepts that parameter: a rule about `path` also covers `dest`."""
    same = _SYNONYMS.get(short_name(module), frozenset())
    return same if param in same else frozenset({param})
