"""A desired state that is changed while an action runs: nothing begins with the earlier one, whatever is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.nouns import Condition, Mode
from ftl2_enterprise.protocol.loops.verbs import GetHistory, UpdateLoop
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
version: 1
name: web
steps:
  - name: first
    check: {{command: "test -e {at}/first"}}
    action: {{module: command, params: {{cmd: "touch {at}/began; until test -e {at}/go; do sleep 0.05; done; \
touch {at}/first"}}}}
  - name: second
    check: {{command: "test -e {at}/{second}"}}
    action: {{module: command, params: {{cmd: "touch {at}/{second}"}}}}
"""


@pytest.mark.parametrize("killed", [None, "loop:web", "writer", "control", "root"])
def test_no_action_of_the_earlier_revision_begins(tmp_path: Path, killed: str | None) -> None:
    at = tmp_path / "effects"
    at.mkdir()
    with daemon(tmp_path) as service:
        service.start()
        loop = service.submit("web", TEXT.format(at=at, second="old"), mode=Mode.CONTINUOUS, interval=600.0)
        until((at / "began").exists)
        spec = msgspec.structs.replace(service.loop("web").spec, desired_state=TEXT.format(at=at, second="new"))
        now = service.call(UpdateLoop(loop="web", spec=spec, based_on=1))
        assert (now.id, now.revision, now.taken_revision) == (loop.id, 2, 1)
        if killed == "root":
            assert service.process is not None
            service.process.kill()
            service.wait()
            service.spawn()
        elif killed is not None:
            service.kill(killed)
        (at / "go").touch()
        until(service.answers, seconds=60)
        until((at / "new").exists, seconds=60)
        until(lambda: service.loop("web").condition is Condition.IN_SYNC, seconds=60)
        assert not (at / "old").exists()
        history = service.call(GetHistory(loop="web", actions=True))
        first, *others = history.iterations
        assert (first.revision, first.run) == (1, 1)
        assert (first.error or "").startswith("the desired state was changed by ")
        assert {(one.revision, one.run > 1) for one in others} == {(2, True)}
        states = [str(one.state) for one in history.actions if one.iteration_id == first.id]
        assert states[0] in {"succeeded", "unknown"}
        assert states[1:] == ["skipped"]
