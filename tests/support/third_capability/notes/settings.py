"""The section `[notes]` of the settings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ftl2_enterprise.core.settings.sections import Days, Refuse, Section
from ftl2_enterprise.core.wire import Strict


class NoteSettings(Strict, frozen=True, kw_only=True):
    """How notes are shown and kept."""

    greeting: Annotated[str, Meta(max_length=40)] = "note"
    """The word before the name of a note that is shown."""
    keep_archived: Days = 0.0
    """Days for which archived notes are kept; 0 keeps them indefinitely."""


def _check(section: NoteSettings, refuse: Refuse) -> None:
    if not section.greeting.strip():
        refuse("greeting", section.greeting, "it is blank")


SECTION = Section(name="notes", model=NoteSettings, check=_check)
