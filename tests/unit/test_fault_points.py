"""Every fault point is one at which a test kills, fails or stalls a process."""

from __future__ import annotations

import re

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from tests.support.places import REPOSITORY


def test_a_test_names_every_fault_point() -> None:
    texts = "\n".join(path.read_text() for path in (REPOSITORY / "tests/faults").rglob("*.py"))
    missing = [
        point.name
        for point in (*FaultPoint, *LoopFaultPoint)
        if not re.search(rf"\bF(aultPoint)?\.{point.name}\b|\b{re.escape(point.value)}\b", texts)
    ]
    assert missing == []
