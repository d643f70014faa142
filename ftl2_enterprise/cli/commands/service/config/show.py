"""`config show`: the settings and where each value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.cli.program import ADMINISTRATION, JSON
from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.render.text import Role, Span, columns

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Show each setting with its value and origin."""
    loaded = session.loaded
    sections = msgspec.to_builtins(loaded.settings)
    values = {key: sections[key.partition(".")[0]][key.partition(".")[2]] for key in loaded.origins}
    if given.has("json"):
        session.document({key: {"value": value, "origin": loaded.origins[key]} for key, value in values.items()})
        return 0
    rows = [[Span(word, Role.FAINT) for word in ("SETTING", "VALUE", "FROM")]]
    for key, value in values.items():
        origin = loaded.origins[key]
        role = Role.FAINT if origin == "default" else Role.ACCENT
        rows.append([Span(key), Span(_shown(value), Role.STRONG), Span(origin, role)])
    session.out.print(columns(rows))
    return 0


def _shown(value: object) -> str:
    return "-" if value is None else msgspec.json.encode(value).decode()


COMMAND = Command(
    summary="Show each setting with its value and origin.",
    group=ADMINISTRATION,
    run=run,
    options=(JSON,),
    examples=(Example("config show"), Example("--config site.toml config show")),
)
