"""What several tests of commands show, and the checks that they share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, Desired, LoopState, Outcome, StoredText
from ftl2_enterprise.protocol.loops.replies import LoopDetail, LoopPage, RuleInfo
from ftl2_enterprise.protocol.loops.rules import RuleBinding
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ShowLoop
from ftl2_enterprise.protocol.service.verbs import SettingLine
from tests.support.data import builders

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from tests.integration.ctl.conftest import Ctl
    from tests.support.scripted.scripted_service import ScriptedService

ACTION = Action(
    id=7,
    loop_id=1,
    iteration_id=12,
    n=1,
    host="db1",
    target="db",
    module="ansible.builtin.service",
    params={"name": "nginx"},
    origin="decision",
    state=ActionState.FAILED,
    changed=None,
    rc=1,
    stdout=StoredText(shown="out...", digest="abc123", size=9000),
    stderr=StoredText(shown="no such unit"),
    output=StoredText(),
    error="it failed",
    started_at=builders.ago(30),
    ended_at=builders.ago(28),
)
RULE = RuleInfo(
    name="repair",
    description="repairs it",
    path="/r/repair.py",
    digest="d",
    enabled=True,
    fired=2,
    last_fired_at=builders.ago(90),
    applies_to=RuleBinding(loops=["web"]),
)
SETTINGS = [
    SettingLine(key="loops.interval", value=45.0, origin="file"),
    SettingLine(key="loops.max_iterations", value=7, origin="file"),
]
STANDING = [
    builders.loop_line("rests", id=6, state=LoopState.RESTING),
    builders.loop_line("paused", id=5, state=LoopState.PAUSED, desired=Desired.PAUSE),
    builders.loop_line("left", id=4, managed=False, pid=None),
    builders.loop_line("failed", id=3, state=LoopState.FAILED),
    builders.loop_line("cancelling", id=2, desired=Desired.CANCEL),
    builders.loop_line("runs", id=1),
]


def converges(service: ScriptedService) -> None:
    """The loop runs when it is read for the first time, and has converged after that."""
    done = builders.loop(state=LoopState.COMPLETED, outcome=Outcome.CONVERGED)
    states = iter([builders.loop()])
    service.on(
        ShowLoop, lambda _request: LoopDetail(loop=next(states, done), process=None, open_prompts=[], last=None)
    )


def check_reply(service: ScriptedService, ctl: Ctl, word: str, verb: type[Any], loop: Loop, line: str) -> None:
    """The command makes this request about the loop that is named, and shows the reply in its words or as JSON."""
    service.on(verb, loop)
    assert ctl(word, "web") == (0, f"{line}\n", "")
    assert service.asked_for(verb)[0].loop == "web"
    status, out, _ = ctl(word, "web", "--json")
    assert (status, json.loads(out)["name"]) == (0, "web")


def check_all(service: ScriptedService, ctl: Ctl, word: str, verb: type[Any], ids: list[str]) -> None:
    """With --all, the command makes its request about those of STANDING that it applies to, oldest first."""
    service.on(ListLoops, LoopPage(loops=STANDING))
    service.on(verb, lambda request: builders.loop(f"loop-{request.loop}"))
    status, out, err = ctl(word, "--all")
    assert (status, err) == (0, "")
    assert [one.loop for one in service.asked_for(verb)] == ids
    assert [text.partition(":")[0] for text in out.splitlines()] == [f"loop-{number}" for number in ids]
