"""`settings`: the settings in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Argument, Command, Example, ValueKind
from ftl2_enterprise.commandline.finder import nearest
from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import GetSettings
from ftl2_enterprise.render.service.settings import settings_table

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession

SETTING = ValueKind(name="setting", names="ftl2_enterprise.ctl.setting_names:settings")


def run(session: CtlSession, given: GivenValues) -> int:
    """List the settings, or those of a section."""
    found = session.call(GetSettings())
    key = given.maybe("key")
    if key is not None:
        below = [one for one in found if one.key == key or one.key.startswith(f"{key}.")]
        if not below:
            close = nearest(key, [one.key for one in found])
            raise not_found(f"cannot find a setting {key!r}", f"did you mean {close}?" if close else None)
        found = below
    session.reply(found, lambda: settings_table(found, session.room))
    return 0


COMMAND = Command(
    summary="List the settings in force and the origin of each value.",
    group=SERVICE,
    run=run,
    verbs=(GetSettings,),
    arguments=(Argument("key", SETTING, "Only this setting, or those of this section.", optional=True),),
    examples=(Example("settings"), Example("settings supervisor")),
)
