"""Lines that people type or pipe, as words."""

from __future__ import annotations

import shlex

from ftl2_enterprise.core.problem import invalid


def split(text: str) -> list[str]:
    """The words of a line; none for a blank line or a comment. The program's name in front is not needed.

    Raises Problem(invalid) when a quotation mark is left open.
    """
    try:
        words = shlex.split(text, comments=text.lstrip().startswith("#"))
    except ValueError as error:
        said = "a quotation mark is not closed" if "quotation" in str(error) else "it ends with a backslash"
        raise invalid(f"cannot understand the line: {said}", "quote words with blanks as 'two words'") from error
    return words[1:] if words[:1] == ["ftl2ctl"] else words


def word(name: str) -> str:
    """A name as it is typed: with quotation marks where it needs them."""
    return shlex.quote(" ".join(name.split()))
