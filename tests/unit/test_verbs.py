"""A reader finds every verb by its name in four places: the protocol, a handler, a command, and the command's test.

`loop.run-now` is the struct with that tag, the handler `run_now`, the file `run_now.py`, and `test_run_now.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.commandline import finder
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.loops.handlers import table
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.service.verbs import Render
from ftl2_enterprise.protocol.verb import name_of
from ftl2_enterprise.store.unit import Unit
from ftl2_enterprise.supervisor.control.system import SYSTEM
from ftl2_enterprise.supervisor.control.watches import WATCHES
from ftl2_enterprise.wiring import views
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

HANDLERS = {**table.READS, **table.WRITES, **SYSTEM, **WATCHES, **views.RENDERS}
COMMANDS = finder.every_command(FTL2CTL)
PLACES = finder.places(FTL2CTL)
VERBS = sorted(set(CATALOGUE) - {name_of(Render)})
"""The fast path is no separate command."""


def action_of(verb: str) -> str:
    return verb.rpartition(".")[2].replace("-", "_")


def handler_name(verb: str) -> str:
    handler = HANDLERS[CATALOGUE[verb]]
    return handler.function.__name__ if isinstance(handler, Unit) else handler.__name__


@pytest.mark.parametrize("verb", VERBS)
def test_the_protocol_declares_it_in_one_file_of_its_capability(verb):
    struct = CATALOGUE[verb]
    assert struct.__module__.startswith("ftl2_enterprise.protocol.")
    source = (REPOSITORY / f"{struct.__module__.replace('.', '/')}.py").read_text()
    assert source.count(f'tag="{verb}"') == 1


@pytest.mark.parametrize("verb", VERBS)
def test_its_handler_has_its_name(verb):
    assert action_of(verb) in handler_name(verb) or handler_name(verb) in {f"get_{action_of(verb)}"}


def source_of(command: str) -> Path:
    return REPOSITORY / f"{PLACES[command].module.replace('.', '/')}.py"


def file_of_test(command: str) -> Path:
    *folders, file = PLACES[command].module.split(".")
    return REPOSITORY.joinpath("tests", "integration", *folders[1:], f"test_{file}.py")


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_makes_it_and_the_test_of_the_command_covers_it(verb):
    makers = [command.name for command in COMMANDS if CATALOGUE[verb] in command.verbs]
    assert makers
    struct = CATALOGUE[verb].__name__
    assert all(struct in source_of(name).read_text() for name in makers)
    assert any(struct in file_of_test(name).read_text() for name in makers)


@pytest.mark.parametrize("command", sorted(PLACES))
def test_every_command_has_a_test_of_its_name(command):
    assert file_of_test(command).is_file()
