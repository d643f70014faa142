"""The lines of a difference are those of the text: nothing in it begins another one."""

from __future__ import annotations

import pytest

from ftl2_enterprise.render.loops.diffs import diff_lines


@pytest.mark.parametrize("sign", ["\u2028", "\x0b", "\x0c", "\x85", "\x1d", "\r"])
def test_only_a_line_feed_ends_a_line(sign: str) -> None:
    shown = diff_lines(f"+++ /x\n+evil{sign}origin: the manifest\n", indent=0)
    assert len(shown) == 2
    assert shown[1].plain.startswith("+evil")
