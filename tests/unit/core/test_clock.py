"""Instants as text."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.clock import iso


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_225_600_123_456, "2026-01-01T00:00:00.123Z"),
        (10**18, "9999-12-31T23:59:59.999Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999Z"),
        (-(2**63), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_every_instant_has_a_text(instant: int, text: str) -> None:
    assert iso(instant) == text
