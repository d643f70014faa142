"""`output`: a stored text in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Argument, Command, Example
from ftl2_enterprise.ctl.loops.arguments import DIGEST
from ftl2_enterprise.ctl.subjects import HISTORY
from ftl2_enterprise.protocol.loops.verbs import GetText
from ftl2_enterprise.render.text import clean

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Print the text unchanged; on a terminal, without control sequences."""
    whole = session.call(GetText(digest=given.text("digest")))
    if session.wants_json:
        session.document(whole)
        return 0
    stream = session.out.stream
    text = clean(whole.text) if stream.isatty() else whole.text
    stream.write(text if text.endswith("\n") or not stream.isatty() else text + "\n")
    stream.flush()
    return 0


COMMAND = Command(
    summary="Print a stored text in full: the output of a module, a request to a model.",
    group=HISTORY,
    run=run,
    verbs=(GetText,),
    arguments=(Argument("digest", DIGEST, "Digest that `actions` shows, or at least its first 6 digits."),),
    examples=(Example("output 3f6c0b"),),
)
