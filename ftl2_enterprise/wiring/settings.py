"""The settings of this program: the shared sections, and those that its capabilities declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core import packages
from ftl2_enterprise.core.settings.model import SettingsModel
from ftl2_enterprise.wiring.capabilities import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.settings.sections import Section


PACKAGE = "ftl2_enterprise.wiring"


def _sections() -> Iterable[Section]:
    """The `SECTIONS` of `wiring/NAME/settings.py`, which a capability without settings does not have."""
    declared = set(packages.modules_named("settings", among=PACKAGE))
    for name in NAMES:
        module = f"{PACKAGE}.{name}.settings"
        if module in declared:
            yield from packages.load(module).SECTIONS


MODEL = SettingsModel(_sections())
