"""Tables, live lists and colours on a terminal."""

from __future__ import annotations

import pytest

from ftl2_enterprise.protocol.loops.facts import (
    LoopBlocked,
    LoopCreated,
)
from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
)
from ftl2_enterprise.render.text import width
from tests.support.data import builders
from tests.support.scripted.shell_service import works
from tests.support.terminal.screen import INVITE, shell


@pytest.mark.parametrize("columns", [60, 200])
def test_tables_fit_the_terminal(service, tmp_path, columns):
    service.loops += [
        builders.loop_line("数据库-主库-" * 8, id=3),
        builders.loop_line("x" * 70, id=4, state=LoopState.BLOCKED, reason="y" * 150),
    ]
    with shell(service.path, tmp_path, columns=columns) as screen:
        screen.see(INVITE, "running")
        screen.enter("status")
        text = screen.wait(lambda text: text.count(INVITE) == 2)
    rows = [one for one in text.splitlines() if "running" in one or "blocked" in one or "STATE" in one]
    assert len([one for one in rows if one.split()[0] in {"LOOP", "web", "database"}]) == 3
    assert max(width(one) for one in rows) <= columns
    table = [one for one in rows if one.split()[0] not in {"4", "3"}]
    # Nothing has been broken by the terminal: each loop is on one line.
    assert len(table) == 5, text


def test_status_watch_is_updated_until_q(screen, service):
    screen.enter("status --watch")
    screen.see("q quits", "2 loops", "web", "database")
    screen.lose(INVITE)
    service.loops.append(builders.loop_line("third", id=3))
    service.happen(LoopCreated)
    screen.see("3 loops", "third")
    service.loops += [
        builders.loop_line("fourth", id=4, state=LoopState.COMPLETED),
        builders.loop_line("fifth", id=5, state=LoopState.BLOCKED),
    ]
    service.happen(LoopBlocked)
    # The screen can be read while it is drawn: the text at its end shows that it is complete.
    text = screen.see("4 loops: 3 running, 1 blocked", "fifth", "web", "database", "third", "q quits")
    assert text.index("fifth") < text.index("web")
    assert "fourth" not in text
    service.stop()
    screen.see("the service is unreachable, trying again")
    service.start()
    screen.lose("unreachable")
    screen.type("q")
    screen.see(INVITE)
    works(screen)


def test_no_color_switches_colours_off(service, tmp_path):
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE, "2 running")
        screen.enter("status")
        screen.see("in sync")
    assert "\x1b[32m" in screen.raw
    with shell(service.path, tmp_path, NO_COLOR="1") as screen:
        screen.see(INVITE, "2 running")
        screen.enter("status")
        screen.see("in sync")
    colours = [f"\x1b[{code}m" for code in (31, 32, 33, 36)]
    assert not any(code in screen.raw for code in colours)
