"""Rules, deterministic conditions and actions that avoid model calls. Their code is executed by a `RuleRunner`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from ftl2_enterprise.loops.ports import RuleSource
    from ftl2_enterprise.protocol.loops.decision import ObservationSpec
    from ftl2_enterprise.protocol.loops.rules import RuleBinding


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One valid rule file."""

    file: RuleSource
    description: str
    """First line of the docstring."""
    observe: tuple[ObservationSpec, ...]
    applies_to: RuleBinding

    @property
    def name(self) -> str:
        """The name of the file without its ending."""
        return self.file.name

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return self.file.digest


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The rules of a directory that apply to a loop, in name order, and those that are broken or disabled."""

    rules: tuple[Rule, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name and error of each file that is not a valid rule."""
    disabled: tuple[str, ...] = ()


def enabled(rules: RuleSet, disabled: Container[str]) -> RuleSet:
    """The rules without the disabled ones."""
    off = [name for name in (*(rule.name for rule in rules.rules), *rules.broken) if name in disabled]
    if not off:
        return rules
    return RuleSet(
        rules=tuple(rule for rule in rules.rules if rule.name not in disabled),
        broken={name: error for name, error in rules.broken.items() if name not in disabled},
        disabled=tuple(sorted({*rules.disabled, *off})),
    )
