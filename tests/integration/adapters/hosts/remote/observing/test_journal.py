"""Entries of the journal, from what journalctl prints."""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.remote.observing.journal import MESSAGE_LIMIT, since
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve
from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Program = Callable[[str, str], Path]


def printing(*entries: dict[str, object]) -> str:
    return "\n".join(f"printf '%s\\n' {shlex.quote(json.dumps(entry))}" for entry in entries)


def test_entries_have_time_unit_priority_and_message(program: Program) -> None:
    calls = program("journalctl", printing(
        {"__REALTIME_TIMESTAMP": "1764540347123456", "_SYSTEMD_UNIT": "nginx.service", "PRIORITY": "3", "_PID": "9",
         "SYSLOG_IDENTIFIER": "nginx", "MESSAGE": "it failed"},
        {"__REALTIME_TIMESTAMP": "1764540348000000", "MESSAGE": [104, 105, 255]},
        {"__REALTIME_TIMESTAMP": "1764540349000000", "MESSAGE": "x" * 9000},
    ))  # fmt: skip
    found = observe("journal", {"unit": "nginx", "since": "1h", "lines": 20, "priority": "err"})
    assert found["entries"][0] == {
        "time": "2025-11-30T22:05:47Z", "unit": "nginx.service", "identifier": "nginx", "pid": 9, "priority": "err",
        "message": "it failed",
    }  # fmt: skip
    assert found["entries"][1]["message"] == "hi\ufffd"
    assert len(found["entries"][2]["message"]) == MESSAGE_LIMIT
    assert (found["count"], found["changed"]) == (3, False)
    arguments = calls.read_text().splitlines()
    assert {"--no-pager", "--output=json", "--lines=20", "--unit=nginx.service", "--priority=err"} <= set(arguments)
    start = next(int(one.removeprefix("--since=@")) for one in arguments if one.startswith("--since=@"))
    assert abs(time.time() - 3600 - start) < 60


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        ("No journal files were found.", "cannot read the journal: No journal files were found"),
        ("Hint: You are currently not seeing messages from other users and the system.", "this user may not read"),
        ("No journal files were opened due to insufficient permissions.", "insufficient permissions"),
    ],
)
def test_a_journal_that_cannot_be_read_is_not_an_empty_one(program: Program, hint: str, reason: str) -> None:
    # journalctl prints its hints in the formats for people only, and ends with 0.
    program("journalctl", f'case "$*" in *json*) ;; *) echo "{hint}" >&2 ;; esac')
    found = observe("journal", {})
    assert found["failed"]
    assert reason in found["msg"]


def test_an_empty_journal_is_a_result(program: Program) -> None:
    program("journalctl", "exit 0")
    assert observe("journal", {"unit": "nginx"}) == {"changed": False, "count": 0, "entries": []}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 999_910), ("2m", 999_880), ("1d", 913_600), ("1970-01-02", 86_400), ("1970-01-01T00:01:00+00:00", 60),
     ("1970-01-01 00:02", 120), ("1970-01-01T00:01:00Z", 60)],
)  # fmt: skip
def test_the_beginning(text: str, seconds: int) -> None:
    assert since(text, now=1_000_000.5) == seconds


def test_a_date_that_does_not_exist() -> None:
    with pytest.raises(CannotObserve, match="there is no such time"):
        since("2026-02-31", now=0)
