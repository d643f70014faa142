"""The driver that a database is opened with, unless the caller names another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.store.sqlite.driver import SQLITE

if TYPE_CHECKING:
    from ftl2_enterprise.store.driver import Driver

DRIVER: Driver = SQLITE
