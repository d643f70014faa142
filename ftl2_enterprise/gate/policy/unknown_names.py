"""Names in rules that nothing has: modules, mistyped parameters, hosts and groups, and groups of people. Pure.

They are warnings: a policy may be written before the inventory, and for modules that are installed later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.gate.modules import is_known, mistyped_parameter
from ftl2_enterprise.gate.policy.pattern import Pattern
from ftl2_enterprise.gate.policy.spellings import host_spelling
from ftl2_enterprise.gate.policy.types import PARAM, AppliesTo

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Set as AbstractSet

    from ftl2_enterprise.gate.policy.types import PolicyRule


def warnings(
    rules: Iterable[PolicyRule],
    hosts: AbstractSet[str] | None,
    operations: Container[str] = (),
    is_group: Callable[[str], bool] = lambda _: True,
) -> Iterator[str]:
    """One sentence for each name; `hosts` are all names and addresses of all hosts, None if they are not known.

    `operations` are what else policy may be about under the name of a module: changes of what is registered.
    `is_group`: whether people can be members of the group.
    """
    spelled = None if hosts is None else frozenset((*hosts, *map(host_spelling, hosts)))
    known: dict[str, bool] = {}
    groups: dict[str, bool] = {}
    for rule in rules:
        if rule.needs is not None and (group := rule.needs.group):
            if group not in groups:
                groups[group] = is_group(group)
            if not groups[group]:
                yield f"{_named(rule)}: this system has no group {group!r}, so that no person can agree"
        if rule.applies_to == frozenset({AppliesTo.MODEL_CALLS}):
            continue
        module, host = rule.match.get("module"), rule.match.get("host")
        if (
            module is not None
            and AppliesTo.MODEL_CALLS not in rule.applies_to
            and Pattern(module).is_literal
            and module not in operations
            and not is_known(module)
        ):
            yield f"{_named(rule)}: no module is called {module!r}; one of a collection has its full name"
        for key in rule.match if module is not None and Pattern(module).is_literal else ():
            parameter = key.removeprefix(PARAM)
            if key != parameter and (meant := mistyped_parameter(module or "", parameter)) is not None:
                what = f"{module} is not known to have a parameter {parameter!r}"
                yield f"{_named(rule)}: {what}; did you mean {meant}?"
        if host is None or spelled is None:
            continue
        if host not in known:
            known[host] = _is_of_some(Pattern(host), spelled)
        if not known[host]:
            yield f"{_named(rule)}: no inventory has a host, a group or an address {host!r}"


def _named(rule: PolicyRule) -> str:
    return f"rule {rule.number} ({rule.source})"


def _is_of_some(pattern: Pattern, names: AbstractSet[str]) -> bool:
    lower = pattern.as_lower
    if pattern.is_literal and (pattern.text in names or host_spelling(lower.text) in names):
        return True
    return any(pattern.matches(one) or lower.matches(one) for one in names)
