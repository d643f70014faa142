"""The section `[loops]` of the settings."""

from __future__ import annotations

from enum import StrEnum

from ftl2_enterprise.core import paths
from ftl2_enterprise.core.settings.sections import Count, Days, Seconds, Section, Share
from ftl2_enterprise.core.wire import Strict
from ftl2_enterprise.gate.judge import UnfencedCommands
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation


class UnfencedRules(StrEnum):
    """What happens to rules on a machine that cannot build the sandbox for their process."""

    ALLOW = "allow"
    DENY = "deny"


class LoopSettings(Strict, frozen=True, kw_only=True):
    """What a loop gets unless it is asked for otherwise, and the engine's limits."""

    max_iterations: Count = 10
    interval: Seconds = 60.0
    jitter: Share = 0.1
    backoff_cap: Seconds = 3600.0
    audit_every: Seconds = 86400.0
    action_timeout: Seconds = 300.0
    observation_timeout: Seconds = 60.0
    attempts: Count = 3
    """How often a run executes the same action, or observes again what cannot be observed, before it ends."""
    retry_delay: Seconds = 1.0
    """Before the second attempt; it doubles before each further one, up to a minute."""
    prompt_timeout: Seconds | None = None
    approval_timeout: Seconds = 86400.0
    """How long people may take to approve actions, where no rule has a limit."""
    remediation: LoopRemediation = LoopRemediation.AUTO
    """What a new loop does about drift."""
    parallel_hosts: Count = 10
    rules_dir: str = ""
    unfenced_rules: UnfencedRules = UnfencedRules.ALLOW
    stale_after: Seconds = 300.0
    keep_noop_iterations: Days = 7.0
    """Days for which iterations that changed nothing are kept; 0 keeps them indefinitely."""


class ObservationSettings(Strict, frozen=True, kw_only=True):
    """How hosts are observed."""

    unfenced_commands: UnfencedCommands = UnfencedCommands.DENY
    """What happens to a model's command where the host cannot build the sandbox; `ask` denies it, too."""


OBSERVATIONS = Section(name="observations", model=ObservationSettings)
SECTION = Section(
    name="loops",
    model=LoopSettings,
    paths=frozenset({"rules_dir"}),
    defaults=lambda variables: {"rules_dir": f"{paths.config_dir(variables)}/rules"},
    renamed={"store.keep_looks": "keep_noop_iterations"},
)
