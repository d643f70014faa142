"""Log files: whole lines from several writers, rotated by size, read while they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.facts import (
    ActionFailed,
    ActionSucceeded,
    IterationStarted,
    LoopConverged,
    LoopCreated,
    LoopDeleted,
    LoopDrifted,
    LoopRested,
    LoopStarted,
)
from ftl2_enterprise.protocol.service.verbs import LogLine
from ftl2_enterprise.supervisor.logs import files
from ftl2_enterprise.supervisor.logs.event_log_files import CURSOR, FactLog
from ftl2_enterprise.supervisor.logs.files import append, path_of, previous
from ftl2_enterprise.supervisor.logs.read import Follower, last_lines
from ftl2_enterprise.supervisor.logs.record import decode, encode, for_eyes, of_event
from tests.support.data.facts import Noted, event

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.fact import Fact

AT = 1_700_000_000_123_000


def _line(message: str, **fields: object) -> LogLine:
    return LogLine(at=AT, level="info", message=message, source="loop:web", fields=dict(fields))


def _messages(lines: list[LogLine]) -> list[str]:
    return [line.message for line in lines]


def test_a_line_is_read_back_unchanged() -> None:
    line = _line("action.failed", action=3, error="two\nlines", nested={"a": [1]})
    assert decode(encode(line)) == line
    assert encode(line).count(b"\n") == 1


def test_a_line_has_a_bound_and_keeps_both_ends() -> None:
    line = decode(encode(_line("x", traceback="begin" + "-" * 1_000_000 + "end")))
    assert line.fields["traceback"].startswith("begin")
    assert line.fields["traceback"].endswith("end")
    assert len(line.fields["traceback"]) < 40_000


def test_displayed_lines_show_fields_and_tracebacks() -> None:
    line = LogLine(
        at=AT,
        level="error",
        message="internal error 1f",
        source="control",
        fields={"crash": "1f", "host": "a b", "next_run_at": AT, "reason": None, "traceback": "Traceback: x"},
    )
    at = "2023-11-14T22:13:20.123Z"
    expected = f'22:13:20 control  error: internal error 1f crash=1f host="a b" next_run_at={at}\nTraceback: x'
    assert for_eyes(line) == expected


def test_a_full_file_is_kept_once(tmp_path: Path) -> None:
    path = path_of(tmp_path, "loop:17")
    one = encode(_line("x" * 100))
    for _ in range(25):
        append(path, one, max_bytes=10 * len(one))
    assert path.stat().st_size == 5 * len(one)
    assert previous(path).stat().st_size == 10 * len(one)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_truncated_line_does_not_damage_the_next_one(tmp_path: Path) -> None:
    path = path_of(tmp_path, "loop:17")
    path.write_bytes(encode(_line("first")) + b'{"at":"2026-')
    append(path, encode(_line("second")), 1000)
    assert [line.message for line in last_lines(tmp_path, "loop:17", 10)] == ["first", '{"at":"2026-', "second"]


WRITER = """
import sys
from pathlib import Path
from ftl2_enterprise.protocol.service.verbs import LogLine
from ftl2_enterprise.supervisor.logs.files import append
from tests.support.data.facts import Noted, event
from ftl2_enterprise.supervisor.logs.record import encode
who = sys.argv[2]
for n in range(500):
    append(Path(sys.argv[1]), encode(LogLine(at=1, level="info", message=f"{who} {n}", source=who)), 20_000_000)
