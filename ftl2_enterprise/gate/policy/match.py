"""Finds what policies decide about an effect. Pure.

A rule that denies or asks is about an effect if *any* spelling of *any* part of it matches: one package of a list, a
path that a command names, any host with the same address. A rule that allows is about it only if *everything*
matches. What a rule asks about may be one part: then the rules after it decide about the rest.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.gate.effects import EffectKind, Mutates, Origin
from ftl2_enterprise.gate.module_table import ModuleClass
from ftl2_enterprise.gate.modules import classes, equivalents, find, is_given, spellings
from ftl2_enterprise.gate.policy.commands import commands
from ftl2_enterprise.gate.policy.index import Compared
from ftl2_enterprise.gate.policy.paths import normal
from ftl2_enterprise.gate.policy.pattern import Pattern
from ftl2_enterprise.gate.policy.spellings import host_spelling, package_name, truth_of
from ftl2_enterprise.gate.policy.types import PARAM, AppliesTo, Finding, Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.policy.values import GENERAL, Meaning, Values, covered_parameters, values, written_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ftl2_enterprise.gate.effects import Effect, HostIdentity
    from ftl2_enterprise.gate.module_table import Module


def decide(policies: Sequence[Policy], effect: Effect, defaults: Mapping[str, RuleDecision]) -> Finding:
    """The strictest decision of all policies; the default of the origin counts unless the site's policy decides.

    In one policy the first matching rule decides; after one that asks about a part of the effect, the first about the
    rest, too; if paths of the effect lead elsewhere, the first about each of their names. If several require an
    approval, the finding has all of them. A policy of which something could not be read denies everything.
    """
    with_rules: list[Policy] = []
    for policy in policies:
        if policy.problem:
            return Finding(decision=RuleDecision.DENY, policy=policy)
        if policy.rules:
            with_rules.append(policy)
    by_default = RuleDecision.ALLOW
    if effect.kind is EffectKind.ACTION:
        by_default = defaults.get(effect.origin, RuleDecision.ALLOW)
    if not with_rules:
        return _BY_DEFAULT[by_default]
    found: dict[tuple[int, int], Finding] = {}
    is_decided = True
    for subject in _subjects(effect):
        is_decided_by_site = False
        for which, policy in enumerate(with_rules):
            rules, is_whole = _deciding(policy, subject)
            for rule in rules:
                found[which, rule.number] = Finding(decision=rule.decision, policy=policy, rule=rule)
            is_decided_by_site |= policy.is_site and is_whole
        is_decided &= is_decided_by_site
    findings = list(found.values())
    if not is_decided:
        findings.append(_BY_DEFAULT[by_default])
    strictest = max(findings, key=lambda one: one.decision.strictness, default=_BY_DEFAULT[RuleDecision.ALLOW])
    if strictest.decision is not RuleDecision.ASK:
        return strictest
    also = tuple(one for one in findings if one.decision is RuleDecision.ASK and one is not strictest)
    return replace(strictest, also=also) if also else strictest


def deciding(policy: Policy, effect: Effect) -> Sequence[PolicyRule]:
    """The rules of a policy that decide about the effect, in order: several if one asks about a part of it."""
    return _deciding(policy, _JudgedEffect(effect))[0]


def paths_to_resolve(policies: Sequence[Policy], effect: Effect) -> tuple[str, ...]:
    """The paths that the host has to resolve before the effect is judged: none, unless a rule could be about them.

    It could if everything else in the rule matches.
    """
    with_rules = [policy for policy in policies if policy.rules]
    if not with_rules:
        return ()
    subject = _JudgedEffect(effect)
    keys = {key for policy in with_rules for key in policy.index if key.startswith(PARAM)}
    about = frozenset(key for key in keys if subject.is_path(key))
    for policy in with_rules if about else ():
        for rule in policy.without_keys(subject.unmatched_keys(policy) - about):
            if rule.keys.isdisjoint(about):
                continue
            rest = [(key, pattern) for key, pattern in rule.conditions if key not in about]
            if subject.kinds & rule.applies_to and subject.may_match(rest, rule.decision):
                return written_paths(effect, {key.removeprefix(PARAM) for key in about})
    return ()


def _subjects(effect: Effect) -> list[_JudgedEffect]:
    """What rules are applied to: the effect; if its paths lead elsewhere, also each of their names separately.

    So a rule about one name does not take precedence over a later, stricter one about another.
    """
    every = _JudgedEffect(effect)
    places = effect.resolved
    if all(one.rstrip("/") == path.rstrip("/") for path, found in places.items() for one in found):
        return [every]
    subjects = [every, _JudgedEffect(msgspec.structs.replace(effect, resolved={}))]
    leads = {path: found[0] for path, found in places.items() if found}
    names = [leads]
    if any(len(found) > 1 for found in places.values()):
        names.append({path: _link(path, places) for path in leads})
    for name_of in names:
        alone = {path: (name,) for path, name in name_of.items()}
        subjects.append(_JudgedEffect(msgspec.structs.replace(effect, resolved=alone), also_written=False))
    return subjects


def _link(path: str, places: Mapping[str, tuple[str, ...]]) -> str:
    """The name of a link itself, in directories without links; of a file in a linked directory, that through it."""
    folder, name = posixpath.split(path.rstrip("/"))
    found = places[path]
    if name and places.get(folder):
        return f"{places[folder][-1].rstrip('/')}/{name}"
    return found[-1]


def _deciding(policy: Policy, subject: _JudgedEffect) -> tuple[Sequence[PolicyRule], bool]:
    """The rules that decide, and whether they decide about the whole effect."""
    found: list[PolicyRule] = []
    parts = [subject]
    for rule in policy.without_keys(subject.unmatched_keys(policy)):
        if subject.kinds.isdisjoint(rule.applies_to):
            continue
        matched = [one for one in parts if one.is_about(rule) and one.matches(rule.conditions, rule.decision)]
        if not matched:
            continue
        found.append(rule)
        if rule.decision is not RuleDecision.ASK:
            return found, True
        left = [rest for one in parts for rest in (one.without(rule.conditions) if one in matched else (one,))]
        if not left:
            return found, True
        # With more parts nothing is left out, which is stricter.
        parts = left if len(left) <= _PARTS_LIMIT else parts
    return found, not any(one.is_open for one in parts)


_PARTS_LIMIT = 16


class _JudgedEffect:
    """One effect, prepared for comparisons with many rules."""

    def __init__(self, effect: Effect, *, also_written: bool = True) -> None:
        self.effect: Effect = effect
        self._also_written: bool = also_written
        self.kinds: frozenset[AppliesTo] = _kinds(effect)
        self._values: dict[str, Values] = {}
        self.is_open: bool = True
        """Whether some rule, or a default, has to decide about it; otherwise rules that deny or ask only may."""
        self._left_out: tuple[tuple[str, Pattern], ...] = ()
        """Values that are left out: by the name in a condition, what its pattern covers."""

    def is_about(self, rule: PolicyRule) -> bool:
        """Whether the rule may decide: about what is only possible, a rule about the values that are left."""
        names = [key.removeprefix(PARAM) for key in rule.keys if key.startswith(PARAM)]
        module = self.effect.module
        return self.is_open or any(_are_same(module, name, of) for name in names for of, _ in self._left_out)

    def without(self, conditions: Iterable[tuple[str, Pattern]]) -> list[_JudgedEffect]:
        """What is left of the effect without what all conditions are about; nothing if they are about everything.

        Of several conditions, each leaves a part: that to which it does not apply, whatever the others apply to.
        """
        left: list[_JudgedEffect] = []
        known, named = (
            find(self.effect.module),
            {key.removeprefix(PARAM) for key, _ in conditions if key.startswith(PARAM)},
        )
        if known is not None and named and self._widens(known, named):
            return [self]
        for key, pattern in conditions:
            if not key.startswith(PARAM):
                continue
            found = self._values_of(key)
            values_left = _without(pattern, found)
            is_open = not found.is_complete or not found.items or _has_any(values_left)
            if is_open or values_left.visible:
                rest = _JudgedEffect(self.effect, also_written=self._also_written)
                rest._left_out = (*self._left_out, (key.removeprefix(PARAM), pattern))
                rest.is_open = self.is_open and is_open
                left.append(rest)
        return left

    @cached_property
    def _classes(self) -> frozenset[ModuleClass]:
        return classes(self.effect.module, self.effect.params)

    def matches(self, conditions: Iterable[tuple[str, Pattern]], decision: RuleDecision) -> bool:
        """Whether all conditions are about the effect."""
        return self.may_match(conditions, decision) and not (
            decision is RuleDecision.ALLOW and self._does_more(conditions)
        )

    def may_match(self, conditions: Iterable[tuple[str, Pattern]], decision: RuleDecision) -> bool:
        """Whether these conditions of a rule are about the effect; the others may be, too."""
        allows = decision is RuleDecision.ALLOW
        return all(self._matches(key, pattern, allows=allows) for key, pattern in conditions)

    def unmatched_keys(self, policy: Policy) -> frozenset[str]:
        """The keys of a policy of which no pattern is about the effect."""
        return frozenset(key for key, index in policy.index.items() if not index.may_match(self._compared(key)))

    def _compared(self, key: str) -> Compared:
        effect = self.effect
        match key:
            case "module":
                runs = ModuleClass.COMMANDS in self._classes
                return Compared(_names(effect.module, also_commands=runs))
            case "class":
                return Compared(self._classes)
            case "host" if effect.kind is EffectKind.MODEL_CALL:
                return Compared(is_complete=False)
            case "host":
                texts = effect.host.every_name
                return Compared((*texts, *map(host_spelling, texts)))
            case "environment":
                return Compared((effect.environment,))
            case "origin":
                return Compared((effect.origin,))
            case _:
                return _compared(self._values_of(key))

    def is_path(self, key: str) -> bool:
        """Whether the condition is about paths of this effect."""
        return self._values_of(key).meaning is Meaning.PATH

    def _matches(self, key: str, pattern: Pattern, *, allows: bool) -> bool:
        effect = self.effect
        match key:
            case "module":
                runs = ModuleClass.COMMANDS in self._classes and not allows
                return _matches_any(pattern, _names(effect.module, also_commands=runs))
            case "class":
                matched = [pattern.matches(one) for one in self._classes]
                return all(matched) if allows else any(matched)
            case "host" if effect.kind is EffectKind.MODEL_CALL:
                # It has no host; the name in its effect is a default.
                return pattern.text == "*"
            case "host":
                return _matches_host(pattern, effect.host, allows=allows)
            case "environment":
                return pattern.matches(effect.environment)
            case "origin":
                return pattern.matches(effect.origin)
            case _:
                found = self._values_of(key)
                return _all_match(pattern, found) if allows else _any_matches(pattern, found)

    def _values_of(self, key: str) -> Values:
        name = key.removeprefix(PARAM)
        known = self._values.get(name)
        if known is None:
            known = values(self.effect, name, also_written=self._also_written)
            for other, pattern in self._left_out:
                if _are_same(self.effect.module, name, other):
                    known = _without(pattern, known)
            self._values[name] = known
        return known

    def _does_more(self, conditions: Iterable[tuple[str, Pattern]]) -> bool:
        """Whether a parameter makes the module do something that the conditions of a rule do not name."""
        known = find(self.effect.module)
        if known is None:
            return False
        keys = {key for key, _ in conditions}
        named = {key.removeprefix(PARAM) for key in keys if key.startswith(PARAM)}
        if named and self._widens(known, named):
            return True
        if ModuleClass.COMMANDS in known.classes and named and not keys & {"module", "class"}:
            # What a command does is more than the paths that it names.
            commands = {
                *known.commands,
                *known.programs,
                *(one for one, of in GENERAL.items() if of is Meaning.COMMAND),
            }
            if not named & commands:
                return True
        if ModuleClass.COMMANDS not in self._classes - set(known.classes):
            return False
        named |= {key for key, _ in conditions}
        return not named & {"class", *known.programs, *(one for one, of in GENERAL.items() if of is Meaning.COMMAND)}

    def _widens(self, known: Module, named: set[str]) -> bool:
        """Whether a parameter that a rule about other parameters does not name adds to what these are about."""
        widening = (*known.widening, known.base)
        given = [one for one in widening if is_given(known, self.effect.params, (one,))]
        covered = {one for name in named for one in covered_parameters(known.name, name)} if given else set[str]()
        return not covered.issuperset(given)


_BY_DEFAULT = {decision: Finding(decision=decision) for decision in RuleDecision}


def _kinds(effect: Effect) -> frozenset[AppliesTo]:
    match effect.kind:
        case EffectKind.OBSERVATION:
            may_act = effect.mutates is not Mutates.NO and effect.origin is Origin.MODEL
            return _UNFENCED if may_act else _OBSERVATIONS
        case EffectKind.MODEL_CALL:
            return _MODEL_CALLS
        case _:
            return _ACTIONS


_ACTIONS = frozenset({AppliesTo.ACTIONS})
_OBSERVATIONS = frozenset({AppliesTo.OBSERVATIONS})
_UNFENCED = _ACTIONS | _OBSERVATIONS
_MODEL_CALLS = frozenset({AppliesTo.MODEL_CALLS})


@lru_cache(1024)
def _names(module: str, *, also_commands: bool) -> frozenset[str]:
    """Every name that a rule can use for a module; one about `shell` is about all that execute commands."""
    return frozenset((*spellings(module), *(equivalents("shell") if also_commands else ())))


def _matches_any(pattern: Pattern, texts: frozenset[str]) -> bool:
    return pattern.text in texts if pattern.is_literal else _globs_any(pattern.text, texts)


@lru_cache(8192)
def _globs_any(text: str, texts: frozenset[str]) -> bool:
    return any(map(Pattern(text).matches, texts))


def _matches_host(pattern: Pattern, host: HostIdentity, *, allows: bool) -> bool:
    if allows and host.is_registered:
        # What a decision calls a host is not a reason to allow something there.
        return pattern.text == "*"
    if allows:
        called = (host.own_names, *host.others)
        return all(any(map(pattern.matches, names)) for names in called)
    lower = pattern.as_lower
    return any(pattern.matches(one) or lower.matches(host_spelling(one)) for one in host.every_name)


_SELECTING = frozenset({Meaning.PACKAGE, Meaning.SERVICE})
"""What a call can also name with a pattern, for the program that receives it."""


def _compared(found: Values) -> Compared:
    """What any condition about these values is compared with, as `_any_matches` and `_all_match` do."""
    texts = (*(one for item in found.items for one in item), *found.more, *found.python_names)
    if (
        found.trees
        or found.folders
        or found.globs
        or not found.is_complete
        or (found.meaning in _SELECTING and any(map(_is_glob, texts)))
    ):
        return Compared(is_complete=False)
    return Compared(texts, found.visible)


def _any_matches(pattern: Pattern, found: Values) -> bool:
    """Whether some spelling of some value matches."""
    if not found.is_complete:
        return True
    if found.python_names and any(map(pattern.as_python_name.matches, found.python_names)):
        return True
    match found.meaning:
        case Meaning.PATH:
            as_path = pattern.as_path
            texts = (*(one for item in found.items for one in item), *found.more)
            return (
                any(as_path.matches(one) or pattern.matches(one) for one in texts)
                or any(map(as_path.may_be_below, found.trees))
                or any(map(as_path.is_in, found.folders))
                or any(map(as_path.is_below, found.visible))
                or any(map(as_path.may_name, found.globs))
            )
        case Meaning.PACKAGE if any(_is_glob(one) for item in found.items for one in item):
            return any(pattern.matches(one) or pattern.can_mean(one) for item in found.items for one in item)
        case Meaning.SERVICE if any(map(_selects_units, found.items)):
            return any(pattern.matches(one) or pattern.may_name_unit(one) for item in found.items for one in item)
        case _:
            return any(_matches_item(pattern, item, found.meaning) for item in found.items) or any(
                map(pattern.matches, found.more)
            )


def _all_match(pattern: Pattern, found: Values) -> bool:
    """Whether every value matches, and everything below a directory in which everything may change."""
    if not found.is_complete:
        return False
    if found.meaning is Meaning.PATH:
        as_path = pattern.as_path
        below = (*found.trees, *(tree for tree in found.visible if _is_glob(tree)))
        return (
            bool(found.items)
            and all(as_path.matches(item[0]) for item in found.items)
            and all(as_path.includes_all_below(tree) for tree in below)
        )
    if found.meaning is Meaning.PACKAGE:
        return bool(found.items) and all(_names_package(pattern, item) for item in found.items)
    if found.meaning is Meaning.SERVICE:
        return bool(found.items) and all(_covers_units(pattern, item) for item in found.items)
    return bool(found.items) and all(_matches_item(pattern, item, found.meaning) for item in found.items)


def _selects_units(item: tuple[str, ...]) -> bool:
    return _is_glob(item[0])


def _covers_units(pattern: Pattern, item: tuple[str, ...]) -> bool:
    """Whether it matches every unit that the call names with a pattern: only if it is the same one, or `*`."""
    if _selects_units(item):
        return pattern.text == "*" or pattern.text in item
    return _matches_item(pattern, item, Meaning.SERVICE)


def _names_package(pattern: Pattern, item: tuple[str, ...]) -> bool:
    """Whether a pattern names a package as it is written, or without its version.

    What is no name, such as a path, an address or an option, has to be written in the pattern up to its first sign.
    """
    name = package_name(item[0])
    if name is None:
        return pattern.text == item[0] or ("/" in pattern.fixed and pattern.matches(item[0]))
    return any(map(pattern.matches, {item[0], item[0].strip(), name}.intersection(item)))


def _matches_item(pattern: Pattern, item: tuple[str, ...], meaning: Meaning) -> bool:
    if any(map(pattern.matches, item)) or not pattern.as_mode.isdisjoint(item):
        return True
    if meaning is Meaning.USER and not pattern.as_user.isdisjoint(item):
        return True
    # A rule may have `yes` where a call has `true`.
    return meaning is Meaning.PLAIN and truth_of(pattern.text) in item


def _are_same(module: str, name: str, other: str) -> bool:
    """Whether conditions about these two names are about the same values of the module's calls."""
    if name == other or (name in GENERAL and GENERAL[name] is GENERAL.get(other)):
        return True
    return name in covered_parameters(module, other) and other in covered_parameters(module, name)


