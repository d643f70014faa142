"""Control can start: every verb of every capability has a handler with the same types."""

from __future__ import annotations

from typing import Any, cast

from ftl2_enterprise.supervisor.capability import ControlContext
from ftl2_enterprise.supervisor.control.dispatch import Dispatch, Handlers
from ftl2_enterprise.supervisor.control.main import with_own
from ftl2_enterprise.supervisor.readers.pool import Readers
from ftl2_enterprise.wiring import views
from ftl2_enterprise.wiring.capabilities import capabilities


def test_every_verb_is_handled_as_it_is_declared() -> None:
    found = capabilities()
    nothing = cast("Any", None)
    context = ControlContext(settings=lambda: nothing, store=nothing, readers=Readers(str))
    own = Handlers(renders=views.RENDERS)
    joined = own.joined(*(one.handlers for one in found), *(one.gathers(context) for one in found))
    Dispatch(with_own(joined, cast("Any", object())))
