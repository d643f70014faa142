"""The health of the service as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.render.freezes import freeze_lines
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, clean, line, one_line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.service.verbs import Health

COLUMNS = (Column("PROCESS"), Column("PID", right=True), Column("STARTED"), Column("RESTARTS", right=True))


def health_lines(found: Health, now: Instant, room: int | None) -> list[Line]:
    """Whether the service is healthy, its problems, its figures, and a table of its processes."""
    word = ("healthy", Role.GOOD) if found.ok else ("unhealthy", Role.BAD)
    mark = symbol("✔", Role.GOOD) if found.ok else symbol("✘", Role.BAD)
    draining = [", ", ("stopping", Role.WARNING)] if found.draining else []
    lines = freeze_lines(found.frozen, now)
    lines += [line(mark, "the service is ", word, *draining, f": {one_line(_status(found))}")]
    lines += [line(symbol("✘", Role.BAD), (clean(problem), Role.BAD), indent=2) for problem in found.problems]
    lines += [
        line(symbol("!", Role.WARNING), ("warning: ", Role.WARNING), one_line(one, 400), indent=2)
        for one in found.warnings
    ]
    latency = f"{found.writer_latency * 1000:.1f} ms per commit" if found.writer_latency is not None else "unknown"
    checked = f"all desired states {ago(found.looked_at, now)}" if found.looked_at is not None else "not yet"
    facts = (
        ("started", ago(found.started_at, now)),
        ("checked", checked),
        ("writer", latency),
        ("database", one_line(found.database, 300)),
        ("socket", one_line(found.socket, 300)),
        ("counts", ", ".join(f"{name} {number}" for name, number in found.counts.items()) or "none"),
    )
    lines += [line((f"{name:<10}", Role.FAINT), value, indent=2, hang=10) for name, value in facts]
    rows = [
        [
            cell((one.name, Role.STRONG)),
            cell(str(one.pid) if one.pid is not None else ("none", Role.BAD)),
            cell((ago(one.since, now), Role.FAINT)),
            cell((str(one.restarts), Role.WARNING if one.restarts else Role.FAINT)),
        ]
        for one in found.processes
    ]
    return lines + (table(COLUMNS, rows, room) if rows else [])


def _status(found: Health) -> str:
    """The line of the status without what other lines have: that the service is stopping, and problems."""
    status = found.status
    for problem in reversed(found.problems):
        status = status.removesuffix(f"; {problem}")
    return status.replace("stopping: ", "", 1) if found.draining else status
