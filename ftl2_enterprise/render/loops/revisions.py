"""The revisions of a desired state: the list, and the difference between two of them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.protocol.loops.nouns import Loop, LoopState
from ftl2_enterprise.protocol.loops.revision_changes import changed_files, changed_settings
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, ListRevisions
from ftl2_enterprise.render.loops.diffs import diff_lines
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, line, one_line, person, value_text
from ftl2_enterprise.render.view import ViewContent

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.protocol.loops.nouns import LoopSpec
    from ftl2_enterprise.protocol.loops.replies import RevisionLine, RevisionPage
    from ftl2_enterprise.render.view import ViewReader

LARGEST_COMPARED = 1 << 20
"""Characters of a text that is compared line by line; of a larger one only the size is shown."""
LIMIT = 50
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
    what = ", ".join(name_of(name) for name in one.changed)
    if one.restores is not None:
        what = f"as revision {one.restores}" + (f": {what}" if what else "")
    return what or "-"


def name_of(setting: str) -> str:
    """A field of the specification, or a path, as people are shown it."""
    return "text" if setting == TEXT else setting if setting.startswith("/") else setting.replace("_", " ")


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

    @property
    def is_empty(self) -> bool:
        """Whether they are equal."""
        return not self.texts and not self.settings


class UpdatePreview(msgspec.Struct, frozen=True):
    """What an update would change."""

    based_on: int
    """The revision that it was compared with."""
    command: str
    """Makes the update, unless another revision is in force by then."""
    texts: list[FileChange]
    settings: list[SettingChange]


def between(reader: ViewReader, loop: str, before: int, after: int) -> Difference:
    """The difference between two revisions of a loop."""
    first, second = (reader.call(GetRevision(loop=loop, n=n)) for n in (before, after))

    def content(n: int) -> Callable[[str], str]:
        return lambda path: reader.call(GetRevisionFile(loop=loop, n=n, path=path)).content

    names = f"revision {before}", f"revision {after}"
    return difference(first.spec, second.spec, names, content(before), content(after))


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
    return Difference(
        texts=texts,
        settings=[
            SettingChange(
                name=name,
                before=msgspec.to_builtins(getattr(before, name)),
                after=msgspec.to_builtins(getattr(after, name)),
            )
            for name in settings
            if name != TEXT
        ],
    )


def _diff(before: str, after: str, path: str, names: tuple[str, str]) -> str:
    if max(len(before), len(after)) > LARGEST_COMPARED:
        return ""
    named = [f"{path or 'text'} ({name})" for name in names]
    found = difflib.unified_diff(
        before.splitlines(), after.splitlines(), fromfile=named[0], tofile=named[1], lineterm=""
    )
    # Nothing is found if lines end differently, as in CR LF, or if the last one has no end.
    return "\n".join(found) or f"--- {named[0]}\n+++ {named[1]}\n only the ends of lines differ"


def difference_lines(found: Difference) -> list[Line]:
    """The difference, as people are shown it."""
    if found.is_empty:
        return [line("no difference")]
    shown: list[Line] = []
    for one in found.texts:
        what = one.path or "the text"
        shown += diff_lines(one.diff, indent=0) if one.diff else [line(one_line(what), " differs: too large")]
    for one in found.settings:
        shown.append(
            line(
                (f"{name_of(one.name)}: ", Role.STRONG),
                (one_line(value_text(one.before)), Role.BAD),
                " → ",
                (one_line(value_text(one.after)), Role.GOOD),
            )
        )
    return shown


def preview_lines(found: UpdatePreview) -> list[Line]:
    """What an update would change, and the command for it."""
    shown = difference_lines(Difference(texts=found.texts, settings=found.settings))
    if not found.texts and not found.settings:
        return shown
    based = line((f"nothing was changed; based on revision {found.based_on}", Role.FAINT))
    return [*shown, based, line(("update it: ", Role.FAINT), (found.command, Role.COMMAND))]


def changed_line(loop: Loop, was: int) -> Line:
    """That another revision is in force, and when it takes effect."""
    if loop.state is LoopState.PAUSED and loop.desired != "run":
        when = "stays paused"
    elif loop.is_superseded:
        when = "runs after the current step"
    else:
        when = "runs now"
    return line((one_line(loop.name), Role.STRONG), f": revision {loop.revision} (was {was}), {when}")