"""


def test_several_processes_write_whole_lines_in_their_order(tmp_path: Path) -> None:
    path = path_of(tmp_path, "loop:1")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(who)]) for who in range(3)]
    follower = Follower(tmp_path, "loop:1", 10_000)
    seen: list[str] = []
    while any(writer.poll() is None for writer in writers):
        seen += _messages(follower.more())
    seen += _messages(follower.more())
    follower.close()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    for who in range(3):
        assert [text for text in seen if text.startswith(f"{who} ")] == [f"{who} {n}" for n in range(500)]


def test_a_follower_gets_every_line_over_rotations(tmp_path: Path) -> None:
    path = path_of(tmp_path, "loop:1")
    append(path, encode(_line("0")), 400)
    follower = Follower(tmp_path, "loop:1", 10)
    seen = _messages(follower.more())
    for n in range(1, 60):
        append(path, encode(_line(str(n))), 400)
        seen += _messages(follower.more())
        seen += _messages(follower.more())
    assert seen == [str(n) for n in range(60)]
    follower.close()


def test_the_last_lines_reach_back_into_the_full_file(tmp_path: Path) -> None:
    path = path_of(tmp_path, "")
    for n in range(30):
        append(path, encode(_line(str(n))), 2_000)
    assert previous(path).exists()
    kept = [str(n) for n in range(30)]
    shown = _messages(last_lines(tmp_path, "", 1000))
    assert shown == kept[-len(shown) :]
    assert len(shown) > 20
    assert _messages(last_lines(tmp_path, "", 2)) == ["28", "29"]
    assert last_lines(tmp_path, "", 0) == []
    assert last_lines(tmp_path, "loop:99", 10) == []


def test_long_files_are_read_from_their_end(tmp_path: Path) -> None:
    path = path_of(tmp_path, "")
    path.write_bytes(b"".join(encode(_line("x" * 500, n=n)) for n in range(2000)))
    shown = last_lines(tmp_path, "", 300)
    assert [line.fields["n"] for line in shown] == list(range(1700, 2000))


# --- facts ---------------------------------------------------------------------------------------------------------


class Facts:
    """An event log in memory."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def add(self, *what: type[Fact], subject: str = "loop:1") -> None:
        for one in what:
            number = len(self.all) + 1
            self.all.append(event(one, id=number, at=AT + number, subject=subject))

    def log(self, directory: Path) -> FactLog:
        return FactLog(
            directory=directory,
            max_bytes=1_000_000,
            read=lambda cursor, limit: [fact for fact in self.all if fact.id > cursor][:limit],
            newest=lambda: self.all[-1].id if self.all else 0,
            name_of=lambda subject: f"web{subject.partition(':')[2]}" if subject else None,
        )


def _ids(directory: Path, subject: str = "loop:1") -> list[int]:
    return [line.fields["event"] for line in last_lines(directory, subject, 10_000)]


def test_facts_from_the_first_start_on_are_logged_once_each(tmp_path: Path) -> None:
    facts = Facts()
    facts.add(LoopCreated)
    log = facts.log(tmp_path)
    assert not log.catch_up()
    assert _ids(tmp_path) == []
    facts.add(LoopStarted, ActionFailed)
    facts.add(Noted, subject="")
    log.catch_up()
    log.catch_up()
    facts.add(LoopConverged)
    facts.log(tmp_path).catch_up()
    assert _ids(tmp_path) == [2, 3, 5]
    assert _ids(tmp_path, "") == [4]
    (_, failed, _) = last_lines(tmp_path, "loop:1", 10)
    assert (failed.level, failed.source, failed.fields["iteration"]) == ("warning", "loop:web1", 1)


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_logger_that_died_midway_loses_and_repeats_nothing(tmp_path: Path, written: int) -> None:
    facts = Facts()
    facts.log(tmp_path).catch_up()
    facts.add(Noted, Noted, Noted)
    # What a killed reader leaves: some lines, perhaps half of one, and the cursor of before.
    lines = [encode(of_event(fact, "web1")) for fact in facts.all]
    path_of(tmp_path, "loop:1").write_bytes(b"".join(lines[:written]) + b"".join(lines[written : written + 1])[:20])
    log = facts.log(tmp_path)
    log.catch_up()
    found = [line.fields.get("event") for line in last_lines(tmp_path, "loop:1", 10)]
    assert [event for event in found if event] == [1, 2, 3]


