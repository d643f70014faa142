"""The log file of commands: errors and log records, which may quote what a host wrote."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ftl2_enterprise.core.settings.sections import Level
from ftl2_enterprise.render import crash_report

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "a\x1b]0;t\x07\x1b[31m\x9b1m\x00\u202e b"


def test_the_log_file_has_no_control_characters(tmp_path: Path) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        crash_report.configure(Level.INFO, tmp_path)
        logging.getLogger("test").warning("output: %s", HOSTILE)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    problem = crash_report.record(ValueError(HOSTILE), tmp_path)
    text = crash_report.log_path(tmp_path).read_text()
    assert text.count("a\ufffd1m\ufffd\ufffd b") == 2
    assert problem.message.rpartition(" ")[2] in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)
