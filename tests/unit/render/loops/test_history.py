"""The history of a loop as lines."""

from __future__ import annotations

from ftl2_enterprise.render.loops import history
from tests.support.data.builders import iteration


def test_history_shows_where_no_op_iterations_were_removed():
    def removed(*numbers: int, from_first: bool) -> dict[int, str]:
        every = [iteration(n, id=100 + n) for n in numbers]
        found = history.removed_lines(every, from_first=from_first)
        return {key - 100: one.plain for key, one in found.items()}

    missing = "no longer stored"
    assert removed(from_first=True) == removed(1, 2, 3, from_first=True) == removed(7, 8, from_first=False) == {}
    assert removed(3, 4, 9, from_first=True) == {
        3: f"2 no-op iterations {missing}",
        9: f"4 no-op iterations {missing}",
    }
    assert removed(3, 5, from_first=False) == {5: f"1 no-op iteration {missing}"}
