"""`show-note`: a note with its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.notes.arguments import NOTE, NOTES
from ftl2_enterprise.protocol.notes.verbs import ShowNote
from ftl2_enterprise.render.notes.note_text import note_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the note."""
    detail = session.call(ShowNote(note=given.text("note")))
    session.reply(detail, lambda: note_lines(detail))
    return 0


COMMAND = Command(
    summary="Show a note.",
    group=NOTES,
    run=run,
    verbs=(ShowNote,),
    arguments=(NOTE,),
    examples=(Example("show-note todo"),),
)
