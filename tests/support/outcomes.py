"""A pytest plugin that writes the outcome of each test to a file: `-p tests.support.outcomes --outcomes FILE`.

The file is JSON: {"outcomes": {node id: "passed" | "failed" | "skipped"}, "exit": status}. Workers send their reports
to the process that started them, and only that one writes it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", metavar="FILE", help="write the outcome of each test to this file, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")
    if (path := config.getoption("--outcomes")) and not is_worker:
        config.pluginmanager.register(_Recorder(Path(path)))


class _Recorder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test has up to three reports: a failed teardown makes a failed test, and a skipped setup a skipped one.
        before = self._outcomes.get(report.nodeid)
        if report.failed or before == FAILED:
            self._outcomes[report.nodeid] = FAILED
        elif report.skipped or before == SKIPPED:
            self._outcomes[report.nodeid] = SKIPPED
        else:
            self._outcomes[report.nodeid] = PASSED

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._path.write_text(json.dumps({"outcomes": self._outcomes, "exit": int(exitstatus)}))
