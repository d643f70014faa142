"""The service itself: its health, settings, version, and its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.ctl.registry import (
    PROGRAM,
    Argument,
    Command,
    Example,
    Flag,
    Group,
    Kind,
    nearest,
)
from ftl2_enterprise.protocol.service.verbs import (
    Accepted,
    GetHealth,
    GetSettings,
    GetVersion,
    Health,
    Reload,
    Reloaded,
    SettingLine,
    Shutdown,
    Upgrade,
)
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, clean, count, line, one_line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.verb import Request

DISTRIBUTION = "ftl2-enterprise"
NOT_WELL = 1


def health(session: Session, given: Given) -> int:
    """Show it; the status says whether all is well."""
    del given
    found = session.call(GetHealth())
    session.reply(found, lambda: _health_lines(found, session.now(), session.out.room))
    return 0 if found.ok else NOT_WELL


def _health_lines(found: Health, now: Instant, room: int | None) -> list[Line]:
    word = ("well", Role.GOOD) if found.ok else ("not well", Role.BAD)
    mark = symbol("✔", Role.GOOD) if found.ok else symbol("✘", Role.BAD)
    draining = [", ", ("draining", Role.WARNING)] if found.draining else []
    lines = [line(mark, "the service is ", word, *draining, f": {one_line(found.status)}")]
    lines += [line(symbol("✘", Role.BAD), (clean(problem), Role.BAD), indent=2) for problem in found.problems]
    latency = f"{found.writer_latency * 1000:.1f} ms" if found.writer_latency is not None else "unknown"
    facts = (
        ("started", ago(found.started_at, now)),
        ("looked", f"{ago(found.looked_at, now)}, at every loop"),
        ("writing", f"{latency} to the disk and back"),
        ("database", one_line(found.database, 300)),
        ("socket", one_line(found.socket, 300)),
        ("counts", ", ".join(f"{name} {number}" for name, number in found.counts.items()) or "none"),
    )
    lines += [line((f"{name:<10}", Role.FAINT), value, indent=2, hang=10) for name, value in facts]
    columns = (Column("PROCESS"), Column("PID", right=True), Column("STARTED"), Column("RESTARTS", right=True))
    rows = [
        [
            cell((one.name, Role.STRONG)),
            cell(str(one.pid) if one.pid is not None else ("none", Role.BAD)),
            cell((ago(one.since, now), Role.FAINT)),
            cell((str(one.restarts), Role.WARNING if one.restarts else Role.FAINT)),
        ]
        for one in found.processes
    ]
    return lines + (table(columns, rows, room) if rows else [])


def settings(session: Session, given: Given) -> int:
    """List them, or those below a key."""
    found = session.call(GetSettings())
    key = given.maybe("key")
    if key is not None:
        below = [one for one in found if one.key == key or one.key.startswith(f"{key}.")]
        if not below:
            close = nearest(key, [one.key for one in found])
            raise not_found(f"cannot find a setting {key!r}", f"did you mean {close}?" if close else None)
        found = below
    session.reply(found, lambda: _setting_lines(found, session.out.room))
    return 0


def _setting_lines(found: list[SettingLine], room: int | None) -> list[Line]:
    columns = (Column("SETTING"), Column("VALUE", least=12), Column("FROM", least=10, spare=1))
    rows = [
        [cell((one.key, Role.STRONG)), cell(_value_of(one)), cell((one_line(one.origin, 200), Role.FAINT))]
        for one in found
    ]
    return table(columns, rows, room)


def _value_of(setting: SettingLine) -> str:
    now = _value(setting.value)
    return now if setting.after_restart is None else f"{now} (after a restart {_value(setting.after_restart)})"


def _value(value: Any) -> str:
    if value is None or value in ("", [], ()):
        return "-"
    if isinstance(value, list | tuple):
        return one_line(", ".join(str(item) for item in value), 200)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value).lower() if isinstance(value, bool) else one_line(str(value), 200)


def reload(session: Session, given: Given) -> int:
    """Read the settings again."""
    del given
    done = session.call(Reload())
    session.reply(done, lambda: _reloaded(done))
    return 0


def _reloaded(done: Reloaded) -> list[Line]:
    if not done.changed:
        return [line("settings read again: nothing has changed")]
    lines = [line(f"settings read again: {count(len(done.changed), 'value')} changed: ", ", ".join(done.changed))]
    if done.need_restart:
        names = ", ".join(done.need_restart)
        lines.append(line(symbol("!", Role.WARNING), (f"only after a restart: {names}", Role.WARNING)))
    return lines


def shutdown(session: Session, given: Given) -> int:
    """End the service."""
    return _accepted(session, Shutdown(now=given.has("now")))


def upgrade(session: Session, given: Given) -> int:
    """Let it replace itself."""
    del given
    return _accepted(session, Upgrade())


def _accepted(session: Session, request: Request[Accepted]) -> int:
    done = session.call(request)
    session.reply(done, lambda: line(clean(done.message)))
    return 0


def version(session: Session, given: Given) -> int:
    """Show both versions."""
    from importlib.metadata import PackageNotFoundError, version as installed  # noqa: PLC0415

    try:
        mine = installed(DISTRIBUTION)
    except PackageNotFoundError:
        mine = "not installed as a package"
    theirs = None if given.has("client") else session.call(GetVersion())
    if session.wants_json:
        session.document({"client": mine, "service": theirs})
        return 0
    session.print(line((f"{PROGRAM} ", Role.STRONG), mine))
    if theirs is not None:
        rest = f" (protocol {theirs.protocol}, Python {theirs.python}, schema {theirs.schema})"
        session.print(line(("service ", Role.STRONG), theirs.program, (rest, Role.FAINT)))
    return 0


COMMANDS = (
    Command(
        name="health",
        summary="Show whether the service does what it is for.",
        group=Group.SERVICE,
        run=health,
        verbs=(GetHealth,),
        examples=(Example("health"), Example("health --json")),
        statuses=("1: something is wrong; the problems say what",),
    ),
    Command(
        name="settings",
        summary="List the settings in force, and where each value came from.",
        group=Group.SERVICE,
        run=settings,
        verbs=(GetSettings,),
        arguments=(Argument("key", Kind.SETTING, "This one, or those below it.", optional=True),),
        examples=(Example("settings"), Example("settings supervisor")),
    ),
    Command(
        name="reload",
        summary="Let the service read its settings again.",
        group=Group.SERVICE,
        run=reload,
        verbs=(Reload,),
        examples=(Example("reload"),),
    ),
    Command(
        name="shutdown",
        summary="End the service; the loops go on when it is started again.",
        group=Group.SERVICE,
        run=shutdown,
        verbs=(Shutdown,),
        flags=(Flag("now", "Do not let the loops finish their steps."),),
        examples=(Example("shutdown"), Example("shutdown --now")),
    ),
    Command(
        name="upgrade",
        summary="Let the service replace itself by the program that is installed now, with every loop kept.",
        group=Group.SERVICE,
        run=upgrade,
        verbs=(Upgrade,),
        examples=(Example("upgrade"),),
    ),
    Command(
        name="version",
        summary="Show the versions of this program and of the service.",
        group=Group.SERVICE,
        run=version,
        verbs=(GetVersion,),
        flags=(Flag("client", "Of this program only; needs no service."),),
        examples=(Example("version"), Example("version --client")),
    ),
)
