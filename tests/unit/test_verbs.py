"""A reader finds every verb by the name of its request in four places, without any exception.

`RunLoopNow` is declared in the protocol, handled by the function `run_loop_now`, made by the command that declares it
in `verbs`, and covered by the test of that command. `docs/reference/verbs.md` lists the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docs import verb_table
from ftl2_enterprise.commandline import finder
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.service.verbs import Render
from ftl2_enterprise.protocol.verb import name_of
from ftl2_enterprise.store.unit import Unit
from ftl2_enterprise.supervisor.control.freezes import READS
from ftl2_enterprise.supervisor.control.system import SYSTEM
from ftl2_enterprise.supervisor.control.watches import WATCHES
from ftl2_enterprise.wiring import views
from ftl2_enterprise.wiring.capabilities import capabilities
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

OF_CAPABILITIES = [
    handlers for one in capabilities() for handlers in (one.handlers.reads, one.handlers.writes, one.handlers.system)
]
HANDLERS = {
    verb: handler
    for handlers in (*OF_CAPABILITIES, READS, SYSTEM, WATCHES, views.RENDERS)
    for verb, handler in handlers.items()
}
PLACES = finder.places(FTL2CTL)
VERBS = sorted(CATALOGUE)
OF_COMMANDS = sorted(set(CATALOGUE) - {name_of(Render)})
"""The fast path makes the other one, for every command that is a view."""


@pytest.mark.parametrize("verb", VERBS)
def test_the_protocol_declares_its_request_once(verb):
    request = CATALOGUE[verb]
    assert request.__module__.startswith("ftl2_enterprise.protocol.")
    assert request.__module__.endswith(".verbs")
    source = (REPOSITORY / f"{request.__module__.replace('.', '/')}.py").read_text()
    assert source.count(f"class {request.__name__}(") == source.count(f'tag="{verb}"') == 1


@pytest.mark.parametrize("verb", VERBS)
def test_its_handler_is_the_request_in_lower_case(verb):
    handler = HANDLERS[CATALOGUE[verb]]
    function = handler.function if isinstance(handler, Unit) else handler
    assert function.__name__ == verb_table.handler_name(CATALOGUE[verb])


def source_of(command: str) -> Path:
    return REPOSITORY / f"{PLACES[command].module.replace('.', '/')}.py"


def file_of_test(command: str) -> Path:
    *folders, file = PLACES[command].module.split(".")
    return REPOSITORY.joinpath("tests", "integration", *folders[1:], f"test_{file}.py")


@pytest.mark.parametrize("verb", OF_COMMANDS)
def test_a_command_declares_it_and_the_test_of_the_command_covers_it(verb):
    request = CATALOGUE[verb]
    commands = verb_table.commands_of(request)
    assert commands
    for command in commands:
        assert request.__name__ in source_of(command).read_text()
    assert any(request.__name__ in file_of_test(command).read_text() for command in commands)


@pytest.mark.parametrize("command", sorted(PLACES))
def test_every_command_has_a_test_of_its_name(command):
    assert file_of_test(command).is_file()


def test_the_page_of_verbs_is_fresh():
    assert verb_table.PAGE.read_text() == verb_table.document(), "run `make reference`"
