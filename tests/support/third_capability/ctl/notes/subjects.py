"""Notes as what facts and logs are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.notes.facts import NOTE
from ftl2_enterprise.protocol.notes.verbs import ShowNote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.ctl.completion import CompletionCandidate, Names
    from ftl2_enterprise.ctl.session import CtlSession


class NoteNames:
    """The names of notes."""

    def __init__(self, session: CtlSession) -> None:
        self._session = session

    def __call__(self, note_id: int) -> str:
        """The name of the note. Raises Problem."""
        return self._session.call(ShowNote(note=str(note_id))).note.name


def candidates(names: Names, command: str, typed: Sequence[str]) -> list[CompletionCandidate]:
    """None: there is no verb that lists notes."""
    del names, command, typed
    return []


NAMES: dict[str, Callable[[CtlSession], NoteNames]] = {NOTE: NoteNames}
