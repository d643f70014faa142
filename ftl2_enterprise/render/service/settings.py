"""Settings with their values and origins, as a table; and the result of a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, count, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.service.verbs import Reloaded, SettingLine

COLUMNS = (Column("SETTING"), Column("VALUE", least=12), Column("FROM", least=10, drop=1))


def settings_table(found: Sequence[SettingLine], room: int | None) -> list[Line]:
    """One row per setting; defaults are faint."""
    rows = [
        [
            cell((one.key, Role.STRONG)),
            cell(_value_of(one)),
            cell((one_line(one.origin, 200), Role.FAINT if one.origin == "default" else Role.ACCENT)),
        ]
        for one in found
    ]
    return table(COLUMNS, rows, room)


def _value_of(setting: SettingLine) -> str:
    now = _value(setting.value)
    return now if setting.after_restart is None else f"{now} ({_value(setting.after_restart)} after a restart)"


def _value(value: Any) -> str:
    if value is None or value in ("", [], ()):
        return "-"
    if isinstance(value, list | tuple):
        return one_line(", ".join(str(item) for item in value), 200)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value).lower() if isinstance(value, bool) else one_line(str(value), 200)


def reloaded_lines(done: Reloaded) -> list[Line]:
    """What a reload changed, and what takes effect only after a restart."""
    policy = [line("site policy reloaded: it has changed")] if done.policy_changed else []
    if not done.changed:
        return policy or [line("settings and site policy reloaded: nothing changed")]
    lines = [
        *policy,
        line(f"settings reloaded: {count(len(done.changed), 'value')} changed: ", ", ".join(done.changed)),
    ]
    if done.need_restart:
        names = ", ".join(done.need_restart)
        lines.append(line(symbol("!", Role.WARNING), (f"effective only after a restart: {names}", Role.WARNING)))
    return lines
