"""Clients of the writer of every kind: what they do ends only what is theirs."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from sqlalchemy import text

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.frame import framed
from ftl2_enterprise.supervisor.writer.frames import (
    LONGEST,
    Open,
    Subscribe,
    Work,
    WorkDone,
    WriterCall,
    pack,
)
from ftl2_enterprise.supervisor.writer.lane import Lane, hello
from ftl2_enterprise.wiring.database import open_database
from tests.support.service.ledger import Entries, Worker, enter, enter_much
from tests.support.service.writing import WriterProcess, connected, is_ended, receive, writer_process
from tests.support.waiting import until

if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.writer.sync_client import WriterLink

# --- clients -------------------------------------------------------------------------------------------------------


def test_32_clients_write_concurrently(database, writer):
    links = [writer.link() for _ in range(32)]
    workers = [Worker(link, f"w{n}", 50) for n, link in enumerate(links)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.failure is None
    for link in links:
        link.close()
    assert Entries(database).of == {(f"w{who}", n): 1 for who in range(32) for n in range(50)}


def test_a_client_that_does_not_read_blocks_only_itself(database, writer):
    much = WriterCall(
        "tests.support.service.ledger.enter_much", msgspec.Raw(enter_much.encode(("stuck", 0, "x" * 1000), {}))
    )
    stuck = connected(writer, hello(), pack(Subscribe()))
    sent = 0
    stuck.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        while sent < 100_000:
            stuck.sendall(pack(Work(0, sent + 1, [much])))
            sent += 1
    link = writer.link(patience=10)
    for n in range(200):
        link.execute([enter.call("other", n)])
    link.close()
    stuck.close()
    found = Entries(database).of
    assert [found["other", n] for n in range(200)] == [1] * 200
    # It was stopped long before what it could have sent.
    assert 0 < found["stuck", 0] <= sent + 1 < 100_000


def test_a_subscriber_that_reads_late_gets_the_newest_event_id(database, writer):
    subscriber = connected(writer, hello(), pack(Subscribe()))
    link = writer.link()
    last = 0
    for n in range(500):
        last = link.execute([enter.call("w", n)])
    link.close()
    notices = []
    while not notices or notices[-1].event != last:
        notices += receive(subscriber, 1)
    assert not notices[0].wakes
    assert [one.event for one in notices] == sorted(one.event for one in notices)
    subscriber.close()


def test_clients_that_die_within_a_frame_write_nothing(database, writer):
    frame = pack(
        Work(0, 1, [WriterCall("tests.support.service.ledger.enter", msgspec.Raw(enter.encode(("torn", 1), {})))])
    )
    for cut in range(1, len(frame), 7):
        connected(writer, hello(), frame[:cut]).close()
    link = writer.link()
    link.execute([enter.call("w", 1)])
    link.close()
    assert Entries(database).of == {("w", 1): 1}


OVERSIZED = (LONGEST + 1).to_bytes(4, "big")
NO_FRAMES = {
    "oversized": OVERSIZED + b"x" * 100,
    "the longest length": b"\xff\xff\xff\xff",
    "work before a name": pack(Work(0, 1, [])),
    "a name twice": hello() + hello(),
    "an empty name": pack(Open("")),
    "a name with a dot": pack(Open("a.b")),
    "a message of the other side": pack(WorkDone(0, 1, msgspec.Raw(b"\xc0"))),
    "an empty frame": framed(b""),
    "json": framed(b'{"open": 1}'),
    "deep nesting": framed(b"\x91" * 100_000),
    "bad text": framed(b"\x92\xa1o\xa2\xff\xfe"),
    "a huge array that does not follow": framed(b"\xdd\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", NO_FRAMES)
def test_an_invalid_frame_ends_its_connection(writer, name):
    with connected(writer, NO_FRAMES[name]) as connection:
        assert is_ended(connection)


def test_random_bytes_end_only_their_own_connections(database, writer):
    link = writer.link()
    link.execute([enter.call("w", 0)])
    good = pack(
        Work(0, 1, [WriterCall("tests.support.service.ledger.enter", msgspec.Raw(enter.encode(("fuzz", 1), {})))])
    )
    chance = random.Random(7)
    for n in range(1, 400):
        noise = bytearray(hello() + good)
        for _ in range(chance.randint(1, 12)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        kind = chance.randrange(3)
        data = bytes(noise) if kind == 0 else chance.randbytes(200) if kind == 1 else framed(chance.randbytes(60))
        connected(writer, data).close()
        link.execute([enter.call("w", n)])
    link.close()
    found = Entries(database).of
    assert [found["w", n] for n in range(400)] == [1] * 400


def test_without_free_descriptors_it_keeps_serving_its_connections(tmp_path, database):
    with writer_process(tmp_path, database, descriptors=40) as writer:
        crowd = [connected(writer, hello()) for _ in range(60)]
        until(lambda: "cannot accept a connection" in writer.log.read_text())
        first = Lane(0).submit([enter.call("first", 1)], None)
        crowd[0].sendall(first.frame)
        receive(crowd[0], 1)
        for connection in crowd:
            connection.close()
        link = writer.link(patience=20)
        link.execute([enter.call("last", 1)])
        assert writer.log.read_text().count("cannot accept") < 10
    assert Entries(database).of == {("first", 1): 1, ("last", 1): 1}


def test_another_user_may_not_write(database):
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    # Where everybody can reach the socket, so that it is the writer that refuses.
    place = Path(tempfile.mkdtemp())
    try:
        place.chmod(0o755)
        with writer_process(place, database) as writer:
            (place / "writer.sock").chmod(0o777)
            program = """
                import os, socket, sys
                os.setgroups([]), os.setgid(65534), os.setuid(65534)
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(sys.argv[1])
                try:
                    print(repr(connection.recv(10)))
                except ConnectionResetError:
                    print(repr(b""))
            """
            ran = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(program), writer.address],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
            assert ran.stdout.strip() == "b''"
            assert "of uid 65534: only uid 0 may write" in writer.log.read_text()
    finally:
        shutil.rmtree(place)


# --- what is kept --------------------------------------------------------------------------------------------------


def lanes(path: Path) -> set[str]:
    reader = open_database(path, create=False)
    try:
        with reader.read() as tx:
            return set(tx.connection.execute(text("SELECT client FROM handovers")).scalars())
    finally:
        reader.close()


def test_records_of_ended_clients_are_pruned(tmp_path, database):
    with writer_process(tmp_path, database) as writer:
        with connected(
            writer,
            pack(Open(f"{lease.current()}0/dead")),
            Lane(0).submit([enter.call("d", 1)], None).frame,
        ) as c:
            receive(c, 1)
        link = writer.link()
        link.execute([enter.call("w", 1)])
        assert len(lanes(database)) == 2
        writer.kill()
        writer.start()
        link.execute([enter.call("w", 2)])
        (left,) = lanes(database)
        assert left.startswith(f"{lease.current()}/")
        link.close()


def link_after_sigterm(writer: WriterProcess) -> WriterLink:
    """The link of its last client; it takes no other one any more."""
    link = writer.link()
    link.execute([enter.call("w", 1)])
    writer.process.terminate()
    # A writer that answers a later request has received the signal.
    link.execute([enter.call("w", 2)])
    late = writer.link(patience=0.3)
    with pytest.raises(Problem, match="no answer"):
        # Its connection waits for the next writer.
        late.execute([enter.call("late", 1)])
    late.close()
    return link


def test_after_one_sigterm_it_serves_until_the_last_client_disconnects(tmp_path, database):
    with writer_process(tmp_path, database) as writer:
        link = link_after_sigterm(writer)
        link.execute([enter.call("w", 3)])
        assert writer.process.poll() is None
        link.close()
        assert writer.ended() == 0
    assert Entries(database).of == {("w", n): 1 for n in (1, 2, 3)}


def test_after_two_sigterms_it_ends_at_once(tmp_path, database):
    with writer_process(tmp_path, database) as writer:
        link = link_after_sigterm(writer)
        writer.process.terminate()
        assert writer.ended() == 0
        link.close()
