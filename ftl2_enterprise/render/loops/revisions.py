"""The revisions of a desired state: the list, and the difference between two of them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.quoted_names import file_name
from ftl2_enterprise.core.untrusted import visible
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopState
from ftl2_enterprise.protocol.loops.revision_changes import changed_files, changed_settings
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, ListRevisions
from ftl2_enterprise.render.loops.diffs import diff_lines
from ftl2_enterprise.render.loops.standing import standing
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, line, one_line, person, value_text, with_commands
from ftl2_enterprise.render.view import ViewContent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftl2_enterprise.protocol.loops.nouns import LoopSpec
    from ftl2_enterprise.protocol.loops.replies import Queued, RevisionLine, RevisionPage
    from ftl2_enterprise.render.view import ViewReader

LARGEST_COMPARED = 1 << 20
"""Characters of a text that is compared line by line; of a larger one only the size is shown."""
LIMIT = 50
SHOWN_CHANGED = 3
"""Settings and files of a revision in the list."""
COLUMNS = (
    Column("REVISION", right=True),
    Column("WHEN"),
    Column("BY", drop=3),
    Column("CHANGED", least=12),
    Column("REASON", least=12, drop=2),
)
TEXT = "desired_state"


def revisions_view(reader: ViewReader, *, loop: str, before: int | None = None, limit: int = LIMIT) -> ViewContent:
    """The revisions of a loop, newest first; the document is a `RevisionPage`."""
    page = reader.call(ListRevisions(loop=loop, before=before, limit=limit))
    return ViewContent(page, lambda: _lines(reader, page))


def _lines(reader: ViewReader, page: RevisionPage) -> list[Line]:
    now = reader.now()
    rows = [
        [
            cell((str(one.n), Role.STRONG if one.n == page.in_force else Role.PLAIN)),
            cell((ago(one.created_at, now), Role.FAINT)),
            cell(one_line(person(one.created_by), 80)),
            cell(one_line(_changed(one), 300)),
            cell(one_line(one.reason or "-", 300)),
        ]
        for one in page.revisions
    ]
    return table(COLUMNS, rows, reader.room)


def _changed(one: RevisionLine) -> str:
    what = ", ".join(name_of(name) for name in one.changed[:SHOWN_CHANGED])
    if len(one.changed) > SHOWN_CHANGED:
        what += f" and {len(one.changed) - SHOWN_CHANGED} more"
    if one.restores is not None:
        what = f"as revision {one.restores}" + (f": {what}" if what else "")
    return what or "-"


def name_of(setting: str) -> str:
    """A field of the specification, or a path, as people are shown it."""
    return "text" if setting == TEXT else file_name(setting) if setting.startswith("/") else setting.replace("_", " ")


class FileChange(msgspec.Struct, frozen=True):
    """What differs in a text."""

    path: str
    """Of the file; empty for the text of the desired state."""
    diff: str
    """A unified difference; empty if one of the two is too large to be compared."""


class SettingChange(msgspec.Struct, frozen=True):
    """A setting with another value."""

    name: str
    before: Any
    after: Any


class Difference(msgspec.Struct, frozen=True):
    """What differs between two revisions."""

    texts: list[FileChange]
    settings: list[SettingChange]
    raised: list[SettingChange] = []
    """Limits that were raised since, without another revision: from that of the revision to that in force."""
    notes: list[str] = []
    """What was requested and has no effect, with the reason."""

    @property
    def is_empty(self) -> bool:
        """Whether they are equal."""
        return not self.texts and not self.settings and not self.raised


class ChangePreview(msgspec.Struct, frozen=True):
    """What an update or a rollback would change."""

    based_on: int
    """The revision that it was compared with."""
    command: str
    """Makes the change, unless another revision is in force by then."""
    texts: list[FileChange]
    settings: list[SettingChange]
    raised: list[SettingChange] = []
    """Limits that were raised since that revision, and stay."""
    notes: list[str] = []
    """What was requested and has no effect, with the reason."""


def between(reader: ViewReader, loop: Loop, before: int, after: int) -> Difference:
    """The difference between two revisions of a loop."""
    of = str(loop.id)
    first, second = (reader.call(GetRevision(loop=of, n=n)) for n in (before, after))
    names = f"revision {before}", f"revision {after}"
    found = difference(first.spec, second.spec, names, contents(reader, of, before), contents(reader, of, after))
    if after != loop.revision:
        return found
    return msgspec.structs.replace(found, raised=setting_changes(second.spec, loop.spec))


def change(reader: ViewReader, before: Loop, now: Loop) -> Difference:
    """What the revision in force has changed for the loop, including limits that were raised before."""
    of = str(now.id)
    names = f"revision {before.revision}", f"revision {now.revision}"
    old, new = (contents(reader, of, one.revision) for one in (before, now))
    found = difference(before.spec, now.spec, names, old, new)
    return msgspec.structs.replace(found, raised=raised(reader, before, now.spec))


def restoration(reader: ViewReader, loop: Loop, after: LoopSpec, to: int) -> Difference:
    """What a rollback to the revision would change for the loop."""
    names = f"revision {loop.revision}", f"revision {to}"
    old, new = (contents(reader, str(loop.id), n) for n in (loop.revision, to))
    found = difference(loop.spec, after, names, old, new)
    return msgspec.structs.replace(found, raised=raised(reader, loop, after))


def raised(reader: ViewReader, loop: Loop, after: LoopSpec) -> list[SettingChange]:
    """Limits of the loop that were raised since its revision was put in force, and that `after` has, too."""
    stored = reader.call(GetRevision(loop=str(loop.id), n=loop.revision)).spec
    changed = {one.name for one in setting_changes(loop.spec, after)}
    return [one for one in setting_changes(stored, loop.spec) if one.name not in changed]


def contents(reader: ViewReader, loop: str, n: int) -> Callable[[str], str]:
    """Reads the files of a revision, by path."""
    return lambda path: reader.call(GetRevisionFile(loop=loop, n=n, path=path)).content


def difference(
    before: LoopSpec,
    after: LoopSpec,
    names: tuple[str, str],
    old: Callable[[str], str],
    new: Callable[[str], str],
) -> Difference:
    """The difference; `old` and `new` return the content of a file of each."""
    settings = changed_settings(before, after)
    texts: list[FileChange] = []
    if TEXT in settings:
        texts.append(FileChange(path="", diff=_diff(before.desired_state, after.desired_state, "", names)))
    for path in changed_files(before, after):
        texts.append(
            FileChange(
                path=path,
                diff=_diff(
                    old(path) if path in before.files else "", new(path) if path in after.files else "", path, names
                ),
            )
        )
    return Difference(texts=texts, settings=setting_changes(before, after))


def setting_changes(before: LoopSpec, after: LoopSpec) -> list[SettingChange]:
    """The settings that differ; the text is none."""
    return [
        SettingChange(
            name=name,
            before=msgspec.to_builtins(getattr(before, name)),
            after=msgspec.to_builtins(getattr(after, name)),
        )
        for name in changed_settings(before, after)
        if name != TEXT
    ]


def _diff(before: str, after: str, path: str, names: tuple[str, str]) -> str:
    if max(len(before), len(after)) > LARGEST_COMPARED:
        return ""
    named = [f"{file_name(path) or 'text'} ({name})" for name in names]
    found = difflib.unified_diff(_split(before), _split(after), fromfile=named[0], tofile=named[1], lineterm="")
    return "\n".join(found) or f"--- {named[0]}\n+++ {named[1]}\n only the end of the last line differs"


def _split(text: str) -> list[str]:
    """The lines. Only a line feed ends one: what else Python splits at would forge lines of the difference."""
    return text.removesuffix("\n").split("\n") if text else []


def difference_lines(found: Difference) -> list[Line]:
    """The difference, as people are shown it."""
    if found.is_empty:
        return [line("no difference"), *note_lines(found.notes)]
    shown: list[Line] = []
    for one in found.texts:
        what = file_name(one.path) or "the text"
        shown += (
            diff_lines(visible(one.diff), indent=0) if one.diff else [line(one_line(what), " differs: too large")]
        )
    shown += [_setting_line(one) for one in found.settings]
    shown += [_setting_line(one, " (raised since that revision)") for one in found.raised]
    return [*shown, *note_lines(found.notes)]


def without_effect(before: LoopSpec, requested: LoopSpec, after: LoopSpec) -> list[str]:
    """What was requested and has no effect, with the reason."""
    if requested.remediation in {before.remediation, after.remediation}:
        return []
    return [
        f"remediation is {after.remediation} and not {requested.remediation}, because the stricter one of the option "
        "and of the manifest applies"
    ]


def note_lines(notes: Iterable[str]) -> list[Line]:
    """What was requested and has no effect."""
    return [line((note, Role.WARNING)) for note in notes]


def _setting_line(one: SettingChange, note: str = "") -> Line:
    return line(
        (f"{name_of(one.name)}: ", Role.STRONG),
        (_value(one.before), Role.BAD),
        " → ",
        (_value(one.after), Role.GOOD),
        (note, Role.FAINT),
    )


def _value(value: Any) -> str:
    return "none" if value in (None, "", [], {}) else one_line(value_text(value))


def preview_of(found: Difference, *, based_on: int, command: str) -> ChangePreview:
    """The preview of a change; the command makes it."""
    return ChangePreview(
        based_on=based_on,
        command=command,
        texts=found.texts,
        settings=found.settings,
        raised=found.raised,
        notes=found.notes,
    )


def preview_lines(found: ChangePreview, *, label: str) -> list[Line]:
    """What would change, and the command for it with its label, such as "update it"."""
    shown = difference_lines(
        Difference(texts=found.texts, settings=found.settings, raised=found.raised, notes=found.notes)
    )
    if not found.texts and not found.settings:
        return shown
    based = line((f"nothing was changed; based on revision {found.based_on}", Role.FAINT))
    return [*shown, based, line((f"{label}: ", Role.FAINT), (found.command, Role.COMMAND))]


def unchanged_line(loop: Loop) -> Line:
    """That the request changes nothing, so that no revision was made."""
    return line((one_line(loop.name), Role.STRONG), f": unchanged, revision {loop.revision} stays in force")


def earlier_lines(before: Loop) -> list[Line]:
    """Why the loop had failed, was blocked or did not converge: the loop does not have that reason any more."""
    if before.reason is None or before.state not in _WITH_REASON or before.frozen_by is not None:
        return []
    return [line((f"before: {standing(before).word}: ", Role.FAINT), *with_commands(before.reason), indent=2)]


def left_out_lines(before: Loop, now: Loop) -> list[Line]:
    """The steps that a person had left out, and that the loop tries again because the change may concern them."""
    again = [name for name in before.left_out if name not in now.left_out]
    return [line(("no longer left out: ", Role.FAINT), one_line(", ".join(again), 300), indent=2)] if again else []


_WITH_REASON = {LoopState.FAILED, LoopState.BLOCKED, LoopState.RESTING}


def changed_line(
    loop: Loop, was: int, *, queued: Queued | None = None, draining: bool = False, is_frozen: bool = False
) -> Line:
    """That another revision is in force, and when it takes effect."""
    when = _when(loop, is_queued=queued is not None, draining=draining, is_frozen=is_frozen)
    return line((one_line(loop.name), Role.STRONG), f": revision {loop.revision} (was {was}), {when}")


def _when(loop: Loop, *, is_queued: bool, draining: bool, is_frozen: bool) -> str:
    if loop.desired in _HALTING:
        halting = "stays paused" if loop.state is LoopState.PAUSED else f"is {_HALTING[loop.desired]}"
        return f"{halting}; runs with it after `resume`"
    if draining:
        return "runs after the next start of the service"
    if is_frozen or loop.frozen_by is not None:
        return "is frozen; runs as far as the freeze permits"
    if loop.is_superseded:
        return "runs after the current step"
    return "runs when a place is free" if is_queued else "runs now"


_HALTING = {Desired.PAUSE: "pausing", Desired.STOP: "stopping"}
