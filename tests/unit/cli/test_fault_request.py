"""A fault that a test requests at an unknown point is refused, not ignored."""

from __future__ import annotations

import pytest

from ftl2_enterprise.cli.fault_request import check, fault_points
from ftl2_enterprise.core.faults import VARIABLE, FaultPoint
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.fault_points import LoopFaultPoint


def test_the_points_are_those_of_the_machinery_and_of_every_capability():
    assert set(fault_points()) == {*FaultPoint, *LoopFaultPoint}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "action-started=kill",
        "action-started#2=raise",
        "before-commit=stall@/tmp/once",
        "before-commit=stall:5@/tmp/once",
        "loop-created=kill;action-done#3=kill@/tmp/once",
    ],
)
def test_valid_requests_are_accepted(text):
    check({VARIABLE: text})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "action-begun=kill",
            "cannot request a fault at 'action-begun' with FTL2_ENTERPRISE_FAULT: there",
        ),
        ("action-started=kill;x=raise", "cannot request a fault at 'x'"),
        ("action-started", "cannot request the fault 'action-started' with"),
        ("action-started=explode", "cannot request the fault"),
        ("action-started#0=kill", "cannot request the fault"),
    ],
)
def test_other_requests_are_refused(text, message):
    with pytest.raises(Problem) as caught:
        check({VARIABLE: text})
    assert message in caught.value.message
    assert caught.value.exit_status == 2


def test_the_hint_lists_the_points():
    with pytest.raises(Problem) as caught:
        check({VARIABLE: "x=kill"})
    assert "action-started" in (caught.value.hint or "")
    assert "before-commit" in (caught.value.hint or "")
