"""Every query that is prepared when its module is loaded can be executed."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from sqlalchemy import SelectBase

import ftl2_enterprise
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store

FOLDERS = ("loops", "store", "supervisor")


def statements() -> dict[str, Prepared]:
    names = [
        module.name
        for folder in FOLDERS
        for module in pkgutil.walk_packages(
            [f"{ftl2_enterprise.__path__[0]}/{folder}"], f"{ftl2_enterprise.__name__}.{folder}."
        )
        if ".migrations" not in module.name
    ]
    return {
        f"{name}.{key}": value
        for name in names
        for key, value in vars(importlib.import_module(name)).items()
        if isinstance(value, Prepared)
    }


def test_every_query_can_be_prepared(db: Store) -> None:
    found = statements()
    assert len(found) > 60
    with db.read() as tx:
        given = {name: one.statement(tx.driver) for name, one in found.items()}
        queries = {name: one for name, one in given.items() if isinstance(one, SelectBase)}
        assert len(queries) > 30
        for name, one in queries.items():
            # A list of values has another length each time, so it cannot be prepared.
            assert not one.compile(dialect=tx.driver.dialect).post_compile_params, name
