"""Clearing the screen."""

from __future__ import annotations

import io

import pytest

from ftl2_enterprise.commandline.values import GivenValues
from ftl2_enterprise.ctl import runner
from ftl2_enterprise.render.colour import Painter


def test_it_is_refused_outside_of_the_shell(ctl):
    status, out, err = ctl("clear")
    assert (status, out) == (2, "")
    assert err.startswith("error: cannot run 'clear' here: it works in the shell only")


@pytest.mark.parametrize(("is_terminal", "written"), [(True, "\x1b[H\x1b[2J\x1b[3J"), (False, "")])
def test_only_a_terminal_is_cleared(is_terminal, written):
    stream = io.StringIO()
    out = Painter(stream=stream, is_terminal=is_terminal, has_colour=False)
    assert runner.run(["clear"], out=out, leading=GivenValues(), is_shell=True) == 0
    assert stream.getvalue() == written
