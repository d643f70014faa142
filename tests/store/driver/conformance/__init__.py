"""What every driver must do, as checks: each takes a driver and an empty directory, and fails by an AssertionError.

They are functions and not tests, so that `test_broken_drivers.py` can execute them with drivers that have a defect.
"""

from __future__ import annotations

from tests.store.driver.conformance import databases, failures, files, schema_changes, statements, transactions

MODULES = (databases, files, transactions, schema_changes, statements, failures)
"""Importing them adds their checks to `suite.CHECKS`."""
