"""The section `[policy]` of the settings. Programs read it without loading anything else of policy."""

from __future__ import annotations

from typing import Literal

from ftl2_enterprise.core import paths
from ftl2_enterprise.core.settings.sections import Section
from ftl2_enterprise.core.wire import Strict


class PolicySettings(Strict, frozen=True, kw_only=True):
    """What may have an effect, for the whole site."""

    directory: str = ""
    """Where the policy of the site is: its *.yaml and *.yml files, in order of name."""
    defaults: dict[Literal["manifest", "playbook", "rule", "model", "person"], Literal["allow", "ask", "deny"]] = {}
    """By origin: what happens to actions about which the site has no rule; otherwise they are allowed."""


SECTION = Section(
    name="policy",
    model=PolicySettings,
    paths=frozenset({"directory"}),
    defaults=lambda variables: {"directory": f"{paths.config_dir(variables)}/policy.d"},
)
