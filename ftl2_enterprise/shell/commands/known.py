"""`hosts` and `resources`: what loops know and remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loop_verbs import ListHosts, ListResources
from ftl2_enterprise.shell.registry import Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.terminal.table import Column, cell, table
from ftl2_enterprise.terminal.text import Role, ago, fields_text, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.shell.parsing import Given
    from ftl2_enterprise.shell.session import Session

LOOP = Argument("loop", Kind.LOOP, "Of this loop only.", optional=True)
LIMIT = Flag("limit", "How many.", Kind.NUMBER, short="n", at_least=1, at_most=1000, default="1000")


def hosts(session: Session, given: Given) -> int:
    """List hosts."""
    found = session.call(ListHosts(loop=given.maybe("loop"), limit=given.number("limit", 1000)))
    if session.wants_json:
        session.document(found)
        return 0
    if not found:
        session.print(line("no hosts yet: a loop knows those that it has looked at"))
        return 0
    now = session.now()
    columns = (
        Column("LOOP", least=8),
        Column("HOST", least=10),
        Column("ADDRESS", least=8, spare=2),
        Column("GROUPS", least=8, spare=3),
        Column("FACTS", least=12, spare=4),
        Column("UPDATED", spare=5),
    )
    rows = [
        [
            cell(one_line(one.loop, 80)),
            cell((one_line(one.host.name, 80), Role.STRONG)),
            cell(_address(one.host.ansible_user, one.host.ansible_host, one.host.ansible_port)),
            cell(one_line(", ".join(one.host.groups), 80) or "-"),
            cell(one_line(fields_text(one.host.facts), 200) or "-"),
            cell((ago(one.host.updated_at, now), Role.FAINT)),
        ]
        for one in found
    ]
    session.print(table(columns, rows, session.out.room))
    return 0


def resources(session: Session, given: Given) -> int:
    """List resources."""
    found = session.call(ListResources(loop=given.maybe("loop"), limit=given.number("limit", 1000)))
    if session.wants_json:
        session.document(found)
        return 0
    if not found:
        session.print(line("no resources yet: a loop remembers what it has made and will need again"))
        return 0
    now = session.now()
    columns = (
        Column("LOOP", least=8),
        Column("RESOURCE", least=10),
        Column("DATA", least=16),
        Column("UPDATED", spare=1),
    )
    rows = [
        [
            cell(one_line(one.loop, 80)),
            cell((one_line(one.resource.name, 80), Role.STRONG)),
            cell(one_line(fields_text(one.resource.data), 200) or "-"),
            cell((ago(one.resource.updated_at, now), Role.FAINT)),
        ]
        for one in found
    ]
    session.print(table(columns, rows, session.out.room))
    return 0


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
        arguments=(LOOP,),
        flags=(LIMIT,),
        examples=(Example("hosts"), Example("hosts web --json")),
    ),
    Command(
        name="resources",
        summary="List what loops have made and remember.",
        group=Group.RECORD,
        run=resources,
        verbs=(ListResources,),
        arguments=(LOOP,),
        flags=(LIMIT,),
        examples=(Example("resources"), Example("resources web --json")),
    ),
)