def _has_any(found: Values) -> bool:
    """Whether there is a value about which some rule has to decide.

    Below a directory in a command something may change, which concerns rules about it, as a deny of `/app/secret`.
    """
    return bool(found.items or found.more or found.trees or found.globs or found.folders)


def _without(pattern: Pattern, found: Values) -> Values:
    """The values without those which the pattern covers."""
    is_path = found.meaning is Meaning.PATH
    compared = pattern.as_path if is_path else pattern
    covers_below = compared.includes_all_below

    def covers(text: str) -> bool:
        return compared.matches(normal(text) if is_path else text)

    match found.meaning:
        case Meaning.PATH:
            items = [item for item in found.items if not covers(item[0])]
            # `/etc/x.conf` of the file `x.conf` is not meant as a directory in which the file is made.
            named = {f"{item[0]}/{posixpath.basename(item[0])}" for item in found.items if covers(item[0])}
            more = [text for text in found.more if not (covers(text) or text in named)]
        case Meaning.COMMAND:
            items = [item for item in found.items if not _covers_commands(covers, item[0])]
            # With `chdir`, a command is more than its text.
            lines = {text for item in items for text in item}
            more = [
                text
                for text in found.more
                if text in lines or (not covers(text) and (items or text.startswith("cd ")))
            ]
        case Meaning.SERVICE:
            items = [item for item in found.items if not _covers_units(pattern, item)]
            more = list(found.more) if items else []
        case _:
            items = [item for item in found.items if not _matches_item(pattern, item, found.meaning)]
            # These are the items in other forms.
            more = list(found.more) if items else []
    return replace(
        found,
        items=tuple(items),
        more=tuple(more),
        trees=tuple(tree for tree in found.trees if not covers_below(tree)),
        visible=tuple(tree for tree in found.visible if not covers_below(tree)),
        globs=tuple(glob for glob in found.globs if not covers_below(glob)),
        folders=tuple(folder for folder in found.folders if not covers_below(folder)),
        python_names=found.python_names if items else (),
    )


def _covers_commands(covers: Callable[[str], bool], line: str) -> bool:
    """Whether each command of a command line matches, in one of the ways in which it can be written."""
    found = commands(line)
    return found is not None and all(any(map(covers, one)) for one in found)


def _is_glob(text: str) -> bool:
    return any(sign in text for sign in "*?[")
