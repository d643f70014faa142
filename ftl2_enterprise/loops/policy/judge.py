"""What may not be done: deny rules, judged outside the model and before any module runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.loops.policy.module_names import RUNS_COMMANDS, equals, short_name
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from pathlib import Path

PARAM = "param."


class AppliesTo(StrEnum):
    """What a rule is about."""

    ACTIONS = "actions"
    OBSERVATIONS = "observations"


@dataclass(frozen=True, kw_only=True)
class DenyRule:
    """One thing that may not be done. Every condition has to match."""

    number: int
    """Its place among all rules, from 1."""
    match: Mapping[str, str]
    reason: str
    source: str
    """File and line."""
    applies_to: frozenset[AppliesTo] = frozenset({AppliesTo.ACTIONS})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Rules in order; the first that matches denies, and what none matches is allowed."""

    rules: tuple[DenyRule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the call may be made, and why not."""

    allowed: bool
    rule: int | None = None
    reason: str = ""
    """One line for people; names the rule and where it stands."""


ALLOWED = Verdict(allowed=True)


def load_policy(path: Path | None) -> Policy:
    """Read a policy file, or every *.yml and *.yaml of a directory in name order; None allows everything.

    Raises Problem(invalid) with file and line.
    """
    # YAML is slow to import and most processes have no policy.
    from ftl2_enterprise.loops.policy.file import read_rules  # noqa: PLC0415

    return Policy(rules=() if path is None else tuple(read_rules(path)))


def evaluate(
    policy: Policy,
    *,
    module: str,
    params: Mapping[str, Any],
    host: str,
    groups: Iterable[str],
    environment: str,
    observing: bool,
) -> Verdict:
    """Judge one call on one host, with the parameters that the module would really get."""
    kind = AppliesTo.OBSERVATIONS if observing else AppliesTo.ACTIONS
    names = equals(module)
    places = (host, *groups, "local") if host == LOCALHOST else (host, *groups)
    for rule in policy.rules:
        if kind in rule.applies_to and all(
            any(fnmatchcase(text, pattern) for text in _texts(key, names, places, environment, module, params))
            for key, pattern in rule.match.items()
        ):
            because = f": {rule.reason}" if rule.reason else ""
            sentence = f"denied by policy rule {rule.number} ({rule.source}){because}"
            return Verdict(allowed=False, rule=rule.number, reason=sentence)
    return ALLOWED


def _texts(
    key: str,
    names: Iterable[str],
    places: Iterable[str],
    environment: str,
    module: str,
    params: Mapping[str, Any],
) -> Iterable[str]:
    """What the pattern under that key is held against."""
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
    """The texts as which a parameter can be matched: a list of words also as one command line."""
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
    """Every name under which the module takes that parameter: whoever forbids `path` means `dest` as well."""
    same = _SYNONYMS.get(short_name(module), frozenset())
    return same if param in same else frozenset({param})
