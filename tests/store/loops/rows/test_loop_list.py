"""What is listed of loops beyond their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.loops.rows import loop_list, loops as loop_rows
from ftl2_enterprise.protocol.loops.facts import LoopRested
from ftl2_enterprise.protocol.loops.nouns import Condition, LoopRemediation
from tests.support.data.database import spec, started_loop
from tests.support.data.facts import sample

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


@pytest.mark.parametrize(
    ("remediation", "condition", "only_reports"),
    [
        (LoopRemediation.NEVER, Condition.DRIFTED, True),
        (LoopRemediation.NEVER, Condition.IN_SYNC, False),
        (LoopRemediation.AUTO, Condition.DRIFTED, False),
    ],
)
def test_a_drifted_loop_that_may_repair_nothing_is_marked(
    db: Store, remediation: LoopRemediation, condition: Condition, *, only_reports: bool
) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        loop_rows.move_loop(tx, loop.id, generation, sample(LoopRested), next_run_at=tx.now + 1)
        loop_rows.change_loop(tx, loop.id, condition=condition, spec=spec(remediation=remediation))
    with db.read() as tx:
        (line,), _ = loop_list.lines(tx, Table(), finished=False, before=None, limit=9)
    assert line.only_reports is only_reports
