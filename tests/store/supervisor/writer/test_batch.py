"""What one batch of the writer does, without sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.supervisor.writer import batch
from ftl2_enterprise.supervisor.writer.batch import Batches, merged
from ftl2_enterprise.supervisor.writer.frames import (
    NOTHING,
    Committed,
    Failed,
    Work,
    WorkDone,
    WriterCall,
    decode_to_writer,
    pack_work,
)
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import locked_by_another_process
from tests.support.service.ledger import Entries, break_a_rule, enter, enter_waking, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.unit import UnitCall

CLIENT = "boot:1:1/one"


@pytest.fixture
def batches(db: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    # On a busy machine, a batch may take longer than the default; the test of that limit sets its own.
    monkeypatch.setattr(batch, "LONG", 60.0)
    opened = Batches(lambda: open_database(path, create=False, busy_timeout=0.2))
    yield opened
    opened.close()


def work(number: int, *calls: UnitCall, lane: int = 0, actor: str | None = None) -> Work:
    """As it arrives."""
    found = decode_to_writer(pack_work(calls, lane=lane, number=number, actor=actor)[4:])
    assert isinstance(found, Work)
    return found


def test_the_result_is_that_of_the_last_unit(batches: Batches, path: Path) -> None:
    both = work(1, enter.call("a", 1), enter.call("a", 2), actor="eva (uid 1000)")
    (answer,) = batches.execute([(CLIENT, both)])
    assert answer == WorkDone(0, 1, msgspec.Raw(enter.encode_result(2)))
    assert batches.notice == Committed(2, wakes=False)
    assert Entries(path).of == {("a", 1): 1, ("a", 2): 1}
    assert Entries(path).actors == {"eva (uid 1000)"}


def test_work_without_units_is_acknowledged(batches: Batches) -> None:
    assert batches.execute([(CLIENT, work(1))]) == [WorkDone(0, 1, msgspec.Raw(NOTHING))]
    assert batches.notice is None


def test_an_actor_applies_to_its_work_only(batches: Batches, path: Path) -> None:
    batches.execute([(CLIENT, work(1, enter.call("a", 1), actor="eva")), (CLIENT, work(2, enter.call("a", 2)))])
    assert Entries(path).actors == {"eva", None}


def test_work_submitted_again_is_answered_and_not_executed(batches: Batches, path: Path) -> None:
    first = work(7, enter.call("a", 1))
    (answer,) = batches.execute([(CLIENT, first)])
    assert batches.execute([(CLIENT, first), (CLIENT, first)]) == [answer, answer]
    batches.forget(CLIENT)
    # From the table now, as after a restart.
    assert batches.execute([(CLIENT, first)]) == [answer]
    assert Entries(path).of == {("a", 1): 1}


def test_work_submitted_twice_in_one_batch_is_executed_once(batches: Batches, path: Path) -> None:
    first = work(1, enter.call("a", 1))
    one, other = batches.execute([(CLIENT, first), (CLIENT, first)])
    assert one == other
    assert Entries(path).of == {("a", 1): 1}


def test_work_with_an_older_number_is_not_repeated(batches: Batches, path: Path) -> None:
    batches.execute([(CLIENT, work(2, enter.call("a", 2)))])
    (answer,) = batches.execute([(CLIENT, work(1, enter.call("a", 1)))])
    assert isinstance(answer, Failed)
    assert answer.code is Code.CONFLICT
    assert Entries(path).of == {("a", 2): 1}


def test_lanes_and_clients_have_their_own_numbers(batches: Batches, path: Path) -> None:
    lanes = [(client, lane) for client in (CLIENT, CLIENT + "2") for lane in (0, 1, 11)]
    given = [(client, work(1, enter.call(client, lane), lane=lane)) for client, lane in lanes]
    assert all(isinstance(answer, WorkDone) for answer in batches.execute(given))
    for client in (CLIENT, CLIENT + "2"):
        batches.forget(client)
    again = batches.execute(given)
    assert all(isinstance(answer, WorkDone) for answer in again)
    assert Entries(path).of == dict.fromkeys(lanes, 1)


def test_a_refused_unit_may_be_tried_again_under_its_number(batches: Batches, path: Path) -> None:
    (answer,) = batches.execute([(CLIENT, work(1, enter.call("a", 1), refuse.call("a")))])
    assert answer == Failed(0, 1, Code.CONFLICT, "cannot serve a", "ask another service")
    assert batches.notice is None
    (answer,) = batches.execute([(CLIENT, work(1, enter.call("a", 1)))])
    assert isinstance(answer, WorkDone)
    assert Entries(path).of == {("a", 1): 1}


def test_facts_of_failed_work_are_not_announced(batches: Batches) -> None:
    batches.execute([(CLIENT, work(1, enter.call("a", 1))), (CLIENT, work(2, break_a_rule.call("a")))])
    assert batches.notice == Committed(1, wakes=False)


def test_a_batch_that_takes_long_defers_the_rest(
    batches: Batches, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LONG", -1.0)
    given = [(CLIENT, work(number, enter.call("a", number))) for number in (1, 2, 3)]
    assert [answer.number for answer in batches.execute(given)] == [1]
    assert Entries(path).of == {("a", 1): 1}


def test_with_a_locked_database_the_whole_batch_fails_and_can_be_repeated(batches: Batches, path: Path) -> None:
    given = [(CLIENT, work(number, enter.call("a", number))) for number in (1, 2)]
    with locked_by_another_process(path):
        answers = batches.execute(given)
    assert [(type(answer), answer.number) for answer in answers] == [(Failed, 1), (Failed, 2)]
    assert all(isinstance(answer, WorkDone) for answer in batches.execute(given))
    assert Entries(path).of == {("a", 1): 1, ("a", 2): 1}


def test_an_unknown_unit_is_refused(batches: Batches) -> None:
    wrong = Work(0, 1, [WriterCall("tests.support.service.ledger.gone", msgspec.Raw(b"\x80"))])
    (answer,) = batches.execute([(CLIENT, wrong)])
    assert isinstance(answer, Failed)
    assert answer.code is Code.INVALID


def test_notices_are_merged() -> None:
    assert merged(Committed(3), Committed(2)) == Committed(3, wakes=False)
    assert merged(Committed(3), Committed(2, wakes=True)) == Committed(3, wakes=True)


def test_a_notice_contains_whether_managers_wake(batches: Batches) -> None:
    batches.execute([(CLIENT, work(1, enter.call("a", 1), enter_waking.call(), enter.call("a", 2)))])
    assert batches.notice == Committed(3, wakes=True)
    batches.execute([(CLIENT, work(2, enter.call("a", 3)))])
    assert batches.notice == Committed(4, wakes=False)
    batches.execute([(CLIENT, work(3, enter_waking.call(), refuse.call("a"))), (CLIENT, work(4, enter.call("a", 4)))])
    assert batches.notice == Committed(5, wakes=False)
