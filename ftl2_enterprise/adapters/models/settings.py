"""The section `[model]` of the settings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from ftl2_enterprise.core.settings.sections import Dollars, Seconds, Section
from ftl2_enterprise.core.wire import Strict


class Provider(StrEnum):
    """Who decides when the desired state is no manifest; the empty one means rules alone."""

    NONE = ""
    CLAUDE = "claude"


class ModelSettings(Strict, frozen=True, kw_only=True):
    """How a model is reached, and what it may cost."""

    provider: Provider = Provider.NONE
    command: str = "claude"
    model: str = ""
    timeout: Seconds = 180.0
    retries: Annotated[int, Meta(ge=0, le=1000)] = 2
    bare: bool = False
    max_cost: Dollars | None = None


SECTION = Section(name="model", model=ModelSettings)
