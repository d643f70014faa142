"""The writer amid bad units, full disks, locked databases and clients of every kind: it lives on, as do the rest."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.supervisor.writer.frames import (
    LONGEST,
    Work,
    WriterCall,
    pack,
)
from ftl2_enterprise.supervisor.writer.lane import hello
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import locked_by_another_process, spec
from tests.support.service.ledger import Entries, Worker, break_a_rule, enter, enter_much, refuse, stumble
from tests.support.service.writing import WriterProcess, connected, receive, writer_process

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextlib.contextmanager
def frozen(writer: WriterProcess) -> Generator[None]:
    """What is submitted in the meantime is executed in one batch."""
    writer.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        writer.process.send_signal(signal.SIGCONT)


# --- bad units -----------------------------------------------------------------------------------------------------


def test_a_bad_unit_fails_alone(database, writer):
    answers: dict[str, Problem] = {}
    links = [writer.link() for _ in range(4)]

    class Bad(Worker):
        def __init__(self, number, unit, name):
            super().__init__(links[number], name, 1)
            self._unit = unit

        def run(self):
            try:
                self._writer.execute([enter.call(self._who, 0), self._unit.call(self._who), enter.call(self._who, 1)])
            except Problem as problem:
                answers[self._who] = problem

    bad = [Bad(n, unit, name) for n, (unit, name) in enumerate(
        [(refuse, "refused"), (stumble, "stumbled"), (break_a_rule, "broken")]
    )]  # fmt: skip
    good = Worker(links[3], "good", 5)
    with frozen(writer):
        for worker in (*bad, good):
            worker.start()
    for worker in (*bad, good):
        worker.join(20)
    for link in links:
        link.close()
    assert good.failure is None
    assert Entries(database).of == {("good", n): 1 for n in range(5)}
    refused = answers["refused"]
    assert (refused.code, refused.message, refused.hint) == (
        Code.CONFLICT, "cannot serve refused", "ask another service"
    )  # fmt: skip
    log = writer.log.read_text()
    for name in ("stumbled", "broken"):
        problem = answers[name]
        assert problem.code is Code.INTERNAL
        assert "internal error " in problem.message
        crash_id = problem.message.rpartition(" ")[2]
        assert crash_id in log
        assert name not in problem.message
    assert "ZeroDivisionError: the secret of stumbled" in log


def test_invalid_work_fails_alone(database, writer):
    wrong = [
        Work(0, 1, [WriterCall("tests.support.service.ledger.gone", msgspec.Raw(msgspec.msgpack.encode({})))]),
        Work(
            0,
            2,
            [
                WriterCall(
                    "tests.support.service.ledger.enter", msgspec.Raw(msgspec.msgpack.encode({"who": 1, "n": 1}))
                )
            ],
        ),
        Work(
            0,
            3,
            [WriterCall("tests.support.service.ledger.enter", msgspec.Raw(msgspec.msgpack.encode({"who": "w"})))],
        ),
        Work(0, 4, [WriterCall("tests.support.service.ledger.enter", msgspec.Raw(b"\x81\xa3who" * 5000))]),
        Work(0, 5, [WriterCall("tests.support.service.ledger.enter", msgspec.Raw(b"\x91" * 5000 + b"\x01"))]),
    ]
    right = Work(0, 6, [WriterCall("tests.support.service.ledger.enter", msgspec.Raw(enter.encode(("w", 6), {})))])
    connection = connected(writer, hello(), *(pack(one) for one in wrong[:3]), pack(right))
    answers = receive(connection, 4)
    assert [answer.number for answer in answers] == [1, 2, 3, 6]
    assert [type(answer).__name__ for answer in answers] == ["Failed", "Failed", "Failed", "WorkDone"]
    assert answers[0].message == 'cannot execute "tests.support.service.ledger.gone": there is no such unit of work'
    connection.close()
    for one in wrong[3:]:
        # Arguments that are no msgpack break the frame itself.
        connection = connected(writer, hello(), pack(one))
        with connection:
            connection.settimeout(5)
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                data = b""
            assert not data or b"Failed" not in data
    assert Entries(database).of == {("w", 6): 1}


def test_a_process_whose_claim_is_gone_writes_nothing(database, writer):
    reader = open_database(database, create=False)
    try:
        with reader.write() as tx:
            loop = loop_rows.create_loop(tx, spec())
        first, second = writer.link(), writer.link()
        late = process.claim(reader, loop.id, first)
        now = process.claim(reader, loop.id, second)
        with pytest.raises(Problem, match="another process has claimed it") as caught:
            late.commit(run_units.begin_iteration, loop.id, run=1, in_run=1, budget=1)
        assert caught.value.code is Code.CONFLICT
        now.commit(run_units.begin_iteration, loop.id, run=1, in_run=1, budget=1)
        assert [one.n for one in now.read(loop_rows.get_iterations, loop.id)] == [1]
        first.close()
        second.close()
    finally:
        reader.close()


def test_texts_and_numbers_of_any_kind_are_written(database, writer):
    link = writer.link()
    link.execute([enter.call("\ud800 lone", 3), enter_much.call("long", 1, "x" * 20_000_000)])
    link.close()
    assert Entries(database).of == {("? lone", 3): 1, ("long", 1): 1}


def test_work_that_is_too_long_is_refused_before_it_is_sent(writer, database):
    link = writer.link()
    with pytest.raises(Problem, match="cannot send a message") as caught:
        link.execute([enter_much.call("long", 1, "x" * (LONGEST + 1))])
    assert caught.value.code is Code.INVALID
    link.execute([enter.call("short", 1)])
    link.close()
    assert Entries(database).of == {("short", 1): 1}


# --- the database --------------------------------------------------------------------------------------------------


def test_a_locked_database_fails_what_is_queued_and_nothing_later(database, writer):
    link = writer.link()
    link.execute([enter.call("w", 1)])
    with locked_by_another_process(database), pytest.raises(Problem, match="locked") as caught:
        link.execute([enter.call("w", 2)])
    assert caught.value.code is Code.UNAVAILABLE
    link.execute([enter.call("w", 3)])
    link.close()
    assert Entries(database).of == {("w", 1): 1, ("w", 3): 1}


def test_units_are_refused_until_the_database_exists(tmp_path):
    path = tmp_path / "later.db"
    with writer_process(tmp_path, path) as writer:
        link = writer.link()
        with pytest.raises(Problem, match="does not exist"):
            link.execute([enter.call("w", 1)])
        open_database(path, create=True).close()
        link.execute([enter.call("w", 2)])
        link.close()
    assert Entries(path).of == {("w", 2): 1}


def test_a_full_disk_fails_what_does_not_fit_and_nothing_later(tmp_path, small_disk):
    path = small_disk / "loops.db"
    open_database(path, create=True).close()
    noise = random.Random(1).randbytes(8_000_000).decode("latin-1")
    with writer_process(tmp_path, path) as writer:
        link, other = writer.link(), writer.link()
        link.execute([enter.call("w", 1)])
        big = Worker(other, "unused", 0)
        big.run = lambda: failing(other, noise, failures)
        failures: list[Problem] = []
        small = Worker(link, "s", 3)
        with frozen(writer):
            big.start()
            small.start()
        big.join(20)
        small.join(20)
        (problem,) = failures
        assert problem.code is Code.UNAVAILABLE
        assert "full" in problem.message
        # What was in the same batch fits and is written.
        assert small.failure is None
        (small_disk / "ballast").write_bytes(b"\0" * free(small_disk))
        refused = [one for one in (refusal(link, n) for n in range(100, 1100)) if one is not None]
        assert refused
        assert {one.code for one in refused} == {Code.UNAVAILABLE}
        (small_disk / "ballast").unlink()
        link.execute([enter.call("w", 3)])
        pid = writer.process.pid
        assert writer.process.poll() is None, pid
        link.close()
        other.close()
    found = Entries(path).of
    assert found[("w", 3)] == 1
    assert max(found.values()) == 1
    assert found[("unused", 0)] == 0
    assert [found["s", n] for n in range(3)] == [1, 1, 1]
    assert sum(1 for n in range(100, 1100) if found["w", n]) == 1000 - len(refused)


def failing(link, noise: str, failures: list[Problem]) -> None:
    try:
        link.execute([enter_much.call("unused", 0, noise)])
    except Problem as problem:
        failures.append(problem)


def refusal(link, n: int) -> Problem | None:
    try:
        link.execute([enter.call("w", n)])
    except Problem as problem:
        return problem
    return None


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize
