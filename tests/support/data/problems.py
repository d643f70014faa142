"""Expected problems."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def refused(code: Code, *words: str) -> Generator[None]:
    """The block raises a Problem with this code, whose message begins with `cannot` and contains these words."""
    with pytest.raises(Problem) as caught:
        yield
    assert caught.value.code is code
    assert caught.value.message.startswith("cannot ")
    for word in words:
        assert word in str(caught.value)
