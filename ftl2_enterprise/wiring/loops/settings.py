"""The sections of the settings that loops add. Commands read them without loading anything else of loops."""

from __future__ import annotations

from ftl2_enterprise.adapters.models import settings as model
from ftl2_enterprise.loops import settings as loops

SECTIONS = (loops.SECTION, loops.OBSERVATIONS, model.SECTION)
