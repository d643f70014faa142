"""A loop that is killed while its action writes 80 MB of output costs control no memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import ListActions
from tests.support.service.effects_oracle import nothing_open
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.service.daemon import Daemon

FLOOD = """\
version: 1
name: flood
steps:
  - name: flood
    check: {{path: {base}/flooded}}
    action:
      module: shell
      params:
        cmd: "touch {base}/begun; test -e {base}/gate || yes 0123456789 | head -c 80000000; touch {base}/flooded"
"""


def resident(pid: int) -> int:
    """Bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def test_a_loop_survives_kills_while_eighty_megabytes_of_output_arrive(service: Daemon, tmp_path: Path) -> None:
    control = service.pids()["control"]
    before = resident(control)
    service.submit("flood", FLOOD.format(base=tmp_path))
    until((tmp_path / "begun").exists)
    old = service.kill("loop:flood")
    (tmp_path / "gate").touch()
    done = service.until_state("flood", LoopState.COMPLETED, LoopState.FAILED)
    assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 1)
    assert service.lines()["flood"].pid != old
    states = [action.state for action in service.call(ListActions(loop="flood")).actions]
    assert states in ([ActionState.SUCCEEDED, ActionState.UNKNOWN], [ActionState.UNKNOWN])
    assert nothing_open(service)
    assert resident(control) - before < 30e6
    assert service.pids()["control"] == control
