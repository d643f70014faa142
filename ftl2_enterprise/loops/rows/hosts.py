"""Queries and writes of the hosts and resources that a loop registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete

from ftl2_enterprise.loops.rows.loop_names import name_of_loop
from ftl2_enterprise.loops.tables import (
    hosts,
    resources,
)
from ftl2_enterprise.protocol.loops.hosts import Host, HostState, Resource
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec

    from ftl2_enterprise.store.tx import Tx

VARIABLES = "variables"
"""The fact that contains the variables of a registered host other than its address, user, port and groups."""
REMOVED = "removed"
"""The fact that marks a host that an inventory lists and the loop has removed."""

_HOSTS = Reader(hosts, Host)
_RESOURCES = Reader(resources, Resource)

_KEY = ("loop_id", "name")
_SET_FACTS = Prepared(lambda driver: driver.upsert(hosts, key=_KEY, update=("facts", "updated_at")))
_HOSTS_OF = Prepared(_HOSTS.select().where(hosts.c.loop_id == bindparam("of")).order_by(hosts.c.name))
_RESOURCES_OF = Prepared(_RESOURCES.select().where(resources.c.loop_id == bindparam("of")).order_by(resources.c.name))

# --- hosts ---------------------------------------------------------------------------------------------------------


def upsert_host(
    tx: Tx,
    loop_id: int,
    name: str,
    *,
    ansible_host: str | None = None,
    ansible_port: int | None = None,
    ansible_user: str | None = None,
    groups: Sequence[str] = (),
    variables: Mapping[str, Any] | None = None,
) -> Host:
    """Register a host, or change how to reach it: its facts and the time of its registration stay.

    Its variables are kept with its facts, under VARIABLES.
    """
    query = _HOSTS.select().where(hosts.c.loop_id == loop_id, hosts.c.name == name)
    before = _HOSTS.all(tx.connection.execute(query))
    facts = {key: value for one in before for key, value in one.facts.items() if key not in {VARIABLES, REMOVED}}
    values: dict[str, Any] = {
        "facts": facts | ({VARIABLES: dict(variables)} if variables else {}),
        "ansible_host": ansible_host,
        "ansible_port": ansible_port,
        "ansible_user": ansible_user,
        "groups": list(groups),
        "state": HostState.REGISTERED,
        "updated_at": tx.now,
    }
    row: dict[str, Any] = {"loop_id": loop_id, "name": name, "created_at": tx.now, **values}
    tx.connection.execute(tx.driver.upsert(hosts, key=_KEY, update=values).values(row))
    return _HOSTS.one(tx.connection.execute(query).one())


def set_host_facts(tx: Tx, loop_id: int, name: str, facts: Mapping[str, Any]) -> None:
    """Replace what is known about a host, registered by the loop or not."""
    row: dict[str, Any] = {
        "loop_id": loop_id,
        "name": name,
        "groups": [],
        "facts": dict(facts),
        "state": HostState.KNOWN,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    _SET_FACTS.change(tx, row)


def remove_host(tx: Tx, loop_id: int, name: str, *, listed: bool = False) -> bool:
    """Remove a host; returns whether it was known. One that an inventory lists is remembered as removed."""
    if listed:
        set_host_facts(tx, loop_id, name, {REMOVED: True})
        return True
    done = tx.connection.execute(delete(hosts).where(hosts.c.loop_id == loop_id, hosts.c.name == name))
    return done.rowcount == 1


def get_hosts(tx: Tx, loop_id: int) -> list[Host]:
    """The hosts that a loop knows, by name."""
    return [host for host in _HOSTS.all(_HOSTS_OF.rows(tx, {"of": loop_id})) if REMOVED not in host.facts]


def get_removed_hosts(tx: Tx, loop_id: int) -> list[str]:
    """Names of the hosts that an inventory lists and the loop has removed."""
    return [host.name for host in _HOSTS.all(_HOSTS_OF.rows(tx, {"of": loop_id})) if REMOVED in host.facts]


# --- resources -----------------------------------------------------------------------------------------------------


def upsert_resource(tx: Tx, loop_id: int, name: str, data: Mapping[str, Any]) -> Resource:
    """Register a resource, or replace its data; the time of its registration stays."""
    values: dict[str, Any] = {"data": dict(data), "updated_at": tx.now}
    row: dict[str, Any] = {"loop_id": loop_id, "name": name, "created_at": tx.now, **values}
    tx.connection.execute(tx.driver.upsert(resources, key=_KEY, update=values).values(row))
    query = _RESOURCES.select().where(resources.c.loop_id == loop_id, resources.c.name == name)
    return _RESOURCES.one(tx.connection.execute(query).one())


def remove_resource(tx: Tx, loop_id: int, name: str) -> bool:
    """Remove a resource; returns whether it was known."""
    done = tx.connection.execute(delete(resources).where(resources.c.loop_id == loop_id, resources.c.name == name))
    return done.rowcount == 1


def get_resources(tx: Tx, loop_id: int) -> list[Resource]:
    """The resources of a loop, by name."""
    return _RESOURCES.all(_RESOURCES_OF.rows(tx, {"of": loop_id}))


def hosts_by_loop(tx: Tx, loop_id: int | None, *, limit: int) -> list[tuple[str, Host]]:
    """Hosts with the names of their loops, by loop and name."""
    return _by_loop(tx, _HOSTS, loop_id, limit)


def resources_by_loop(tx: Tx, loop_id: int | None, *, limit: int) -> list[tuple[str, Resource]]:
    """Resources with the names of their loops, by loop and name."""
    return _by_loop(tx, _RESOURCES, loop_id, limit)


def _by_loop[T: msgspec.Struct](tx: Tx, reader: Reader[T], loop_id: int | None, limit: int) -> list[tuple[str, T]]:
    table = reader.table
    query = reader.select().order_by(table.c.loop_id, table.c.name).limit(limit)
    if loop_id is not None:
        query = query.where(table.c.loop_id == loop_id)
    names: dict[int, str] = {}
    found: list[tuple[str, T]] = []
    for row in tx.connection.execute(query):
        of = row.loop_id
        if of not in names:
            names[of] = name_of_loop(tx, of)
        found.append((names[of], reader.one(row)))
    return found
