"""Code that runs once before anything is forked, so that all children share what it loads, compiles and caches."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ftl2_enterprise.core import faults
from ftl2_enterprise.supervisor.forkserver import shared_memory
from ftl2_enterprise.supervisor.logs import log
from ftl2_enterprise.wiring import warmed_store
from ftl2_enterprise.wiring.capabilities import capabilities
from ftl2_enterprise.wiring.database import open_temporary


def preload() -> None:
    """Warm up every kind of child with a temporary database. Leaves no thread and no process."""
    # A fault that a test requests is meant for the children only.
    fault = os.environ.pop(faults.VARIABLE, None)
    try:
        _preload()
    finally:
        if fault is not None:
            os.environ[faults.VARIABLE] = fault
    shared_memory.keep_shared()


def _preload() -> None:
    with tempfile.TemporaryDirectory(prefix="ftl2-") as name:
        database = open_temporary(Path(name) / "warm-up.db")
        try:
            for capability in capabilities():
                for kind in capability.child_kinds.values():
                    if kind.warm_up is not None:
                        kind.warm_up(database, Path(name))
            log.warm_up()
        finally:
            database.close()
        warmed_store.keep(database)
