"""What people approve of a model is executed, with the observations that the service makes by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import ApprovePrompt, ListPrompts
from tests.support.loops.models import fake_claude
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

BODY = """
with open(os.path.join({base!r}, "calls"), "a") as calls:
    calls.write("call\\n")
made = os.path.join({base!r}, "made")
if os.path.exists(made):
    reply(structured_output={{"converged": True, "reasoning": "the file exists"}})
else:
    action = {{"module": "shell", "params": {{"cmd": "touch " + made}}}}
    reply(structured_output={{"reasoning": "the file is missing", "actions": [action]}})
"""
RESTLESS = [
    ObservationSpec(name="host", module="system"),
    ObservationSpec(name="running", module="processes", params={"name": "systemd"}),
    ObservationSpec(name="log", module="journal", params={"lines": 5}),
    ObservationSpec(name="load", module="command", params={"cmd": "uptime"}),
]


@pytest.mark.parametrize("observers", [None, RESTLESS], ids=["default", "restless"])
def test_an_approval_counts_although_the_host_is_never_the_same_twice(
    tmp_path: Path, observers: list[ObservationSpec] | None
) -> None:
    program = fake_claude(tmp_path, BODY.format(base=str(tmp_path)))
    with daemon(tmp_path, more=f'[model]\nprovider = "claude"\ncommand = "{program}"\n') as service:
        service.start()
        spec = {"decider": "claude", "remediation": LoopRemediation.ASK, "observers": observers}
        service.submit("web", "the file exists", **spec)
        service.until_state("web", LoopState.WAITING, LoopState.FAILED)
        (line,) = service.call(ListPrompts())
        # `system` reports whole seconds.
        asked_at = _uptime()
        until(lambda: _uptime() > asked_at + 1)
        service.call(ApprovePrompt(prompt=line.prompt.id))
        done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
        assert done.outcome is Outcome.CONVERGED, done.reason
        # The decision that was approved, and the one after it.
        assert len((tmp_path / "calls").read_text().splitlines()) == 2


def _uptime() -> float:
    with open("/proc/uptime", encoding="ascii") as file:  # noqa: PTH123
        return float(file.read().split()[0])
