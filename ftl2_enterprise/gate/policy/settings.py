"""The section `[policy]` of the settings. Programs read it without loading anything else of policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ftl2_enterprise.core import paths
from ftl2_enterprise.core.settings.sections import Section
from ftl2_enterprise.core.wire import Strict

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_A_UNIT = {"model": "ask"}
"""The defaults of a service of systemd, where no person is present when a model decides."""


class PolicySettings(Strict, frozen=True, kw_only=True):
    """What may have an effect, for the whole site."""

    directory: str = ""
    """Where the policy of the site is: its *.yaml and *.yml files, in order of name."""
    defaults: dict[Literal["manifest", "playbook", "rule", "model", "person"], Literal["allow", "ask", "deny"]] = {}
    """By origin: what happens to actions about which the site has no rule; otherwise they are allowed."""


def _defaults(variables: Mapping[str, str]) -> Mapping[str, Any]:
    directory = f"{paths.config_dir(variables)}/policy.d"
    return {"directory": directory, "defaults": OF_A_UNIT if paths.is_unit(variables) else {}}


SECTION = Section(
    name="policy",
    model=PolicySettings,
    paths=frozenset({"directory"}),
    defaults=_defaults,
)
