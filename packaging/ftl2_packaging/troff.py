"""Manual pages in the macros of man(7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Page:
    """One page, written from top to bottom."""

    def __init__(self, name: str, section: int, *, date: str, version: str, manual: str) -> None:
        words = (name.upper(), str(section), date, f"ftl2-enterprise {version}", manual)
        self._lines: list[str] = [f".TH {' '.join(_quoted(word) for word in words)}", ".nh", ".ad l"]
        self._is_begun: bool = False

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def section(self, title: str) -> None:
        """A heading."""
        self._lines.append(f".SH {_quoted(title)}")
        self._is_begun = False

    def subsection(self, title: str) -> None:
        """A smaller heading."""
        self._lines.append(f".SS {_quoted(title)}")
        self._is_begun = False

    def name(self, name: str, purpose: str) -> None:
        """The NAME section, which apropos(1) searches."""
        self.section("NAME")
        self._lines.append(f"{_escaped(name)} \\- {_escaped(purpose)}")

    def paragraph(self, text: str) -> None:
        """A paragraph; text in backquotes is bold."""
        self._lines += [*self._parting(), *_filled(text)]

    def paragraphs(self, text: str) -> None:
        """Several paragraphs, separated by empty lines."""
        for part in re.split(r"\n\s*\n", text.strip()):
            self.paragraph(" ".join(part.split()))

    def definition(self, term: str, *texts: str) -> None:
        """A term and its meaning."""
        self._is_begun = True
        self._lines += [".TP", f"\\fB{_escaped(term)}\\fR"]
        for place, text in enumerate(text for text in texts if text):
            if place:
                self._lines.append(".IP")
            self._lines += _filled(text)

    def definitions(self, rows: Iterable[tuple[str, str]]) -> None:
        """Several terms, each with one meaning."""
        for term, text in rows:
            self.definition(term, text)

    def indented(self, rows: Sequence[tuple[str, str]]) -> None:
        """Definitions below the previous one."""
        if rows:
            self._lines.append(".RS")
            self.definitions(rows)
            self._lines.append(".RE")

    def example(self, *lines: str, indent: bool = False) -> None:
        """Lines without formatting."""
        begin, end = (".RS", ".RE") if indent else (".RS 4", ".RE")
        self._lines += [*self._parting(), begin, ".EX", *(_guarded(_escaped(line)) for line in lines), ".EE", end]

    def _parting(self) -> list[str]:
        """Separate the next text from the previous one; a heading needs no separation."""
        is_begun, self._is_begun = self._is_begun, True
        return [".PP"] if is_begun else []


def _filled(text: str) -> list[str]:
    pieces = re.split(r"`([^`]*)`", text)
    marked = "".join(
        f"\\fB{_escaped(piece)}\\fR" if place % 2 else _escaped(piece) for place, piece in enumerate(pieces)
    )
    return [_guarded(line) for line in marked.splitlines()]


def _escaped(text: str) -> str:
    return (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("'", "\\(aq")
        .replace("^", "\\(ha")
        .replace("~", "\\(ti")
    )


def _guarded(line: str) -> str:
    """Protect a line that begins with a dot or a quote, which would be a macro."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _quoted(word: str) -> str:
    return '"' + word.replace('"', "\\(dq") + '"'
