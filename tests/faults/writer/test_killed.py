"""The writer is killed at every point: nothing that was acknowledged is lost, and nothing is done twice."""

from __future__ import annotations

import asyncio
import time

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.supervisor.writer.async_client import WriterClient
from ftl2_enterprise.supervisor.writer.frames import Committed
from tests.support.service.ledger import Entries, Worker, enter
from tests.support.service.writing import WriterProcess, writer_process

POINTS = [
    FaultPoint.WRITER_TOOK,
    FaultPoint.WRITER_UNIT_DONE,
    FaultPoint.BEFORE_COMMIT,
    FaultPoint.AFTER_COMMIT,
    FaultPoint.WRITER_COMMITTED,
    FaultPoint.WRITER_ACKNOWLEDGED,
]


def wait_for(workers: list[Worker]) -> None:
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
        if worker.failure is not None:
            raise worker.failure


@pytest.mark.parametrize("point", POINTS)
def test_work_is_executed_once_when_the_writer_is_killed_at_a_fault_point(tmp_path, database, point):
    # Pruning at the start is a commit, too, and no batch; the fault comes while there is work.
    with writer_process(tmp_path, database, fault=f"{point}#5=kill") as writer:
        links = [writer.link() for _ in range(4)]
        workers = [Worker(link, f"w{n}", 25) for n, link in enumerate(links)]
        for worker in workers:
            worker.start()
        assert writer.ended() == -9
        writer.start()
        wait_for(workers)
        for link in links:
            link.close()
    every = [(f"w{who}", n) for who in range(4) for n in range(25)]
    assert Entries(database).of == dict.fromkeys(every, 1)
    assert sorted(entry for worker in workers for entry in worker.acknowledged) == sorted(every)


def test_work_of_32_clients_survives_repeated_kills(tmp_path, database):
    with writer_process(tmp_path, database) as writer:
        links = [writer.link() for _ in range(32)]
        workers = [Worker(link, f"w{n}", 100) for n, link in enumerate(links)]
        for worker in workers:
            worker.start()
        kills = 0
        while any(worker.is_alive() for worker in workers):
            before = sum(len(worker.acknowledged) for worker in workers)
            until_more(workers, before + 200)
            # What is acknowledged is in the file, for every reader at any time.
            promised = [entry for worker in workers for entry in tuple(worker.acknowledged)]
            writer.kill()
            kills += 1
            found = Entries(database).of
            assert all(found[entry] == 1 for entry in promised)
            writer.start()
        wait_for(workers)
        assert kills >= 5
        for link in links:
            link.close()
    assert Entries(database).of == {(f"w{who}", n): 1 for who in range(32) for n in range(100)}


def until_more(workers: list[Worker], count: int) -> None:
    deadline = time.monotonic() + 60
    while sum(len(one.acknowledged) for one in workers) < count and any(one.is_alive() for one in workers):
        assert time.monotonic() < deadline
        time.sleep(0.001)


async def test_many_in_flight_over_one_connection_survive_a_kill(tmp_path, database):
    with writer_process(tmp_path, database, fault=f"{FaultPoint.WRITER_COMMITTED}#3=kill") as writer:
        client = WriterClient(writer.address)
        notices = []
        notified = asyncio.Event()

        def notice(committed: Committed) -> None:
            notices.append(committed)
            notified.set()

        client.subscribe(notice)
        client.start()

        async def one(n: int) -> int:
            return await client.execute([enter.call("control", n)], actor=f"uid{n % 3}")

        working = asyncio.gather(*(one(n) for n in range(1000)))
        assert await asyncio.to_thread(writer.ended) == -9
        writer.start()
        ids = await working
        last = await client.execute([enter.call("control", 1000)])
        while notices[-1].event < last:
            notified.clear()
            await asyncio.wait_for(notified.wait(), 20)
        await client.close()
    entries = Entries(database)
    assert entries.of == {("control", n): 1 for n in range(1001)}
    assert entries.actors == {"uid0", "uid1", "uid2", None}
    # Each got the result of its own unit, also those whose first acknowledgement was lost.
    assert len(set(ids)) == 1000
    assert notices[-1] == Committed(last, wakes=False)


def test_without_a_writer_the_client_fails_in_time_and_nothing_is_written(tmp_path, database):
    writer = WriterProcess(tmp_path, database)
    try:
        link = writer.link(patience=0.3)
        with pytest.raises(Problem, match=r"no answer for 0.3 seconds") as caught:
            link.execute([enter.call("w", 1)])
        assert caught.value.code is Code.UNAVAILABLE
        link.close()
    finally:
        writer.close()
    assert not Entries(database).of


def test_without_a_socket_the_client_fails_in_time(tmp_path):
    writer = WriterProcess(tmp_path, tmp_path / "none.db")
    writer.close()
    (tmp_path / "writer.sock").unlink()
    with pytest.raises(Problem) as caught:
        writer.link(patience=0.2).execute([enter.call("w", 1)])
    assert caught.value.code is Code.UNAVAILABLE


async def test_without_a_writer_the_asynchronous_client_fails_in_time(tmp_path, database):
    writer = WriterProcess(tmp_path, database)
    client = WriterClient(writer.address, patience=0.2)
    client.start()
    try:
        with pytest.raises(Problem, match=r"no answer for 0.2 seconds"):
            await client.execute([enter.call("w", 1)])
    finally:
        await client.close()
        writer.close()
