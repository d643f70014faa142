"""Lines of logs: what a host wrote controls no terminal, and cannot be taken for another line."""

from __future__ import annotations

import pytest

from ftl2_enterprise.protocol.service.verbs import LogLine
from ftl2_enterprise.supervisor.logs.record import decode, encode, for_eyes, with_fields

HOSTILE = "a\x1b]0;t\x07\x1b[31m\x9b1m\x00\u202e\x7f\r\n00:00:00 control  forged"
SHOWN = "a\ufffd1m\ufffd\ufffd\ufffd 00:00:00 control  forged"


def test_a_message_is_one_line_without_controls() -> None:
    line = LogLine(at=0, level="info", message=HOSTILE, source="loop:web")
    assert for_eyes(line) == f"00:00:00 loop:web  {SHOWN}"
    assert with_fields(line) == SHOWN


@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {HOSTILE: HOSTILE}])
def test_a_field_is_quoted_and_escaped(value: object) -> None:
    shown = with_fields(LogLine(at=0, level="info", message="m", source="s", fields={"error": value}))
    assert shown.startswith("m error=")
    assert all(letter.isprintable() for letter in shown)


def test_a_traceback_keeps_its_lines_and_nothing_else() -> None:
    fields = {"traceback": "Traceback:\n  raise ValueError('\x1b[31m\x9b')"}
    shown = with_fields(LogLine(at=0, level="error", message="m", source="s", fields=fields))
    assert shown == "m\nTraceback:\n  raise ValueError('\ufffd')"


def test_a_line_in_a_file_has_no_controls_and_is_read_as_it_was() -> None:
    line = LogLine(at=0, level="info", message=HOSTILE, source="loop:web", fields={"error": HOSTILE})
    stored = encode(line)
    assert stored.endswith(b"\n")
    assert stored[:-1].decode().isprintable()
    assert decode(stored) == line
