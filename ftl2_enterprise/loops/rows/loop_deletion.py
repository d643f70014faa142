"""The deletion of a loop with everything that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from ftl2_enterprise.loops.rows import model_spending, prompts as prompt_rows
from ftl2_enterprise.loops.secret_answers import SecretAnswers
from ftl2_enterprise.loops.tables import (
    TEXT_REFERRERS,
    actions,
    approval_votes,
    approvals,
    hosts,
    increments,
    iterations,
    loop_files,
    loop_revisions,
    loops,
    model_calls,
    model_reservations,
    model_waits,
    observations,
    prompts,
    resources,
    rule_results,
)
from ftl2_enterprise.store import texts

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx


def delete_loop(tx: Tx, loop_id: int) -> None:
    """Delete a loop with all its rows, and the stored texts that no other row refers to."""
    digests = [
        digest
        for table, names in TEXT_REFERRERS
        for name in names
        for digest in tx.connection.execute(
            select(table.c[f"{name}_digest"]).where(
                table.c.loop_id == loop_id, table.c[f"{name}_digest"].is_not(None)
            )
        ).scalars()
    ]
    for table in (
        rule_results, model_waits, model_reservations, model_calls, observations, actions, approval_votes, approvals,
        prompts, iterations, increments, hosts, resources, loop_files,
        loop_revisions,
    ):  # fmt: skip
        tx.connection.execute(delete(table).where(table.c.loop_id == loop_id))
    model_spending.forget_loop(tx, loop_id)
    tx.connection.execute(delete(loops).where(loops.c.id == loop_id))
    texts.collect(tx, digests)
    # If this is not committed after all, the loop asks again.
    SecretAnswers(tx.database).keep_only(prompt_rows.secret_prompts(tx))
