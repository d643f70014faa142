"""Splits lines that are typed into the shell, or piped, into words."""

from __future__ import annotations

import shlex

from ftl2_enterprise.core.problem import invalid


def split(text: str) -> list[str]:
    """The words of a line; none for a blank line or a comment. A leading `ftl2ctl` is dropped.

    Raises Problem(invalid) for a quotation mark that is not closed.
    """
    try:
        words = shlex.split(text, comments=text.lstrip().startswith("#"))
    except ValueError as error:
        reason = "a quotation mark is not closed" if "quotation" in str(error) else "it ends with a backslash"
        raise invalid(f"cannot understand the line: {reason}", "quote words with blanks: 'two words'") from error
    return words[1:] if words[:1] == ["ftl2ctl"] else words
