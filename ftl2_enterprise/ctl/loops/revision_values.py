"""What the commands about revisions share: values that they take, and how they show a change."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.commandline.declaration import NUMBER, TEXT, Option
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loops import held
from ftl2_enterprise.protocol.loops.verbs import ShowLoop
from ftl2_enterprise.render.freezes import freeze_lines
from ftl2_enterprise.render.loops import revisions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.commandline.declaration import Command
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec

LONGEST_REASON = 2000
HIGHEST = 2**63 - 1
REASON = Option("reason", "Why, in your words; `revisions` shows it.", TEXT, value="TEXT")

BASED_ON = Option(
    "based-on", "Refuse if another revision than number N is in force by now.", NUMBER, value="N", at_least=1
)

PREVIEW = Option("preview", "Show what would change, and change nothing.")


def typed(command: Command, given: GivenValues, *, without: Sequence[str] = ()) -> str:
    """The arguments and options as they can be typed again."""
    words = [_word(given.values[argument.name]) for argument in command.arguments if given.has(argument.name)]
    for option in command.options:
        if not given.has(option.name) or option.name in without:
            continue
        if option.kind is None:
            words.append(option.long)
            continue
        for value in given.many(option.name) if option.many else [given.values[option.name]]:
            words += [option.long, _word(value)]
    return " ".join(_quoted(word) for word in words)


def _word(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _quoted(word: str) -> str:
    """The word for a shell; control characters are escaped, so that they are not lost where it is shown."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = "".join(
        one if one.isprintable() and one not in "\\'" else "".join(f"\\x{byte:02x}" for byte in one.encode())
        for one in word
    )
    return f"$'{escaped}'"


def reason_of(given: GivenValues) -> str | None:
    """The reason, if one was given. Raises Problem(invalid) for one that is too long."""
    reason = given.maybe("reason")
    if reason is not None and len(reason) > LONGEST_REASON:
        raise invalid(f"cannot take {len(reason)} characters for --reason", f"it must have at most {LONGEST_REASON}")
    return reason


def number_of(given: GivenValues, name: str, default: int) -> int:
    """The number of a revision. Raises Problem(invalid) for one that no revision can have."""
    number = given.number(name, default)
    if not 1 <= number <= HIGHEST:
        raise invalid(f"cannot take {number} for the number of a revision", "revisions are numbered from 1")
    return number


def show_change(session: CtlSession, before: Loop, now: Loop, requested: LoopSpec | None = None) -> None:
    """Show what the new revision changed, and when the loop takes it up; or that the loop has no new one.

    With `requested`, also what of it has no effect.
    """
    if session.wants_json:
        session.document(now)
        return
    notes = [] if requested is None else revisions.without_effect(before.spec, requested, now.spec)
    if now.revision == before.revision:
        session.print([revisions.unchanged_line(now), *revisions.note_lines(notes)])
        return
    found = msgspec.structs.replace(revisions.change(session, before, now), notes=notes)
    session.print(revisions.difference_lines(found))
    show_taken(session, before, now)


def show_preview(session: CtlSession, found: revisions.Difference, *, words: str, based_on: int, label: str) -> int:
    """Show what a command would change, and how to make the change; returns the exit status."""
    command = session.command(f"{words} --based-on {based_on}")
    preview = revisions.preview_of(found, based_on=based_on, command=command)
    session.reply(preview, lambda: revisions.preview_lines(preview, label=label))
    return 0


def show_taken(session: CtlSession, before: Loop, now: Loop) -> None:
    """Show when the loop takes up its new revision."""
    detail = session.call(ShowLoop(loop=str(now.id)))
    freezes = held.freezes_of(session, now)
    session.print(
        revisions.changed_line(
            now, before.revision, queued=detail.queued, draining=detail.draining, is_frozen=bool(freezes)
        )
    )
    session.print(revisions.earlier_lines(before))
    session.print(revisions.left_out_lines(before, now))
    session.print(freeze_lines(freezes, session.now()))
