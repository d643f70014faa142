"""Commands of the shell."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("word", ["exit", "quit"])
def test_it_is_refused_outside_of_the_shell(ctl, word):
    assert ctl(word) == (
        2, "", f"error: cannot run '{word}' here: it works in the shell only\nhint: `ftl2ctl` starts the shell\n"
    )  # fmt: skip
