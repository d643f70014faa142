"""Every driver does what the store needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.store.sqlite.driver import SQLITE
from tests.store.driver.conformance.suite import CHECKS

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.driver import Driver
    from tests.store.driver.conformance.suite import Check

DRIVERS: dict[str, Driver] = {"sqlite": SQLITE}


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_driver_conforms(driver: Driver, check: Check, tmp_path: Path) -> None:
    check(driver, tmp_path)
