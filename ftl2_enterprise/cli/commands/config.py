"""`config show`: every setting, its value and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.text import Role, Span, columns

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import Session


@click.group("config")
def command() -> None:
    """Look at the settings."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(session: Session, *, as_json: bool) -> int:
    """Show each setting, its value and where the value came from."""
    session.wants_json = as_json
    loaded = session.loaded
    sections = msgspec.to_builtins(loaded.settings)
    values = {key: sections[key.partition(".")[0]][key.partition(".")[2]] for key in loaded.origins}
    if as_json:
        result = {key: {"value": value, "origin": loaded.origins[key]} for key, value in values.items()}
        session.out.stream.write(json_output.text(result) + "\n")
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
