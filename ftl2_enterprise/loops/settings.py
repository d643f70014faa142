"""The section `[loops]` of the settings."""

from __future__ import annotations

from ftl2_enterprise.core import paths
from ftl2_enterprise.core.settings.sections import Count, Days, Seconds, Section, Share
from ftl2_enterprise.core.wire import Strict


class LoopSettings(Strict, frozen=True, kw_only=True):
    """What a loop gets unless it is asked for otherwise, and the engine's limits."""

    max_iterations: Count = 10
    interval: Seconds = 60.0
    jitter: Share = 0.1
    backoff_cap: Seconds = 3600.0
    audit_every: Seconds = 86400.0
    action_timeout: Seconds = 300.0
    observation_timeout: Seconds = 60.0
    prompt_timeout: Seconds | None = None
    parallel_hosts: Count = 10
    rules_dir: str = ""
    stale_after: Seconds = 300.0
    keep_noop_iterations: Days = 7.0
    """Days for which iterations that changed nothing are kept; 0 keeps them indefinitely."""


SECTION = Section(
    name="loops",
    model=LoopSettings,
    paths=frozenset({"rules_dir"}),
    defaults=lambda variables: {"rules_dir": f"{paths.config_dir(variables)}/rules"},
    renamed={"store.keep_looks": "keep_noop_iterations"},
)
