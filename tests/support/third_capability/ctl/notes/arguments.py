"""Arguments of the commands of notes."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import TEXT, Argument, HelpGroup

NOTES = HelpGroup("Notes", 35)
NOTE = Argument("note", TEXT, "Name or id of the note.")
