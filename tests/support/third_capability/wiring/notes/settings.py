"""The section of the settings that notes add."""

from __future__ import annotations

from ftl2_enterprise.notes.settings import SECTION

SECTIONS = (SECTION,)
