"""Checks the faults that a test requests by a variable (`core.faults`), so that a misspelled one is not ignored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.core import packages
from ftl2_enterprise.core.faults import VARIABLE, FaultPoint
from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUEST = re.compile(r"(?P<point>[^#=]+)(#[1-9]\d*)?=(kill|raise|stall(:[1-9]\d*)?)(@.+)?")


def fault_points() -> list[str]:
    """The points of the machinery, and those of capabilities: `POINTS` in the `fault_points` of each."""
    found = list(FaultPoint)
    for module in packages.modules_named("fault_points", among=packages.ROOT):
        found += packages.load(module).POINTS
    return [str(point) for point in found]


def check(environ: Mapping[str, str]) -> None:
    """Raise Problem(invalid) if the variable requests a fault at an unknown point, or is written in another way."""
    text = environ.get(VARIABLE)
    if not text:
        return
    points = fault_points()
    for request in text.split(";"):
        found = _REQUEST.fullmatch(request)
        if found is None:
            raise invalid(
                f"cannot request the fault {request!r} with {VARIABLE}",
                "write POINT[#N]=kill|raise|stall[:SECONDS][@PATH]",
            )
        if found["point"] not in points:
            raise invalid(
                f"cannot request a fault at {found['point']!r} with {VARIABLE}: there is no such point",
                f"the points are: {', '.join(points)}",
            )