def test_lines_of_other_processes_do_not_hide_logged_facts(tmp_path: Path) -> None:
    facts = Facts()
    facts.log(tmp_path).catch_up()
    facts.add(Noted, Noted)
    log = facts.log(tmp_path)
    log.catch_up()
    (tmp_path / CURSOR).write_text("0")
    for n in range(100):
        append(path_of(tmp_path, "loop:1"), encode(_line("output", n=n)), 100_000)
    facts.add(Noted)
    facts.log(tmp_path).catch_up()
    events = [line.fields.get("event") for line in last_lines(tmp_path, "loop:1", 1000)]
    assert [event for event in events if event] == [1, 2, 3]


def test_a_full_disk_delays_facts_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Facts()
    log = facts.log(tmp_path)
    log.catch_up()
    facts.add(Noted, Noted)
    facts.add(Noted, subject="loop:2")
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[: len(data) // 2 + 10])

    monkeypatch.setattr(files.os, "write", half)
    assert not log.catch_up()
    monkeypatch.undo()
    log.catch_up()
    events = [line.fields.get("event") for line in last_lines(tmp_path, "loop:1", 1000)]
    assert [event for event in events if event] == [1, 2]
    assert [event for event in _ids(tmp_path, "loop:2") if event] == [3]


def test_a_log_that_cannot_be_written_does_not_block_the_others(tmp_path: Path) -> None:
    facts = Facts()
    log = facts.log(tmp_path)
    log.catch_up()
    path_of(tmp_path, "loop:1").mkdir()
    facts.add(Noted)
    facts.add(Noted, subject="loop:2")
    log.catch_up()
    assert _ids(tmp_path, "loop:2") == [2]


def test_a_restored_database_is_logged_from_its_start(tmp_path: Path) -> None:
    facts = Facts()
    facts.log(tmp_path).catch_up()
    facts.add(Noted, Noted, Noted)
    facts.log(tmp_path).catch_up()
    restored = Facts()
    restored.add(Noted)
    log = restored.log(tmp_path)
    log.catch_up()
    restored.add(Noted)
    log.catch_up()
    assert (tmp_path / CURSOR).read_text().strip("0\n") == "2"
    # The numbers of facts that only the log remembers are given again.
    assert _ids(tmp_path) == [1, 2, 3, 2]
    restored.add(Noted)
    restored.log(tmp_path).catch_up()
    assert _ids(tmp_path) == [1, 2, 3, 2, 3]


def test_the_log_of_a_deleted_loop_is_deleted(tmp_path: Path) -> None:
    facts = Facts()
    log = facts.log(tmp_path)
    log.catch_up()
    facts.add(LoopCreated)
    log.catch_up()
    assert path_of(tmp_path, "loop:1").exists()
    facts.add(LoopDeleted)
    log.catch_up()
    assert not path_of(tmp_path, "loop:1").exists()


def test_many_facts_are_read_in_several_batches(tmp_path: Path) -> None:
    facts = Facts()
    log = facts.log(tmp_path)
    log.catch_up()
    facts.add(*[Noted] * 1200)
    assert log.catch_up()
    while log.catch_up():
        pass
    assert _ids(tmp_path) == list(range(1, 1201))


@pytest.mark.parametrize(
    ("kind", "fields", "level"),
    [
        (LoopStarted, {"run": 1, "resumed": False}, "info"),
        (LoopStarted, {"run": 7, "resumed": True}, "info"),
        (LoopStarted, {"run": 7, "resumed": False}, "debug"),
        (LoopConverged, {"run": 1, "changed": 0}, "info"),
        (LoopConverged, {"run": 7, "changed": 2}, "info"),
        (LoopConverged, {"run": 7, "changed": 0}, "debug"),
        (LoopRested, {"failures": 0}, "debug"),
        (LoopRested, {"failures": 1, "outcome": "not_converged"}, "warning"),
        (LoopDrifted, {}, "info"),
        (ActionSucceeded, {"changed": True}, "info"),
        (ActionFailed, {}, "warning"),
        (IterationStarted, {}, "debug"),
    ],
)
def test_noop_iterations_do_not_fill_the_journal(kind, fields, level):
    assert of_event(event(kind, **fields), "web").level == level
