"""Which rules apply to a loop, and which hosts a rule may reach there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

from ftl2_enterprise.gate.policy.pattern import Pattern
from ftl2_enterprise.gate.policy.spellings import host_spelling
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from ftl2_enterprise.gate.effects import HostIdentity
    from ftl2_enterprise.loops.ports import HostEntry
    from ftl2_enterprise.protocol.loops.rules import RuleBinding

ALL = "all"


class HostDirectory(Protocol):
    """The hosts of a loop."""

    def hosts(self) -> list[HostEntry]:
        """Every host of the inventory."""
        ...

    def identity(self, name: str, /) -> HostIdentity:
        """Which host that is, whatever it is called."""
        ...


@dataclass(frozen=True, kw_only=True)
class RuleScope:
    """The loop for which rules are loaded."""

    loop: str
    labels: Mapping[str, str]
    directory: HostDirectory
    registered: Callable[[], Collection[str]] = tuple
    """Names of hosts that a loop has registered; the identities of others are not needed, and take long to find."""

    def includes(self, binding: RuleBinding) -> bool:
        """Whether a rule with that binding applies to the loop."""
        return (
            (binding.loops is None or _any_matches(binding.loops, [self.loop]))
            and all(
                key in self.labels and _any_matches(values, [self.labels[key]])
                for key, values in (binding.labels or {}).items()
            )
            and (binding.hosts is None or self._has_host(binding))
        )

    def covers(self, binding: RuleBinding, host: str) -> bool:
        """Whether a rule with that binding may reach the host."""
        if binding.hosts is None:
            return True
        if host == LOCALHOST and not self._is_listed(host):
            # Every loop can call the machine that it runs on. A pattern for hosts of the inventory does not mean it.
            return LOCALHOST in binding.hosts
        groups = self._entries[host].groups if host in self._entries else ()
        if not _matches_host(binding.hosts, (host, *groups)):
            return False
        if host not in self._registered:
            return True
        found = self.directory.identity(host)
        # A loop gave a registered host its name and groups: whatever else has its address counts, too.
        return not found.is_registered or all(_matches_host(binding.hosts, names) for names in found.others)

    def hosts(self, binding: RuleBinding) -> list[HostEntry]:
        """The hosts of the inventory that a rule with that binding may reach, in order."""
        return [one for one in self._entries.values() if self.covers(binding, one.name)]

    def _has_host(self, binding: RuleBinding) -> bool:
        hosts = binding.hosts or []
        return LOCALHOST in hosts or any(self.covers(binding, name) for name in self._entries or [LOCALHOST])

    def _is_listed(self, host: str) -> bool:
        """Whether the inventory lists it. Without an inventory, this machine is all of it."""
        return not self._entries or host in self._entries

    @cached_property
    def _entries(self) -> dict[str, HostEntry]:
        return {one.name: one for one in self.directory.hosts()}

    @cached_property
    def _registered(self) -> frozenset[str]:
        return frozenset(self.registered())


def _matches_host(patterns: Iterable[str], names: Iterable[str]) -> bool:
    lower = [host_spelling(name) for name in names]
    return any(text == ALL or any(map(_host_pattern(text).matches, lower)) for text in patterns)


@lru_cache(maxsize=1024)
def _host_pattern(text: str) -> Pattern:
    return Pattern(text).as_lower


def _any_matches(patterns: Iterable[str], texts: Iterable[str]) -> bool:
    every = list(texts)
    return any(any(map(Pattern(pattern).matches, every)) for pattern in patterns)
