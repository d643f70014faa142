"""The settings of this program: the shared sections, and those that its capabilities declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core import packages
from ftl2_enterprise.core.settings.model import SettingsModel
from ftl2_enterprise.gate.policy import settings as policy
from ftl2_enterprise.wiring.capabilities import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.settings.sections import Section


PACKAGE = "ftl2_enterprise.wiring"


def _sections() -> Iterable[Section]:
    """The section of policy, and the `SECTIONS` of `wiring/NAME/settings.py`, if a capability has that file."""
    yield policy.SECTION
    declared = set(packages.modules_named("settings", among=PACKAGE))
    for name in NAMES:
        module = f"{PACKAGE}.{name}.settings"
        if module in declared:
            yield from packages.load(module).SECTIONS


MODEL = SettingsModel(_sections())
