"""Completion files, and the candidates that they ask for."""

from __future__ import annotations

import pytest

from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
)
from ftl2_enterprise.protocol.loops.replies import (
    LoopPage,
    PromptLine,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListLoops,
    ListPrompts,
)
from tests.support.data import builders


def test_the_completion_files_ask_for_names(service, ctl):
    service.on(
        ListLoops,
        LoopPage(
            loops=[
                builders.loop_line("web"),
                builders.loop_line("db", id=2, state=LoopState.PAUSED, desired=Desired.PAUSE),
            ]
        ),
    )
    service.on(ListPrompts, [PromptLine(prompt=builders.prompt(3), loop="web")])
    assert ctl("__complete", "", "show")[1] == "web\trunning\ndb\tpaused\n"
    assert ctl("__complete", "w", "show")[1] == "web\trunning\n"
    assert ctl("__complete", "", "resume")[1] == "db\tpaused\n"
    assert ctl("__complete", "", "pause")[1] == "web\trunning\n"
    assert ctl("__complete", "", "submit")[1] == ":files\n"
    assert ctl("__complete", "", "answer", "3")[1] == "yes\nno\n"
    assert ctl("__complete", "--fi", "submit")[1].startswith("--file\t")
    assert ctl("__complete", "", "submit", "-f")[1] == ":files\n"


def test_completion_without_a_service_still_knows_the_commands(tmp_path, ctl):
    none = str(tmp_path / "none")
    assert ctl("__complete", "", "--socket", none, "pause")[1] == ""
    assert ctl("__complete", "pau", "--socket", none)[1].startswith("pause\t")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_file_of_each_shell(ctl, shell):
    assert ctl("completion", shell)[1].splitlines()[0 if shell != "zsh" else 1] == f"# {shell} completion for ftl2ctl"
