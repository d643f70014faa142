"""`add-note`: keep a text under a name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.notes.arguments import NOTE, NOTES
from ftl2_enterprise.protocol.notes.verbs import AddNote
from ftl2_enterprise.render.text import line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Add the note; its text is read from standard input."""
    note = session.call(AddNote(name=given.text("note"), text=sys.stdin.read()))
    session.reply(note, lambda: line(f"note {note.name} added"))
    return 0


COMMAND = Command(
    summary="Add a note with the text of the standard input.",
    group=NOTES,
    run=run,
    verbs=(AddNote,),
    arguments=(NOTE,),
    examples=(Example("add-note todo"),),
)
