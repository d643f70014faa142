"""`hosts` and `resources`: what loops know and remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.registry import OF_LOOP, Command, Example, Group, limit
from ftl2_enterprise.protocol.loops.verbs import ListHosts, ListResources
from ftl2_enterprise.render.table import Cell, Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, fields_text, line, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.replies import HostLine, ResourceLine
    from ftl2_enterprise.protocol.verb import Request

LIMIT = 1000
NO_HOSTS = (
    "no hosts: listed are those that a loop has made or added itself, and those of its inventory once it has "
    "learned their facts"
)
NO_RESOURCES = "no resources: listed are the machines that a loop has made, and what its decisions register"
HOSTS = (
    Column("LOOP", least=8),
    Column("HOST", least=10),
    Column("ADDRESS", least=8, spare=2),
    Column("GROUPS", least=8, spare=3),
    Column("FACTS", least=12, spare=4),
    Column("UPDATED", spare=5),
)
RESOURCES = (
    Column("LOOP", least=8),
    Column("RESOURCE", least=10),
    Column("DATA", least=16),
    Column("UPDATED", spare=1),
)


def hosts(session: Session, given: Given) -> int:
    """List hosts."""
    request = ListHosts(loop=given.maybe("loop"), limit=given.number("limit", LIMIT))
    return _list(session, request, HOSTS, _host, NO_HOSTS)


def resources(session: Session, given: Given) -> int:
    """List resources."""
    request = ListResources(loop=given.maybe("loop"), limit=given.number("limit", LIMIT))
    return _list(session, request, RESOURCES, _resource, NO_RESOURCES)


def _list[T](
    session: Session,
    request: Request[list[T]],
    columns: Sequence[Column],
    row: Callable[[T, Instant], list[Cell]],
    none: str,
) -> int:
    found = session.call(request)

    def lines() -> list[Line]:
        now = session.now()
        return table(columns, [row(one, now) for one in found], session.out.room) if found else [line(none)]

    session.reply(found, lines)
    return 0


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


COMMANDS = (
    Command(
        name="hosts",
        summary="List the hosts that loops know, with their facts.",
        group=Group.RECORD,
        run=hosts,
        verbs=(ListHosts,),
        arguments=(OF_LOOP,),
        flags=(limit(LIMIT),),
        examples=(Example("hosts"), Example("hosts web --json")),
    ),
    Command(
        name="resources",
        summary="List what loops have made and remember.",
        group=Group.RECORD,
        run=resources,
        verbs=(ListResources,),
        arguments=(OF_LOOP,),
        flags=(limit(LIMIT),),
        examples=(Example("resources"), Example("resources web --json")),
    ),
)
