"""Redacts a text that arrives in pieces, such as the output of a process: a secret is found across their borders."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.redact import Redactor

LONGEST_LINE = 4096
"""Characters that are held back until the end of a line, at most."""
LONGEST_REACH = 256 * 1024
"""Characters that are held back in any case: an encoding of a longer secret can be cut."""


@final
class StreamRedactor:
    """Passes a text on, redacted, and holds back the end of it, in which a secret could have begun."""

    def __init__(self, redactor: Callable[[], Redactor]) -> None:
        self._redactor = redactor
        self._held: str = ""

    def feed(self, text: str) -> str:
        """Take the next piece; returns what can be passed on by now: whole lines, unless one is too long."""
        self._held += text
        reach = min(self._redactor().reach, LONGEST_REACH)
        # Not for each piece: what is held back is searched each time.
        if len(self._held) < reach + max(reach // 2, 512):
            return ""
        cut = len(self._held) - reach
        at_line = self._held.rfind("\n", 0, cut) + 1
        if at_line or cut > LONGEST_LINE:
            return self._take(at_line or cut)
        return ""

    def flush_lines(self) -> str:
        """What is complete: to be called after nothing has arrived for a moment."""
        end = self._held.rfind("\n") + 1
        return self._take(end) if end else ""

    def finish(self) -> str:
        """All that was held back."""
        return self._take(len(self._held))

    def _take(self, cut: int) -> str:
        """The text up to the position, or up to the secret in which it is."""
        redactor = self._redactor()
        cut = _outside(cut, redactor.find(self._held), len(self._held))
        taken, self._held = self._held[:cut], self._held[cut:]
        return redactor.text(taken) if taken else ""


def _outside(cut: int, spans: list[tuple[int, int]], size: int) -> int:
    """The last position up to `cut` that is in no span; the end of the span if it begins the text and is too long."""
    for start, end in sorted(spans, reverse=True):
        if start < cut < end:
            cut = start
    if cut == 0 and size > 2 * LONGEST_REACH:
        return max(end for _, end in spans)
    return cut
