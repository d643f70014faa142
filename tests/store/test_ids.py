"""An id is given once: what belonged to a loop that is gone is never mistaken for what belongs to another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Integer, func, select, text

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.handlers import table as handlers
from ftl2_enterprise.loops.rows import (
    hosts as host_rows,
    loop_deletion,
    loops as loop_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.protocol.loops import verbs
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.store.schema import metadata
from tests.support.data.database import ask, begun_iteration, caller_for, one_of_each, spec

if TYPE_CHECKING:
    from sqlalchemy import Table

    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

WRITES = handlers.WRITES
NUMBERED = {
    name: table for name, table in metadata.tables.items() if "id" in table.c and isinstance(table.c.id.type, Integer)
}
APPEND_ONLY = {"events"}
"""Nothing is ever deleted there, so the highest id is never free again."""


def do(db: Store, request: Request[object]) -> object:
    with db.write() as tx:
        return WRITES[type(request)].call(request, *caller_for(request)).execute(tx)


def newest(tx: Tx, table: Table) -> int:
    return int(tx.connection.execute(select(func.max(table.c.id))).scalar_one())


def of_a_new_loop(tx: Tx) -> dict[str, int]:
    """The ids of a row in every table, all of the same loop."""
    tx.connection.execute(text("DELETE FROM disabled_rules"))
    tx.connection.execute(text("DELETE FROM handovers"))
    one_of_each(tx)
    return {name: newest(tx, table) for name, table in NUMBERED.items()}


def test_each_table_with_ids_counts_on_or_loses_no_row() -> None:
    assert len(NUMBERED) >= 11
    counting = {name for name, table in NUMBERED.items() if table.dialect_options["sqlite"]["autoincrement"]}
    assert counting == NUMBERED.keys() - APPEND_ONLY


def test_ids_of_a_deleted_loop_are_not_given_again(db: Store) -> None:
    with db.write() as tx:
        given = of_a_new_loop(tx)
    do(db, verbs.CancelLoop(loop="web"))
    do(db, verbs.DeleteLoop(loop="web"))
    with db.write() as tx:
        for name, now in of_a_new_loop(tx).items():
            assert now > given[name], name


def test_the_id_of_a_host_or_resource_that_was_removed_is_not_given_again(db: Store) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
        host = host_rows.upsert_host(tx, loop.id, "web1", ansible_host=None, ansible_port=None)
        resource = host_rows.upsert_resource(tx, loop.id, "disk1", {})
        assert host_rows.remove_host(tx, loop.id, "web1")
        assert host_rows.remove_resource(tx, loop.id, "disk1")
        assert host_rows.upsert_host(tx, loop.id, "web2", ansible_host=None, ansible_port=None).id > host.id
        assert host_rows.upsert_resource(tx, loop.id, "disk2", {}).id > resource.id


@pytest.mark.parametrize("verb", [verbs.AnswerPrompt(prompt=1, answer="80"), verbs.DismissPrompt(prompt=1)])
def test_a_late_answer_does_not_reach_the_question_of_another_loop(db: Store, verb: Request[object]) -> None:
    with db.write() as tx:
        assert ask(tx, begun_iteration(tx, "gone")) == 1
    do(db, verbs.CancelLoop(loop="gone"))
    do(db, verbs.DeleteLoop(loop="gone"))
    with db.write() as tx:
        other = ask(tx, begun_iteration(tx, "other"))
    word = "answer" if isinstance(verb, verbs.AnswerPrompt) else "dismiss"
    with pytest.raises(Problem) as refused:
        do(db, verb)
    assert refused.value.message == f"cannot {word} prompt 1: the loop that asked is deleted"
    assert (refused.value.code, refused.value.hint) == (
        Code.NOT_FOUND,
        "`prompts` lists those that are open",
    )
    with db.read() as tx:
        assert prompt_rows.get_prompt(tx, other).state is PromptState.OPEN


@pytest.mark.parametrize("number", [2, 2**63 - 1, 2**63, 10**40])
def test_a_prompt_that_never_existed_is_not_found(db: Store, number: int) -> None:
    with db.write() as tx:
        ask(tx, begun_iteration(tx))
    with pytest.raises(Problem) as refused:
        do(db, verbs.AnswerPrompt(prompt=number, answer="80"))
    assert refused.value.message == f"cannot answer prompt {number}: there is no such prompt"
    with pytest.raises(Problem) as refused, db.read() as tx:
        prompt_rows.get_prompt(tx, number)
    assert refused.value.message == f"cannot find the prompt {number}"


def test_a_number_is_an_id_and_not_the_beginning_of_a_name(db: Store) -> None:
    with db.write() as tx:
        gone = loop_rows.create_loop(tx, spec("gone"))
        loop_rows.create_loop(tx, spec(f"{gone.id}st-floor"))
        loop_deletion.delete_loop(tx, gone.id)
    for verb in (verbs.PauseLoop, verbs.StopLoop, verbs.StartLoop, verbs.CancelLoop, verbs.DeleteLoop):
        with pytest.raises(Problem, match=f'cannot find the loop "{gone.id}"') as refused:
            do(db, verb(loop=str(gone.id)))
        assert refused.value.code is Code.NOT_FOUND
    with db.read() as tx:
        assert loop_rows.get_loop(tx, f"{gone.id}s").name == "1st-floor"
