"""The roles of facts of notes."""

from __future__ import annotations

from ftl2_enterprise.protocol.notes.facts import NoteArchived
from ftl2_enterprise.render.text import Role

ROLES = {NoteArchived: Role.GOOD}
