"""Hosts and resources that loops have recorded, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.verbs import ListHosts, ListResources
from ftl2_enterprise.render.table import Cell, Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, fields_text, line, one_line, symbol
from ftl2_enterprise.render.view import ViewContent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.replies import HostLine, ResourceLine
    from ftl2_enterprise.render.view import ViewReader

LIMIT = 1000
NO_HOSTS = "no hosts: hosts are listed here when a loop creates or adds them, or gathers facts about them"
NO_RESOURCES = "no resources: machines that loops create and resources that their decisions register are listed here"
HOSTS = (
    Column("LOOP", least=8),
    Column("HOST", least=10),
    Column("ADDRESS", least=8, drop=2),
    Column("GROUPS", least=8, drop=3),
    Column("FACTS", least=12, drop=4),
    Column("UPDATED", drop=5),
)
RESOURCES = (
    Column("LOOP", least=8),
    Column("RESOURCE", least=10),
    Column("DATA", least=16),
    Column("UPDATED", drop=1),
)


def hosts_view(reader: ViewReader, *, loop: str | None, limit: int = LIMIT) -> ViewContent:
    """Hosts with their addresses, groups and facts, of one loop or of all; the document is a list of `HostLine`."""
    found = reader.call(ListHosts(loop=loop, limit=limit))
    return ViewContent(found, lambda: _lines(reader, found, HOSTS, _host, NO_HOSTS))


def resources_view(reader: ViewReader, *, loop: str | None, limit: int = LIMIT) -> ViewContent:
    """Resources with their data, of one loop or of all; the document is a list of `ResourceLine`."""
    found = reader.call(ListResources(loop=loop, limit=limit))
    return ViewContent(found, lambda: _lines(reader, found, RESOURCES, _resource, NO_RESOURCES))


def _lines[T](
    reader: ViewReader,
    found: Sequence[T],
    columns: Sequence[Column],
    row: Callable[[T, Instant], list[Cell]],
    none: str,
) -> list[Line]:
    now = reader.now()
    return table(columns, [row(one, now) for one in found], reader.room) if found else [line(none)]


def _host(one: HostLine, now: Instant) -> list[Cell]:
    host = one.host
    return [
        cell(one_line(one.loop, 80)),
        cell((one_line(host.name, 80), Role.STRONG)),
        cell(_address(host.ansible_user, host.ansible_host, host.ansible_port)),
        cell(one_line(", ".join(host.groups), 80) or "-"),
        cell(one_line(fields_text(host.facts), 200) or "-"),
        cell((ago(host.updated_at, now), Role.FAINT)),
    ]


def _resource(one: ResourceLine, now: Instant) -> list[Cell]:
    resource = one.resource
    return [
        cell(one_line(one.loop, 80)),
        cell((one_line(resource.name, 80), Role.STRONG)),
        cell(one_line(fields_text(resource.data), 200) or "-"),
        cell((ago(resource.updated_at, now), Role.FAINT)),
    ]


def _address(user: str | None, host: str | None, port: int | None) -> str:
    if host is None:
        return "-"
    return one_line(f"{user}@{host}" if user else host, 80) + (f":{port}" if port else "")


def unknown_target_lines(name: str, close: Sequence[str]) -> list[Line]:
    """The warning about a freeze of a name that no loop has."""
    what = f"no current loop has a host, a group or an address {one_line(name, 80)}"
    alike = f" ({', '.join(one_line(one, 80) for one in close)} {'is' if len(close) == 1 else 'are'} similar)"
    then = f"{alike if close else ''}; the freeze holds calls on it when one has"
    return [line(symbol("!", Role.WARNING), (what, Role.WARNING), then)]
