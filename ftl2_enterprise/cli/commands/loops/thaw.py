"""`thaw`: end freezes, also when the service is down or does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import JSON, SERVICE
from ftl2_enterprise.commandline.declaration import TEXT, Argument, Command, Example
from ftl2_enterprise.commandline.loops import freezing as options
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """End the freezes that are named."""
    from msgspec.structs import replace  # noqa: PLC0415 - not needed for help

    from ftl2_enterprise.cli.loops import freezing  # noqa: PLC0415
    from ftl2_enterprise.core.freeze import FreezeScope, Thaw  # noqa: PLC0415
    from ftl2_enterprise.render.freezes import freeze_lines, remaining_lines  # noqa: PLC0415
    from ftl2_enterprise.render.json_output import document  # noqa: PLC0415
    from ftl2_enterprise.store.freeze_files import select  # noqa: PLC0415

    files, freeze_id = freezing.files(session), given.maybe("id")
    if freeze_id is not None:
        if any(given.has(name) for name in options.NAMES):
            raise invalid("cannot take an id with another selection", "give only one of them")
        scope, of = FreezeScope.ALL, ""
    else:
        scope, of = freezing.selected(session, given, "thaw")
    chosen = select(files.in_force(), freeze_id, scope, of)
    now, by = SystemClock().now(), freezing.caller()
    for one in chosen:
        files.remove(Thaw(id=one.id, by=by, at=now, gradually=given.has("gradually")))
    ended = [replace(one, ended_at=now, ended_by=by) for one in freezing.records(session, chosen)]
    if given.has("json"):
        session.document([document(one) for one in ended])
    else:
        staying = freezing.records(session, [one for one in files.in_force() if not one.is_over(now)])
        session.out.print([*freeze_lines(ended, now), *remaining_lines(staying, now)])
    return 0


COMMAND = Command(
    summary="End a freeze, also while the service is down or does not answer.",
    group=SERVICE,
    run=run,
    arguments=(Argument("id", TEXT, "Id of the freeze, or its beginning.", optional=True),),
    options=(*options.selection(TEXT), options.GRADUALLY, JSON),
    details="Run it as root or as the user of the service. Everything else is as with `ftl2ctl thaw`.",
    examples=(Example("thaw --all"), Example("thaw 5f3a")),
)
